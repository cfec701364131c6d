//! Push to talk: from the bouncing contacts of one button to "start" and "stop".
//!
//! - Hold: dictate while the button is down.
//! - Tap (shorter than [`PttOptions::tap`]): dictate until the next tap.
//! - Five taps, no further apart than they are long: tell how the device is. The taps start and stop dictations as
//!   always, so that nothing has to wait for a sixth; there is no speech in them.
//!
//! A state machine without a clock of its own: time is what the caller says it is, so that recordings give the
//! same result however fast they are played.

use std::time::Duration;

use oratype_hal::gpio::Edge;
use oratype_hal::time::Timestamp;

/// Times that the button is judged by.
#[derive(Clone, Copy, Debug)]
pub struct PttOptions {
    /// A level counts once it has held for this long.
    pub debounce: Duration,
    /// A press shorter than this is a tap.
    pub tap: Duration,
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
    /// Dictate up to here, if a dictation goes on, and tell how the device is.
    Report(Timestamp),
}

/// Taps that ask for a report: more than anybody makes by mistake, and odd, so that it does not matter whether the
/// first of them ended a dictation.
const REPORT_TAPS: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Down, dictating; a hold or the beginning of a tap.
    Held {
        since: Timestamp,
    },
    /// Up, dictating until the next tap.
    Latched,
    /// Down, no longer dictating: the press that ended a latched dictation.
    Ending,
}

/// The button's state machine.
#[derive(Debug)]
pub struct Ptt {
    options: PttOptions,
    state: State,
    /// The level that counts.
    pressed: bool,
    /// An edge that has yet to prove itself.
    unproven: Option<Edge>,
    /// Taps in quick succession so far, and the edge that came last.
    taps: u32,
    last_edge: Timestamp,
}

impl Ptt {
    /// A button that is up.
    pub fn new(options: PttOptions) -> Self {
        Self {
            options,
            state: State::Idle,
            pressed: false,
            unproven: None,
            taps: 0,
            last_edge: Timestamp::ZERO,
        }
    }

    /// Take an edge, in order of time. A gesture that an earlier edge has made by now comes back; it happened
    /// before this edge.
    pub fn edge(&mut self, edge: Edge) -> Option<Gesture> {
        let gesture = self.advance(edge.at);
        self.unproven = match self.unproven {
            // Two edges of the same kind in a row: one between them was missed. The older one counts.
            Some(unproven) if unproven.pressed == edge.pressed => Some(unproven),
            _ if edge.pressed == self.pressed => None,
            _ => Some(edge),
        };
        gesture
    }

    /// Let time pass, to `now`.
    pub fn advance(&mut self, now: Timestamp) -> Option<Gesture> {
        let edge = self.unproven.take_if(|edge| now >= edge.at + self.options.debounce)?;
        self.pressed = edge.pressed;
        let (state, gesture) = match (self.state, edge.pressed) {
            (State::Idle, true) => (State::Held { since: edge.at }, Some(Gesture::Start(edge.at))),
            (State::Held { since }, false) if edge.at - since < self.options.tap => {
                (State::Latched, Some(Gesture::Latch))
            }
            (State::Held { .. }, false) => (State::Idle, Some(Gesture::Stop(edge.at))),
            (State::Latched, true) => (State::Ending, Some(Gesture::Stop(edge.at))),
            (State::Ending, false) => (State::Idle, None),
            (state, _) => (state, None),
        };
        self.state = state;
        if self.is_fifth_tap(edge) {
            self.state = State::Idle;
            return Some(Gesture::Report(edge.at));
        }
        gesture
    }

    /// Count taps: every edge must come soon after the one before.
    fn is_fifth_tap(&mut self, edge: Edge) -> bool {
        let soon = edge.at.saturating_sub(self.last_edge) < self.options.tap;
        self.last_edge = edge.at;
        self.taps = match (soon, edge.pressed) {
            (true, false) => self.taps + 1,
            (true, true) => self.taps,
            (false, _) => 0,
        };
        self.taps == REPORT_TAPS && {
            self.taps = 0;
            true
        }
    }

    /// Whether the dictation goes on with the button up.
    pub fn is_latched(&self) -> bool {
        self.state == State::Latched
    }

    /// The dictation ended for another reason than the button.
    pub fn ended(&mut self) {
        self.state = if self.pressed { State::Ending } else { State::Idle };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: PttOptions =
        PttOptions { debounce: Duration::from_millis(20), tap: Duration::from_millis(300) };

    fn ms(ms: u64) -> Timestamp {
        Duration::from_millis(ms)
    }

    /// Edges at these times, alternating from "down"; what comes of them until a second after the last.
    fn gestures(times_ms: &[u64]) -> Vec<Gesture> {
        let mut ptt = Ptt::new(OPTIONS);
        let mut all = Vec::new();
        for (i, &t) in times_ms.iter().enumerate() {
            all.extend(ptt.edge(Edge { at: ms(t), pressed: i % 2 == 0 }));
        }
        all.extend(ptt.advance(ms(times_ms.last().unwrap() + 1000)));
        all
    }

    #[test]
    fn hold_and_tap() {
        use Gesture::{Latch, Start, Stop};
        let cases: [(&[u64], &[Gesture]); 7] = [
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
        ];
        for (times, expected) in cases {
            assert_eq!(gestures(times), expected, "{times:?}");
        }
    }

    /// Edges of taps of 100 ms, 100 ms apart.
    fn taps(count: u64) -> Vec<u64> {
        (0..2 * count).map(|i| 1000 + 100 * i).collect()
    }

    #[test]
    fn five_quick_taps_ask_for_a_report() {
        use Gesture::{Latch, Report, Start, Stop};
        let first_four = [Start(ms(1000)), Latch, Stop(ms(1200)), Start(ms(1400)), Latch, Stop(ms(1600))];
        assert_eq!(gestures(&taps(4)), first_four);
        // The fifth would go on dictating; instead it ends.
        let asked = [&first_four[..], &[Start(ms(1800)), Report(ms(1900))]].concat();
        assert_eq!(gestures(&taps(5)), asked);
        // The sixth is a tap like any other.
        assert_eq!(gestures(&taps(6))[8..], [Start(ms(2000)), Latch]);
        assert_eq!(gestures(&taps(15)).iter().filter(|g| matches!(g, Report(_))).count(), 3);
    }

    #[test]
    fn a_report_can_be_asked_for_while_dictating() {
        use Gesture::{Latch, Report, Start, Stop};
        let mut times = vec![100, 200];
        times.extend(taps(5).iter().map(|t| t + 5000));
        let expected = [
            Start(ms(100)),
            Latch,
            Stop(ms(6000)),
            Start(ms(6200)),
            Latch,
            Stop(ms(6400)),
            Start(ms(6600)),
            Latch,
            Stop(ms(6800)),
            Report(ms(6900)),
        ];
        assert_eq!(gestures(&times), expected);
    }

    #[test]
    fn slow_taps_and_holds_ask_for_nothing() {
        let slow: Vec<u64> = (0..20).map(|i| 1000 + 300 * i).collect();
        let one_hold = [1000, 1100, 1200, 1300, 1400, 1700, 1800, 1900, 2000, 2100];
        // A pause before the last one.
        let one_pause = [1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 2100, 2200];
        for times in [&slow[..], &one_hold, &one_pause] {
            assert!(!gestures(times).iter().any(|g| matches!(g, Gesture::Report(_))), "{times:?}");
        }
    }

    #[test]
    fn a_dictation_ended_by_silence_leaves_the_next_tap_free() {
        let mut ptt = Ptt::new(OPTIONS);
        ptt.edge(Edge { at: ms(0), pressed: true });
        ptt.edge(Edge { at: ms(100), pressed: false });
        ptt.advance(ms(200));
        assert!(ptt.is_latched());
        ptt.ended();
        ptt.edge(Edge { at: ms(5000), pressed: true });
        assert_eq!(ptt.advance(ms(5100)), Some(Gesture::Start(ms(5000))));
    }

    proptest! {
        /// Whatever the contacts do, starts and stops alternate and time does not go back.
        #[test]
        fn starts_and_stops_alternate(steps in proptest::collection::vec((0..400_u64, any::<bool>()), 0..200)) {
            let mut ptt = Ptt::new(OPTIONS);
            let (mut now, mut dictating, mut last) = (0, false, ms(0));
            let mut seen = Vec::new();
            for (step, pressed) in steps {
                now += step;
                seen.extend(ptt.edge(Edge { at: ms(now), pressed }));
                seen.extend(ptt.advance(ms(now)));
            }
            for gesture in seen {
                match gesture {
                    Gesture::Start(at) => { prop_assert!(!dictating && at >= last); dictating = true; last = at; }
                    Gesture::Stop(at) => { prop_assert!(dictating && at >= last); dictating = false; last = at; }
                    Gesture::Latch => prop_assert!(dictating),
                    Gesture::Report(at) => { prop_assert!(at >= last); dictating = false; last = at; }
                }
            }
        }
    }
}
