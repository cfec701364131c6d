//! Typing against a host in memory that decodes what arrives, independently of the keymap.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use oratype_hal::hid::conformance::ScriptedKeyboard;
use oratype_hal::hid::{Decoder, HostLeds, Keyboard, KeyboardError, Report, usage};
use oratype_hal::time::{Clock, SimulatedClock};
use proptest::prelude::*;

use super::*;

const SAFE: Pacing =
    Pacing { report_interval: Duration::from_millis(8), key_interval: Duration::ZERO, rolls_over: false };

fn typist_paced(host: &ScriptedKeyboard, pacing: Pacing) -> Typist<ScriptedKeyboard> {
    Typist::new(host.clone(), Arc::new(SimulatedClock::new()), Keymap::default(), pacing)
}

fn typist(host: &ScriptedKeyboard) -> Typist<ScriptedKeyboard> {
    typist_paced(host, SAFE)
}

fn type_on(host: &ScriptedKeyboard, text: &str) -> TypingOutcome {
    typist(host).type_text(text, |_| false, |_| {})
}

fn type_paced(host: &ScriptedKeyboard, pacing: Pacing, text: &str) -> TypingOutcome {
    typist_paced(host, pacing).type_text(text, |_| false, |_| {})
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
    let r = Report::key;
    let expected = [r(0, 4), r(0, 0), r(2, 0), r(2, 4), r(2, 0), r(2, 5), r(2, 0), Report::RELEASED];
    assert_eq!(host.reports(), expected);
}

#[test]
fn rolling_over_takes_one_report_for_most_characters() {
    let host = ScriptedKeyboard::default();
    type_paced(&host, Pacing::UNPACED, "abbA1");
    let r = Report::key;
    let expected = [
        // One after the other, and a release before the same key again,
        r(0, 4),
        r(0, 5),
        r(0, 0),
        r(0, 5),
        // and around a modifier.
        r(0, 0),
        r(2, 0),
        r(2, 4),
        r(2, 0),
        r(0, 0),
        r(0, 0x1e),
        r(0, 0),
    ];
    assert_eq!(host.reports(), expected);
}

#[test]
fn modifiers_go_up_where_that_ends_an_entry() {
    let alt = |usage, lift_after| Stroke { modifiers: 4, lift_after, ..Stroke::plain(usage) };
    for rolls_over in [false, true] {
        let mut held = Report::RELEASED;
        let mut reports = Vec::new();
        for stroke in [alt(0x61, false), alt(0x5f, true), alt(0x59, true)] {
            for report in press(held, stroke, rolls_over) {
                reports.push((report.modifiers, report.keys[0]));
                held = report;
            }
        }
        let expected: &[_] = match rolls_over {
            false => {
                &[(4, 0), (4, 0x61), (4, 0), (4, 0x5f), (4, 0), (0, 0), (4, 0), (4, 0x59), (4, 0), (0, 0)]
            }
            true => &[(4, 0), (4, 0x61), (4, 0x5f), (4, 0), (0, 0), (4, 0), (4, 0x59), (4, 0), (0, 0)],
        };
        assert_eq!(reports, expected, "{rolls_over}");
    }
}

/// A key that serves as a modifier frames the one it is for.
#[test]
fn a_held_key_is_down_before_and_after() {
    let stroke = Stroke { hold: 0x32, modifiers: 2, ..Stroke::plain(4) };
    for rolls_over in [false, true] {
        let reports: Vec<_> = press(Report::key(0, 5), stroke, rolls_over)
            .map(|r| (r.modifiers, r.keys[0], r.keys[1]))
            .collect();
        let expected = [(0, 0, 0), (2, 0, 0), (2, 0x32, 0), (2, 0x32, 4), (2, 0x32, 0), (2, 0, 0)];
        assert_eq!(reports, expected);
    }
}

#[test]
fn modifiers_go_up_before_others_go_down() {
    let reports: Vec<_> =
        press(Report::key(2, 0), Stroke { modifiers: 0x40, ..Stroke::plain(4) }, false).take(2).collect();
    assert_eq!(reports, [Report::RELEASED, Report::key(0x40, 0)]);
}

/// Locks that a Shift does not make up for, on strokes of some other layout.
#[test]
fn locks_that_disturb_are_switched_and_switched_back() {
    let stroke = |usage, caps| Stroke { caps, ..Stroke::plain(usage) };
    let (a, b, digit) = (
        stroke(4, CapsLock::Disturbs),
        stroke(5, CapsLock::Shifts),
        stroke(usage::KEYPAD_1, CapsLock::Ignored),
    );
    for (caps_lock, num_lock) in [(false, false), (false, true), (true, false), (true, true)] {
        let host = ScriptedKeyboard::with_absences([false, true].repeat(10));
        host.set_caps_lock(caps_lock);
        host.set_num_lock(num_lock);
        let mut typist = typist(&host);
        for _ in 0..2 {
            let outcome = typist.type_strokes([a, b, digit, b, a]);
            assert!(matches!(outcome, TypingOutcome::Done { .. }));
            assert_eq!(host.leds(), HostLeds { num_lock, caps_lock }, "left as they were");
        }
        assert_eq!(host.typed(), "ab1baab1ba");
        let switches = |report: &Report| [usage::CAPS_LOCK, usage::NUM_LOCK].contains(&report.keys[0]);
        let switched = host.reports().into_iter().filter(switches);
        assert_eq!(switched.count(), 4 * (usize::from(caps_lock) + usize::from(!num_lock)));
    }
}

/// On Colemak the Caps Lock key is Backspace: pressing it would not switch the lock.
#[test]
fn a_key_that_is_not_caps_lock_is_not_pressed_for_it() {
    for (layout, switches) in [("us", 2), ("us:colemak", 0), ("us:3l", 0)] {
        let host = ScriptedKeyboard::default();
        host.set_caps_lock(true);
        let keymap = Keymap::new(layout.parse().unwrap(), UnicodeEntry::Linux, true);
        let clock = Arc::new(SimulatedClock::new());
        let mut typist = Typist::new(host.clone(), clock, keymap, SAFE);
        typist.type_text("한", |_| false, |_| {});
        let pressed = host.reports().into_iter().filter(|report| report.keys[0] == usage::CAPS_LOCK);
        assert_eq!(pressed.count(), switches, "{layout}");
    }
}

/// How many characters of English prose a second a host takes, and all of them, that fetches a report every so many
/// milliseconds, on the millisecond.
fn prose_per_second(pacing: Pacing, poll_ms: u64) -> f64 {
    const PROSE: &str = "She had been told, more than once, that the house on Elm Street was empty. \"Nobody lives \
        there,\" said Mr. Hall. Still, a light was on at 7 o'clock; it went out when Anna knocked.";
    struct Polled(ScriptedKeyboard, Arc<SimulatedClock>, u64);
    impl Keyboard for Polled {
        fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
            let poll = self.1.now().as_millis() as u64 / self.2;
            self.1.sleep_until(Duration::from_millis((poll + 1) * self.2));
            self.0.send(report)
        }
        fn host_leds(&mut self) -> Option<HostLeds> {
            None
        }
    }
    let (host, clock) = (ScriptedKeyboard::default(), Arc::new(SimulatedClock::new()));
    let polled = Polled(host.clone(), Arc::clone(&clock), poll_ms);
    let mut typist = Typist::new(polled, clock.clone(), Keymap::default(), pacing);
    let text = PROSE.repeat(10);
    typist.type_text(&text, |_| false, |_| {});
    assert_eq!(host.typed(), text);
    text.len() as f64 / clock.now().as_secs_f64()
}

#[test]
fn presets_are_fast_enough() {
    let speed = |preset| prose_per_second(Pacing::new(preset, 0), 1);
    let speeds = [Preset::Fast, Preset::Safe, Preset::Remote].map(speed);
    eprintln!("characters of prose a second at the presets fast, safe, remote: {speeds:.0?}");
    assert!(speeds[0] >= 300.0, "{speeds:?}");
    assert!(speeds[1] >= 100.0, "{speeds:?}");
    assert!((20.0..=30.0).contains(&speeds[2]), "{speeds:?}");
    // No faster than asked, nor than the preset by itself.
    for asked in [20, 100, 250] {
        for (preset, own) in [Preset::Fast, Preset::Safe, Preset::Remote].into_iter().zip(speeds) {
            let speed = prose_per_second(Pacing::new(preset, asked), 1);
            let most = f64::from(asked).min(own);
            assert!(speed <= most && speed > 0.5 * most, "{preset:?} {asked}: {speed}");
        }
    }
}

/// A full-speed host may ask for a report every 10 ms only: that is what limits the typing then.
#[test]
fn a_host_that_asks_seldom_gets_all_there_is_time_for() {
    let speeds = [Preset::Fast, Preset::Safe, Preset::Remote]
        .map(|preset| prose_per_second(Pacing::new(preset, 0), 10));
    eprintln!("characters of prose a second, a report every 10 ms, fast, safe, remote: {speeds:.0?}");
    assert!(speeds[0] > 75.0 && speeds[1] > 40.0 && speeds[2] > 15.0, "{speeds:?}");
}

/// A million characters, none lost, doubled or exchanged.
#[test]
fn a_million_characters_arrive() {
    const CHARACTERS: usize = 1_000_000;
    /// Keeps what is typed, and not the reports.
    struct Long(Decoder, String);
    impl Keyboard for &mut Long {
        fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
            let Long(decoder, text) = &mut **self;
            decoder.decode(report).for_each(|typed| typed.apply(text));
            Ok(())
        }
        fn host_leds(&mut self) -> Option<HostLeds> {
            Some(self.0.leds())
        }
    }
    let mut state = 1_u32;
    let text: String = std::iter::repeat_with(|| {
        // Numbers without a pattern that typing could hide behind (Numerical Recipes' generator).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match (state >> 24) % 97 {
            95 => '\n',
            96 => '\t',
            n => char::from(b' ' + n as u8),
        }
    })
    .take(CHARACTERS)
    .collect();
    for preset in [Preset::Fast, Preset::Safe, Preset::Remote] {
        let mut host = Long(Decoder::with_late_modifiers(), String::new());
        host.0.set_caps_lock(preset == Preset::Safe);
        Typist::new(&mut host, Arc::new(SimulatedClock::new()), Keymap::default(), Pacing::new(preset, 0))
            .type_text(&text, |_| false, |_| {});
        assert!(host.1 == text, "{preset:?}");
    }
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
    let clock = Arc::new(SimulatedClock::new());
    let mut typist = Typist::new(host.clone(), clock.clone(), Keymap::default(), SAFE);
    let outcome = typist.type_text("ab", |_| false, |_| {});
    let interval = SAFE.report_interval;
    assert_eq!(
        outcome,
        TypingOutcome::Done { first_key_at: Some(Duration::ZERO), last_key_at: Some(2 * interval) }
    );
    typist.type_text("c", |_| false, |_| {});
    assert_eq!(host.reports().len(), 6);
    assert_eq!(clock.now(), 5 * interval);
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
    typist(&host).type_text("ab", |_| false, |away| told.borrow_mut().push(away));
    assert_eq!(told.into_inner(), [true, false]);
    assert_eq!(host.typed(), "ab");
}

#[test]
fn a_stop_while_the_host_is_away_says_what_is_left() {
    let host = ScriptedKeyboard::default();
    host.set_host_present(false);
    let asked = Cell::new(0);
    let told = RefCell::new(Vec::new());
    let stop = |_| {
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
        typist.type_text("aa", |_| asked.replace(true), |_| {}),
        TypingOutcome::Stopped { remaining: 1 }
    );
    typist.type_text("a", |_| false, |_| {});
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
fn check_reports(reports: &[Report], pacing: Pacing) -> Result<(), TestCaseError> {
    let mut last = Report::RELEASED;
    for &report in reports {
        prop_assert_ne!(report, last, "a report that says nothing new");
        prop_assert_eq!(&report.keys[1..], &[0; 5], "more than one key down");
        if report.keys != last.keys {
            prop_assert_eq!(report.modifiers, last.modifiers, "a modifier changes together with a key");
            let replaces = report.keys[0] != 0 && last.keys[0] != 0;
            prop_assert!(pacing.rolls_over || !replaces, "no release between two keys");
        }
        last = report;
    }
    prop_assert_eq!(last, Report::RELEASED);
    Ok(())
}

fn pacing() -> impl Strategy<Value = Pacing> {
    (any::<bool>(), 0..20_u64, 0..20_u64).prop_map(|(rolls_over, report_ms, key_ms)| Pacing {
        report_interval: Duration::from_millis(report_ms),
        key_interval: Duration::from_millis(key_ms),
        rolls_over,
    })
}

proptest! {
    #[test]
    fn ascii_arrives_whole_however_often_the_host_leaves(
        text in "[ -~\n\t]{0,60}",
        absences in prop::collection::vec(any::<bool>(), 0..400),
        caps_lock: bool,
        num_lock: bool,
        pacing in pacing(),
    ) {
        let host = ScriptedKeyboard::with_absences(absences);
        host.set_caps_lock(caps_lock);
        host.set_num_lock(num_lock);
        let outcome = type_paced(&host, pacing, &text);
        let done = matches!(outcome, TypingOutcome::Done { .. });
        prop_assert!(done);
        prop_assert_eq!(host.typed(), text);
        check_reports(&host.reports(), pacing)?;
    }

    /// Typed and taken back, in any order, the host shows what is left; nothing that stood there before goes.
    #[test]
    fn as_many_backspaces_as_characters_shown(
        text in "[ -~\u{e9}\u{2026}\u{df}\u{4e2d}]{0,30}",
        absences in prop::collection::vec(any::<bool>(), 0..200),
        caps_lock: bool,
        pacing in pacing(),
    ) {
        let host = ScriptedKeyboard::with_absences(absences);
        host.set_caps_lock(caps_lock);
        let mut typist = typist_paced(&host, pacing);
        typist.type_text("before", |_| false, |_| {});
        typist.type_text(&text, |_| false, |_| {});
        let shown = text.chars().map(|c| Keymap::default().typed(c).count()).sum();
        let outcome = typist.erase(shown, |_| false, |_| {});
        let done = matches!(outcome, TypingOutcome::Done { .. });
        prop_assert!(done);
        prop_assert_eq!(host.typed(), "before");
        check_reports(&host.reports(), pacing)?;
    }

    #[test]
    fn any_text_is_typed_as_typeable_characters(text: String, pacing in pacing()) {
        let host = ScriptedKeyboard::default();
        type_paced(&host, pacing, &text);
        let typed = host.typed();
        prop_assert!(typed.chars().all(|c| matches!(c, ' '..='~' | '\n' | '\t')), "{typed:?}");
        prop_assert!(typed.len() >= text.chars().count(), "{text:?} became {typed:?}");
        check_reports(&host.reports(), pacing)?;
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
        pacing in pacing(),
    ) {
        let host = ScriptedKeyboard::with_absences(absences);
        let mut typist = typist_paced(&host, pacing);
        let asked = Cell::new(0);
        let stop = |_| {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        if let TypingOutcome::Stopped { remaining } = typist.type_text(&text, stop, |_| {}) {
            let rest = &text[text.len() - remaining..];
            typist.type_text(rest, |_| false, |_| {});
        }
        prop_assert_eq!(host.typed(), text);
        prop_assert_eq!(host.reports().last().copied(), Some(Report::RELEASED));
    }

    #[test]
    fn what_was_refused_and_taken_after_all_is_typed_once(
        text in "[ -~]{1,30}",
        refusals in prop::collection::vec(any::<bool>(), 0..200),
        patience in 0_u32..60,
        pacing in pacing(),
    ) {
        let host = ScriptedKeyboard::default();
        let keyboard = Hesitant { host: host.clone(), refusals, on_its_way: None };
        let mut typist = Typist::new(keyboard, Arc::new(SimulatedClock::new()), Keymap::default(), pacing);
        let asked = Cell::new(0);
        let stop = |_| {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        if let TypingOutcome::Stopped { remaining } = typist.type_text(&text, stop, |_| {}) {
            typist.type_text(&text[text.len() - remaining..], |_| false, |_| {});
        }
        prop_assert_eq!(host.typed(), text);
    }

    /// Also on a host that takes modifiers at their word.
    #[test]
    fn a_prompt_host_reads_the_same(text in "[ -~\n\t]{0,60}", pacing in pacing()) {
        let host = ScriptedKeyboard::default();
        type_paced(&host, pacing, &text);
        let (mut decoder, mut prompt) = (Decoder::new(), String::new());
        for report in host.reports() {
            decoder.decode(report).for_each(|t| t.apply(&mut prompt));
        }
        prop_assert_eq!(prompt, text);
    }
}
