//! Boot reports back to text: what a decoder is, and one for a host with the US layout.
//!
//! It is written from the HID Usage Tables, not from the keymap that Oratype types with, so that typing and decoding
//! check each other.

use super::{HostLeds, Report, usage};

/// US layout from usage 0x04 (`a`) to 0x38 (`/`), without and with Shift. 0 where the key makes no text.
/// Usage 0x32 (non-US `#`) is the backslash key to Linux with the US layout.
const PLAIN: &[u8; 53] = b"abcdefghijklmnopqrstuvwxyz1234567890\n\0\0\t -=[]\\\\;'`,./";
const SHIFTED: &[u8; 53] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()\n\0\0\t _+{}||:\"~<>?";
const FIRST: u8 = 0x04;

/// The keypad from usage 0x54 (`/`) to 0x63 (`.`). Num Lock, or Shift without it, makes digits and `.` of the last
/// eleven; otherwise they move the cursor.
const KEYPAD: &[u8; 16] = b"/*-+\n1234567890.";
const KEYPAD_PLAIN: usize = 5;

/// Either Shift key.
const SHIFT: u8 = usage::LEFT_SHIFT | usage::RIGHT_SHIFT;

/// What one key press does on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A character appears; Enter is `'\n'`.
    Char(char),
    /// The character before the cursor goes.
    Backspace,
    /// No text: Escape, an arrow, Caps Lock, or any key together with Ctrl, Alt or GUI.
    Key {
        /// The usage ID of the key.
        usage: u8,
        /// The modifiers that were down.
        modifiers: u8,
    },
}

impl Typed {
    /// Do it to the end of a text.
    pub fn apply(self, text: &mut String) {
        match self {
            Self::Char(c) => text.push(c),
            Self::Backspace => {
                text.pop();
            }
            Self::Key { .. } => {}
        }
    }
}

/// Turns a stream of reports into what they type on some host.
pub trait Decode: Send {
    /// Take one report: what it types, in order.
    fn decode(&mut self, report: Report) -> impl Iterator<Item = Typed>;

    /// The lock lights.
    fn leds(&self) -> HostLeds;

    /// Caps Lock was switched by another keyboard of the same host.
    fn set_caps_lock(&mut self, on: bool);
}

/// A host with the US layout.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    last: Report,
    leds: HostLeds,
    late_modifiers: bool,
}

impl Decoder {
    /// A host as the specification has it: modifiers count in the report they come in.
    pub const fn new() -> Self {
        Self { last: Report::RELEASED, leds: HostLeds::OFF, late_modifiers: false }
    }

    /// A host that sees a modifier one report late: Shift in the same report as its key has no effect on that
    /// key, as is seen on some Windows hosts and through remote desktops.
    pub const fn with_late_modifiers() -> Self {
        Self { last: Report::RELEASED, leds: HostLeds::OFF, late_modifiers: true }
    }

    /// The lock lights.
    pub const fn leds(&self) -> HostLeds {
        self.leds
    }

    /// Caps Lock was switched by another keyboard of the same host.
    pub const fn set_caps_lock(&mut self, on: bool) {
        self.leds.caps_lock = on;
    }

    /// Num Lock was switched by another keyboard of the same host.
    pub const fn set_num_lock(&mut self, on: bool) {
        self.leds.num_lock = on;
    }

    /// Take one report: what the keys that went down with it type, in the order of their slots.
    pub fn decode(&mut self, report: Report) -> impl Iterator<Item = Typed> + use<> {
        let mut typed = [None; 6];
        // With too many keys down the report says nothing about any of them: the host keeps what it knew.
        if !report.keys.contains(&usage::ERROR_ROLL_OVER) {
            let modifiers =
                if self.late_modifiers { report.modifiers & self.last.modifiers } else { report.modifiers };
            for (slot, key) in report.keys.into_iter().enumerate() {
                let repeated = self.last.keys.contains(&key) || report.keys[..slot].contains(&key);
                if key != usage::NONE && !repeated {
                    typed[slot] = Some(self.press(key, modifiers));
                }
            }
            self.last = report;
        }
        typed.into_iter().flatten()
    }

    fn press(&mut self, key: u8, modifiers: u8) -> Typed {
        match key {
            usage::CAPS_LOCK => self.leds.caps_lock = !self.leds.caps_lock,
            usage::NUM_LOCK => self.leds.num_lock = !self.leds.num_lock,
            _ => {}
        }
        if modifiers & !SHIFT != 0 {
            return Typed::Key { usage: key, modifiers };
        }
        if key == usage::BACKSPACE {
            return Typed::Backspace;
        }
        let shift = modifiers & SHIFT != 0;
        if let Some(i) = key.checked_sub(usage::KEYPAD_SLASH).map(usize::from)
            && let Some(&c) = KEYPAD.get(i)
        {
            return match i < KEYPAD_PLAIN || shift != self.leds.num_lock {
                true => Typed::Char(c.into()),
                false => Typed::Key { usage: key, modifiers },
            };
        }
        let row = if shift { SHIFTED } else { PLAIN };
        match key.checked_sub(FIRST).and_then(|i| row.get(usize::from(i))) {
            Some(c) if c.is_ascii_alphabetic() && self.leds.caps_lock => Typed::Char((c ^ 0x20).into()),
            Some(&c) if c != 0 => Typed::Char(c.into()),
            _ => Typed::Key { usage: key, modifiers },
        }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, report: Report) -> impl Iterator<Item = Typed> {
        Self::decode(self, report)
    }

    fn leds(&self) -> HostLeds {
        Self::leds(self)
    }

    fn set_caps_lock(&mut self, on: bool) {
        Self::set_caps_lock(self, on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(modifiers: u8, keys: &[u8]) -> Report {
        let mut r = Report { modifiers, keys: [0; 6] };
        r.keys[..keys.len()].copy_from_slice(keys);
        r
    }

    fn text(mut decoder: Decoder, reports: &[Report]) -> String {
        let mut text = String::new();
        for &r in reports {
            decoder.decode(r).for_each(|t| t.apply(&mut text));
        }
        text
    }

    #[test]
    fn keys_of_the_usage_tables() {
        // Numbers from the table, not from the constants.
        let cases: &[(u8, u8, char)] = &[
            (0, 0x04, 'a'),
            (2, 0x04, 'A'),
            (0x20, 0x1d, 'Z'),
            (0, 0x1e, '1'),
            (2, 0x1e, '!'),
            (0, 0x27, '0'),
            (2, 0x27, ')'),
            (0, 0x28, '\n'),
            (0, 0x2b, '\t'),
            (2, 0x2d, '_'),
            (0, 0x31, '\\'),
            (2, 0x32, '|'),
            (2, 0x33, ':'),
            (2, 0x34, '"'),
            (2, 0x35, '~'),
            (2, 0x38, '?'),
        ];
        for &(modifiers, key, expected) in cases {
            let typed: Vec<_> = Decoder::new().decode(report(modifiers, &[key])).collect();
            assert_eq!(typed, [Typed::Char(expected)], "key {key:#x} with modifiers {modifiers:#x}");
        }
    }

    #[test]
    fn a_key_that_stays_down_types_once() {
        let reports = [report(0, &[0x04]), report(0, &[0x04]), report(2, &[0x04, 0x05]), Report::RELEASED];
        assert_eq!(text(Decoder::new(), &reports), "aB");
    }

    #[test]
    fn caps_lock_turns_letters_only_and_shift_turns_them_back() {
        let caps = report(0, &[usage::CAPS_LOCK]);
        let reports = [
            caps,
            Report::RELEASED,
            report(0, &[0x04]),
            report(0, &[0x1e]),
            report(2, &[0x05]),
            report(2, &[0x1f]),
            caps,
            report(0, &[0x04]),
        ];
        assert_eq!(text(Decoder::new(), &reports), "A1b@a");
    }

    #[test]
    fn num_lock_and_shift_decide_about_the_keypad() {
        let keys = [report(0, &[0x54]), report(0, &[0x59]), report(0, &[0x63]), Report::RELEASED];
        let shifted = [report(2, &[]), report(2, &[0x59]), Report::RELEASED];
        assert_eq!(text(Decoder::new(), &[&keys[..], &shifted].concat()), "/1");
        let num_lock = [report(0, &[usage::NUM_LOCK]), Report::RELEASED];
        assert_eq!(text(Decoder::new(), &[&num_lock[..], &keys, &shifted].concat()), "/1.");
        let mut decoder = Decoder::new();
        decoder.decode(num_lock[0]).for_each(drop);
        assert_eq!(decoder.leds(), HostLeds { num_lock: true, caps_lock: false });
    }

    #[test]
    fn backspace_removes() {
        let reports = [report(0, &[0x04]), report(0, &[0x05]), report(0, &[0x2a]), report(0, &[0x06])];
        assert_eq!(text(Decoder::new(), &reports), "ac");
    }

    #[test]
    fn shortcuts_are_not_text() {
        let typed: Vec<_> = Decoder::new().decode(report(usage::LEFT_CTRL, &[0x06])).collect();
        assert_eq!(typed, [Typed::Key { usage: 0x06, modifiers: usage::LEFT_CTRL }]);
    }

    #[test]
    fn roll_over_neither_types_nor_releases() {
        let reports = [report(0, &[0x04]), report(0, &[1; 6]), report(0, &[0x04]), Report::RELEASED];
        assert_eq!(text(Decoder::new(), &reports), "a");
    }

    #[test]
    fn late_modifiers_lose_shift_that_comes_with_its_key() {
        let together = [report(2, &[0x04]), Report::RELEASED];
        let ahead = [report(2, &[]), report(2, &[0x04]), Report::RELEASED];
        assert_eq!(text(Decoder::new(), &together), "A");
        assert_eq!(text(Decoder::with_late_modifiers(), &together), "a");
        assert_eq!(text(Decoder::with_late_modifiers(), &ahead), "A");
    }

    proptest! {
        #[test]
        fn any_bytes_decode(reports: Vec<[u8; 8]>) {
            let mut decoder = Decoder::new();
            for bytes in reports {
                prop_assert!(decoder.decode(Report::from_bytes(bytes)).count() <= 6);
            }
        }

        #[test]
        fn reports_survive_the_wire(modifiers: u8, keys: [u8; 6]) {
            let report = Report { modifiers, keys };
            prop_assert_eq!(Report::from_bytes(report.to_bytes()), report);
        }
    }
}
