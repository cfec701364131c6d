//! How the words are to be written: the settings of one profile, as the composer asks for them.

use std::time::Duration;

use crate::settings::Settings;

/// When spoken commands are obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commands {
    /// Never.
    Off,
    /// Where nothing else is said between two pauses.
    Alone,
    /// Also among words.
    On,
}

/// What is done about capitals and full stops that only the recogniser has put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sentences {
    /// Every dictation is sentences.
    Sentence,
    /// None is.
    Fragment,
    /// What was typed before, and the words, decide.
    Auto,
}

/// The rules of one profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    pub commands: Commands,
    pub sentences: Sentences,
    /// How long a full stop at the end of a dictation waits for further words.
    pub hold: Duration,
    /// Press Enter when a dictation is over.
    pub enter_after: bool,
    pub space_between: bool,
    pub drop_fillers: bool,
    pub drop_repeats: bool,
    pub written_forms: bool,
}

impl From<&Settings> for Rules {
    fn from(settings: &Settings) -> Self {
        let text = &settings.text;
        Self {
            commands: match text.commands.as_str() {
                "off" => Commands::Off,
                "alone" => Commands::Alone,
                _ => Commands::On,
            },
            sentences: match text.sentences.as_str() {
                "sentence" => Sentences::Sentence,
                "fragment" => Sentences::Fragment,
                _ => Sentences::Auto,
            },
            hold: text.full_stop_hold,
            enter_after: settings.typing.enter == "always",
            space_between: settings.dictation.space_between,
            drop_fillers: text.drop_fillers,
            drop_repeats: text.drop_repeats,
            written_forms: text.written_forms,
        }
    }
}
