//! What the light can show, and what it looks like.
//!
//! [`TABLE`] is the one list of it. The patterns, the names in the log and the table in the README are made from it.
//!
//! Ready is a short flash every three seconds and not darkness, because dark is what a device without power, with a
//! wrong card or with a hung program is. It is short and rare because the device stands beside somebody who reads.

use std::fmt::Write;
use std::time::Duration;

use oratype_hal::time::Timestamp;

/// What the light shows, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// Something does not work.
    Error(Cause),
    /// Speech is being recorded.
    Listening,
    /// Text waits for a host that is away.
    HostAway,
    /// Speech is being recognised, or text typed.
    Working,
    /// The profile of this number is on from now on.
    Profile(u8),
    /// Waiting for the button.
    Ready,
    /// Not ready yet.
    Booting,
}

/// What does not work, as far as its owner can do something about it. The discriminant is the number of flashes:
/// one flash would look like ready, more than eight cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// Something in the settings file cannot be used.
    Settings = 2,
    /// No microphone, or it is gone.
    Microphone = 3,
    /// No USB controller, no gadget, or the keyboard failed.
    Usb = 4,
    /// A recogniser failed, again and again, on a piece of speech.
    Recogniser = 5,
    /// Speech or text had no room.
    TextLost = 6,
    /// The speech model is missing or altered.
    Model = 7,
    /// The button, memory, threads, a fault in the program.
    Other = 8,
}

/// How long an error code is lit and dark for each of its flashes, and the pause that tells one round from the next.
/// Three flashes a second can be counted; eight of them and the pause take four seconds.
const FLASH: Duration = Duration::from_millis(200);
const BETWEEN_FLASHES: Duration = Duration::from_millis(150);
pub(super) const PAUSE: Duration = Duration::from_millis(1200);

/// The same for the number of a profile: so much longer than those that nobody takes one for the other.
const LONG_FLASH: Duration = Duration::from_millis(700);
const BETWEEN_LONG_FLASHES: Duration = Duration::from_millis(350);
/// Nobody counts further. A profile behind these shows as many.
pub(super) const LONG_FLASHES_MAX: u8 = 8;

/// How the light behaves, again and again.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    Steady,
    Blink {
        lit_ms: u64,
        dark_ms: u64,
    },
    /// A pause, then this many flashes.
    Count(u32),
    /// Darkness, then this many long flashes.
    CountLong(u32),
}

impl Pattern {
    fn period(self) -> Duration {
        match self {
            Self::Steady => Duration::from_secs(1),
            Self::Blink { lit_ms, dark_ms } => Duration::from_millis(lit_ms + dark_ms),
            Self::Count(flashes) => PAUSE + flashes * (FLASH + BETWEEN_FLASHES),
            Self::CountLong(flashes) => BETWEEN_LONG_FLASHES + flashes * (LONG_FLASH + BETWEEN_LONG_FLASHES),
        }
    }

    fn is_lit(self, since: Duration) -> bool {
        let period_ns = self.period().as_nanos();
        let at = Duration::from_nanos((since.as_nanos() % period_ns) as u64);
        match self {
            Self::Steady => true,
            Self::Blink { lit_ms, .. } => at < Duration::from_millis(lit_ms),
            Self::Count(_) => at
                .checked_sub(PAUSE)
                .is_some_and(|at| at.as_nanos() % (FLASH + BETWEEN_FLASHES).as_nanos() < FLASH.as_nanos()),
            Self::CountLong(_) => {
                at.as_nanos() % (LONG_FLASH + BETWEEN_LONG_FLASHES).as_nanos()
                    >= BETWEEN_LONG_FLASHES.as_nanos()
            }
        }
    }
}

/// One thing the light can show.
pub struct Row {
    /// When it is shown.
    pub light: Light,
    /// One or two words for the log.
    pub name: &'static str,
    /// What it means, and what to do about it.
    pub meaning: &'static str,
    /// What it looks like; nothing for an error, which is told by its number.
    looks: &'static str,
    pattern: Pattern,
}

/// Everything the light can show.
pub const TABLE: [Row; 13] = [
    Row {
        light: Light::Booting,
        name: "booting",
        meaning: "not ready yet",
        looks: "on for half a second, off for half a second",
        pattern: Pattern::Blink { lit_ms: 500, dark_ms: 500 },
    },
    Row {
        light: Light::Ready,
        name: "ready",
        meaning: "waiting for the button",
        looks: "one very short flash every three seconds",
        pattern: Pattern::Blink { lit_ms: 100, dark_ms: 2900 },
    },
    Row {
        light: Light::Listening,
        name: "listening",
        meaning: "speech is being recorded",
        looks: "steady",
        pattern: Pattern::Steady,
    },
    Row {
        light: Light::Working,
        name: "working",
        meaning: "speech is being recognised, or text typed",
        looks: "flickering, five times a second",
        pattern: Pattern::Blink { lit_ms: 100, dark_ms: 100 },
    },
    Row {
        light: Light::Profile(1),
        name: "profile",
        meaning: "the profile was changed; the number of flashes tells which one is on: 1 prose, 2 code, 3 chat, then \
                  your own in the order of oratype.toml",
        looks: "one or more long flashes, once",
        pattern: Pattern::CountLong(1),
    },
    Row {
        light: Light::HostAway,
        name: "host away",
        meaning: "the computer is unplugged, asleep or not ready; text waits for it",
        looks: "on, with a short gap every two seconds",
        pattern: Pattern::Blink { lit_ms: 1600, dark_ms: 400 },
    },
    error(
        Cause::Settings,
        "error: settings",
        "something in oratype.toml cannot be used; its default is. Shown three times after the start. The status \
         report says what",
    ),
    error(Cause::Microphone, "error: microphone", "no microphone, or nothing comes from it; check its wires"),
    error(
        Cause::Usb,
        "error: USB",
        "the USB port cannot be a keyboard; use the port and cable named under Wiring",
    ),
    error(
        Cause::Recogniser,
        "error: recogniser",
        "a piece of speech could not be recognised, even at the third try: say it again. Or the recogniser does not start, and is tried again",
    ),
    error(
        Cause::TextLost,
        "error: text lost",
        "speech or text had no room; wait until the light is calm, say it again",
    ),
    error(Cause::Model, "error: model", "the speech model is missing or altered; write the card again"),
    error(
        Cause::Other,
        "error: other",
        "a button that cannot be used, no memory, or a fault in Oratype; unplug it and plug it in again",
    ),
];

const fn error(cause: Cause, name: &'static str, meaning: &'static str) -> Row {
    Row { light: Light::Error(cause), name, meaning, looks: "", pattern: Pattern::Count(cause as u32) }
}

impl Row {
    /// What it looks like, in words.
    pub fn looks(&self) -> String {
        match self.light {
            Light::Error(cause) => format!("{} short flashes, a pause", cause as u8),
            _ => self.looks.into(),
        }
    }
}

/// [`TABLE`] as the README shows it.
pub fn readme_table() -> String {
    let mut table = String::from("| light | state | meaning |\n|---|---|---|\n");
    for row in &TABLE {
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {} | {} | {} |", row.looks(), row.name, row.meaning);
    }
    table
}

impl Light {
    /// How long one round of it takes.
    pub(super) fn period(self) -> Duration {
        self.pattern().period()
    }

    fn pattern(self) -> Pattern {
        match self {
            Self::Profile(number) => Pattern::CountLong(number.min(LONG_FLASHES_MAX).into()),
            _ => self.row().pattern,
        }
    }

    /// Its line of the table.
    pub fn row(self) -> &'static Row {
        // All profiles have one.
        let light = if let Self::Profile(_) = self { Self::Profile(1) } else { self };
        // A test goes through every light there is.
        TABLE.iter().find(|row| row.light == light).expect("every light has a row")
    }

    /// Whether the lamp is lit when this has been shown for the time `since`.
    pub fn is_lit(self, since: Duration) -> bool {
        self.pattern().is_lit(since)
    }

    /// One or two words for the log.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// The light over time: every pattern is shown from its beginning, so that flashes can be counted.
#[derive(Clone, Copy, Debug)]
pub struct Lamp {
    light: Light,
    since: Timestamp,
}

impl Lamp {
    /// Shows that the device is booting.
    pub fn new(now: Timestamp) -> Self {
        Self { light: Light::Booting, since: now }
    }

    /// Show this from `now` on; whether that is a change.
    pub fn show(&mut self, light: Light, now: Timestamp) -> bool {
        let changes = light != self.light;
        if changes {
            *self = Self { light, since: now };
        }
        changes
    }

    /// Whether it is lit.
    pub fn is_lit(&self, now: Timestamp) -> bool {
        self.light.is_lit(now.saturating_sub(self.since))
    }
}

impl Cause {
    pub(super) const ALL: [Self; 7] = [
        Self::Settings,
        Self::Microphone,
        Self::Usb,
        Self::Recogniser,
        Self::TextLost,
        Self::Model,
        Self::Other,
    ];

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&cause| cause as u8 == number)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    const ZERO: Timestamp = Timestamp::ZERO;

    #[test]
    fn every_light_has_its_row_and_an_error_as_many_flashes_as_its_number() {
        let states = [Light::Booting, Light::Ready, Light::Listening, Light::Working, Light::HostAway];
        for light in states.into_iter().chain([Light::Profile(1), Light::Profile(u8::MAX)]) {
            assert!(!light.row().looks.is_empty() && !light.name().starts_with("error"));
        }
        for cause in Cause::ALL {
            let light = Light::Error(cause);
            let mut lamp = Lamp::new(ZERO);
            assert!(lamp.show(light, Duration::from_secs(77)) && !lamp.show(light, Duration::from_secs(78)));
            let looks: Vec<bool> = (0..4000).map(|ms| light.is_lit(Duration::from_millis(ms))).collect();
            let period = light.row().pattern.period().as_millis() as usize;
            let flashes = looks[..period].windows(2).filter(|w| !w[0] && w[1]).count();
            assert_eq!(flashes, cause as usize);
            assert!(light.name().starts_with("error: "));
        }
        assert_eq!(TABLE.len(), 6 + Cause::ALL.len());
    }

    /// Whether two lights look alike to somebody who looks every 10 ms, for `look_ms`, from any 50 ms of one round of
    /// each on; with `from_pause`, error codes are looked at from their pause on.
    fn can_be_confused(a: Light, b: Light, look_ms: u64, from_pause: bool) -> bool {
        let looks = |light: Light| {
            let pattern = light.pattern();
            let starts_ms = match (pattern, from_pause) {
                (Pattern::Count(_), true) => 1,
                _ => pattern.period().as_millis() as u64,
            };
            let seen = move |start_ms: u64| -> Vec<bool> {
                let at = |ms| light.is_lit(Duration::from_millis(start_ms + ms));
                (0..look_ms).step_by(10).map(at).collect()
            };
            (0..starts_ms).step_by(50).map(seen).collect::<Vec<_>>()
        };
        let (a, b) = (looks(a), looks(b));
        a.iter().any(|a| b.contains(a))
    }

    /// A state is known after four seconds, whenever one looks up. So is an error code, counted from its pause on;
    /// somebody who looks up in the middle of one sees the next pause and the next whole count within eight seconds.
    #[test]
    fn no_two_patterns_look_alike() {
        let is_error = |light| matches!(light, Light::Error(_));
        for (i, a) in TABLE.iter().enumerate() {
            for b in &TABLE[i + 1..] {
                let both_errors = is_error(a.light) && is_error(b.light);
                let confused = |look_ms, from_pause| can_be_confused(a.light, b.light, look_ms, from_pause);
                assert!(!confused(4000, both_errors), "{} and {}", a.name, b.name);
                assert!(!confused(8000, false), "{} and {}", a.name, b.name);
            }
        }
    }

    /// Whoever has changed the profile looks at the light, and sees it from its beginning.
    #[test]
    fn the_number_of_a_profile_can_be_counted() {
        for number in 1..=LONG_FLASHES_MAX + 1 {
            let light = Light::Profile(number);
            let shown = light.period().as_millis() as u64;
            let looks: Vec<bool> = (0..shown).map(|ms| light.is_lit(Duration::from_millis(ms))).collect();
            let flashes = looks.windows(2).filter(|w| !w[0] && w[1]).count();
            assert_eq!(flashes, usize::from(number.min(LONG_FLASHES_MAX)));
            let other = |other: Light| {
                let differs = |(ms, lit): (u64, &bool)| *lit != other.is_lit(Duration::from_millis(ms));
                (0..).zip(&looks).any(differs)
            };
            let others = TABLE.iter().filter(|row| row.light != Light::Profile(1));
            assert!(others.map(|row| row.light).all(other), "{number}");
        }
    }

    /// The check above must be able to fail.
    #[test]
    fn looking_too_briefly_confuses() {
        assert!(can_be_confused(Light::Listening, Light::Booting, 400, false));
        assert!(can_be_confused(Light::Error(Cause::Usb), Light::Error(Cause::Recogniser), 4000, false));
    }

    proptest! {
        /// The control loop looks at the light every 50 ms; nothing is so short that it would be missed.
        #[test]
        fn nothing_is_too_short_for_the_control_loop(row in 0..TABLE.len(), from_ms in 0..4000_u64) {
            let light = TABLE[row].light;
            let at = |ms: u64| light.is_lit(Duration::from_millis(ms));
            let changes = (from_ms..from_ms + 60).filter(|&ms| at(ms) != at(ms + 1)).count();
            prop_assert!(changes <= 1);
        }
    }

    #[test]
    fn the_readme_has_this_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let readme = fs::read_to_string(&path).unwrap();
        assert!(readme.contains(&readme_table()), "put this into README.md:\n\n{}", readme_table());
    }
}
