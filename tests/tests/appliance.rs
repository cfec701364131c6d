//! The appliance with devices that come and go, and the real recogniser: no word is lost or doubled.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use oratype::appliance::{self, Devices, Opener, Options};
use oratype::bench::manifest::Utterance;
use oratype::bench::normalise::normalise;
use oratype::models;
use oratype::pipeline::Fault;
use oratype::recognise::engine::EngineOptions;
use oratype::recognise::policy::Decoding;
use oratype::recognise::protocol::Engine;
use oratype::recognise::supervisor::SupervisorOptions;
use oratype::recognise::worker::WorkerOptions;
use oratype::report::About;
use oratype::settings::Settings;
use oratype::speech::SileroVad;
use oratype::status::{Cause, Light, Status};
use oratype_hal::gpio::{Button, Edge, GpioError, Led, RecordingLed};
use oratype_hal::hid::{Decoder, HostLeds, Keyboard, KeyboardError, Report};
use oratype_hal::pcm::{Capture, CaptureError, Captured, Period, SampleFormat, StreamFormat};
use oratype_hal::time::{Clock, MonotonicClock, Timestamp};
use oratype_tests::needs::{Dictation, folder_for_test, write};
use oratype_tests::oratype::{LIMIT, program};
use oratype_tests::sound::Sound;
use oratype_tests::words::assert_said;

const FORMAT: StreamFormat = StreamFormat { rate_hz: 16_000, channels: 1, sample: SampleFormat::S16 };
const PERIOD: Duration = Duration::from_millis(10);
const PERIOD_FRAMES: usize = 160;

const SAID: [&str; 2] = ["auth-incorrect", "conf-invalid"];

/// What the devices share.
#[derive(Default)]
struct World {
    /// The button's edges to come.
    edges: VecDeque<Edge>,
    /// Reports that the host took, as text.
    decoder: Decoder,
    typed: String,
    /// Reports after which the keyboard fails, once.
    reports_left: Option<usize>,
    host_there: bool,
    /// The last recording is over.
    over: bool,
    /// Dictations that are typed.
    dictations: usize,
    /// The microphone's driver is to panic.
    panics: bool,
}

type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recording with silence around it, as a microphone hears it.
fn heard(utterance: &Utterance) -> Vec<i16> {
    let silence = Sound::silence(16_000, 0.6);
    let sound = silence.clone().then(&Sound::read(&utterance.path).resampled(16_000)).then(&silence);
    sound.samples.iter().map(|sample| (sample * 32_767.0) as i16).collect()
}

/// A microphone that plays a recording in real time while somebody uses the button, and is then gone, or hears silence.
struct Plays {
    world: Shared,
    samples: Vec<i16>,
    /// The button's edges, by the sample.
    edges: VecDeque<(usize, bool)>,
    next: usize,
    /// When the next period is complete; none before the first.
    due: Option<Timestamp>,
    stays: bool,
}

impl Capture for Plays {
    fn period_bytes_max(&self) -> usize {
        PERIOD_FRAMES * 2
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        assert!(!lock(&self.world).panics, "on purpose");
        if self.next >= self.samples.len() && !self.stays {
            return Err(CaptureError::Disconnected);
        }
        let end = self.due.unwrap_or_else(|| MonotonicClock.now() + PERIOD);
        MonotonicClock.sleep_until(end);
        while let Some((_, pressed)) = self.edges.pop_front_if(|(at, _)| *at <= self.next) {
            let mut world = lock(&self.world);
            world.edges.push_back(Edge { at: end, pressed });
            world.over |= self.stays && self.edges.is_empty();
        }
        for (i, bytes) in buffer[..PERIOD_FRAMES * 2].as_chunks_mut::<2>().0.iter_mut().enumerate() {
            *bytes = self.samples.get(self.next + i).copied().unwrap_or(0).to_le_bytes();
        }
        self.next += PERIOD_FRAMES;
        self.due = Some(end + PERIOD);
        Ok(Captured::Period(Period {
            frames: PERIOD_FRAMES as u32,
            format: FORMAT,
            end,
            discontinuity: false,
        }))
    }

    fn can_wait(&self) -> bool {
        false
    }
}

struct SharedButton(Shared);

impl Button for SharedButton {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        Ok(lock(&self.0).edges.pop_front_if(|edge| edge.at <= until))
    }
}

struct Host(Shared);

impl Keyboard for Host {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        let world = &mut *lock(&self.0);
        if !world.host_there {
            return Err(KeyboardError::HostAway);
        }
        match world.reports_left {
            Some(0) => {
                world.reports_left = None;
                return Err(KeyboardError::Failed(Errno::EIO));
            }
            Some(left) => world.reports_left = Some(left - 1),
            None => {}
        }
        world.decoder.decode(report).for_each(|typed| typed.apply(&mut world.typed));
        Ok(())
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        None
    }
}

/// Run an appliance until `look`, which is the eyes on its light, says that it has seen enough.
fn run_until(
    dictation: &Dictation,
    model: PathBuf,
    world: &Shared,
    microphone: Opener<Box<dyn Capture>>,
    mut look: impl FnMut(Light, &Status) -> bool,
) -> Vec<Fault> {
    let (button_world, host_world) = (Arc::clone(world), Arc::clone(world));
    let led = RecordingLed::default();
    let devices = Devices {
        microphone,
        button: Box::new(move || Ok(Box::new(SharedButton(Arc::clone(&button_world))) as Box<dyn Button>)),
        keyboard: Box::new(move || Ok(Box::new(Host(Arc::clone(&host_world))) as Box<dyn Keyboard>)),
        light: Box::new(move || Ok(Box::new(led.clone()) as Box<dyn Led>)),
    };
    let vad_file = dictation.models().join(models::SILERO.name);
    let (dictation_world, stopping) = (Arc::clone(world), AtomicBool::new(false));
    let options = Options {
        settings: Settings::default(),
        recogniser: SupervisorOptions {
            program: program(),
            worker: WorkerOptions {
                model,
                any_model: false,
                phrases: Vec::new(),
                cores: Vec::new(),
                engine: EngineOptions { threads: 1 },
            },
            timeout: LIMIT,
            partition: None,
        },
        engine: Engine::Product(Decoding::STANDARD),
        vad: Box::new(move || Ok(SileroVad::load(&vad_file)?)),
        watchdog: None,
        clock: Arc::new(MonotonicClock),
        reopen_pause: Duration::from_millis(200),
        about: About::default(),
        on_report: Box::new(move |_| lock(&dictation_world).dictations += 1),
    };
    let begun = MonotonicClock.now();
    let lamp = |status: &Status, now: Timestamp| {
        assert!(now < begun + LIMIT, "it hangs");
        let light = status.light(now);
        if look(light, status) {
            stopping.store(true, Ordering::Relaxed);
        }
        light.is_lit(now)
    };
    appliance::run(devices, options, lamp, &stopping).unwrap()
}

/// The microphone is absent at first, goes in the middle of a dictation and comes back; the host comes late, and the
/// keyboard fails while it types.
#[test]
fn text_survives_what_comes_and_goes() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = SAID.map(|id| dictation.utterance(id));
    let world = Shared::default();
    lock(&world).reports_left = Some(20);
    // The light no longer tells that it listens.
    let noticed = Arc::new(AtomicBool::new(false));

    let microphone: Opener<Box<dyn Capture>> = {
        let (world, noticed) = (Arc::clone(&world), Arc::clone(&noticed));
        let mut sounds = VecDeque::from(said.map(heard));
        let mut tries = 0;
        Box::new(move || {
            tries += 1;
            let first = sounds.len() == SAID.len();
            if tries < 3 || !first && !noticed.load(Ordering::Relaxed) {
                return Err("no such card".into());
            }
            let samples = sounds.pop_front().ok_or("no further microphone is needed")?;
            // Held still when the first one goes; let go, and pressed again, when the second one is there.
            let edges = match first {
                true => [(0, true)].into(),
                false => [(0, false), (3200, true), (samples.len(), false)].into(),
            };
            let world = Arc::clone(&world);
            Ok(Box::new(Plays { world, samples, edges, next: 0, due: None, stays: !first }))
        })
    };
    let (mut missed, mut listened, mut away) = (false, false, false);
    let model = dictation.models().join(models::WHISPER.name);
    let faults = run_until(&dictation, model, &world, microphone, |light, status| {
        missed |= status.lacking() == Some(Cause::Microphone);
        listened |= light == Light::Listening;
        if listened && light != Light::Listening {
            noticed.store(true, Ordering::Relaxed);
        }
        let mut world = lock(&world);
        // Both dictations are over, and the text of the first still waits.
        if light == Light::HostAway && world.over {
            away = true;
            world.host_there = true;
        }
        world.dictations == SAID.len()
    });
    assert!(faults.is_empty(), "{faults:?}");
    assert!(missed, "the light never told that there was no microphone");
    assert!(away, "the text never waited for the host");
    assert_eq!(lock(&world).reports_left, None, "the keyboard never failed");
    let reference = said.map(|utterance| utterance.reference.as_str()).join(" ");
    assert_said(&reference, &lock(&world).typed, 2);
}

/// Somebody who speaks before the button is down, and lets go before the last word is over.
#[test]
fn words_around_the_press_and_the_release_are_whole() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = dictation.utterance("conf-placeintoconf");
    let speech = Sound::read(&said.path).without_margins(0.02);
    let silence = Sound::silence(16_000, 0.6);
    let (begin, end) = (silence.samples.len(), silence.samples.len() + speech.samples.len());
    let sound = silence.clone().then(&speech).then(&silence);
    let samples: Vec<_> = sound.samples.iter().map(|sample| (sample * 32_767.0) as i16).collect();
    let world = Shared::default();
    lock(&world).host_there = true;
    let microphone: Opener<Box<dyn Capture>> = {
        let world = Arc::clone(&world);
        Box::new(move || {
            // 200 ms late, 250 ms early.
            let edges = [(begin + 3200, true), (end - 4000, false)].into();
            let (world, samples) = (Arc::clone(&world), samples.clone());
            Ok(Box::new(Plays { world, samples, edges, next: 0, due: None, stays: true }))
        })
    };
    let model = dictation.models().join(models::WHISPER.name);
    let faults = run_until(&dictation, model, &world, microphone, |_, _| lock(&world).dictations == 1);
    assert!(faults.is_empty(), "{faults:?}");
    assert_said(&said.reference, &lock(&world).typed, 0);
}

/// A hundred presses of 30 ms in a row: more than five taps, which ask for one report. And the next sentence is typed.
#[test]
fn a_hundred_presses_in_a_row_are_one_gesture() {
    const PRESS_SAMPLES: usize = 480;
    let Some(dictation) = Dictation::needs() else { return };
    let said = dictation.utterance("conf-invalid");
    let world = Shared::default();
    lock(&world).host_there = true;
    let microphone: Opener<Box<dyn Capture>> = {
        let (world, spoken) = (Arc::clone(&world), heard(said));
        Box::new(move || {
            let begin = 200 * PRESS_SAMPLES + 16_000;
            let presses = (0..200).map(|i| (i * PRESS_SAMPLES, i % 2 == 0));
            let edges = presses.chain([(begin, true), (begin + spoken.len(), false)]).collect();
            let samples = [&vec![0; begin][..], &spoken].concat();
            Ok(Box::new(Plays { world: Arc::clone(&world), samples, edges, next: 0, due: None, stays: true }))
        })
    };
    let model = dictation.models().join(models::WHISPER.name);
    let faults = run_until(&dictation, model, &world, microphone, |_, _| lock(&world).dictations == 1);
    assert!(faults.is_empty(), "{faults:?}");
    let typed = lock(&world).typed.clone();
    assert_eq!(typed.matches("Oratype").count(), 1, "{typed}");
    assert!(normalise(&typed).ends_with(&normalise(&said.reference)), "{typed}");
}

/// Two quick taps take back the second of two dictations, whether it is typed by then or not; and three type it again.
#[test]
fn quick_taps_undo_and_retype() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = SAID.map(|id| dictation.utterance(id));
    for (taps, expected) in
        [(2, said[0].reference.clone()), (3, said.map(|u| u.reference.as_str()).join(" "))]
    {
        let expected = if taps == 3 { format!("{expected} {}", said[1].reference) } else { expected };
        let world = Shared::default();
        lock(&world).host_there = true;
        let microphone: Opener<Box<dyn Capture>> = {
            let (world, [first, second]) = (Arc::clone(&world), said.map(heard));
            Box::new(move || {
                let mut edges = VecDeque::from([(0, true), (first.len(), false)]);
                let end = first.len() + second.len();
                edges.extend([(first.len() + 1600, true), (end, false)]);
                // 100 ms each, 100 ms apart, a second later.
                edges.extend((0..2 * taps).map(|i| (end + 16_000 + 1600 * i, i % 2 == 0)));
                let samples = [&first[..], &second].concat();
                Ok(Box::new(Plays {
                    world: Arc::clone(&world),
                    samples,
                    edges,
                    next: 0,
                    due: None,
                    stays: true,
                }))
            })
        };
        let mut over_at = None;
        let model = dictation.models().join(models::WHISPER.name);
        let faults = run_until(&dictation, model, &world, microphone, |light, _| {
            let now = MonotonicClock.now();
            if lock(&world).over {
                over_at.get_or_insert(now);
            }
            // How many taps there were is known after 0.3 s.
            let known = over_at.is_some_and(|over_at| now > over_at + Duration::from_secs(1));
            known && light == Light::Ready && lock(&world).dictations == SAID.len()
        });
        assert!(faults.is_empty(), "{faults:?}");
        assert_said(&expected, &lock(&world).typed, 2);
    }
}

/// What cannot be typed at once is lost then; but it does not wait for a host in a program that hears nothing.
#[test]
fn a_panic_ends_it_though_text_waits_for_the_host() {
    let Some(dictation) = Dictation::needs() else { return };
    let world = Shared::default();
    let microphone: Opener<Box<dyn Capture>> = {
        let (world, samples) = (Arc::clone(&world), heard(dictation.utterance("conf-invalid")));
        Box::new(move || {
            let edges = [(0, true), (samples.len(), false)].into();
            let (world, samples) = (Arc::clone(&world), samples.clone());
            Ok(Box::new(Plays { world, samples, edges, next: 0, due: None, stays: true }))
        })
    };
    let model = dictation.models().join(models::WHISPER.name);
    let faults = run_until(&dictation, model, &world, microphone, |light, _| {
        lock(&world).panics |= light == Light::HostAway;
        false
    });
    assert!(faults.iter().any(|fault| matches!(fault, Fault::Untyped(_))), "{faults:?}");
    assert!(faults.iter().any(|fault| matches!(fault, Fault::Listen(_))), "{faults:?}");
}

/// Never a restart, let alone a reboot; and used as soon as it is right.
#[test]
fn an_altered_model_is_shown_until_it_is_mended() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let good = std::fs::read(dictation.models().join(models::WHISPER.name)).unwrap();
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    let model = write(folder.path(), "model", altered);
    let microphone: Opener<Box<dyn Capture>> = Box::new(|| Err("none is needed".into()));
    let mut shown = false;
    let faults = run_until(&dictation, model, &Shared::default(), microphone, |light, status| {
        if !shown && status.lacking() == Some(Cause::Model) {
            shown = true;
            assert_ne!(light, Light::Ready);
            write(folder.path(), "model", &good);
        }
        // Of the two things it lacked, the other is left.
        shown && status.lacking() == Some(Cause::Microphone)
    });
    assert!(faults.is_empty(), "{faults:?}");
}
