//! The threads, and the queues between them.
//!
//! ```text
//! capture ─ring─► listen ─Work─► recognise ─Job─► type ─► on_report
//! ```
//!
//! Each thread ends when the queue before it does, so a stop at the front empties the whole pipeline in order: the
//! sound that was captured is recognised and typed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use oratype_hal::gpio::Button;
use oratype_hal::hid::{Keyboard, KeyboardError};
use oratype_hal::pcm::Capture;
use oratype_hal::time::Clock;

use crate::capture::{self, CaptureHandle, StartError};
use crate::compose::Composer;
use crate::listen::ptt::{Ptt, PttOptions};
use crate::listen::segmenter::{Segmenter, SegmenterOptions};
use crate::listen::{ListenError, Listener};
use crate::liveness::{Deadlines, Liveness, Role};
use crate::metrics::DictationReport;
use crate::recognise::audio::Pool;
use crate::recognise::protocol::{Engine, Prompt};
use crate::recognise::supervisor::{Caller, RecogniseError, RecogniserStats, Supervisor, SupervisorOptions};
use crate::recognise::thread::{Held, InProfile, RecogniseThread};
use crate::report::About;
use crate::settings::Settings;
use crate::sizes::{JOBS_QUEUED, WORK_QUEUED};
use crate::speech::{SileroVad, SpeechDetector};
use crate::status::Status;
use crate::typing::{Interrupt, Keymap, Shared, TypeThread, Typist};

/// What the pipeline is made of.
pub struct Parts {
    /// Where sound comes from.
    pub source: Box<dyn Capture>,
    /// The push-to-talk button, on the source's clock.
    pub button: Box<dyn Button>,
    /// What is typed on.
    pub keyboard: Box<dyn Keyboard>,
    /// Paces the typing.
    pub clock: Arc<dyn Clock>,
    /// The speech detector.
    pub vad: SileroVad,
    /// What turns speech into text.
    pub recogniser: Recogniser,
    /// What the light shows; fresh.
    pub status: Arc<Status>,
    /// How segments are recognised.
    pub engine: Engine,
    /// What a status report says of the device, besides what the pipeline knows.
    pub about: About,
    /// Hears of every dictation when its last key is up, on the type thread.
    pub on_report: Box<dyn FnMut(DictationReport) + Send>,
}

/// The recogniser process, and the memory it shares with the pipeline.
///
/// It is started by itself, before a microphone is opened: loading the model takes longer than a sound card buffers.
pub struct Recogniser {
    pool: Pool,
    supervisor: Supervisor,
    /// The longest between two marks of life of the thread that asks it.
    step_max: Duration,
}

impl Recogniser {
    /// Start it; returns when it is ready.
    pub fn start(options: SupervisorOptions) -> Result<Self, BuildError> {
        let (pool, step_max) = (Pool::new().map_err(std::io::Error::from)?, options.step_max());
        let supervisor = Supervisor::start(options, pool.memory())?;
        Ok(Self { pool, supervisor, step_max })
    }

    /// Leave the start to the pipeline, which never gives it up; `status` hears how it goes. Meanwhile it listens, and
    /// speech waits.
    pub fn deferred(options: SupervisorOptions, status: Arc<Status>) -> Result<Self, BuildError> {
        let (pool, step_max) = (Pool::new().map_err(std::io::Error::from)?, options.step_max());
        let supervisor = Supervisor::deferred(options, pool.memory(), status);
        Ok(Self { pool, supervisor, step_max })
    }
}

/// Why the pipeline could not be started. Do not retry.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No capture thread.
    #[error("{0}")]
    Capture(#[from] StartError),
    /// No recogniser.
    #[error("{0}")]
    Recogniser(#[from] RecogniseError),
    /// No memory or thread.
    #[error("the system refused a resource: {0}")]
    System(#[from] std::io::Error),
}

/// What went wrong while running.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing more can be heard.
    #[error("{0}")]
    Listen(ListenError),
    /// Nothing more can be typed.
    #[error("{0}; {1} characters were not typed")]
    Keyboard(KeyboardError, usize),
    /// Stopped while the host was away.
    #[error("the host is away; {0} characters were not typed")]
    Untyped(usize),
    /// Speech without text.
    #[error("{0} segments of speech could not be recognised")]
    Lost(u32),
    /// A thread panicked.
    #[error("the {0} thread failed; please report this")]
    Panicked(&'static str),
}

/// A running pipeline.
pub struct Pipeline {
    capture: CaptureHandle,
    stop: Arc<AtomicBool>,
    status: Arc<Status>,
    liveness: Arc<Liveness>,
    stats: Arc<RecogniserStats>,
    done: Receiver<Infallible>,
    listen: JoinHandle<Result<(), ListenError>>,
    recognise: JoinHandle<u32>,
    typing: JoinHandle<Result<(), Fault>>,
}

impl Pipeline {
    /// Start every thread.
    pub fn start(parts: Parts, settings: &Settings) -> Result<Self, BuildError> {
        let Recogniser { pool, supervisor, step_max } = parts.recogniser;
        let stats = supervisor.stats();
        let status = parts.status;
        if !parts.about.settings_problems.is_empty() {
            status.set_settings_problem();
        }
        let liveness = Arc::new(Liveness::new(Arc::clone(&parts.clock), Deadlines::new(step_max)));
        let stop = Arc::new(AtomicBool::new(false));
        let interrupt = Arc::new(Interrupt::default());
        let (work, work_queue) = sync_channel(WORK_QUEUED);
        let (jobs, job_queue) = sync_channel(JOBS_QUEUED);
        let profiles = InProfile::all(settings, parts.engine);
        let composer = Composer::new(settings);
        // Nothing is ever sent: it tells of the type thread's end, and with it of everybody's.
        let (ending, done) = sync_channel::<Infallible>(0);

        let typing = {
            let (status, stop, mut on_report) = (Arc::clone(&status), Arc::clone(&stop), parts.on_report);
            let (clock, alive) = (Arc::clone(&parts.clock), liveness.enter(Role::Type));
            let interrupt = Arc::clone(&interrupt);
            let typist = Typist::new(
                parts.keyboard,
                Arc::clone(&clock),
                Keymap::from_settings(&settings.typing),
                profiles[composer.profile()].pacing,
            );
            spawn("type", move || {
                let _ending = ending;
                let shared = Shared { status: &status, stop: &stop, interrupt: &interrupt, alive: &alive };
                TypeThread::new(typist, clock, shared).run(&job_queue, &mut on_report)
            })?
        };
        let recognise = {
            let (status, stop) = (Arc::clone(&status), Arc::clone(&stop));
            let (clock, alive, about) = (parts.clock, liveness.enter(Role::Recognise), parts.about);
            let (interrupt, undo_within) = (Arc::clone(&interrupt), settings.typing.undo_within);
            let at_release = settings.dictation.typed == "at-release";
            spawn("recognise", move || {
                let caller = Caller { alive: &alive, stop: &stop, clock: &*clock };
                let thread = RecogniseThread {
                    supervisor,
                    profiles,
                    composer,
                    ends: VecDeque::new(),
                    held: Held::new(at_release),
                    undo_within,
                    prompt: Prompt::new(),
                    about,
                    interrupt,
                    status: &status,
                    caller: &caller,
                };
                thread.run(&work_queue, &jobs)
            })?
        };
        let wait_for_room = parts.source.can_wait();
        let (capture, reader) = capture::start(parts.source, liveness.enter(Role::Capture))?;
        let listener = Listener {
            reader,
            button: parts.button,
            ptt: Ptt::new(PttOptions::from(&settings.button)),
            segmenter: Segmenter::new(
                SegmenterOptions {
                    pre_roll: settings.audio.pre_roll,
                    tail: settings.audio.tail,
                    end_after_silence: settings.dictation.end_after_silence,
                    early: settings.recogniser.early,
                },
                pool,
                SpeechDetector::new(parts.vad),
                wait_for_room,
            ),
            live: !wait_for_room,
            gain_db: settings.audio.gain_db,
            work,
            interrupt,
            status: Arc::clone(&status),
            alive: liveness.enter(Role::Listen),
        };
        let listen = spawn("listen", move || listener.run())?;
        Ok(Self { capture, stop, status, liveness, stats, done, listen, recognise, typing })
    }

    /// For the light.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Which threads are alive.
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// What happened to the recogniser processes so far.
    pub fn recogniser_stats(&self) -> &RecogniserStats {
        &self.stats
    }

    /// What the capture thread has counted so far.
    pub fn capture_counters(&self) -> capture::Counters {
        self.capture.counters()
    }

    /// Wait at most `timeout` for the end; true when everything is typed and every thread is through.
    ///
    /// A thread that panicked ends the others too, in order, so that the process ends and can be started anew. Text
    /// that waits for a host which is away is then lost.
    pub fn wait(&self, timeout: Duration) -> bool {
        if self.liveness.panicked().is_some() {
            self.stop.store(true, Ordering::Relaxed);
        }
        !matches!(self.done.recv_timeout(timeout), Err(RecvTimeoutError::Timeout))
    }

    /// End the capture. What was heard by now is still recognised and typed, unless the host is away. Returns
    /// whether the source had more to give.
    pub fn stop(&mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let had_more = self.capture.is_running();
        self.capture.stop();
        had_more
    }

    /// Wait for every thread, and say what went wrong, if anything did.
    pub fn join(self) -> Vec<Fault> {
        let Self { mut capture, stop, done, listen, recognise, typing, .. } = self;
        // The type thread ends last, unless it fails; then nobody needs to hear any more.
        let _ = done.recv();
        stop.store(true, Ordering::Relaxed);
        capture.stop();
        let mut faults = Vec::new();
        // After a panic there the others have nobody to work for, and are not waited for: somebody starts this
        // program again.
        let Ok(typed) = typing.join() else { return vec![Fault::Panicked("type")] };
        match listen.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => faults.push(Fault::Listen(error)),
            Err(_) => faults.push(Fault::Panicked("listen")),
        }
        match recognise.join() {
            Ok(0) => {}
            Ok(lost) => faults.push(Fault::Lost(lost)),
            Err(_) => faults.push(Fault::Panicked("recognise")),
        }
        faults.extend(typed.err());
        faults
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(run)
}
