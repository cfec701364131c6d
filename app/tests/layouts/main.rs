//! Every layout, by round trip: text to reports to key codes to text, through libxkbcommon, which had no part in making
//! the keymaps.

mod host;
mod kernel;

use host::{Data, Host};
use kernel::Kernel;
use oratype::typing::{CapsLock, Keymap, LayoutDecoder, Stroke, UnicodeEntry, press, release};
use oratype_hal::hid::{Decode, Report, Typed, usage};
use oratype_layouts::{Layout, fingerprint, xkb_version};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Random texts for each layout and way of Unicode entry.
const TEXTS: u32 = 16;

/// The reports of some strokes, from nothing held to nothing held; of a fast typist's where one key `rolls_over` into
/// the next.
fn reports(strokes: impl Iterator<Item = Stroke>, rolls_over: bool) -> Vec<Report> {
    let mut sent = Vec::new();
    let mut held = Report::RELEASED;
    for stroke in strokes {
        sent.extend(press(held, stroke, rolls_over));
        held = sent.last().copied().unwrap_or(held);
    }
    sent.extend(release(held));
    sent
}

/// The same of a text, typed twice: with keys that come up before the next goes down, and with keys that do not.
fn text_reports(keymap: &Keymap, text: &str) -> [Vec<Report>; 2] {
    [false, true].map(|rolls_over| reports(text.chars().flat_map(|c| keymap.strokes(c)), rolls_over))
}

/// The strokes of a character while Caps Lock is on; `None` where it has to be off.
fn with_caps_lock(keymap: &Keymap, c: char) -> Option<Vec<Stroke>> {
    let compensated = |stroke: Stroke| match stroke.caps {
        CapsLock::Ignored => Some(stroke),
        CapsLock::Shifts => Some(Stroke { modifiers: stroke.modifiers ^ usage::LEFT_SHIFT, ..stroke }),
        CapsLock::Disturbs => None,
    };
    keymap.strokes(c).map(compensated).collect()
}

/// What `--to print` makes of reports.
fn printed(decoder: &mut LayoutDecoder, reports: impl IntoIterator<Item = Report>) -> String {
    let mut text = String::new();
    for report in reports {
        decoder.decode(report).for_each(|typed: Typed| typed.apply(&mut text));
    }
    text
}

#[test]
fn every_character_of_every_layout_arrives() {
    let data = Data::load();
    let (mut characters, mut disturbed) = (0, 0);
    for layout in Layout::all() {
        let keymap = Keymap::new(layout, UnicodeEntry::None, false);
        let xkb = data.keymap(layout);
        let host = |caps_lock| Kernel::new(Host::new(&data, &xkb, UnicodeEntry::None, caps_lock));
        let (mut host, mut locked_host) = (host(false), host(true));
        let mut print = LayoutDecoder::new(keymap);
        let mut locked_print = print.clone();
        locked_print.set_caps_lock(true);
        for c in layout.characters() {
            let expected = c.to_string();
            assert_eq!(keymap.typed(c).collect::<String>(), expected, "{layout:?}");
            for reports in text_reports(&keymap, &expected) {
                assert_eq!(host.read(reports.iter().copied()), expected, "{layout:?}");
                assert_eq!(printed(&mut print, reports), expected, "{layout:?} printed");
            }
            match with_caps_lock(&keymap, c) {
                Some(strokes) => {
                    let reports = reports(strokes.into_iter(), false);
                    let typed = locked_host.read(reports.iter().copied());
                    assert_eq!(typed, expected, "{layout:?} with Caps Lock");
                    let printed = printed(&mut locked_print, reports);
                    assert_eq!(printed, expected, "{layout:?} with Caps Lock, printed");
                }
                None => disturbed += 1,
            }
            characters += 1;
        }
    }
    eprintln!(
        "{characters} characters of {} layouts, {disturbed} of them disturbed by Caps Lock; xkeyboard-config {}, \
         tables {:016x}",
        Layout::all().len(),
        xkb_version(),
        fingerprint()
    );
}

/// Where the Caps Lock key is something else, nobody presses it to switch Caps Lock.
#[test]
fn the_caps_lock_key_is_known() {
    const CAPS_LOCK: u8 = 58;
    let data = Data::load();
    let without = Layout::all().filter(|layout| {
        let mut host = Host::new(&data, &data.keymap(*layout), UnicodeEntry::None, false);
        host.key(CAPS_LOCK, true);
        host.key(CAPS_LOCK, false);
        assert_eq!(layout.has_caps_lock(), host.locks().0, "{layout:?}");
        !layout.has_caps_lock()
    });
    let without: Vec<_> = without.map(Layout::name).collect();
    eprintln!("without Caps Lock: {}", without.join(", "));
    assert!(["de:neo", "us:3l"].iter().all(|name| without.contains(name)));
}

/// A text of the layout's own characters, of any others, and of those that are hard.
fn texts(layout: Layout) -> impl Strategy<Value = String> {
    let own: Vec<_> = layout.characters().collect();
    let hard = "\n\t\r\u{7}\u{200d}\u{202e}\u{fe0f}\u{301}\u{feff}\u{ffff}\u{10ffff}\u{e000}👩‍💻é́ßﬁ½Ǆấ…“”—€한";
    let hard: Vec<_> = hard.chars().collect();
    let character = prop_oneof![6 => select(own), 2 => any::<char>(), 2 => select(hard)];
    prop::collection::vec(character, 0..40).prop_map(String::from_iter)
}

/// What the keymap says it types is what arrives, and what is printed.
fn check_texts(data: &Data, layouts: impl Iterator<Item = Layout>, methods: &[UnicodeEntry], cases: u32) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng);
    for layout in layouts {
        let xkb = data.keymap(layout);
        for method in methods {
            let print = LayoutDecoder::new(Keymap::new(layout, *method, false));
            let result = runner.run(&(texts(layout), any::<bool>()), |(text, plain)| {
                let keymap = Keymap::new(layout, *method, plain);
                prop_assert_eq!(keymap.layout(), layout);
                let prepared = keymap.prepare(&text);
                let expected: String = prepared.chars().flat_map(|c| keymap.typed(c)).collect();
                for reports in text_reports(&keymap, &prepared) {
                    let mut host = Kernel::new(Host::new(data, &xkb, *method, false));
                    prop_assert_eq!(host.read(reports.iter().copied()), &*expected);
                    prop_assert_eq!(printed(&mut print.clone(), reports), &*expected);
                }
                Ok(())
            });
            result.unwrap_or_else(|error| panic!("{layout:?} {method:?}: {error}"));
        }
    }
}

#[test]
fn random_text_arrives_on_every_layout() {
    check_texts(&Data::load(), Layout::all(), &[UnicodeEntry::None, UnicodeEntry::Windows], TEXTS);
}

#[test]
fn random_text_arrives_on_every_layout_with_hex_codes() {
    check_texts(&Data::load(), Layout::all(), &[UnicodeEntry::Linux, UnicodeEntry::WindowsHex], TEXTS);
}

#[test]
fn random_text_arrives_with_unicode_hex_input() {
    let us = Keymap::default().layout();
    check_texts(&Data::load(), [us].into_iter(), &[UnicodeEntry::Macos], 1000);
}

/// The proof can fail: with one bit of one stroke turned, no character arrives as it was.
#[test]
fn one_wrong_key_is_noticed() {
    let data = Data::load();
    for name in ["us", "de", "fr", "gr", "ru", "jp", "us:intl", "de:neo", "us:mac"] {
        let layout: Layout = name.parse().unwrap_or_else(|error| panic!("{error}"));
        let keymap = Keymap::new(layout, UnicodeEntry::None, false);
        let mut host = Kernel::new(Host::new(&data, &data.keymap(layout), UnicodeEntry::None, false));
        for c in layout.characters() {
            let mut strokes: Vec<_> = keymap.strokes(c).collect();
            if let Some(last) = strokes.last_mut() {
                last.usage ^= 1;
            }
            assert_ne!(host.read(reports(strokes.into_iter(), false)), c.to_string(), "{name}");
        }
    }
}
