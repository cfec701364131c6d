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
const TEXTS: u32 = 3;

/// The reports of some strokes, from nothing held to nothing held.
fn reports(strokes: impl Iterator<Item = Stroke>) -> Vec<Report> {
    let mut sent = Vec::new();
    let mut held = Report::RELEASED;
    for stroke in strokes {
        sent.extend(press(held, stroke));
        held = sent.last().copied().unwrap_or(held);
    }
    sent.extend(release(held));
    sent
}

fn text_reports(keymap: &Keymap, text: &str) -> Vec<Report> {
    reports(text.chars().flat_map(|c| keymap.strokes(c)))
}

#[test]
fn every_character_of_every_layout_arrives() {
    let data = Data::load();
    let mut characters = 0;
    for layout in Layout::all() {
        let keymap = Keymap::new(layout, UnicodeEntry::None, false);
        let mut host = Host::new(&data, layout, UnicodeEntry::None, false);
        for c in layout.characters() {
            let expected = c.to_string();
            assert_eq!(keymap.typed(c).collect::<String>(), expected, "{layout:?}");
            assert_eq!(host.read(text_reports(&keymap, &expected)), expected, "{layout:?}");
            characters += 1;
        }
    }
    eprintln!(
        "{characters} characters of {} layouts, xkeyboard-config {}, tables {:016x}",
        Layout::all().len(),
        xkb_version(),
        fingerprint()
    );
}

#[test]
fn what_is_said_of_caps_lock_is_so() {
    let data = Data::load();
    let mut seen = [0; 3];
    for layout in Layout::all() {
        let keymap = Keymap::new(layout, UnicodeEntry::None, false);
        let mut host = Host::new(&data, layout, UnicodeEntry::None, true);
        for c in layout.characters() {
            let strokes: Vec<_> = keymap.strokes(c).collect();
            if strokes.iter().any(|stroke| stroke.caps == CapsLock::Disturbs) {
                seen[2] += 1;
                continue;
            }
            let compensated = strokes.into_iter().map(|stroke| {
                let shift = if stroke.caps == CapsLock::Shifts { usage::LEFT_SHIFT } else { 0 };
                seen[usize::from(shift != 0)] += 1;
                Stroke { modifiers: stroke.modifiers ^ shift, ..stroke }
            });
            assert_eq!(host.read(reports(compensated)), c.to_string(), "{layout:?}");
        }
    }
    eprintln!(
        "Caps Lock: {} strokes ignored, {} shifted, {} characters disturbed",
        seen[0], seen[1], seen[2]
    );
    assert!(seen.iter().all(|count| *count > 0));
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
fn check(data: &Data, layout: Layout, method: UnicodeEntry, plain: bool) {
    let keymap = Keymap::new(layout, method, plain);
    let layout = keymap.layout();
    let config = Config { cases: TEXTS, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&texts(layout), |text| {
        let prepared = keymap.prepare(&text);
        let expected: String = prepared.chars().flat_map(|c| keymap.typed(c)).collect();
        let typed = Host::new(data, layout, method, false).read(text_reports(&keymap, &prepared));
        prop_assert_eq!(typed, expected);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{layout:?} {method:?}: {error}"));
}

macro_rules! random_text_arrives {
    ($($test:ident: $method:ident;)+) => {$(
        #[test]
        fn $test() {
            let data = Data::load();
            for (index, layout) in Layout::all().enumerate() {
                check(&data, layout, UnicodeEntry::$method, index % 2 == 0);
            }
        }
    )+};
}

random_text_arrives! {
    random_text_arrives: None;
    random_text_arrives_with_ctrl_shift_u: Linux;
    random_text_arrives_with_alt_codes: Windows;
    random_text_arrives_with_hex_alt_codes: WindowsHex;
    random_text_arrives_with_unicode_hex_input: Macos;
}
