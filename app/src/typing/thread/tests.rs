//! The type thread with jobs made up beforehand, a host in memory and a simulated clock.

use std::sync::mpsc::{TrySendError, sync_channel};

use oratype_hal::hid::conformance::ScriptedKeyboard;
use oratype_hal::hid::{HostLeds, Report, usage};
use oratype_hal::time::{MonotonicClock, SimulatedClock};
use proptest::prelude::*;

use super::*;
use crate::compose::{Action, Composed, Composer};
use crate::liveness::{Liveness, Role};
use crate::sizes::JOBS_QUEUED;
use crate::status::Light;
use crate::typing::{Pacing, UnicodeEntry};

mod spoken;

fn text(text: &str) -> Job {
    Job::Text(Composed::try_from(text).unwrap())
}

fn finished(number: u64) -> Job {
    let now = Instant::now();
    let finished = Finished { number, released: now, capture: Duration::ZERO, closed: now };
    Job::Finished(Box::default(), finished)
}

/// The jobs of dictations of one text each, numbered from 0.
fn dictations(texts: &[&str]) -> Vec<Job> {
    texts.iter().zip(0..).flat_map(|(said, number)| [text(said), finished(number)]).collect()
}

/// After so many reports were offered this happens.
type Event = (usize, Box<dyn FnMut() + Send>);

/// A keyboard on which something happens.
struct Eventful {
    host: ScriptedKeyboard,
    offered: usize,
    events: Vec<Event>,
}

impl Keyboard for Eventful {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        let sent = self.host.send(report);
        self.offered += 1;
        for (_, happen) in self.events.iter_mut().filter(|(at, _)| *at == self.offered) {
            happen();
        }
        sent
    }
    fn host_leds(&mut self) -> Option<HostLeds> {
        self.host.host_leds()
    }
}

/// A job, or a gesture for undo when this dictation was the last spoken.
#[expect(clippy::large_enum_variant, reason = "nearly every step is a job")]
enum Spoken {
    Job(Job),
    Undo(u64),
}

/// What a test has at hand.
struct Bench {
    host: ScriptedKeyboard,
    clock: Arc<SimulatedClock>,
    interrupt: Arc<Interrupt>,
    status: Status,
    events: Vec<Event>,
    stop: AtomicBool,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            host: ScriptedKeyboard::default(),
            clock: Arc::default(),
            interrupt: Arc::default(),
            status: Status::default(),
            events: Vec::new(),
            stop: AtomicBool::new(false),
        }
    }
}

impl Bench {
    /// A gesture for undo after so many reports, when this dictation was the last spoken.
    fn undo_after(&mut self, reports: usize, last: u64) {
        let interrupt = Arc::clone(&self.interrupt);
        self.events.push((reports, Box::new(move || _ = interrupt.undo(Some(last)))));
    }

    /// Do the jobs. Returns the texts of the reports.
    fn run(&mut self, jobs: Vec<Job>) -> Result<Vec<String>, Fault> {
        let (sender, receiver) = sync_channel(jobs.len());
        for job in jobs {
            if !matches!(job, Job::Finished(..)) {
                self.status.begin_work();
            }
            sender.try_send(job).unwrap();
        }
        drop(sender);
        let events = std::mem::take(&mut self.events);
        self.run_queue(&receiver, events)
    }

    /// Do the jobs, with gestures between them: each comes when the jobs before it are done.
    fn run_spoken(&self, spoken: Vec<Spoken>) -> Result<Vec<String>, Fault> {
        // Nothing waits in this one: a job is taken when the one before it is done.
        let (sender, receiver) = sync_channel(0);
        let (status, interrupt) = (&self.status, &self.interrupt);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for step in spoken {
                    let (job, gesture) = match step {
                        Spoken::Job(job) => (job, None),
                        Spoken::Undo(last) => (Job::Erase { chars: 0 }, Some(last)),
                    };
                    if !matches!(job, Job::Finished(..)) {
                        status.begin_work();
                    }
                    sender.send(job).unwrap();
                    if let Some(last) = gesture {
                        interrupt.undo(Some(last));
                    }
                }
            });
            let receiver = receiver;
            self.run_queue(&receiver, Vec::new())
        })
    }

    fn run_queue(&self, receiver: &Receiver<Job>, events: Vec<Event>) -> Result<Vec<String>, Fault> {
        let keyboard = Eventful { host: self.host.clone(), offered: 0, events };
        let clock: Arc<dyn Clock> = self.clock.clone();
        let typist = Typist::new(
            Box::new(keyboard) as Box<dyn Keyboard>,
            Arc::clone(&clock),
            Keymap::default(),
            Pacing::UNPACED,
        );
        let alive = Arc::new(Liveness::default()).enter(Role::Type);
        let shared =
            Shared { status: &self.status, stop: &self.stop, interrupt: &self.interrupt, alive: &alive };
        let mut texts = Vec::new();
        // A dictation takes a second.
        let mut on_report = |report: DictationReport| {
            self.clock.advance(Duration::from_secs(1));
            texts.push(report.text);
        };
        TypeThread::new(typist, clock, shared).run(receiver, &mut on_report)?;
        self.status.set_ready();
        assert_eq!(self.status.light(Duration::ZERO), Light::Ready, "every piece of work was ended");
        Ok(texts)
    }
}

/// What stands on the host after these jobs.
#[track_caller]
fn check(jobs: Vec<Job>, expected: &str) {
    let mut bench = Bench::default();
    bench.run(jobs).unwrap();
    assert_eq!(bench.host.typed(), expected);
}

#[test]
fn a_dictation_is_reported_with_all_its_texts() {
    let mut bench = Bench::default();
    let jobs = vec![text("One,"), text(" two."), finished(0), finished(1), text(" Three."), finished(2)];
    assert_eq!(bench.run(jobs).unwrap(), ["One, two.", "", " Three."]);
    assert_eq!(bench.host.typed(), "One, two. Three.");
}

#[test]
fn undo_takes_back_whole_dictations() {
    let mut jobs = dictations(&["One.", " Two\u{2026}", " Stra\u{df}e"]);
    jobs.push(Job::Undo { newer: 0 });
    check(jobs, "One. Two...");
    // What stands for one character takes as many backspaces as it has.
    let mut jobs = dictations(&["One.", " Two\u{2026}"]);
    jobs.extend([Job::Undo { newer: 0 }, Job::Undo { newer: 0 }, Job::Undo { newer: 0 }]);
    check(jobs, "");
    let mut jobs = dictations(&["One."]);
    jobs.extend([Job::OwnWords(" All is well.".into()), Job::Undo { newer: 0 }]);
    check(jobs, "One.");
}

#[test]
fn undo_within_a_dictation_takes_back_what_it_has_typed() {
    let mut bench = Bench::default();
    let jobs = vec![
        text("One."),
        finished(0),
        text(" Two,"),
        text(" three"),
        Job::Undo { newer: 0 },
        text(" four"),
        finished(1),
        Job::Retype,
    ];
    assert_eq!(bench.run(jobs).unwrap(), ["One.", " four"]);
    assert_eq!(bench.host.typed(), "One. four four");
}

#[test]
fn characters_are_erased_as_they_stood_in_the_texts() {
    let mut bench = Bench::default();
    let jobs = vec![
        text("One."),
        finished(0),
        text(" Two\u{2026} three"),
        Job::Erase { chars: 7 },
        text("!"),
        finished(1),
        Job::Erase { chars: 3 },
        Job::Retype,
    ];
    assert_eq!(bench.run(jobs).unwrap(), ["One.", " Two!"]);
    assert_eq!(bench.host.typed(), "One. T Two!");
}

#[test]
fn enter_makes_undo_forget() {
    let undo = |more: &[&str]| {
        let mut jobs = dictations(&[&["One."], more].concat());
        jobs.extend([Job::Undo { newer: 0 }, Job::Undo { newer: 0 }]);
        jobs
    };
    check(undo(&[" Two.\n"]), "One. Two.\n");
    check(undo(&[" Two.\nThree"]), "One. Two.\n");
    check(undo(&["\tTwo."]), "One.\t");
    // What the keymap makes an Enter of.
    check(undo(&[" Two.\u{2028}"]), "One. Two.\n");
    let mut jobs = dictations(&["One."]);
    jobs.extend([Job::Enter, Job::Undo { newer: 0 }, Job::Erase { chars: 2 }]);
    check(jobs, "One.\n");
}

/// Who asks for an undo must know how long ago that was; here it is told.
#[test]
fn what_was_typed_has_its_time() {
    let mut bench = Bench::default();
    let mut jobs = dictations(&["One.", " Two."]);
    jobs.extend([Job::OwnWords(" All is well.".into()), text(" Three.")]);
    bench.run(jobs).unwrap();
    let was_typed_before = |what, s| bench.interrupt.was_typed_before(what, Duration::from_secs(s));
    let [first, second, third] = [0, 1, 2].map(Typing::Dictation);
    assert_eq!([0, 1, 2].map(|s| was_typed_before(first, s)), [false, true, true]);
    assert_eq!([0, 1, 2].map(|s| was_typed_before(second, s)), [false, false, true]);
    assert_eq!([2, 3].map(|s| was_typed_before(Typing::Own(0), s)), [false, true]);
    assert!(
        ![third, Typing::Own(1)].iter().any(|what| was_typed_before(*what, 100)),
        "not over, not typed yet"
    );
}

#[test]
fn the_pace_changes_in_the_place_where_it_was_asked_for() {
    let mut bench = Bench::default();
    let slow = Pacing::new(crate::typing::Preset::Safe, 10);
    let mut jobs = dictations(&["Quick. "]);
    jobs.extend([Job::Pacing(slow), text("ab"), finished(1), Job::Pacing(Pacing::UNPACED), text("cd")]);
    bench.run(jobs).unwrap();
    assert_eq!(bench.host.typed(), "Quick. abcd");
    // Two dictations of a second each; a tenth of a second after each slow key but what follows unpaced.
    assert_eq!(bench.clock.now().as_millis(), 2000 + 100 + 20);
}

#[test]
fn retype_types_the_last_dictation_with_words() {
    let mut jobs = dictations(&["One.", " Two.", ""]);
    jobs.push(Job::Retype);
    check(jobs, "One. Two. Two.");
    // Also when it was taken back; and what was typed once more can be taken back again.
    let mut jobs = dictations(&["One.", " Two."]);
    jobs.extend([Job::Undo { newer: 0 }, Job::Retype, Job::Undo { newer: 0 }, Job::Retype, Job::Retype]);
    check(jobs, "One. Two. Two.");
    check(vec![Job::Retype], "");
}

#[test]
fn a_gesture_stops_what_is_being_typed_and_takes_it_back() {
    let mut bench = Bench::default();
    // In the middle of the second dictation, while a third one waits.
    bench.undo_after(10, 2);
    let mut jobs = vec![text("One."), finished(0), text(" Two, and"), text(" more."), finished(1)];
    jobs.extend([text(" Three."), finished(2), Job::Undo { newer: 1 }]);
    assert_eq!(bench.run(jobs).unwrap(), ["One.", "", " Three."]);
    assert_eq!(bench.host.typed(), "One. Three.");
}

#[test]
fn a_gesture_keeps_the_last_dictation_from_being_typed() {
    let mut bench = Bench::default();
    bench.interrupt.undo(Some(1));
    let mut jobs = dictations(&["One.", " Two."]);
    jobs.extend([Job::Undo { newer: 0 }, text(" Three."), finished(2), Job::Retype]);
    assert_eq!(bench.run(jobs).unwrap(), ["One.", "", " Three."]);
    assert_eq!(bench.host.typed(), "One. Three. Three.");
    assert!(!bench.host.reports().iter().any(|report| report.keys[0] == usage::BACKSPACE));
}

/// The end of the first dictation is held back with its full stop: nobody sees it being typed.
#[test]
fn a_gesture_before_the_end_of_a_dictation_that_was_typed_is_about_the_last_one() {
    let bench = Bench::default();
    let mut spoken = vec![Spoken::Job(text("One")), Spoken::Undo(1)];
    spoken
        .extend([text("."), finished(0), text(" Two"), finished(1), Job::Undo { newer: 0 }].map(Spoken::Job));
    assert_eq!(bench.run_spoken(spoken).unwrap(), ["One.", ""]);
    assert_eq!(bench.host.typed(), "One.");
    assert!(!bench.host.reports().iter().any(|report| report.keys[0] == usage::BACKSPACE));
}

/// The dictation that was meant had no words: the one before it stays.
#[test]
fn a_gesture_about_an_empty_dictation_takes_back_nothing() {
    let mut bench = Bench::default();
    bench.interrupt.undo(Some(1));
    let mut jobs = dictations(&["One."]);
    // The composer knows of nothing to take back.
    jobs.push(finished(1));
    bench.run(jobs).unwrap();
    assert_eq!(bench.host.typed(), "One.");
}

#[test]
fn what_was_stopped_is_erased_in_the_place_of_older_text() {
    let mut bench = Bench::default();
    bench.undo_after(10, 1);
    let mut jobs = vec![text("One."), finished(0), text(" Two, and"), Job::Erase { chars: 4 }];
    jobs.extend([text(" three."), finished(1), Job::Undo { newer: 0 }]);
    bench.run(jobs).unwrap();
    assert_eq!(bench.host.typed(), "One.");
}

#[test]
fn what_was_stopped_can_be_typed_once_more() {
    let mut bench = Bench::default();
    bench.undo_after(6, 0);
    bench
        .run(vec![text("One, two,"), text(" three."), finished(0), Job::Undo { newer: 0 }, Job::Retype])
        .unwrap();
    assert_eq!(bench.host.typed(), "One, two, three.");
}

#[test]
fn a_gesture_stops_the_own_words_and_the_second_one_goes_further_back() {
    let mut bench = Bench::default();
    bench.undo_after(12, 0);
    // While the backspaces go out.
    bench.undo_after(16, 0);
    let mut jobs = dictations(&["One."]);
    jobs.extend([
        Job::OwnWords(" Oratype is well.".into()),
        Job::Undo { newer: 0 },
        Job::Undo { newer: 0 },
        text("Two."),
        finished(1),
    ]);
    bench.run(jobs).unwrap();
    assert_eq!(bench.host.typed(), "Two.");
}

/// While the host is away nobody sees what is being typed: the gesture is about what was said last.
#[test]
fn a_gesture_while_the_host_is_away_is_about_the_last_dictation() {
    let absences = [vec![false; 3], vec![true; 20]].concat();
    let mut bench = Bench { host: ScriptedKeyboard::with_absences(absences), ..Bench::default() };
    bench.undo_after(10, 1);
    let mut jobs = dictations(&["One.", " Two."]);
    jobs.push(Job::Undo { newer: 0 });
    bench.run(jobs).unwrap();
    assert_eq!(bench.host.typed(), "One.");
}

#[test]
fn a_stop_counts_what_the_absent_host_did_not_get() {
    let bench = &mut Bench::default();
    bench.host.set_host_present(false);
    bench.stop.store(true, Ordering::Relaxed);
    let mut jobs = dictations(&["One.", " Two."]);
    jobs.extend([Job::Undo { newer: 0 }, Job::Retype]);
    assert!(matches!(bench.run(jobs), Err(Fault::Untyped(14))));
}

#[test]
fn a_failed_keyboard_counts_what_waits() {
    let bench = &mut Bench::default();
    bench.host.fail(nix::errno::Errno::ENODEV);
    let mut jobs = dictations(&["One.", " Two."]);
    jobs.extend([Job::OwnWords("ab".into()), Job::Undo { newer: 0 }]);
    assert!(matches!(bench.run(jobs), Err(Fault::Keyboard(_, 11))));
}

/// The queue is bounded: what was said first is kept, and who sends more hears of it.
#[test]
fn a_full_queue_keeps_the_oldest() {
    let (sender, receiver) = sync_channel(JOBS_QUEUED);
    let mut kept = String::new();
    let refused = (0..).find(|n| match sender.try_send(text(&format!("{n} "))) {
        Ok(()) => {
            kept += &format!("{n} ");
            false
        }
        Err(TrySendError::Full(_)) => true,
        Err(error) => panic!("{error}"),
    });
    assert_eq!(refused, Some(JOBS_QUEUED));
    drop(sender);
    let mut bench = Bench::default();
    bench.run(receiver.iter().collect()).unwrap();
    assert_eq!(bench.host.typed(), kept);
}

/// How long the first report of a text takes, from the moment in which somebody sends the text. Only told: on a busy
/// machine it takes as long as it takes.
#[test]
fn the_first_report_comes_soon() {
    const TEXTS: usize = 200;
    struct Watch(Arc<std::sync::Mutex<Vec<Instant>>>, usize);
    impl Keyboard for Watch {
        fn send(&mut self, _: Report) -> Result<(), KeyboardError> {
            // Two reports a text: `a` goes down, and up.
            if self.1.is_multiple_of(2) {
                self.0.lock().unwrap().push(Instant::now());
            }
            self.1 += 1;
            Ok(())
        }
        fn host_leds(&mut self) -> Option<HostLeds> {
            None
        }
    }
    let first_reports = Arc::default();
    let keyboard: Box<dyn Keyboard> = Box::new(Watch(Arc::clone(&first_reports), 0));
    let clock: Arc<dyn Clock> = Arc::new(MonotonicClock);
    let typist = Typist::new(keyboard, Arc::clone(&clock), Keymap::default(), Pacing::UNPACED);
    let (bench, (jobs, receiver), (typed, is_typed)) = (Bench::default(), sync_channel(1), sync_channel(1));
    let alive = Arc::new(Liveness::default()).enter(Role::Type);
    let mut sent = Vec::new();
    std::thread::scope(|scope| {
        let (status, stop, interrupt) = (&bench.status, &bench.stop, &bench.interrupt);
        scope.spawn(move || {
            let shared = Shared { status, stop, interrupt, alive: &alive };
            TypeThread::new(typist, clock, shared).run(&receiver, &mut |_| typed.send(()).unwrap())
        });
        for number in 0..TEXTS {
            status.begin_work();
            sent.push(Instant::now());
            jobs.send(text("a")).unwrap();
            jobs.send(finished(number as u64)).unwrap();
            is_typed.recv().unwrap();
        }
        drop(jobs);
    });
    let first_reports = first_reports.lock().unwrap();
    let mut took: Vec<_> = first_reports.iter().zip(&sent).map(|(first, sent)| *first - *sent).collect();
    took.sort();
    assert_eq!(took.len(), TEXTS);
    eprintln!("from text to first report: median {:?}, 95 % {:?}", took[TEXTS / 2], took[TEXTS * 95 / 100]);
}

#[test]
fn enter_and_tab_do_more_than_to_make_text_on_every_layout() {
    for layout in oratype_layouts::Layout::all() {
        let keymap = Keymap::new(layout, UnicodeEntry::None, true);
        let all_do = ['\n', '\t'].into_iter().all(|c| does_more(&keymap, c) == layout.types(c));
        assert!(all_do && !does_more(&keymap, 'a'), "{layout:?}");
    }
}
