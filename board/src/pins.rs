//! Button and light: which GPIO lines, and which the settings may name instead.

use std::fmt;
use std::ops::RangeInclusive;

/// The settings' key for the button's line.
pub const BUTTON_KEY: &str = "button.gpio";
/// The settings' key for the light's line.
pub const LIGHT_KEY: &str = "light.gpio";

/// Button and light of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpio {
    /// What the kernel may call the GPIO chip whose lines these are (`gpiodetect` shows it in brackets).
    pub chip_labels: &'static [&'static str],
    /// The lines without a setting.
    pub pins: Pins,
    /// Whether the button's line is low while it is pressed: it connects to ground, and is pulled up.
    pub button_active_low: bool,
    /// The lines that settings may choose from; `None` where they have no say, because nobody wires such a board.
    pub settable: Option<RangeOfLines>,
}

/// Lines on a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeOfLines {
    /// The last one; the first is 0.
    pub last: u32,
    /// Those that belong to something else.
    pub taken: &'static [Taken],
}

/// Lines of the chip that are in use, or could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The button's.
    pub button: u32,
    /// The light's.
    pub light: u32,
}

/// Lines that belong to something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The first one.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// What they are for, to be read after "belongs to".
    pub owner: &'static str,
}

impl Taken {
    fn lines(&self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

/// A line in the settings that cannot be used. The board's own is used instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinProblem {
    /// `section.key`.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What may stand there instead.
    pub allowed: String,
}

impl fmt::Display for PinProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; allowed: {}", self.key, self.what, self.allowed)
    }
}

impl Gpio {
    /// The lines to use when the settings ask for `asked`, and what is wrong with that.
    ///
    /// A line that belongs to something else must never be requested: the kernel would hand it out, and the
    /// microphone would fall silent without an error. So one that cannot be used is replaced by the board's own.
    pub fn choose(&self, asked: Pins) -> (Pins, Vec<PinProblem>) {
        let Some(settable) = self.settable else { return (self.pins, Vec::new()) };
        let mut problems = Vec::new();
        let mut usable = |key, line, own| match settable.refusal(line) {
            None => line,
            Some(what) => {
                problems.push(PinProblem { key, what, allowed: settable.allowed() });
                own
            }
        };
        let mut pins = Pins {
            button: usable(BUTTON_KEY, asked.button, self.pins.button),
            light: usable(LIGHT_KEY, asked.light, self.pins.light),
        };
        if pins.button == pins.light {
            problems.push(PinProblem {
                key: LIGHT_KEY,
                what: format!(
                    "is {}, which is the button's; {} and {} are used",
                    pins.light, self.pins.button, self.pins.light
                ),
                allowed: settable.allowed(),
            });
            pins = self.pins;
        }
        (pins, problems)
    }
}

impl RangeOfLines {
    /// Why a line cannot be used.
    fn refusal(&self, line: u32) -> Option<String> {
        if line > self.last {
            return Some(format!("is {line}; the header has no such GPIO"));
        }
        let taken = self.taken.iter().find(|taken| taken.lines().contains(&line))?;
        Some(format!("is {line}, which belongs to {}", taken.owner))
    }

    /// The lines that can be used, as a list for people.
    fn allowed(&self) -> String {
        let free: Vec<u32> = (0..=self.last).filter(|&line| self.refusal(line).is_none()).collect();
        let runs = free.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
            [] => String::new(),
            [one] => one.to_string(),
            [first, .., last] => format!("{first} to {last}"),
        });
        runs.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raspberry;

    const ALLOWED: &str = "12 to 13, 16 to 17, 22 to 27";

    fn choose(button: u32, light: u32) -> (u32, u32, Vec<String>) {
        let (pins, problems) = raspberry::GPIO_BCM2835.choose(Pins { button, light });
        (pins.button, pins.light, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn free_lines_are_used() {
        assert_eq!(choose(26, 16), (26, 16, vec![]));
        assert_eq!(choose(17, 27), (17, 27, vec![]));
        // Exchanged, as somebody may solder them.
        assert_eq!(choose(16, 26), (16, 26, vec![]));
    }

    #[test]
    fn a_line_of_something_else_is_refused_by_name() {
        let cases = [
            (19, "button.gpio: is 19, which belongs to the microphone (I2S, GPIO 18 to 21)"),
            (15, "button.gpio: is 15, which belongs to the serial port"),
            (28, "button.gpio: is 28; the header has no such GPIO"),
            (u32::MAX, "button.gpio: is 4294967295; the header has no such GPIO"),
        ];
        for (line, message) in cases {
            assert_eq!(choose(line, 16), (26, 16, vec![format!("{message}; allowed: {ALLOWED}")]));
        }
        let (button, light, problems) = choose(18, 21);
        assert_eq!((button, light, problems.len()), (26, 16, 2));
    }

    #[test]
    fn button_and_light_never_share_a_line() {
        for (button, light) in [(17, 17), (16, 19), (18, 26)] {
            let (button, light, problems) = choose(button, light);
            assert_eq!((button, light), (26, 16));
            assert!(
                problems.last().is_some_and(|problem| problem.contains("which is the button's")),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn whatever_is_asked_what_is_used_is_free() {
        let gpio = raspberry::GPIO_BCM2835;
        let settable = gpio.settable.unwrap();
        for button in 0..40 {
            for light in 0..40 {
                let asked = Pins { button, light };
                let (pins, problems) = gpio.choose(asked);
                assert_eq!(settable.refusal(pins.button), None);
                assert_eq!(settable.refusal(pins.light), None);
                assert_ne!(pins.button, pins.light);
                assert_eq!(problems.is_empty(), pins == asked);
            }
        }
    }
}
