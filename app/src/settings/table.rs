//! The one table of settings: name, type, default, range and explanation of each key.
//!
//! The structs, their defaults, the reader, the commented example and the messages of
//! `settings check` are all made from it. To add a setting, add its line here.

use std::ops::RangeInclusive;
use std::time::Duration;

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
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Settings {$(
            $(#[doc = $section_doc])+
            pub $section: $Section,
        )+}

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
        /// Type a space between one dictation and the next.
        "space_between" space_between: bool = true, Switch();
    }

    /// Speech to text.
    recogniser: Recogniser {
        /// Threads that recognise. 0: as many as the board sets cores aside for it.
        "threads" threads: u32 = 0, Count(0..=8);
        /// Recognise what was said whenever the speaker pauses, in case that was all: the text is there at the
        /// release. When the speaker goes on, that work was for nothing.
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
        /// Keyboard layout that the computer is set to.
        "layout" layout: String = "us".into(), OneOf(&["us"]);
        /// Pause between two input reports. Raise it if the computer loses letters.
        "report_interval_ms" report_interval: Duration = Duration::from_millis(1), Milliseconds(0..=50);
    }
}

impl Kind {
    /// What the key accepts, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Self::Text(_) => "text in quotes, without control characters".into(),
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
            Self::Text(field) | Self::OneOf(_, field) => {
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
    text
}
