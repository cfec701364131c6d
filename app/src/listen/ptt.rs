//! Push to talk: from the bouncing contacts of one button to what the speaker wants.
//!
//! | gesture | meaning |
//! |---|---|
//! | hold | dictate while the button is down |
//! | tap, shorter than [`PttOptions::tap`] | dictate until the next tap |
//! | two or three quick taps | a [`Command`], as the settings have it |
//! | five quick taps | tell how the device is |
//!
//! Taps are quick when each edge comes sooner than [`PttOptions::tap`] after the one before. A dictation begins with
//! every press at once, and only afterwards it shows that there was no speech in it: it is discarded when the second
//! tap is over. How many taps there are is known when no further one came in time. The tap that ends a latched
//! dictation ends it at once, and counts as the first of those that may follow.
//!
//! A state machine without a clock of its own: time is what the caller says it is, so that recordings give the
//! same result however fast they are played.

use std::fmt;
use std::time::Duration;

use oratype_hal::gpio::Edge;
use oratype_hal::time::Timestamp;

use crate::settings;

/// Something to do with what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take back the last dictation.
    Undo,
    /// Type the last dictation once more.
    Retype,
    /// Press Enter.
    Enter,
}

impl Command {
    /// Their names in the settings, and the one for no command.
    pub const NAMES: &[&str] = &["undo", "retype", "enter", "none"];

    /// By its name in the settings.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Undo, Self::Retype, Self::Enter].into_iter().find(|command| command.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Retype => "retype",
            Self::Enter => "enter",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the button is judged by.
#[derive(Clone, Copy, Debug)]
pub struct PttOptions {
    /// A level counts once it has held for this long.
    pub debounce: Duration,
    /// A press shorter than this is a tap, a pause shorter than this joins two taps.
    pub tap: Duration,
    /// What two quick taps mean.
    pub double_tap: Option<Command>,
    /// What three quick taps mean.
    pub triple_tap: Option<Command>,
}

impl From<&settings::Button> for PttOptions {
    fn from(settings: &settings::Button) -> Self {
        Self {
            debounce: settings.debounce,
            tap: settings.tap,
            double_tap: Command::by_name(&settings.double_tap),
            triple_tap: Command::by_name(&settings.triple_tap),
        }
    }
}

/// What the speaker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// Dictate from here on.
    Start(Timestamp),
    /// The dictation goes on until the next tap.
    Latch,
    /// Dictate up to here.
    Stop(Timestamp),
    /// The dictation was none: the button means something else.
    Discard,
    /// Do something with what was typed.
    Command(Command),
    /// The dictation, if one goes on, was none. Tell how the device is.
    Report,
}

/// Taps that ask for a report: more than anybody makes by mistake.
const REPORT_TAPS: u32 = 5;

/// The button's state machine.
#[derive(Debug)]
pub struct Ptt {
    options: PttOptions,
    /// The level that counts.
    pressed: bool,
    /// An edge that has yet to prove itself.
    unproven: Option<Edge>,
    /// The last edge that did.
    last_edge: Timestamp,
    /// A dictation goes on, as far as the button is concerned.
    dictating: bool,
    /// Quick taps so far; zero once it is known that no further one follows.
    taps: u32,
}

impl Ptt {
    /// A button that is up.
    pub fn new(options: PttOptions) -> Self {
        Self {
            options,
            pressed: false,
            unproven: None,
            last_edge: Timestamp::ZERO,
            dictating: false,
            taps: 0,
        }
    }

    /// Take an edge, in order of time, once [`advance`](Self::advance) has told everything before it.
    pub fn edge(&mut self, edge: Edge) {
        self.unproven = match self.unproven {
            // Two edges of the same kind in a row: one between them was missed. The older one counts.
            Some(unproven) if unproven.pressed == edge.pressed => Some(unproven),
            _ if edge.pressed == self.pressed => None,
            _ => Some(edge),
        };
    }

    /// Let time pass, to `now`: what has been meant by then and was not told yet. To be called until there is nothing
    /// more.
    pub fn advance(&mut self, now: Timestamp) -> Option<Gesture> {
        loop {
            // An edge that has yet to prove itself may be one more tap.
            let without_edge_until = self.unproven.map_or(now, |edge| edge.at.min(now));
            if let Some(command) = self.end_of_taps(without_edge_until) {
                return Some(Gesture::Command(command));
            }
            let edge = self.unproven.take_if(|edge| now >= edge.at + self.options.debounce)?;
            if let Some(gesture) = self.proven(edge) {
                return Some(gesture);
            }
        }
    }

    /// The taps are over when the button has not moved for long enough. What they meant, if anything.
    fn end_of_taps(&mut self, now: Timestamp) -> Option<Command> {
        if now.saturating_sub(self.last_edge) < self.options.tap {
            return None;
        }
        match std::mem::take(&mut self.taps) {
            2 => self.options.double_tap,
            3 => self.options.triple_tap,
            _ => None,
        }
    }

    fn proven(&mut self, edge: Edge) -> Option<Gesture> {
        let soon = edge.at.saturating_sub(self.last_edge) < self.options.tap;
        self.last_edge = edge.at;
        self.pressed = edge.pressed;
        if edge.pressed {
            return self.press(edge.at);
        }
        if !soon {
            return std::mem::take(&mut self.dictating).then_some(Gesture::Stop(edge.at));
        }
        self.taps += 1;
        match self.taps {
            REPORT_TAPS => {
                self.taps = 0;
                self.dictating = false;
                Some(Gesture::Report)
            }
            1 => self.dictating.then_some(Gesture::Latch),
            _ => std::mem::take(&mut self.dictating).then_some(Gesture::Discard),
        }
    }

    fn press(&mut self, at: Timestamp) -> Option<Gesture> {
        match (self.dictating, self.taps) {
            (false, _) => {
                self.dictating = true;
                Some(Gesture::Start(at))
            }
            // It is latched, and not since a moment ago.
            (true, 0) => {
                self.dictating = false;
                Some(Gesture::Stop(at))
            }
            // Another tap, which discards it, or a hold, which goes on with it.
            (true, _) => None,
        }
    }

    /// Whether the dictation goes on with the button up.
    pub fn is_latched(&self) -> bool {
        self.dictating && !self.pressed
    }

    /// The dictation ended for another reason than the button.
    pub fn ended(&mut self) {
        self.dictating = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: PttOptions = PttOptions {
        debounce: Duration::from_millis(20),
        tap: Duration::from_millis(300),
        double_tap: Some(Command::Undo),
        triple_tap: Some(Command::Retype),
    };

    fn ms(ms: u64) -> Timestamp {
        Duration::from_millis(ms)
    }

    /// All that is meant up to `now`.
    fn told(ptt: &mut Ptt, now: Timestamp) -> Vec<Gesture> {
        std::iter::from_fn(|| ptt.advance(now)).collect()
    }

    /// Edges at these times, alternating from "down"; what comes of them until a second after the last.
    fn gestures(times_ms: &[u64]) -> Vec<Gesture> {
        let mut ptt = Ptt::new(OPTIONS);
        let mut all = Vec::new();
        for (i, &t) in times_ms.iter().enumerate() {
            all.extend(told(&mut ptt, ms(t)));
            ptt.edge(Edge { at: ms(t), pressed: i % 2 == 0 });
        }
        all.extend(told(&mut ptt, ms(times_ms.last().unwrap() + 1000)));
        all
    }

    #[test]
    fn hold_and_tap() {
        use Gesture::{Latch, Start, Stop};
        let cases: [(&[u64], &[Gesture]); 9] = [
            // A hold lasts as long as the button is down.
            (&[100, 2100], &[Start(ms(100)), Stop(ms(2100))]),
            // A tap goes on until the next one, which ends it as it goes down.
            (&[100, 200, 5000, 5100], &[Start(ms(100)), Latch, Stop(ms(5000))]),
            // The ending press may be long; it starts nothing.
            (&[100, 200, 5000, 8000], &[Start(ms(100)), Latch, Stop(ms(5000))]),
            // Bouncing contacts, going down and coming up: the level that holds counts, from its last edge.
            (&[100, 103, 105, 2100, 2102, 2104], &[Start(ms(105)), Stop(ms(2104))]),
            // A spike is no press, a dropout no release.
            (&[100, 110], &[]),
            (&[100, 1000, 1015, 2000], &[Start(ms(100)), Stop(ms(2000))]),
            // 30 ms is a tap.
            (&[100, 130], &[Start(ms(100)), Latch]),
            // A tap that turns into a hold is one dictation, of which nothing is lost.
            (&[100, 200, 300, 2000], &[Start(ms(100)), Latch, Stop(ms(2000))]),
            // Holds right after each other.
            (&[100, 600, 650, 1200], &[Start(ms(100)), Stop(ms(600)), Start(ms(650)), Stop(ms(1200))]),
        ];
        for (times, expected) in cases {
            assert_eq!(gestures(times), expected, "{times:?}");
        }
    }

    #[test]
    fn what_is_common_does_not_wait() {
        let mut ptt = Ptt::new(OPTIONS);
        ptt.edge(Edge { at: ms(100), pressed: true });
        assert_eq!(told(&mut ptt, ms(120)), [Gesture::Start(ms(100))]);
        ptt.edge(Edge { at: ms(2000), pressed: false });
        assert_eq!(told(&mut ptt, ms(2020)), [Gesture::Stop(ms(2000))]);
        ptt.edge(Edge { at: ms(3000), pressed: true });
        assert_eq!(told(&mut ptt, ms(3020)), [Gesture::Start(ms(3000))]);
        ptt.edge(Edge { at: ms(3100), pressed: false });
        assert_eq!(told(&mut ptt, ms(3120)), [Gesture::Latch]);
        ptt.edge(Edge { at: ms(9000), pressed: true });
        assert_eq!(told(&mut ptt, ms(9020)), [Gesture::Stop(ms(9000))]);
    }

    /// Edges of taps of 100 ms, 100 ms apart.
    fn taps(count: u64) -> Vec<u64> {
        (0..2 * count).map(|i| 1000 + 100 * i).collect()
    }

    #[test]
    fn quick_taps_are_counted() {
        use Gesture::{Command as Means, Discard, Latch, Report, Start};
        let second = [Start(ms(1000)), Latch, Discard];
        assert_eq!(gestures(&taps(1)), second[..2]);
        assert_eq!(gestures(&taps(2)), [&second[..], &[Means(Command::Undo)]].concat());
        let third = [&second[..], &[Start(ms(1400)), Discard]].concat();
        assert_eq!(gestures(&taps(3)), [&third[..], &[Means(Command::Retype)]].concat());
        let fourth = [&third[..], &[Start(ms(1600)), Discard]].concat();
        assert_eq!(gestures(&taps(4)), fourth);
        let fifth = [&fourth[..], &[Start(ms(1800)), Report]].concat();
        assert_eq!(gestures(&taps(5)), fifth);
        // The sixth is a tap like any other.
        assert_eq!(gestures(&taps(6))[fifth.len()..], [Start(ms(2000)), Latch]);
        assert_eq!(gestures(&taps(15)).iter().filter(|g| matches!(g, Report)).count(), 3);
    }

    #[test]
    fn two_taps_while_dictating_end_the_dictation_and_undo_it() {
        use Gesture::{Command as Means, Discard, Latch, Start, Stop};
        let times = [100, 200, 5000, 5100, 5200, 5300];
        let expected =
            [Start(ms(100)), Latch, Stop(ms(5000)), Start(ms(5200)), Discard, Means(Command::Undo)];
        assert_eq!(gestures(&times), expected);
    }

    #[test]
    fn two_taps_and_a_hold_undo_and_dictate_anew() {
        use Gesture::{Command as Means, Discard, Latch, Start, Stop};
        let expected =
            [Start(ms(1000)), Latch, Discard, Start(ms(1400)), Means(Command::Undo), Stop(ms(4000))];
        assert_eq!(gestures(&[1000, 1100, 1200, 1300, 1400, 4000]), expected);
    }

    #[test]
    fn a_report_can_be_asked_for_while_dictating() {
        use Gesture::{Discard, Latch, Report, Start, Stop};
        let mut times = vec![100, 200];
        times.extend(taps(5).iter().map(|t| t + 5000));
        let mut expected = vec![Start(ms(100)), Latch, Stop(ms(6000))];
        for start in [6200, 6400, 6600] {
            expected.extend([Start(ms(start)), Discard]);
        }
        expected.extend([Start(ms(6800)), Report]);
        assert_eq!(gestures(&times), expected);
    }

    #[test]
    fn slow_taps_and_holds_mean_nothing_more() {
        let slow: Vec<u64> = (0..20).map(|i| 1000 + 300 * i).collect();
        let pauses = [1000, 1100, 1400, 1500, 1800, 1900, 2200, 2300];
        for times in [&slow[..], &pauses] {
            let meant = gestures(times);
            assert!(
                meant.iter().all(|g| matches!(g, Gesture::Start(_) | Gesture::Latch | Gesture::Stop(_))),
                "{times:?} {meant:?}"
            );
        }
    }

    #[test]
    fn taps_may_mean_nothing() {
        let options = PttOptions { double_tap: None, triple_tap: Some(Command::Enter), ..OPTIONS };
        let meant = |count| {
            let mut ptt = Ptt::new(options);
            for (i, t) in taps(count).into_iter().enumerate() {
                while ptt.advance(ms(t)).is_some() {}
                ptt.edge(Edge { at: ms(t), pressed: i % 2 == 0 });
            }
            told(&mut ptt, ms(60_000)).last().copied()
        };
        assert_eq!(meant(2), Some(Gesture::Discard));
        assert_eq!(meant(3), Some(Gesture::Command(Command::Enter)));
    }

    #[test]
    fn a_dictation_ended_by_silence_leaves_the_next_tap_free() {
        let mut ptt = Ptt::new(OPTIONS);
        ptt.edge(Edge { at: ms(0), pressed: true });
        told(&mut ptt, ms(100));
        ptt.edge(Edge { at: ms(100), pressed: false });
        told(&mut ptt, ms(200));
        assert!(ptt.is_latched());
        ptt.ended();
        told(&mut ptt, ms(5000));
        ptt.edge(Edge { at: ms(5000), pressed: true });
        assert_eq!(told(&mut ptt, ms(5100)), [Gesture::Start(ms(5000))]);
    }

    #[test]
    fn every_name_is_a_command_but_none() {
        for name in Command::NAMES {
            assert_eq!(Command::by_name(name).map_or("none", Command::name), *name);
        }
    }

    /// A press and the pause after it, milliseconds.
    type Press = (u64, u64);

    /// What clean presses mean, worked out press by press from the words of the module, not by a state machine.
    fn meant(presses: &[Press]) -> Vec<Gesture> {
        let tap = |ms: u64| ms < 300;
        let mut gestures = Vec::new();
        // Start of the dictation that is latched.
        let mut latched = false;
        let (mut now, mut rest) = (1000, presses);
        while !rest.is_empty() {
            // A series: quick taps, and perhaps the hold that follows them at once.
            let mut taps = 0;
            while taps < rest.len() && taps < 5 && tap(rest[taps].0) && (taps == 0 || tap(rest[taps - 1].1)) {
                taps += 1;
                if !tap(rest[taps - 1].1) {
                    break;
                }
            }
            let followed = taps < 5 && taps < rest.len() && (taps == 0 || tap(rest[taps - 1].1));
            let ends_latched = latched;
            for (i, &(down, pause)) in rest[..taps].iter().enumerate() {
                match (i, ends_latched) {
                    (0, true) => gestures.push(Gesture::Stop(ms(now))),
                    (0, false) => gestures.extend([Gesture::Start(ms(now)), Gesture::Latch]),
                    (1, false) => gestures.push(Gesture::Discard),
                    _ => {
                        let end = if i == 4 { Gesture::Report } else { Gesture::Discard };
                        gestures.extend([Gesture::Start(ms(now)), end]);
                    }
                }
                now += down + pause;
            }
            latched = taps == 1 && !ends_latched;
            rest = &rest[taps..];
            let command = match taps {
                2 => Some(Gesture::Command(Command::Undo)),
                3 => Some(Gesture::Command(Command::Retype)),
                _ => None,
            };
            if let (true, &[(down, pause), ..]) = (followed, rest) {
                let goes_on = latched && taps == 1;
                let ends = latched && taps == 0;
                if ends || taps == 0 && ends_latched {
                    gestures.push(Gesture::Stop(ms(now)));
                } else {
                    if !goes_on {
                        gestures.push(Gesture::Start(ms(now)));
                    }
                    gestures.extend(command);
                    gestures.push(Gesture::Stop(ms(now + down)));
                }
                latched = false;
                now += down + pause;
                rest = &rest[1..];
            } else {
                gestures.extend(command);
            }
        }
        gestures
    }

    proptest! {
        /// No gesture is lost, none is invented.
        #[test]
        fn clean_presses_mean_what_they_should(
            presses in prop::collection::vec(
                (prop_oneof![3 => 30..290_u64, 1 => 310..2000_u64], prop_oneof![3 => 30..290_u64, 1 => 310..2000_u64]),
                1..25,
            )
        ) {
            let mut times = vec![];
            let mut now = 1000;
            for (down, pause) in &presses {
                times.extend([now, now + down]);
                now += down + pause;
            }
            prop_assert_eq!(gestures(&times), meant(&presses));
        }

        /// Whatever the contacts do, starts and ends alternate, time does not go back, and it does not matter how often
        /// somebody looks.
        #[test]
        fn starts_and_ends_alternate(steps in prop::collection::vec((0..400_u64, any::<bool>()), 0..200)) {
            let (mut often, mut rarely) = (Ptt::new(OPTIONS), Ptt::new(OPTIONS));
            let mut now = 0;
            let (mut seen, mut seen_rarely) = (Vec::new(), Vec::new());
            for (step, pressed) in steps {
                for at in (now..now + step).step_by(10) {
                    seen.extend(told(&mut often, ms(at)));
                }
                now += step;
                for (ptt, seen) in [(&mut often, &mut seen), (&mut rarely, &mut seen_rarely)] {
                    seen.extend(told(ptt, ms(now)));
                    ptt.edge(Edge { at: ms(now), pressed });
                }
            }
            prop_assert_eq!(&seen, &seen_rarely);
            let (mut dictating, mut last) = (false, ms(0));
            for gesture in seen {
                match gesture {
                    Gesture::Start(at) => { prop_assert!(!dictating && at >= last); dictating = true; last = at; }
                    Gesture::Stop(at) => { prop_assert!(dictating && at >= last); dictating = false; last = at; }
                    Gesture::Latch => prop_assert!(dictating),
                    Gesture::Discard => { prop_assert!(dictating); dictating = false; }
                    Gesture::Report => dictating = false,
                    Gesture::Command(_) => {}
                }
            }
        }
    }
}
