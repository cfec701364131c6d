//! Tests of devices that come and go, and of an appliance that lacks something.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::errno::Errno;
use oratype_hal::gpio::{Edge, GpioError, RecordingLed, ScriptedButton};
use oratype_hal::hid::{Decoder, HostLeds, KeyboardError, Report, Typed};
use oratype_hal::pcm::{CaptureError, Captured, Period, SampleFormat, StreamFormat};
use oratype_hal::time::SimulatedClock;

use super::*;
use crate::recognise::engine::EngineOptions;
use crate::recognise::policy::Decoding;
use crate::recognise::protocol::Engine;
use crate::recognise::worker::WorkerOptions;
use crate::speech::silero::tests as silero_tests;
use crate::typing::{Keymap, Pacing, TypingOutcome, Typist};

const FORMAT: StreamFormat = StreamFormat { rate_hz: 48_000, channels: 1, sample: SampleFormat::S16 };
const MS: Duration = Duration::from_millis(1);

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(60);

fn period(discontinuity: bool) -> Captured {
    Captured::Period(Period { frames: 480, format: FORMAT, end: Duration::ZERO, discontinuity })
}

/// A microphone that does what is sent to it, and is mute otherwise.
struct Told {
    script: Receiver<Result<Captured, CaptureError>>,
    bytes: usize,
}

impl Capture for Told {
    fn period_bytes_max(&self) -> usize {
        self.bytes
    }
    fn read_period(&mut self, _: &mut [u8]) -> Result<Captured, CaptureError> {
        self.script.try_recv().unwrap_or(Ok(Captured::Pending))
    }
    fn can_wait(&self) -> bool {
        false
    }
}

/// An opener that gives what is sent to it, in turn, and says when it was asked.
fn told<T: Send + 'static>() -> (Opener<T>, Sender<Result<T, &'static str>>, Receiver<()>) {
    let (answer, answers) = channel();
    let (asked, asks) = channel();
    let open = move || {
        let _ = asked.send(());
        // The test is over.
        let answer: Result<T, &'static str> = answers.recv().unwrap_or(Err("over"));
        answer.map_err(Into::into)
    };
    (Box::new(open), answer, asks)
}

/// Read until something other than "pending" comes, or `enough`.
fn read(microphone: &mut ReopenedMicrophone, mut enough: impl FnMut() -> bool) -> Option<Captured> {
    loop {
        match microphone.read_period(&mut [0; 7680]).unwrap() {
            Captured::Pending if enough() => return None,
            Captured::Pending => thread::yield_now(),
            captured => return Some(captured),
        }
    }
}

struct Bench {
    microphone: ReopenedMicrophone,
    answer: Sender<Result<Box<dyn Capture>, &'static str>>,
    asks: Receiver<()>,
    status: Arc<Status>,
    clock: Arc<SimulatedClock>,
}

fn microphone() -> Bench {
    let (open, answer, asks) = told();
    let status = Arc::new(Status::default());
    let clock = Arc::new(SimulatedClock::new());
    let microphone =
        ReopenedMicrophone::start(open, Duration::ZERO, &status, Arc::clone(&clock) as _).unwrap();
    Bench { microphone, answer, asks, status, clock }
}

impl Bench {
    /// Let a microphone be found; what is sent is what it does.
    fn plug_in(&self, bytes: usize) -> Sender<Result<Captured, CaptureError>> {
        let (sender, script) = channel();
        self.answer.send(Ok(Box::new(Told { script, bytes }))).unwrap();
        sender
    }
}

#[test]
fn a_microphone_may_be_absent_appear_disappear_and_come_back() {
    let mut bench = microphone();
    // Absent, twice; the second question shows that the first answer was taken in.
    bench.answer.send(Err("no such card")).unwrap();
    bench.asks.recv_timeout(FOREVER).unwrap();
    bench.asks.recv_timeout(FOREVER).unwrap();
    assert_eq!(bench.status.lacking(), Some(Cause::Microphone));
    assert_eq!(read(&mut bench.microphone, || true), None);

    let first = bench.plug_in(960);
    first.send(Ok(period(false))).unwrap();
    assert_eq!(read(&mut bench.microphone, || false), Some(period(false)));
    assert_eq!(bench.status.lacking(), None);

    first.send(Err(CaptureError::Disconnected)).unwrap();
    let asks = &bench.asks;
    assert_eq!(read(&mut bench.microphone, || asks.try_recv().is_ok()), None);
    assert_eq!(bench.status.lacking(), Some(Cause::Microphone));

    let second = bench.plug_in(960);
    second.send(Ok(period(false))).unwrap();
    second.send(Ok(period(false))).unwrap();
    assert_eq!(read(&mut bench.microphone, || false), Some(period(true)), "a gap that is not marked");
    assert_eq!(read(&mut bench.microphone, || false), Some(period(false)));
    assert_eq!(bench.status.lacking(), None);
}

#[test]
fn a_microphone_that_is_mute_or_of_no_use_is_opened_again() {
    let mut bench = microphone();
    let _mute = bench.plug_in(960);
    bench.asks.recv_timeout(FOREVER).unwrap();
    let (asks, clock) = (&bench.asks, &bench.clock);
    let mut passed = Duration::ZERO;
    read(&mut bench.microphone, || {
        clock.advance(100 * MS);
        passed += 100 * MS;
        asks.try_recv().is_ok()
    });
    assert!(passed >= Duration::from_secs(5), "given up after {passed:?}");

    // The next one can be opened too: that does not make it one that works.
    let _mute_too = bench.plug_in(960);
    read(&mut bench.microphone, || {
        assert_eq!(bench.status.lacking(), Some(Cause::Microphone));
        clock.advance(100 * MS);
        asks.try_recv().is_ok()
    });

    // Periods that do not fit, then a rate that cannot be converted, then one of use.
    bench.plug_in(7681);
    let odd = bench.plug_in(960);
    let format = StreamFormat { rate_hz: 1, ..FORMAT };
    let Captured::Period(usual) = period(false) else { unreachable!() };
    odd.send(Ok(Captured::Period(Period { format, ..usual }))).unwrap();
    let good = bench.plug_in(960);
    good.send(Ok(period(false))).unwrap();
    assert_eq!(read(&mut bench.microphone, || false), Some(period(true)));
}

/// A host that shows what is typed, on keyboards that fail after so many reports.
struct Failing {
    left: usize,
    host: Arc<Mutex<(Decoder, String)>>,
}

impl Keyboard for Failing {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        self.left = self.left.checked_sub(1).ok_or(KeyboardError::Failed(Errno::EIO))?;
        let (decoder, text) = &mut *self.host.lock().unwrap();
        decoder.decode(report).for_each(|typed: Typed| typed.apply(text));
        Ok(())
    }
    fn host_leds(&mut self) -> Option<HostLeds> {
        None
    }
}

#[test]
fn text_survives_keyboards_that_fail() {
    let host = Arc::new(Mutex::new((Decoder::default(), String::new())));
    let shown = Arc::clone(&host);
    let mut tries = 0;
    let open = move || -> Result<Box<dyn Keyboard>, Failure> {
        tries += 1;
        if tries % 2 == 1 {
            return Err("no UDC".into());
        }
        Ok(Box::new(Failing { left: 3 * tries, host: Arc::clone(&host) }))
    };
    let status = Arc::new(Status::default());
    let keyboard = ReopenedKeyboard::start(Box::new(open), Duration::ZERO, &status).unwrap();
    let mut typist =
        Typist::new(keyboard, Arc::new(SimulatedClock::new()), Keymap::default(), Pacing::UNPACED);
    let text = "The quick brown fox jumps over the lazy dog, and back again.";
    let mut away = Vec::new();
    let outcome = typist.type_text(text, |_| false, |is_away| away.push(is_away));
    assert!(matches!(outcome, TypingOutcome::Done { .. }), "{outcome:?}");
    assert_eq!(shown.lock().unwrap().1, text);
    assert!(away.len() > 4 && away.len().is_multiple_of(2), "{away:?}");
    assert_eq!(status.lacking(), None);
}

struct Broken(Vec<Edge>);

impl Button for Broken {
    fn next_edge(&mut self, _: Timestamp) -> Result<Option<Edge>, GpioError> {
        self.0.pop().map(Some).ok_or(GpioError(Errno::EIO))
    }
}

#[test]
fn a_button_that_fails_while_it_is_held_is_let_go() {
    let (open, answer, _asks) = told::<Box<dyn Button>>();
    let status = Arc::new(Status::default());
    let mut button = ReopenedButton::start(open, Duration::ZERO, &status).unwrap();
    let pressed = Edge { at: 5 * MS, pressed: true };
    answer.send(Ok(Box::new(Broken(vec![pressed])))).unwrap();
    let mut next = |until| loop {
        if let Some(edge) = button.next_edge(until).unwrap() {
            return edge;
        }
        thread::yield_now();
    };
    assert_eq!(next(10 * MS), pressed);
    assert_eq!(next(20 * MS), Edge { at: 20 * MS, pressed: false });
    let again = Edge { at: 30 * MS, pressed: true };
    answer.send(Ok(Box::new(ScriptedButton::new([again])))).unwrap();
    assert_eq!(next(40 * MS), again);
}

/// Run an appliance that lacks something, until its light has shown that; returns what went wrong besides.
fn run_until(cause: Cause, vad: Opener<SileroVad>, microphone: Opener<Box<dyn Capture>>) -> Vec<Fault> {
    let led = RecordingLed::default();
    let shown = led.clone();
    let devices = Devices {
        microphone,
        button: Box::new(|| Ok(Box::new(ScriptedButton::new([])))),
        keyboard: Box::new(|| Err("no keyboard is needed".into())),
        light: Box::new(move || Ok(Box::new(led.clone()))),
    };
    let options = Options {
        about: About::default(),
        settings: Settings::default(),
        recogniser: SupervisorOptions {
            // Ends at once and says nothing.
            program: PathBuf::from("/bin/true"),
            worker: WorkerOptions {
                model: PathBuf::from("none"),
                any_model: false,
                phrases: Vec::new(),
                cores: Vec::new(),
                engine: EngineOptions { threads: 1 },
            },
            timeout: FOREVER,
            partition: None,
        },
        engine: Engine::Product(Decoding::STANDARD),
        vad,
        watchdog: None,
        clock: Arc::new(SimulatedClock::new()),
        reopen_pause: Duration::ZERO,
        on_report: Box::new(|_| {}),
    };
    let stopping = AtomicBool::new(false);
    let lamp = |status: &Status, _: Timestamp| {
        let there = status.lacking() == Some(cause);
        if there && shown.states().contains(&true) {
            stopping.store(true, Ordering::Relaxed);
        }
        there
    };
    run(devices, options, lamp, &stopping).unwrap()
}

fn silero() -> Opener<SileroVad> {
    Box::new(|| Ok(silero_tests::load(&silero_tests::synthetic_file())?))
}

#[test]
fn a_missing_speech_detector_is_shown_and_no_end() {
    let vad = || Err("altered".into());
    assert!(run_until(Cause::Model, Box::new(vad), Box::new(|| Err("none".into()))).is_empty());
}

#[test]
fn a_recogniser_that_does_not_start_is_shown_and_no_end() {
    assert!(run_until(Cause::Recogniser, silero(), Box::new(|| Err("none".into()))).is_empty());
}

#[test]
fn a_panic_ends_it() {
    struct Panics;
    impl Capture for Panics {
        fn period_bytes_max(&self) -> usize {
            960
        }
        fn read_period(&mut self, _: &mut [u8]) -> Result<Captured, CaptureError> {
            panic!("on purpose")
        }
        fn can_wait(&self) -> bool {
            false
        }
    }
    // It never shows a trouble of the button's, and so nobody tells it to stop.
    let faults = run_until(Cause::Other, silero(), Box::new(|| Ok(Box::new(Panics))));
    assert!(!faults.is_empty());
}
