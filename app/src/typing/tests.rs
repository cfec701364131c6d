//! Typing against a host in memory that decodes what arrives, independently of the keymap.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use oratype_hal::hid::conformance::ScriptedKeyboard;
use oratype_hal::hid::{Decoder, HostLeds, Keyboard, KeyboardError, Report};
use oratype_hal::time::{Clock, Timestamp};
use proptest::prelude::*;

use super::*;

const INTERVAL: Duration = Duration::from_millis(8);

/// Sleeping is setting the time.
#[derive(Default)]
struct FakeClock(Mutex<Timestamp>);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    fn sleep_until(&self, deadline: Timestamp) {
        let mut now = self.0.lock().unwrap();
        *now = deadline.max(*now);
    }
}

fn typist(host: &ScriptedKeyboard) -> Typist<ScriptedKeyboard> {
    Typist::new(host.clone(), Arc::new(FakeClock::default()), INTERVAL)
}

fn type_on(host: &ScriptedKeyboard, text: &str) -> TypingOutcome {
    typist(host).type_text(text, || false, |_| {})
}

fn typed(text: &str) -> String {
    let host = ScriptedKeyboard::default();
    assert!(matches!(type_on(&host, text), TypingOutcome::Done { .. }));
    host.typed()
}

#[test]
fn every_ascii_character_decodes_to_itself() {
    for c in (' '..='~').chain(['\n', '\t']) {
        assert_eq!(typed(&c.to_string()), c.to_string(), "{c:?}");
        assert_eq!(Keymap::default().strokes(c).count(), 1, "{c:?}");
    }
}

#[test]
fn typographic_characters_become_plain() {
    let cases = [
        ("\u{201c}It\u{2019}s\u{201d}", "\"It's\""),
        ("a \u{2013} b\u{2014}c", "a - b-c"),
        ("well\u{2026}", "well..."),
        ("10\u{a0}km", "10 km"),
    ];
    for (text, expected) in cases {
        assert_eq!(typed(text), expected);
    }
}

#[test]
fn other_scripts_are_transliterated_or_marked() {
    assert_eq!(typed("Caf\u{e9} \u{df} \u{141}\u{f3}d\u{17a} 5\u{a0}\u{20ac}"), "Cafe ss Lodz 5 EUR");
    // A private-use character, a control character, a zero-width joiner: nothing stands for them.
    assert_eq!(typed("a\u{e000}b\u{7}c\u{200d}d"), "a?b?c?d");
}

#[test]
fn shift_leads_and_trails_its_key() {
    let host = ScriptedKeyboard::default();
    type_on(&host, "aAB");
    let r = |modifiers, key| Report { modifiers, keys: [key, 0, 0, 0, 0, 0] };
    let expected = [r(0, 4), r(0, 0), r(2, 0), r(2, 4), r(2, 0), r(2, 5), r(2, 0), Report::RELEASED];
    assert_eq!(host.reports(), expected);
}

#[test]
fn caps_lock_on_the_host_does_not_turn_letters() {
    let host = ScriptedKeyboard::default();
    host.set_caps_lock(true);
    type_on(&host, "Hello, World 1!");
    assert_eq!(host.typed(), "Hello, World 1!");
}

#[test]
fn reports_keep_their_distance() {
    let host = ScriptedKeyboard::default();
    let clock = Arc::new(FakeClock::default());
    let mut typist = Typist::new(host.clone(), clock.clone(), INTERVAL);
    let outcome = typist.type_text("ab", || false, |_| {});
    assert_eq!(
        outcome,
        TypingOutcome::Done { first_key_at: Some(Duration::ZERO), last_key_at: Some(2 * INTERVAL) }
    );
    typist.type_text("c", || false, |_| {});
    assert_eq!(host.reports().len(), 6);
    assert_eq!(clock.now(), 5 * INTERVAL);
}

#[test]
fn an_empty_text_sends_nothing() {
    let host = ScriptedKeyboard::default();
    assert_eq!(type_on(&host, ""), TypingOutcome::Done { first_key_at: None, last_key_at: None });
    assert_eq!(host.reports(), []);
}

#[test]
fn a_failed_keyboard_ends_the_typing() {
    let host = ScriptedKeyboard::default();
    host.fail(Errno::ENODEV);
    let error = KeyboardError::Failed(Errno::ENODEV);
    assert_eq!(type_on(&host, "abc"), TypingOutcome::Failed { error, remaining: 3 });
}

#[test]
fn absence_is_told_once_each_way() {
    let host = ScriptedKeyboard::with_absences(vec![false, true, true, true]);
    let told = RefCell::new(Vec::new());
    typist(&host).type_text("ab", || false, |away| told.borrow_mut().push(away));
    assert_eq!(told.into_inner(), [true, false]);
    assert_eq!(host.typed(), "ab");
}

#[test]
fn a_stop_while_the_host_is_away_says_what_is_left() {
    let host = ScriptedKeyboard::default();
    host.set_host_present(false);
    let asked = Cell::new(0);
    let told = RefCell::new(Vec::new());
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 20
    };
    let outcome = typist(&host).type_text("abc", stop, |away| told.borrow_mut().push(away));
    assert_eq!(outcome, TypingOutcome::Stopped { remaining: 3 });
    assert_eq!(told.into_inner(), [true]);
}

#[test]
fn a_key_left_down_by_a_stop_is_released_before_the_next_text() {
    // The key goes down, then the host leaves and the typing is stopped.
    let host = ScriptedKeyboard::with_absences(vec![false, true, true]);
    let mut typist = typist(&host);
    let asked = Cell::new(false);
    assert_eq!(
        typist.type_text("aa", || asked.replace(true), |_| {}),
        TypingOutcome::Stopped { remaining: 1 }
    );
    typist.type_text("a", || false, |_| {});
    assert_eq!(host.typed(), "aa");
    assert_eq!(host.reports().last(), Some(&Report::RELEASED));
}

/// Takes what it refuses after all, as a host does that wakes with a report on its way: the same report sent again
/// is then confirmed, not typed again.
struct Hesitant {
    host: ScriptedKeyboard,
    refusals: Vec<bool>,
    on_its_way: Option<Report>,
}

impl Keyboard for Hesitant {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        if self.on_its_way.take() == Some(report) {
            return Ok(());
        }
        self.host.send(report)?;
        if self.refusals.pop().unwrap_or(false) {
            self.on_its_way = Some(report);
            return Err(KeyboardError::HostAway);
        }
        Ok(())
    }
    fn host_leds(&mut self) -> Option<HostLeds> {
        self.host.host_leds()
    }
}

/// Rules that hold for the reports of any text.
fn check_reports(reports: &[Report]) -> Result<(), TestCaseError> {
    let mut last = Report::RELEASED;
    for &report in reports {
        prop_assert_ne!(report, last, "a report that says nothing new");
        prop_assert_eq!(&report.keys[1..], &[0; 5], "more than one key down");
        if report.keys != last.keys {
            prop_assert_eq!(report.modifiers, last.modifiers, "a modifier changes together with a key");
            prop_assert!(report.keys[0] == 0 || last.keys[0] == 0, "no release between two keys");
        }
        last = report;
    }
    prop_assert_eq!(last, Report::RELEASED);
    Ok(())
}

proptest! {
    #[test]
    fn ascii_arrives_whole_however_often_the_host_leaves(
        text in "[ -~\n\t]{0,60}",
        absences in prop::collection::vec(any::<bool>(), 0..400),
    ) {
        let host = ScriptedKeyboard::with_absences(absences);
        let outcome = type_on(&host, &text);
        let done = matches!(outcome, TypingOutcome::Done { .. });
        prop_assert!(done);
        prop_assert_eq!(host.typed(), text);
        check_reports(&host.reports())?;
    }

    #[test]
    fn any_text_is_typed_as_typeable_characters(text: String) {
        let host = ScriptedKeyboard::default();
        type_on(&host, &text);
        let typed = host.typed();
        prop_assert!(typed.chars().all(|c| matches!(c, ' '..='~' | '\n' | '\t')), "{typed:?}");
        prop_assert!(typed.len() >= text.chars().count(), "{text:?} became {typed:?}");
        check_reports(&host.reports())?;
    }

    #[test]
    fn no_character_is_dropped(c: char) {
        prop_assert!(Keymap::default().strokes(c).count() >= 1);
    }

    /// Stop at any point, then type the rest: together they are the text, with nothing lost or doubled.
    #[test]
    fn what_a_stop_leaves_can_be_typed_later(
        text in "[ -~]{1,30}",
        absences in prop::collection::vec(any::<bool>(), 0..200),
        patience in 0_u32..60,
    ) {
        let host = ScriptedKeyboard::with_absences(absences);
        let mut typist = typist(&host);
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        if let TypingOutcome::Stopped { remaining } = typist.type_text(&text, stop, |_| {}) {
            let rest = &text[text.len() - remaining..];
            typist.type_text(rest, || false, |_| {});
        }
        prop_assert_eq!(host.typed(), text);
        prop_assert_eq!(host.reports().last().copied(), Some(Report::RELEASED));
    }

    #[test]
    fn what_was_refused_and_taken_after_all_is_typed_once(
        text in "[ -~]{1,30}",
        refusals in prop::collection::vec(any::<bool>(), 0..200),
        patience in 0_u32..60,
    ) {
        let host = ScriptedKeyboard::default();
        let keyboard = Hesitant { host: host.clone(), refusals, on_its_way: None };
        let mut typist = Typist::new(keyboard, Arc::new(FakeClock::default()), INTERVAL);
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        if let TypingOutcome::Stopped { remaining } = typist.type_text(&text, stop, |_| {}) {
            typist.type_text(&text[text.len() - remaining..], || false, |_| {});
        }
        prop_assert_eq!(host.typed(), text);
    }

    /// Also on a host that takes modifiers at their word.
    #[test]
    fn a_prompt_host_reads_the_same(text in "[ -~\n\t]{0,60}") {
        let host = ScriptedKeyboard::default();
        type_on(&host, &text);
        let (mut decoder, mut prompt) = (Decoder::new(), String::new());
        for report in host.reports() {
            decoder.decode(report).for_each(|t| t.apply(&mut prompt));
        }
        prop_assert_eq!(prompt, text);
    }
}
