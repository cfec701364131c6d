//! What comes from outside never panics, whatever it is: text, names of layouts, settings, lists, reports.
//!
//! Under `cargo test` each target runs on random inputs for a moment. CONTRIBUTING.md tells how a fuzzer that follows
//! the program's branches runs the same targets for as long as one likes.
//!
//! A crate of its own, because a fuzzer has to be linked with every test program of it.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use bolero::check;
use oratype::settings::{Settings, read_snippets, read_vocabulary};
use oratype::typing::{Keymap, LayoutDecoder, Pacing, Preset, Typist, UnicodeEntry};
use oratype_hal::hid::{
    Backspace, Decode, Decoder, HostLeds, Keyboard, KeyboardError, PrintKeyboard, Report,
};
use oratype_hal::time::SimulatedClock;
use oratype_layouts::Layout;

/// How long each target runs under `cargo test`: a few thousand inputs.
const TEST_TIME: Duration = Duration::from_secs(2);

/// One of `all`, by any number.
fn pick<T: Copy>(all: &[T], number: u16) -> T {
    all[usize::from(number) % all.len()]
}

fn keymap(layout: u16, method: u16, plain: bool) -> Keymap {
    let layouts: Vec<_> = Layout::all().collect();
    let method = UnicodeEntry::named(pick(UnicodeEntry::NAMES, method)).unwrap_or_default();
    Keymap::new(pick(&layouts, layout), method, plain)
}

/// Prints what is typed, and is away now and then.
struct Host {
    print: PrintKeyboard<Vec<u8>, LayoutDecoder>,
    absences: Vec<bool>,
    last: Report,
}

impl Keyboard for &mut Host {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        if self.absences.pop().unwrap_or(false) {
            return Err(KeyboardError::HostAway);
        }
        assert_ne!(report, self.last, "a report that says nothing new");
        self.last = report;
        self.print.send(report)
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        self.print.host_leds()
    }
}

/// Any text, on every layout by every way of Unicode entry and at every pace, to a host with any locks that comes and
/// goes: what the keymap says is what it shows, and no key stays down.
#[test]
fn text_to_reports() {
    type Host16 = (u16, u16, bool, u16, u32, bool, Vec<bool>);
    check!().with_type::<(Host16, Vec<u8>)>().with_test_time(TEST_TIME).for_each(|(host, text)| {
        let (layout, method, plain, preset, per_second, caps_lock, absences) = host;
        let text = String::from_utf8_lossy(text);
        let keymap = keymap(*layout, *method, *plain);
        let mut decoder = LayoutDecoder::new(keymap);
        // A lock that has no key is not switched.
        decoder.set_caps_lock(*caps_lock && keymap.layout().has_caps_lock());
        let print = PrintKeyboard::new(Vec::new(), Backspace::Byte, decoder);
        let mut host = Host { print, absences: absences.clone(), last: Report::RELEASED };
        let pacing = Pacing::new(Preset::by_name(pick(Preset::NAMES, *preset)), *per_second);
        let clock = Arc::new(SimulatedClock::new());
        let prepared = keymap.prepare(&text);
        Typist::new(&mut host, clock, keymap, pacing).type_text(&prepared, |_| false, |_| {});
        let expected: String = prepared.chars().flat_map(|c| keymap.typed(c)).collect();
        assert_eq!(String::from_utf8_lossy(host.print.writer()), expected, "{:?}", keymap.layout());
        assert_eq!(host.last, Report::RELEASED);
    });
}

/// Any name of a layout, by itself and in the settings: it is known, or refused in one line, and the US layout serves.
#[test]
fn layout_names() {
    check!().with_test_time(TEST_TIME).for_each(|name| {
        let name = String::from_utf8_lossy(name);
        let known = match name.parse::<Layout>() {
            Ok(layout) => layout.name() == name,
            Err(unknown) => {
                assert!(unknown.to_string().lines().count() == 1);
                assert!(unknown.closest().iter().all(|closest| Layout::named(closest).is_some()));
                false
            }
        };
        let mut settings = Settings::default();
        // As TOML writes any string.
        let quoted: String = name.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
        let problems = settings.apply(&format!("[typing]\nlayout = \"{quoted}\"\n"));
        assert_eq!(problems.is_empty(), known, "{problems:?}");
        let keymap = Keymap::from_settings(&settings.typing);
        assert_eq!(keymap.layout().name(), if known { &name } else { "us" });
    });
}

/// Any settings file, and any lists beside it.
#[test]
fn settings_and_lists() {
    check!().with_test_time(TEST_TIME).for_each(|bytes| {
        for problem in Settings::default().apply(&String::from_utf8_lossy(bytes)) {
            assert_eq!(problem.to_string().lines().count(), 1);
        }
        let _ = (read_snippets(bytes), read_vocabulary(bytes));
    });
}

/// Any reports, to any host.
#[test]
fn reports_to_text() {
    type Host = (u16, u16, bool);
    check!().with_type::<(Host, Vec<[u8; Report::BYTES]>)>().with_test_time(TEST_TIME).for_each(
        |((layout, method, caps_lock), reports)| {
            let mut own = LayoutDecoder::new(keymap(*layout, *method, true));
            own.set_caps_lock(*caps_lock);
            let mut us = Decoder::new();
            for report in reports {
                own.decode(Report::from_bytes(*report)).for_each(drop);
                us.decode(Report::from_bytes(*report)).for_each(drop);
            }
        },
    );
}
