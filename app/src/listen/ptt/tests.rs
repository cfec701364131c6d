//! Presses in milliseconds, and the gestures they are.

use proptest::prelude::*;

use super::*;

const OPTIONS: PttOptions = PttOptions {
    debounce: Duration::from_millis(20),
    tap: Duration::from_millis(300),
    double_tap: Some(Command::Undo),
    triple_tap: Some(Command::Retype),
    quadruple_tap: Some(Command::NextProfile),
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
    assert_eq!(gestures(&taps(4)), [&fourth[..], &[Means(Command::NextProfile)]].concat());
    let fifth = [&fourth[..], &[Start(ms(1800)), Report]].concat();
    assert_eq!(gestures(&taps(5)), fifth);
    // More of them mean no more.
    assert_eq!(gestures(&taps(6))[fifth.len()..], [Start(ms(2000)), Discard]);
    let hundred = gestures(&taps(100));
    assert_eq!(hundred.iter().filter(|gesture| matches!(gesture, Report)).count(), 1);
    assert_eq!(hundred.last(), Some(&Discard));
}

#[test]
fn two_taps_while_dictating_end_the_dictation_and_undo_it() {
    use Gesture::{Command as Means, Discard, Latch, Start, Stop};
    let times = [100, 200, 5000, 5100, 5200, 5300];
    let expected = [Start(ms(100)), Latch, Stop(ms(5000)), Start(ms(5200)), Discard, Means(Command::Undo)];
    assert_eq!(gestures(&times), expected);
}

#[test]
fn two_taps_and_a_hold_undo_and_dictate_anew() {
    use Gesture::{Command as Means, Discard, Latch, Start, Stop};
    let expected = [Start(ms(1000)), Latch, Discard, Start(ms(1400)), Means(Command::Undo), Stop(ms(4000))];
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
        while taps < rest.len() && tap(rest[taps].0) && (taps == 0 || tap(rest[taps - 1].1)) {
            taps += 1;
            if !tap(rest[taps - 1].1) {
                break;
            }
        }
        let followed = taps < rest.len() && (taps == 0 || tap(rest[taps - 1].1));
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
            4 => Some(Gesture::Command(Command::NextProfile)),
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
