//! Every layout, by round trip: text to reports to key codes to text, through libxkbcommon, which had no part in making
//! the keymaps.

mod host;

use host::{Data, Host};
use oratype::typing::{CapsLock, Keymap, Stroke, UnicodeEntry, press, release};
use oratype_hal::hid::{Report, usage};
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

#[test]
fn every_character_of_every_layout_arrives() {
    let data = Data::load();
    let (mut characters, mut disturbed) = (0, 0);
    for layout in Layout::all() {
        let keymap = Keymap::new(layout, UnicodeEntry::None, false);
        let xkb = data.keymap(layout);
        let host = |caps_lock| Host::new(&data, &xkb, UnicodeEntry::None, caps_lock);
        let (mut host, mut locked_host) = (host(false), host(true));
        for c in layout.characters() {
            let expected = c.to_string();
            assert_eq!(keymap.typed(c).collect::<String>(), expected, "{layout:?}");
            for reports in text_reports(&keymap, &expected) {
                assert_eq!(host.read(reports), expected, "{layout:?}");
            }
            match with_caps_lock(&keymap, c) {
                Some(strokes) => {
                    let typed = locked_host.read(reports(strokes.into_iter(), false));
                    assert_eq!(typed, expected, "{layout:?} with Caps Lock");
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

/// A text of the layout's own characters, of any others, and of those that are hard.
fn texts(layout: Layout) -> impl Strategy<Value = String> {
    let own: Vec<_> = layout.characters().collect();
    let hard = "\n\t\r\u{7}\u{200d}\u{202e}\u{fe0f}\u{301}\u{feff}\u{ffff}\u{10ffff}\u{e000}👩‍💻é́ßﬁ½Ǆấ…“”—€한";
    let hard: Vec<_> = hard.chars().collect();
    let character = prop_oneof![6 => select(own), 2 => any::<char>(), 2 => select(hard)];
    prop::collection::vec(character, 0..40).prop_map(String::from_iter)
}

/// What the keymap says it types is what arrives.
fn check_texts(data: &Data, layouts: impl Iterator<Item = Layout>, methods: &[UnicodeEntry], cases: u32) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng);
    for layout in layouts {
        let xkb = data.keymap(layout);
        for method in methods {
            let result = runner.run(&(texts(layout), any::<bool>()), |(text, plain)| {
                let keymap = Keymap::new(layout, *method, plain);
                prop_assert_eq!(keymap.layout(), layout);
                let prepared = keymap.prepare(&text);
                let expected: String = prepared.chars().flat_map(|c| keymap.typed(c)).collect();
                for reports in text_reports(&keymap, &prepared) {
                    let typed = Host::new(data, &xkb, *method, false).read(reports);
                    prop_assert_eq!(&typed, &expected);
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
        let mut host = Host::new(&data, &data.keymap(layout), UnicodeEntry::None, false);
        for c in layout.characters() {
            let mut strokes: Vec<_> = keymap.strokes(c).collect();
            if let Some(last) = strokes.last_mut() {
                last.usage ^= 1;
            }
            assert_ne!(host.read(reports(strokes.into_iter(), false)), c.to_string(), "{name}");
        }
    }
}
