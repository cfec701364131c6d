//! Profiles: named sets of settings, to change between while dictating.

use std::sync::LazyLock;
use std::time::Duration;

use super::table::{Section, Settings, TABLE};
use super::{Problem, read};

/// A named set of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name that is spoken, and written after `profile.` in the file.
    pub name: String,
    /// What it sets: section, key, and the value as it is written in the file. A later one counts.
    pub(super) sets: Vec<(&'static str, &'static str, String)>,
}

/// The profiles that are there without any file.
const BUILT_IN: &str = r#"
[profile.prose]
[profile.code]
text.sentences = "fragment"
text.written_forms = true
[profile.chat]
typing.enter = "always"
"#;

/// What sets the speed of typing: section and key.
const PACING: (&str, &str) = ("typing", "pacing");
const SPEED: (&str, &str) = ("typing", "characters_per_second");

impl Profile {
    /// Those that are there without any file.
    pub(super) fn built_in() -> Vec<Self> {
        static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
            let mut none = Settings::without_profiles();
            let problems = read::read(&mut none, BUILT_IN.as_bytes());
            debug_assert_eq!(problems, []);
            none.profiles
        });
        PROFILES.clone()
    }

    /// Whether it sets this.
    fn names(&self, named: (&str, &str)) -> bool {
        self.sets.iter().any(|(section, key, _)| (*section, *key) == named)
    }
}

impl Settings {
    /// For recordings, whose text must not depend on how fast they play: nothing waits for the clock, or is forgotten
    /// by it.
    pub fn ignore_the_clock(&mut self) {
        self.text.full_stop_hold = Duration::ZERO;
        self.typing.undo_within = Duration::ZERO;
        for profile in &mut self.profiles {
            profile.sets.retain(|(section, key, _)| (*section, *key) != ("text", "full_stop_hold_ms"));
        }
    }

    /// As fast as the keyboard takes it, in every profile.
    pub fn ignore_the_pacing(&mut self) {
        self.typing.pacing = "fast".into();
        self.typing.characters_per_second = 0;
        for profile in &mut self.profiles {
            profile.sets.retain(|(section, key, _)| ![PACING, SPEED].contains(&(*section, *key)));
        }
    }

    /// Number of the profile to begin with; behind them all if there is none of its name.
    pub fn first_profile(&self) -> usize {
        let is_first = |profile: &Profile| profile.name == self.dictation.profile;
        self.profiles.iter().position(is_first).unwrap_or(self.profiles.len())
    }

    /// The settings in each profile, with its name, in order; behind them those outside any, which have none. Without
    /// the lists of words, which are the same in all and may be long.
    pub fn by_profile(&self) -> impl Iterator<Item = (&str, Self)> {
        let bare = Self { snippets: Vec::new(), vocabulary: Vec::new(), ..self.clone() };
        let names = self.profiles.iter().map(|profile| profile.name.as_str());
        names.chain([""]).map(move |name| (name, bare.in_profile(name)))
    }

    /// The settings while a profile is in use; as they are when there is none of that name.
    #[must_use]
    pub fn in_profile(&self, name: &str) -> Self {
        let mut settings = self.clone();
        let profile = self.profiles.iter().find(|profile| profile.name == name);
        if profile.is_some_and(|profile| profile.names(PACING)) {
            // The number belongs to the pacing that this one replaces.
            settings.typing.characters_per_second = 0;
        }
        for (section, key, value) in profile.iter().flat_map(|profile| &profile.sets) {
            read::set_written(&mut settings, section, key, value);
        }
        settings
    }
}

/// Whether a profile may set this: only what can change from one dictation to the next. Not so the keyboard layout: it
/// belongs to the computer.
pub(super) fn may_set(section: &str, key: &str) -> bool {
    match section {
        "text" => key != "snippets",
        "dictation" => key == "space_between",
        "typing" => matches!(key, "enter" | "pacing" | "characters_per_second"),
        "recogniser" => key == "quality",
        _ => false,
    }
}

/// What a profile may set, for a message.
pub(super) fn allowed() -> String {
    let keys = |section: &'static Section| {
        section.keys.iter().filter(|key| may_set(section.name, key.name)).map(|key| (section.name, key.name))
    };
    let names = TABLE.iter().flat_map(keys).map(|(section, key)| format!("{section}.{key}"));
    names.collect::<Vec<_>>().join(", ")
}

/// A name that can be spoken.
pub(super) fn is_speakable(name: &str) -> bool {
    name.contains(char::is_alphanumeric)
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '\''))
}

/// As a problem of a line says it.
pub(super) fn unspeakable(line: usize, name: &str) -> Problem {
    Problem {
        line,
        key: format!("profile.{}", name.escape_debug()),
        what: "cannot be spoken".into(),
        allowed: "[profile.NAME], the name of letters, figures and spaces".into(),
    }
}
