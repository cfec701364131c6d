//! The threads, and the queues between them.
//!
//! ```text
//! capture ─ring─► listen ─Work─► recognise ─Job─► type ─► on_report
//! ```
//!
//! Each thread ends when the queue before it does, so a stop at the front empties the whole pipeline in order: the
//! sound that was captured is recognised and typed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use oratype_hal::gpio::Button;
use oratype_hal::hid::{Keyboard, KeyboardError};
use oratype_hal::pcm::Capture;
use oratype_hal::time::Clock;

use crate::capture::{self, CaptureHandle, StartError};
use crate::compose::{Composed, Composer};
use crate::listen::ptt::{Ptt, PttOptions};
use crate::listen::segmenter::{Finished, Segment, Segmenter, SegmenterOptions, Work};
use crate::listen::{ListenError, Listener};
use crate::liveness::{Alive, Deadlines, Liveness, Role};
use crate::metrics::DictationReport;
use crate::recognise::audio::Pool;
use crate::recognise::protocol::Engine;
use crate::recognise::supervisor::{Caller, RecogniseError, RecogniserStats, Supervisor, SupervisorOptions};
use crate::recognise::verdict;
use crate::report::{About, Facts};
use crate::settings::Settings;
use crate::sizes::{JOBS_QUEUED, WORK_QUEUED};
use crate::speech::{SileroVad, SpeechDetector};
use crate::status::{Cause, Status};
use crate::typing::{TypingOutcome, Typist};

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

/// From the recognise thread to the type thread.
#[expect(clippy::large_enum_variant, reason = "nearly every job is a text; the queue is made once")]
enum Job {
    /// Type this.
    Text(Composed),
    /// A dictation is over; the report lacks what typing adds.
    Finished(Box<DictationReport>, Finished),
    /// Type this, which belongs to no dictation.
    OwnWords(String),
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
        let (work, work_queue) = sync_channel(WORK_QUEUED);
        let (jobs, job_queue) = sync_channel(JOBS_QUEUED);
        // Nothing is ever sent: it tells of the type thread's end, and with it of everybody's.
        let (ending, done) = sync_channel::<Infallible>(0);

        let typing = {
            let (status, stop, mut on_report) = (Arc::clone(&status), Arc::clone(&stop), parts.on_report);
            let (clock, alive) = (Arc::clone(&parts.clock), liveness.enter(Role::Type));
            let typist =
                Typist::new(parts.keyboard, Arc::clone(&parts.clock), settings.typing.report_interval);
            spawn("type", move || {
                let _ending = ending;
                let away = AtomicBool::new(false);
                TypeThread { typist, clock, status: &status, stop: &stop, away, alive: &alive }
                    .run(&job_queue, &mut on_report)
            })?
        };
        let recognise = {
            let (status, stop, engine) = (Arc::clone(&status), Arc::clone(&stop), parts.engine);
            let (clock, alive, about) = (parts.clock, liveness.enter(Role::Recognise), parts.about);
            let composer = Composer::new(settings.dictation.space_between);
            spawn("recognise", move || {
                let caller = Caller { alive: &alive, stop: &stop, clock: &*clock };
                let thread = RecogniseThread {
                    supervisor,
                    engine,
                    composer,
                    continues: false,
                    about,
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
            ptt: Ptt::new(PttOptions { debounce: settings.button.debounce, tap: settings.button.tap }),
            segmenter: Segmenter::new(
                SegmenterOptions {
                    pre_roll: settings.audio.pre_roll,
                    tail: settings.audio.tail,
                    end_after_silence: settings.dictation.end_after_silence,
                },
                pool,
                SpeechDetector::new(parts.vad),
                wait_for_room,
            ),
            live: !wait_for_room,
            gain_db: settings.audio.gain_db,
            work,
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

/// How often a keyboard that has nothing to type looks for its host: the light tells of it before a person has
/// wondered, and a host that was just plugged in is met before anybody has spoken.
const MEET_HOST_INTERVAL: Duration = Duration::from_millis(250);

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(run)
}

/// The host is there, or away: remember it in `away`, and tell it when it is news.
fn see_host(away: &AtomicBool, status: &Status, is_away: bool) {
    if away.swap(is_away, Ordering::Relaxed) != is_away {
        status.set_host_away(is_away);
        log::info!("the host {}", if is_away { "is away; text waits" } else { "is there" });
    }
}

/// What comes from `queue`, until it ends. Waiting for it is no sign of death.
fn idle_between<T>(queue: &Receiver<T>, alive: &Alive) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || {
        alive.idle();
        let next = queue.recv().ok();
        alive.mark();
        next
    })
}

struct RecogniseThread<'a> {
    supervisor: Supervisor,
    engine: Engine,
    composer: Composer,
    /// There is text of this dictation already.
    continues: bool,
    about: About,
    status: &'a Status,
    caller: &'a Caller<'a>,
}

impl RecogniseThread<'_> {
    /// Recognise until the queue ends. Returns how many segments were lost.
    fn run(mut self, work: &Receiver<Work>, jobs: &SyncSender<Job>) -> u32 {
        let mut lost = 0;
        let mut report = DictationReport::default();
        match self.supervisor.ensure_running(self.caller) {
            Ok(()) => self.status.set_ready(),
            // Tried again when there is something to recognise.
            Err(error) => log::error!("{error}"),
        }
        for work in idle_between(work, self.caller.alive) {
            match work {
                Work::Segment(segment) => {
                    let Some(text) = self.recognise(segment, &mut report) else {
                        self.status.end_work();
                        continue;
                    };
                    // Without a keyboard nobody needs text any more.
                    if !self.send(jobs, Job::Text(text)) {
                        break;
                    }
                }
                Work::Finished(finished) => {
                    lost += report.segments_lost;
                    self.continues = false;
                    let finished = Job::Finished(Box::new(std::mem::take(&mut report)), finished);
                    if !self.send(jobs, finished) {
                        break;
                    }
                }
                Work::Report => {
                    let restarts = self.supervisor.stats().restarts.load(Ordering::Relaxed);
                    let text = Facts::gather(&self.about, self.status, restarts).status_report();
                    let words = Job::OwnWords(self.composer.own_words(&text));
                    if !self.send(jobs, words) {
                        break;
                    }
                }
            }
        }
        lost
    }

    /// Waits while the host is away and the queue is full. False when the type thread is gone.
    fn send(&self, jobs: &SyncSender<Job>, job: Job) -> bool {
        self.caller.alive.idle();
        let sent = jobs.send(job).is_ok();
        self.caller.alive.mark();
        sent
    }

    fn recognise(&mut self, segment: Segment, report: &mut DictationReport) -> Option<Composed> {
        report.queue += segment.closed.elapsed();
        let result = self.supervisor.recognise(&segment, self.engine, self.caller);
        let Segment { evidence, slot, .. } = segment;
        drop(slot);
        let transcript = match result {
            Ok(transcript) => transcript,
            Err(error) => {
                log::error!("{error}");
                self.status.set_fault(Cause::from(&error));
                report.segments_lost += 1;
                return None;
            }
        };
        report.segments += 1;
        report.audio_ctx = report.audio_ctx.max(transcript.audio_ctx);
        report.retries += transcript.retries;
        report.encode += transcript.encode;
        report.decode += transcript.decode;
        report.recogniser_cpu += transcript.cpu;
        log::debug!("{transcript:?} {evidence:?}");
        if let Some(refusal) = verdict::refusal(&transcript, &evidence) {
            log::info!("not typed ({refusal:?}): {:?}", transcript.text);
            return None;
        }
        let start = Instant::now();
        let text = self.composer.compose(&transcript.text, self.continues);
        report.compose += start.elapsed();
        self.continues |= !text.is_empty();
        (!text.is_empty()).then_some(text)
    }
}

struct TypeThread<'a> {
    typist: Typist<Box<dyn Keyboard>>,
    clock: Arc<dyn Clock>,
    status: &'a Status,
    stop: &'a AtomicBool,
    /// The host took no keys when last asked.
    away: AtomicBool,
    alive: &'a Alive,
}

impl TypeThread<'_> {
    /// Type until the queue ends, or the keyboard fails.
    fn run(mut self, jobs: &Receiver<Job>, on_report: &mut impl FnMut(DictationReport)) -> Result<(), Fault> {
        let mut text = String::new();
        let mut keys: Vec<(Instant, Instant)> = Vec::new();
        let mut untyped = 0;
        loop {
            self.alive.mark();
            let job = match jobs.recv_timeout(MEET_HOST_INTERVAL) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    let is_there = self.typist.meet_host();
                    see_host(&self.away, self.status, !is_there);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match job {
                Job::Text(composed) => {
                    let remaining = match self.type_text(&composed, &mut keys) {
                        Ok(remaining) => remaining,
                        Err((error, remaining)) => return Err(self.failed(error, untyped + remaining, jobs)),
                    };
                    let typed = composed.chars().count() - remaining;
                    text.extend(composed.chars().take(typed));
                    untyped += remaining;
                    self.status.end_work();
                }
                Job::Finished(mut report, finished) => {
                    report.number = finished.number;
                    report.text = std::mem::take(&mut text);
                    add_latencies(&mut report, &finished, &keys);
                    keys.clear();
                    on_report(*report);
                }
                Job::OwnWords(words) => {
                    untyped += match self.type_text(&words, &mut Vec::new()) {
                        Ok(remaining) => remaining,
                        Err((error, remaining)) => return Err(self.failed(error, untyped + remaining, jobs)),
                    };
                    self.status.end_work();
                }
            }
        }
        if untyped > 0 { Err(Fault::Untyped(untyped)) } else { Ok(()) }
    }

    /// The keyboard failed with this many characters not typed, and those that wait.
    fn failed(&self, error: KeyboardError, untyped: usize, jobs: &Receiver<Job>) -> Fault {
        self.status.set_fault(Cause::Usb);
        let waiting = jobs.try_iter().map(|job| match job {
            Job::Text(text) => text.chars().count(),
            Job::OwnWords(words) => words.chars().count(),
            Job::Finished(..) => 0,
        });
        Fault::Keyboard(error, untyped + waiting.sum::<usize>())
    }

    /// Returns how many characters were not typed: because of a stop, or as an error because the keyboard failed.
    fn type_text(
        &mut self,
        text: &str,
        keys: &mut Vec<(Instant, Instant)>,
    ) -> Result<usize, (KeyboardError, usize)> {
        let away = &self.away;
        // Asked before each character, and time and again while the host is away. Told to stop, it goes on typing, but
        // no longer waits for a host.
        let stop = || {
            self.alive.mark();
            self.stop.load(Ordering::Relaxed) && away.load(Ordering::Relaxed)
        };
        let host_away = |is_away| see_host(away, self.status, is_away);
        match self.typist.type_text(text, stop, host_away) {
            TypingOutcome::Done { first_key_at, last_key_at } => {
                let (now, clock_now) = (Instant::now(), self.clock.now());
                let instant = |at| now.checked_sub(clock_now.saturating_sub(at)).unwrap_or(now);
                keys.extend(
                    first_key_at.zip(last_key_at).map(|(first, last)| (instant(first), instant(last))),
                );
                Ok(0)
            }
            TypingOutcome::Stopped { remaining } => Ok(remaining),
            TypingOutcome::Failed { error, remaining } => Err((error, remaining)),
        }
    }
}

/// Fill in the times that are known once the last key is up. `keys`: first and last key of each text.
fn add_latencies(report: &mut DictationReport, finished: &Finished, keys: &[(Instant, Instant)]) {
    let since_release = |at: Instant| at.saturating_duration_since(finished.released);
    report.capture = finished.capture;
    report.endpoint = since_release(finished.closed);
    // Text of segments that ended before the release is there already; what counts is the text still to come.
    let after: Vec<_> = keys.iter().filter(|(_, last)| *last >= finished.released).collect();
    report.release_to_first_key = after.first().map(|(first, _)| since_release(*first));
    report.release_to_last_key = after.last().map(|(_, last)| since_release(*last));
    report.typing = after.last().map_or(Duration::ZERO, |(first, last)| *last - *first);
}
