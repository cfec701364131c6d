//! The appliance with devices that come and go, and the real recogniser: no word is lost or doubled.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use oratype::appliance::{self, Devices, Opener, Options};
use oratype::health::{Health, Trouble};
use oratype::models;
use oratype::recognise::engine::EngineOptions;
use oratype::recognise::supervisor::SupervisorOptions;
use oratype::recognise::worker::WorkerOptions;
use oratype::settings::Settings;
use oratype::speech::SileroVad;
use oratype::status::{Light, Status};
use oratype_hal::gpio::{Button, Edge, GpioError, Led, RecordingLed};
use oratype_hal::hid::{Decoder, HostLeds, Keyboard, KeyboardError, Report};
use oratype_hal::pcm::{Capture, CaptureError, Captured, Period, SampleFormat, StreamFormat};
use oratype_hal::time::{Clock, MonotonicClock, Timestamp};
use oratype_tests::needs::Dictation;
use oratype_tests::oratype::{LIMIT, program};
use oratype_tests::sound::Sound;
use oratype_tests::words::assert_said;

const FORMAT: StreamFormat = StreamFormat { rate_hz: 16_000, channels: 1, sample: SampleFormat::S16 };
const PERIOD: Duration = Duration::from_millis(10);
const PERIOD_FRAMES: usize = 160;

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
    /// The second dictation is over.
    released: bool,
}

type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
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
        let over = self.next >= self.samples.len();
        if over && !self.stays {
            return Err(CaptureError::Disconnected);
        }
        let end = self.due.unwrap_or_else(|| MonotonicClock.now() + PERIOD);
        MonotonicClock.sleep_until(end);
        while let Some((_, pressed)) = self.edges.pop_front_if(|(at, _)| *at <= self.next) {
            let mut world = lock(&self.world);
            world.edges.push_back(Edge { at: end, pressed });
            world.released |= self.stays && self.edges.is_empty();
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

/// The microphone is absent at first, goes in the middle of a dictation and comes back; the host comes late, and the
/// keyboard fails while it types.
#[test]
fn text_survives_what_comes_and_goes() {
    let Some(dictation) = Dictation::needs() else { return };
    let said = ["auth-incorrect", "conf-invalid"].map(|id| dictation.utterance(id));
    let world = Shared::default();
    lock(&world).reports_left = Some(20);

    let opened = Arc::new(AtomicUsize::new(0));
    // The light no longer tells that it listens.
    let noticed = Arc::new(AtomicBool::new(false));
    let microphone: Opener<Box<dyn Capture>> = {
        let (world, opened, noticed) = (Arc::clone(&world), Arc::clone(&opened), Arc::clone(&noticed));
        let mut sounds: VecDeque<_> = said
            .iter()
            .map(|utterance| {
                let silence = Sound::silence(16_000, 0.6);
                let sound =
                    silence.clone().then(&Sound::read(&utterance.path).resampled(16_000)).then(&silence);
                sound.samples.iter().map(|sample| (sample * 32_767.0) as i16).collect::<Vec<_>>()
            })
            .collect();
        let mut tries = 0;
        Box::new(move || {
            tries += 1;
            let first = opened.load(Ordering::Relaxed) == 0;
            if tries < 3 || !first && !noticed.load(Ordering::Relaxed) {
                return Err("no such card".into());
            }
            let samples = sounds.pop_front().ok_or("no further microphone is needed")?;
            opened.fetch_add(1, Ordering::Relaxed);
            // Held still when the first one goes; let go, and pressed again, when the second one is there.
            let edges = match first {
                true => [(0, true)].into(),
                false => [(0, false), (3200, true), (samples.len(), false)].into(),
            };
            let world = Arc::clone(&world);
            Ok(Box::new(Plays { world, samples, edges, next: 0, due: None, stays: !first }))
        })
    };
    let (button_world, host_world) = (Arc::clone(&world), Arc::clone(&world));
    let led = RecordingLed::default();
    let devices = Devices {
        microphone,
        button: Box::new(move || Ok(Box::new(SharedButton(Arc::clone(&button_world))) as Box<dyn Button>)),
        keyboard: Box::new(move || Ok(Box::new(Host(Arc::clone(&host_world))) as Box<dyn Keyboard>)),
        light: Box::new(move || Ok(Box::new(led.clone()) as Box<dyn Led>)),
    };
    let vad_file = dictation.models().join(models::SILERO.name);
    let reports = Arc::new(AtomicUsize::new(0));
    let reported = Arc::clone(&reports);
    let options = Options {
        settings: Settings::default(),
        recogniser: SupervisorOptions {
            program: program(),
            worker: WorkerOptions {
                model: dictation.models().join(models::WHISPER.name),
                cores: Vec::new(),
                engine: EngineOptions { threads: 1, flash_attention: true },
            },
            timeout: LIMIT,
            partition: None,
        },
        vad: Box::new(move || Ok(SileroVad::load(&vad_file)?)),
        watchdog: None,
        clock: Arc::new(MonotonicClock),
        reopen_pause: Duration::from_millis(200),
        on_report: Box::new(move |_| {
            reported.fetch_add(1, Ordering::Relaxed);
        }),
    };

    let stopping = AtomicBool::new(false);
    let (mut missed, mut listened, mut away) = (false, false, false);
    let begun = MonotonicClock.now();
    // The eyes on the device: also what makes the host come, and ends it all.
    let lamp = |status: &Status, health: &Health, now: Timestamp| {
        missed |= health.worst() == Some(Trouble::Microphone);
        let light = status.light();
        // Both dictations are over, and the text of the first still waits.
        listened |= light == Light::Listening;
        if listened && light != Light::Listening {
            noticed.store(true, Ordering::Relaxed);
        }
        if light == Light::HostAway && lock(&world).released {
            away = true;
            lock(&world).host_there = true;
        }
        if reports.load(Ordering::Relaxed) == 2 || now > begun + LIMIT {
            stopping.store(true, Ordering::Relaxed);
        }
        light.is_lit(now)
    };
    let faults = appliance::run(devices, options, lamp, &stopping).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(reports.load(Ordering::Relaxed), 2, "dictations that ended");
    assert!(missed, "the light never told that there was no microphone");
    assert!(away, "the text never waited for the host");
    assert_eq!(lock(&world).reports_left, None, "the keyboard never failed");
    let typed = lock(&world).typed.clone();
    let reference = said.map(|utterance| utterance.reference.as_str()).join(" ");
    assert_said(&reference, &typed, 2);
}
