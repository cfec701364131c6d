//! The one table of settings: name, type, default, range and explanation of each key.
//!
//! The structs, their defaults, the reader, the commented example and the messages of
//! `settings check` are all made from it. To add a setting, add its line here.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::lists::Snippet;
use super::profiles::Profile;
use crate::listen::ptt::Command;
use crate::typing::{Preset, UnicodeEntry};

/// One `[section]` of the settings file.
pub struct Section {
    /// The name between the brackets.
    pub name: &'static str,
    /// The explanation, one string for each line, each with the space that follows the `#`.
    pub doc: &'static [&'static str],
    /// The keys, in the order of the example.
    pub keys: &'static [Key],
}

/// One key of a section.
pub struct Key {
    /// The name as written in the file, with its unit.
    pub name: &'static str,
    /// The explanation, one string for each line, each with the space that follows the `#`.
    pub doc: &'static [&'static str],
    /// The type, the range, and the field the value goes to.
    pub kind: Kind,
}

/// Finds the field that a key sets.
pub(super) type Field<T> = fn(&mut Settings) -> &mut T;

/// What a key accepts, and the field it sets.
pub enum Kind {
    /// Any text without control characters.
    Text(Field<String>),
    /// One of a few words.
    OneOf(&'static [&'static str], Field<String>),
    /// The name of a keyboard layout.
    Layout(Field<String>),
    /// `true` or `false`.
    Switch(Field<bool>),
    /// A whole number.
    Count(RangeInclusive<u32>, Field<u32>),
    /// A number that may have decimals.
    Decimal(RangeInclusive<f32>, Field<f32>),
    /// A time written as a whole number of milliseconds.
    Milliseconds(RangeInclusive<u32>, Field<Duration>),
    /// A time written as a whole number of seconds.
    Seconds(RangeInclusive<u32>, Field<Duration>),
}

macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {$(
            $(#[doc = $doc:literal])+
            $name:literal $field:ident: $type:ty = $default:expr, $kind:ident($($range:expr)?);
        )+}
    )+) => {
        /// Everything the settings file says, with the default for every key it leaves out.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(
                $(#[doc = $section_doc])+
                pub $section: $Section,
            )+
            /// Spoken phrases and the texts that are typed for them; of two with the same phrase the first counts.
            pub snippets: Vec<Snippet>,
            /// Words and names to favour while decoding.
            pub vocabulary: Vec<String>,
            /// What is different while a profile is in use.
            pub profiles: Vec<Profile>,
        }

        impl Settings {
            /// The defaults, without the profiles that are always there.
            pub(super) fn without_profiles() -> Self {
                Self { $($section: $Section::default(),)+ snippets: Vec::new(), vocabulary: Vec::new(), profiles: Vec::new() }
            }
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { profiles: Profile::built_in(), ..Self::without_profiles() }
            }
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq)]
            pub struct $Section {$(
                $(#[doc = $doc])+
                pub $field: $type,
            )+}

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($field: $default,)+ }
                }
            }
        )+

        /// Every section with its keys, in the order of the example file.
        pub const TABLE: &[Section] = &[$(
            Section {
                name: stringify!($section),
                doc: &[$($section_doc),+],
                keys: &[$(
                    Key {
                        name: $name,
                        doc: &[$($doc),+],
                        kind: Kind::$kind($($range,)? |settings| &mut settings.$section.$field),
                    },
                )+],
            },
        )+];
    };
}

settings! {
    /// The microphone, and how much sound around an utterance is kept.
    audio: Audio {
        /// ALSA name of the PCM to record from, such as "plughw:1,0".
        /// Empty: the board's own microphone.
        "device" device: String = String::new(), Text();
        /// Amplification of the microphone in decibels.
        "gain_db" gain_db: f32 = 0.0, Decimal(-20.0..=60.0);
        /// Sound from before the press that is kept, so that a first word begun too early is whole.
        "pre_roll_ms" pre_roll: Duration = Duration::from_millis(300), Milliseconds(0..=1000);
        /// Longest listening after the release, so that the last word is whole.
        /// It ends earlier once silence is certain.
        "tail_ms" tail: Duration = Duration::from_millis(500), Milliseconds(0..=1500);
    }

    /// The button.
    button: Button {
        /// GPIO it is wired to, by the number of the Raspberry Pi's GPIO, not of the pin: 12, 13, 16, 17
        /// or 22 to 27. The others belong to the microphone and more. A PC has none.
        "gpio" gpio: u32 = 26, Count(0..=27);
        /// How long the contact must be still before a press or a release counts.
        "debounce_ms" debounce: Duration = Duration::from_millis(20), Milliseconds(0..=40);
        /// A press shorter than this is a tap: dictate until the next tap.
        /// A longer one is a hold: dictate until the release.
        "tap_ms" tap: Duration = Duration::from_millis(300), Milliseconds(50..=1000);
        /// What two quick taps do: take back the last dictation, type it once more, press Enter, go on to the next
        /// profile, or nothing. Taps are quick when there is less than tap_ms between them too. Five tell how the
        /// device is.
        "double_tap" double_tap: String = "undo".into(), OneOf(Command::NAMES);
        /// What three quick taps do.
        "triple_tap" triple_tap: String = "retype".into(), OneOf(Command::NAMES);
        /// What four quick taps do.
        "quadruple_tap" quadruple_tap: String = "next-profile".into(), OneOf(Command::NAMES);
    }

    /// The light.
    light: Light {
        /// GPIO it is wired to; the same as for the button, and another one.
        "gpio" gpio: u32 = 16, Count(0..=27);
    }

    /// What happens from the first word to the last.
    dictation: Dictation {
        /// A dictation begun with a tap ends by itself after this much silence. 0: never.
        "end_after_silence_s" end_after_silence: Duration = Duration::from_secs(10), Seconds(0..=300);
        /// When the words of a dictation with pauses are typed. "at-pauses": as soon as they are recognised, while you
        /// still speak. "at-release": all of them at its end.
        "typed" typed: String = "at-pauses".into(), OneOf(&["at-pauses", "at-release"]);
        /// Type a space between one dictation and the next.
        "space_between" space_between: bool = true, Switch();
        /// The profile to begin with: "prose", "code", "chat" or one of your own; see the end of this file.
        "profile" profile: String = "prose".into(), Text();
    }

    /// What the words become.
    text: Text {
        /// Spoken commands, such as "comma" and "new line". "on": wherever they are not meant as words. "alone":
        /// only where nothing else is said between two pauses. "off": never.
        "commands" commands: String = "on".into(), OneOf(&["on", "alone", "off"]);
        /// Capitals and full stops that you did not speak. "sentence": every dictation begins with a capital and
        /// ends with a full stop. "fragment": none does. "auto": it depends on the words and on what is before.
        "sentences" sentences: String = "auto".into(), OneOf(&["auto", "sentence", "fragment"]);
        /// A full stop at the end of a dictation waits this long for another one that goes on with the sentence.
        "full_stop_hold_ms" full_stop_hold: Duration = Duration::from_millis(700), Milliseconds(0..=5000);
        /// Leave out "um", "uh" and the like.
        "drop_fillers" drop_fillers: bool = false, Switch();
        /// Leave out words that were begun twice, as in "the the".
        "drop_repeats" drop_repeats: bool = false, Switch();
        /// Write numbers, times, money and addresses in figures and signs where they came out as words.
        "written_forms" written_forms: bool = false, Switch();
        /// File with snippets, beside this one: a line for each, "spoken phrase = text". On a card its name must
        /// end in ".txt". Empty: none. This name need not exist.
        "snippets" snippets: String = "snippets.txt".into(), Text();
    }

    /// Speech to text.
    recogniser: Recogniser {
        /// Threads that recognise, at most as many as the board sets cores aside for it. 0: as many.
        "threads" threads: u32 = 0, Count(0..=8);
        /// What is doubtful is recognised again. "fast": never, for the words to come sooner. "balanced": once, if
        /// this board is fast enough for it. "best": as often as it takes.
        "quality" quality: String = "balanced".into(), OneOf(&["fast", "balanced", "best"]);
        /// File with words and names that you use, beside this one: one on each line. They are recognised more
        /// readily. Empty: none. This name need not exist.
        "vocabulary" vocabulary: String = "vocabulary.txt".into(), Text();
        /// Recognise what was said whenever the speaker pauses, in case that was all: then the text is there sooner
        /// after the release. When the speaker goes on, that work was for nothing.
        "early" early: bool = true, Switch();
        /// A recognition that takes longer than this hangs: it is stopped and begun again, the second time
        /// with twice as long, the third time with three times.
        "timeout_s" timeout: Duration = Duration::from_secs(20), Seconds(2..=600);
    }

    /// The USB port to the computer.
    usb: Usb {
        /// USB device controller, a name in /sys/class/udc such as "fe980000.usb".
        /// Empty: the board's own.
        "udc" udc: String = String::new(), Text();
    }

    /// The keyboard that Oratype is to the computer.
    typing: Typing {
        /// Keyboard layout that the computer is set to: "us", "de", "fr:bepo". A Mac has layouts of its own: "de:mac".
        "layout" layout: String = "us".into(), Layout();
        /// How the computer takes characters that are not on its layout.
        /// none: not at all; they become plain ones, such as e for é.
        /// linux: Ctrl+Shift+U and the code, in programs with GTK or IBus.
        /// windows: Alt and the code on the keypad; Western European characters.
        /// windows-hex: all up to U+FFFF, where the registry's EnableHexNumpad is "1".
        /// macos: where the input source is Unicode Hex Input; the layout is "us" then.
        "unicode" unicode: String = "none".into(), OneOf(UnicodeEntry::NAMES);
        /// Type curly quotes, long dashes, ellipses and special spaces as plain ones.
        "plain_punctuation" plain_punctuation: bool = true, Switch();
        /// "fast": as fast as the computer takes keys. "safe": with some air between them, for programs that lose
        /// fast keys. "remote": slow, for remote desktops and virtual machines.
        "pacing" pacing: String = "safe".into(), OneOf(Preset::NAMES);
        /// Most characters typed in a second. 0: as many as pacing says (safe: 200, remote: 30).
        "characters_per_second" characters_per_second: u32 = 0, Count(0..=1000);
        /// Whether Enter is pressed after each dictation.
        "enter" enter: String = "never".into(), OneOf(&["never", "always"]);
        /// What was typed longer ago is not taken back any more, because other things may have been typed
        /// since. 0: no limit.
        "undo_within_s" undo_within: Duration = Duration::from_secs(60), Seconds(0..=3600);
    }
}

impl Kind {
    /// What the key accepts, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Self::Text(_) => "text in quotes, without control characters".into(),
            Self::Layout(_) => "a layout of \"oratype layouts\"".into(),
            Self::OneOf(words, _) => {
                words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
            }
            Self::Switch(_) => "true or false".into(),
            Self::Count(range, _) | Self::Milliseconds(range, _) | Self::Seconds(range, _) => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Self::Decimal(range, _) => format!("a number from {} to {}", range.start(), range.end()),
        }
    }

    /// The value that `settings` holds for this key, as it is written in the file.
    #[must_use]
    pub fn written(&self, settings: &Settings) -> String {
        // The table has one accessor per key, and it is for writing: read through a copy.
        let mut settings = settings.clone();
        match self {
            Self::Text(field) | Self::OneOf(_, field) | Self::Layout(field) => {
                toml::Value::from(field(&mut settings).as_str()).to_string()
            }
            Self::Switch(field) => field(&mut settings).to_string(),
            Self::Count(_, field) => field(&mut settings).to_string(),
            Self::Decimal(_, field) => format!("{:?}", field(&mut settings)),
            Self::Milliseconds(_, field) => field(&mut settings).as_millis().to_string(),
            Self::Seconds(_, field) => field(&mut settings).as_secs().to_string(),
        }
    }
}

/// The commented example: every key with its explanation, what it accepts and its default.
#[must_use]
pub fn example() -> String {
    let defaults = Settings::default();
    let mut text = String::from(
        "# Oratype's settings.\n\
         #\n\
         # Every key is optional; what stands here are the defaults. A key that is unknown or whose\n\
         # value is not allowed is reported, and its default is used. To check the file:\n\
         # oratype settings check oratype.toml\n",
    );
    for section in TABLE {
        text += "\n";
        for line in section.doc {
            text += &format!("#{line}\n");
        }
        text += &format!("[{}]\n", section.name);
        for key in section.keys {
            text += "\n";
            for line in key.doc {
                text += &format!("#{line}\n");
            }
            text += &format!("# Allowed: {}.\n", key.kind.allowed());
            text += &format!("{} = {}\n", key.name, key.kind.written(&defaults));
        }
    }
    text + LISTS
}

/// What the example says of the sections that have no keys of their own.
const LISTS: &str = r#"
# Snippets: say the phrase, and the text is typed. "\n" begins a new line. Many of them are better kept in
# the file that text.snippets names.
[snippets]

# "my address" = "1 High Street\nSmalltown"
# "letter to" = "Dear {words},\n"

# Profiles: what is different while one is in use. Say "profile code" to change to it, or tap four times for the
# next one. The keys under [text] may be named, but for text.snippets, and dictation.space_between,
# recogniser.quality, typing.enter, typing.pacing and typing.characters_per_second. The keyboard layout belongs to
# the computer and is the same in all. "prose" (nothing different), "code" and "chat" (Enter after each dictation)
# are there; you may change them, or make your own.
# [profile.notes]
# text.sentences = "fragment"
# recogniser.quality = "best"
# typing.pacing = "remote"
"#;
