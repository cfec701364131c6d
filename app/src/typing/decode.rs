//! Boot reports back to text, as a host with the settings' layout and Unicode entry reads them.
//!
//! Made of the same tables that Oratype types with, so it shows what is typed and proves nothing: the proof is
//! `tests/layouts`, where libxkbcommon reads the same reports, and this must agree with it.

use std::collections::BTreeMap;

use heapless::Vec;
use oratype_hal::hid::{Decode, HostLeds, Report, Typed, usage};
use oratype_layouts::{CapsLock, KeyPress};

use super::Keymap;
use super::keymap::{Code, UnicodeEntry};

/// What one report can type: six keys, and a code that its modifiers end.
const TYPED_MAX: usize = 7;

/// A key and what is held with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Press {
    usage: u8,
    modifiers: u8,
    hold: u8,
}

impl From<KeyPress> for Press {
    fn from(KeyPress { usage, modifiers, hold, .. }: KeyPress) -> Self {
        Self { usage, modifiers, hold }
    }
}

/// What a press means.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Char(char),
    Dead,
}

/// A host with one layout and one way to enter Unicode.
#[derive(Clone, Debug)]
pub struct LayoutDecoder {
    keymap: Keymap,
    meanings: BTreeMap<Press, (Meaning, CapsLock)>,
    /// What a dead key and what follows it type.
    composed: BTreeMap<(Press, Press), char>,
    /// Ordinary keys that serve as modifiers.
    holds: std::vec::Vec<u8>,
    /// A dead key that waits for its letter.
    dead: Option<Press>,
    code: Option<Code>,
    last: Report,
    leds: HostLeds,
}

impl LayoutDecoder {
    /// For the host that `keymap` types on, nothing pressed and no lock on.
    #[must_use]
    pub fn new(keymap: Keymap) -> Self {
        let mut decoder = Self {
            keymap,
            meanings: BTreeMap::new(),
            composed: BTreeMap::new(),
            holds: std::vec::Vec::new(),
            dead: None,
            code: None,
            last: Report::RELEASED,
            leds: HostLeds::OFF,
        };
        for c in keymap.layout().characters() {
            let mut presses = keymap.layout().presses(c);
            let (Some(first), second) = (presses.next(), presses.next()) else { continue };
            let meaning = if second.is_some() { Meaning::Dead } else { Meaning::Char(c) };
            decoder.meanings.insert(first.into(), (meaning, first.caps_lock));
            if let Some(second) = second {
                decoder.composed.insert((first.into(), second.into()), c);
            }
            if first.hold != usage::NONE && !decoder.holds.contains(&first.hold) {
                decoder.holds.push(first.hold);
            }
        }
        decoder
    }

    /// The press as the layout has it, and what it means: Caps Lock acts on some like Shift.
    fn meaning(&self, press: Press) -> Option<(Press, Meaning)> {
        let turned = Press { modifiers: press.modifiers ^ usage::LEFT_SHIFT, ..press };
        let shifts = |(_, caps): &&(Meaning, CapsLock)| *caps == CapsLock::Shifts;
        if self.leds.caps_lock
            && let Some((meaning, _)) = self.meanings.get(&turned).filter(shifts)
        {
            return Some((turned, *meaning));
        }
        let (meaning, caps) = self.meanings.get(&press)?;
        (!self.leds.caps_lock || *caps == CapsLock::Ignored).then_some((press, *meaning))
    }

    fn character(&self, press: Press) -> Option<char> {
        match self.meaning(press)?.1 {
            Meaning::Char(c) => Some(c),
            Meaning::Dead => None,
        }
    }

    fn press(&mut self, press: Press) -> Typed {
        let key = Typed::Key { usage: press.usage, modifiers: press.modifiers };
        if let Some(typed) = self.enter(press) {
            return typed.map_or(key, Typed::Char);
        }
        if press.usage == usage::BACKSPACE && press.modifiers == 0 {
            return Typed::Backspace;
        }
        let Some((press, meaning)) = self.meaning(press) else {
            match press.usage {
                usage::CAPS_LOCK if self.keymap.layout().has_caps_lock() => self.leds.caps_lock ^= true,
                usage::NUM_LOCK => self.leds.num_lock ^= true,
                _ => {}
            }
            return key;
        };
        match (self.dead.take(), meaning) {
            (Some(dead), _) => self.composed.get(&(dead, press)).copied().map_or(key, Typed::Char),
            (None, Meaning::Char(c)) => Typed::Char(c),
            (None, Meaning::Dead) => {
                self.dead = Some(press);
                key
            }
        }
    }

    /// Whether a press belongs to the entry of a code; and the character, if it is complete.
    fn enter(&mut self, press: Press) -> Option<Option<char>> {
        let entry = self.keymap.entry();
        if self.code.is_none() {
            let shifted = Press { modifiers: usage::LEFT_SHIFT, ..press };
            let starts = match entry {
                UnicodeEntry::None => false,
                UnicodeEntry::Linux => {
                    press.modifiers == usage::LEFT_CTRL | usage::LEFT_SHIFT
                        && self.character(shifted) == Some('U')
                }
                _ => press.modifiers == usage::LEFT_ALT && self.meaning(press).is_none(),
            };
            self.code = starts.then(Code::default);
            if entry == UnicodeEntry::Linux && starts {
                return Some(None);
            }
        }
        let c = self.character(press);
        let code = self.code.as_mut()?;
        if entry == UnicodeEntry::Linux && c == Some(' ') {
            return Some(self.commit());
        }
        code.push(entry, press.usage, c, self.keymap.layout());
        Some(None)
    }

    /// The code is complete.
    fn commit(&mut self) -> Option<char> {
        self.code.take()?.character(self.keymap.entry())
    }

    /// Whether the entry of a code ends because these modifiers came up.
    fn is_ended_by(&self, came_up: u8) -> bool {
        let ends = match self.keymap.entry() {
            UnicodeEntry::Linux => usage::LEFT_SHIFT,
            _ => usage::LEFT_ALT,
        };
        came_up & ends != 0 && self.code.as_ref().is_some_and(|code| !code.is_empty())
    }
}

impl Decode for LayoutDecoder {
    fn decode(&mut self, report: Report) -> impl Iterator<Item = Typed> {
        let mut typed: Vec<Typed, TYPED_MAX> = Vec::new();
        // With too many keys down the report says nothing about any of them.
        if !report.keys.contains(&usage::ERROR_ROLL_OVER) {
            let last = std::mem::replace(&mut self.last, report);
            if self.is_ended_by(last.modifiers & !report.modifiers) {
                typed.extend(self.commit().map(Typed::Char));
            }
            let right_shift = report.modifiers & usage::RIGHT_SHIFT != 0;
            let shift = if right_shift { usage::LEFT_SHIFT } else { 0 };
            let modifiers = report.modifiers & !usage::RIGHT_SHIFT | shift;
            for (slot, usage) in report.keys.into_iter().enumerate() {
                if usage == usage::NONE || last.keys.contains(&usage) || report.keys[..slot].contains(&usage)
                {
                    continue;
                }
                let held = report.keys.iter().find(|key| **key != usage && self.holds.contains(key));
                let hold = held.copied().unwrap_or(usage::NONE);
                // Never full: it has room for a report's six keys and a code.
                let _ = typed.push(self.press(Press { usage, modifiers, hold }));
            }
        }
        typed.into_iter()
    }

    fn leds(&self) -> HostLeds {
        self.leds
    }

    fn set_caps_lock(&mut self, on: bool) {
        self.leds.caps_lock = on;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oratype_hal::hid::conformance::{self, Fixture};
    use oratype_hal::hid::{Backspace, Keyboard, KeyboardError, PrintKeyboard};
    use oratype_hal::time::SimulatedClock;
    use proptest::prelude::*;

    use super::super::{Pacing, Preset, Typist};
    use super::*;

    fn decoder(layout: &str, entry: UnicodeEntry) -> LayoutDecoder {
        LayoutDecoder::new(Keymap::new(layout.parse().unwrap(), entry, false))
    }

    struct Printed(PrintKeyboard<std::vec::Vec<u8>, LayoutDecoder>);

    impl Fixture for Printed {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            &mut self.0
        }
        fn typed(&mut self) -> String {
            String::from_utf8(self.0.writer().clone()).unwrap()
        }
    }

    #[test]
    fn what_prints_it_conforms() {
        let decoder = || decoder("us", UnicodeEntry::None);
        conformance::run(|| Printed(PrintKeyboard::new(std::vec::Vec::new(), Backspace::Byte, decoder())));
    }

    /// What is printed when that text is typed for that host.
    fn printed(layout: &str, entry: UnicodeEntry, caps_lock: bool, text: &str) -> String {
        let mut decoder = decoder(layout, entry);
        decoder.set_caps_lock(caps_lock);
        let keymap = decoder.keymap;
        let mut printed = std::vec::Vec::new();
        let print = PrintKeyboard::new(&mut printed, Backspace::Byte, decoder);
        let clock = Arc::new(SimulatedClock::new());
        Typist::new(print, clock, keymap, Pacing::UNPACED).type_text(text, |_| false, |_| {});
        String::from_utf8(printed).unwrap()
    }

    #[test]
    fn the_settings_host_is_printed() {
        use UnicodeEntry::{Linux, Macos, None, Windows, WindowsHex};
        let cases = [
            ("de", None, "Zürich: ß € @ é à {y}"),
            ("fr", None, "Où ça ? ê ë 1 € AZERTY"),
            ("us:dvorak", None, "Hello, \"Dvorak\"!"),
            ("de:neo", None, "Wie? {ja} \\"),
            ("ru", None, "Привет, мир?"),
            ("us:3l", None, "a\tb"),
            ("us", Linux, "naïve 한 👩\u{200d}💻"),
            ("fr", Linux, "łódź 한"),
            ("us", Windows, "naïve €"),
            ("de", WindowsHex, "łódź 한"),
            ("us", Macos, "naïve 👩"),
        ];
        for (layout, entry, text) in cases {
            for caps_lock in [false, true] {
                assert_eq!(printed(layout, entry, caps_lock, text), text, "{layout} {entry:?} {caps_lock}");
            }
        }
    }

    /// A host that shows its locks late, or never: a lock may be switched in vain, but no code is torn in two for it.
    #[test]
    fn an_entry_is_not_interrupted_for_a_lock() {
        struct Dark<K>(K);
        impl<K: Keyboard> Keyboard for Dark<K> {
            fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
                self.0.send(report)
            }
            fn host_leds(&mut self) -> Option<HostLeds> {
                Some(HostLeds { num_lock: false, caps_lock: true })
            }
        }
        for entry in
            [UnicodeEntry::Linux, UnicodeEntry::Windows, UnicodeEntry::WindowsHex, UnicodeEntry::Macos]
        {
            let mut decoder = decoder("us", entry);
            decoder.set_caps_lock(true);
            let keymap = decoder.keymap;
            let mut printed = std::vec::Vec::new();
            let print = Dark(PrintKeyboard::new(&mut printed, Backspace::Byte, decoder));
            // Slower than lights are trusted to follow.
            let pacing = Pacing::new(Preset::Safe, 1);
            Typist::new(print, Arc::new(SimulatedClock::new()), keymap, pacing).type_text(
                "é",
                |_| false,
                |_| {},
            );
            assert_eq!(String::from_utf8(printed).unwrap(), "é", "{entry:?}");
        }
    }

    /// The decoder of `hal` was written from the HID Usage Tables, and knows the US layout only.
    #[test]
    fn the_us_layout_is_that_of_the_usage_tables() {
        let characters = |typed: &mut dyn Iterator<Item = Typed>| -> std::vec::Vec<_> {
            typed.filter(|typed| !matches!(typed, Typed::Key { .. })).collect()
        };
        for (usage, modifiers) in
            (0..=usage::SLASH).flat_map(|usage| [0, 2, 0x20].map(|shift| (usage, shift)))
        {
            // The twin of Backslash, and Enter, Backspace, Tab or Space with Shift: Oratype types with none of these.
            if usage == 0x32 || (usage::ENTER..=usage::SPACE).contains(&usage) && modifiers != 0 {
                continue;
            }
            let report = Report::key(modifiers, usage);
            let own = characters(&mut decoder("us", UnicodeEntry::None).decode(report));
            let other = characters(&mut oratype_hal::hid::Decoder::new().decode(report));
            assert_eq!(own, other, "{usage:#x} {modifiers:#x}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode(
            index in 0..oratype_layouts::Layout::all().len(),
            entry in prop::sample::select(UnicodeEntry::NAMES),
            reports: Vec8,
        ) {
            let layout = oratype_layouts::Layout::all().nth(index).unwrap();
            let keymap = Keymap::new(layout, UnicodeEntry::named(entry).unwrap(), true);
            let mut decoder = LayoutDecoder::new(keymap);
            for bytes in reports {
                prop_assert!(decoder.decode(Report::from_bytes(bytes)).count() <= TYPED_MAX);
            }
        }
    }

    type Vec8 = std::vec::Vec<[u8; Report::BYTES]>;
}
