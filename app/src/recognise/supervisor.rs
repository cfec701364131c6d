//! Keeps a recogniser process running and asks it for text.
//!
//! A crash or a hang in whisper's C code costs time, never sound or text: the segment lies in this process's
//! memory until its text is there, and is given to the next recogniser.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oratype_hal::cpuset::Partition;
use oratype_hal::time::Clock;

use super::audio::SharedMemory;
use super::protocol::{Engine, Link, LinkError, Prompt, Reply, Request, Transcript};
use super::worker::WorkerOptions;
use crate::listen::segmenter::Segment;
use crate::liveness::Alive;
use crate::metrics::peak_rss_bytes;
use crate::status::{Cause, Status};

/// Time for a new recogniser to load its model and warm up, or what it is given for an answer where that is longer. A
/// Zero 2 W reads the model's 43 MB from RAM and checks them in some seconds; a PC needs a third of one.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Recognisers that one segment may bring down before it is given up: a crash by chance deserves another try, a
/// crash by this very sound would go on for ever.
const TRIES_MAX: u32 = 3;

/// How long a recogniser that does not start in the middle of the work is tried again, where that is not for ever.
/// Speech waits in its slots meanwhile.
const RESTART_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries: at first short, for what is soon over; then longer each time, because each try reads and checks
/// the model, for seconds on a small board.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a pause looks whether it is to end.
const PAUSE_STEP: Duration = Duration::from_millis(100);

/// The program that runs, whatever lies at its path by now: after an update of the file the two processes would not
/// understand each other. See proc_pid_exe(5).
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// How the recogniser is started and watched.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// The program to start; normally [`OWN_PROGRAM`].
    pub program: PathBuf,
    /// What it is told.
    pub worker: WorkerOptions,
    /// An answer later than this counts as a hang.
    pub timeout: Duration,
    /// Cores of its own, if there are.
    pub partition: Option<Arc<Partition>>,
}

impl SupervisorOptions {
    /// The longest that the caller waits between two marks of life.
    pub fn step_max(&self) -> Duration {
        (self.timeout * TRIES_MAX).max(START_TIMEOUT)
    }
}

/// Who waits for a text.
pub struct Caller<'a> {
    /// Marked at each step.
    pub alive: &'a Alive,
    /// Set when the program is to end: a recogniser that does not start is then given up.
    pub stop: &'a AtomicBool,
    /// Paces the tries.
    pub clock: &'a dyn Clock,
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum RecogniseError {
    /// The recogniser has no model it can use; it will not get better by itself.
    #[error("{0}")]
    Model(String),
    /// The recogniser cannot be started.
    #[error("recogniser process: {0}")]
    NotStarted(String),
    /// This segment could not be recognised; the next one may.
    #[error("recogniser process: {0}")]
    Segment(LinkError),
    /// whisper.cpp reported an error for this segment; the next one may fare better.
    #[error("recogniser process: whisper.cpp failed on a segment of speech")]
    Failed,
}

/// What happened to recognisers so far, for the metrics and the benchmark.
#[derive(Debug, Default)]
pub struct RecogniserStats {
    /// Recognisers that had to be started again.
    pub restarts: AtomicU32,
    /// Process number of the one running.
    pub pid: AtomicU32,
    /// Largest resident set of any of them, bytes.
    pub peak_rss_bytes: AtomicU64,
}

/// A recogniser process, kept alive.
pub struct Supervisor {
    /// None before the first start, and after a crash or a hang until the next request. Dropped before the options,
    /// whose partition cannot be removed with a process in it.
    running: Option<Running>,
    options: SupervisorOptions,
    memory: SharedMemory,
    stats: Arc<RecogniserStats>,
    /// For an appliance, which has nobody to tell and nothing better to do: a recogniser that does not start is tried
    /// for ever, and this says so. Otherwise it is tried for a while.
    for_ever: Option<Arc<Status>>,
    started_before: bool,
}

struct Running {
    link: Link,
    child: Child,
}

impl Supervisor {
    /// Start the first recogniser and wait until it is ready.
    pub fn start(options: SupervisorOptions, memory: SharedMemory) -> Result<Self, RecogniseError> {
        let mut supervisor = Self::new(options, memory, None);
        supervisor.start_once()?;
        Ok(supervisor)
    }

    /// Start none yet, and never give up starting one; `status` hears how it goes.
    pub fn deferred(options: SupervisorOptions, memory: SharedMemory, status: Arc<Status>) -> Self {
        Self::new(options, memory, Some(status))
    }

    fn new(options: SupervisorOptions, memory: SharedMemory, for_ever: Option<Arc<Status>>) -> Self {
        let stats = Arc::default();
        Self { options, memory, stats, running: None, for_ever, started_before: false }
    }

    /// Counters that may be read from other threads.
    pub fn stats(&self) -> Arc<RecogniserStats> {
        Arc::clone(&self.stats)
    }

    /// Start a recogniser if none runs, with patience: the system may be short of memory for a while.
    pub fn ensure_running(&mut self, caller: &Caller) -> Result<(), RecogniseError> {
        if self.running.is_some() {
            return Ok(());
        }
        let begun = Instant::now();
        let mut pause = RESTART_PAUSE;
        loop {
            caller.alive.mark();
            let error = match self.start_once() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let stopped = || caller.stop.load(Ordering::Relaxed);
            match &self.for_ever {
                Some(_) if stopped() => return Err(error),
                None if begun.elapsed() >= RESTART_PATIENCE => return Err(error),
                Some(_) => log::error!("{error}; next try in {:.1} s", pause.as_secs_f32()),
                None => log::error!("{error}"),
            }
            let until = caller.clock.now() + pause;
            while caller.clock.now() < until && !stopped() {
                caller.alive.mark();
                caller.clock.sleep_until(until.min(caller.clock.now() + PAUSE_STEP));
            }
            if self.for_ever.is_some() {
                pause = (pause * 2).min(RESTART_PAUSE_MAX);
            }
        }
    }

    /// One try.
    fn start_once(&mut self) -> Result<(), RecogniseError> {
        if self.started_before {
            self.stats.restarts.fetch_add(1, Ordering::Relaxed);
        }
        let result = Running::start(&self.options, &self.memory);
        if let Some(status) = &self.for_ever {
            status.set_lacking(Cause::Model, matches!(result, Err(RecogniseError::Model(_))));
            status.set_lacking(Cause::Recogniser, matches!(result, Err(RecogniseError::NotStarted(_))));
        }
        let running = result?;
        self.started_before = true;
        self.stats.pid.store(running.child.id(), Ordering::Relaxed);
        self.running = Some(running);
        Ok(())
    }

    /// The text of `segment`, which goes on with one that ends in `prompt`. Blocks until it is there.
    pub fn recognise(
        &mut self,
        segment: &Segment,
        engine: Engine,
        prompt: &Prompt,
        caller: &Caller,
    ) -> Result<Transcript, RecogniseError> {
        let request = Request {
            slot: segment.slot.index(),
            samples: segment.slot.samples().len() as u32,
            speech_end: segment.speech_end as u32,
            engine,
            ticket: segment.ticket,
            prompt: prompt.clone(),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.ask(&request, tries, caller) {
                Ok(transcript) => return Ok(transcript),
                Err(error) => error,
            };
            self.stop();
            if tries == TRIES_MAX || matches!(error, RecogniseError::Model(_) | RecogniseError::NotStarted(_))
            {
                return Err(error);
            }
            log::error!("{error}; trying again with another");
        }
    }

    /// Ask the recogniser, a new one if there is none. Each try has longer: one that is only slow must not be killed at
    /// the same place again.
    fn ask(&mut self, request: &Request, tries: u32, caller: &Caller) -> Result<Transcript, RecogniseError> {
        self.ensure_running(caller)?;
        let Some(running) = &self.running else { return Err(RecogniseError::Failed) };
        caller.alive.mark();
        let fault = match running
            .link
            .send(request)
            .and_then(|()| running.link.receive(Some(self.options.timeout * tries)))
        {
            Ok(Reply::Transcript(transcript)) => {
                self.note_memory();
                return Ok(transcript);
            }
            Ok(Reply::Failed) => return Err(RecogniseError::Failed),
            Ok(_) => LinkError::Malformed,
            Err(fault) => fault,
        };
        Err(RecogniseError::Segment(fault))
    }

    /// End the recogniser; the next request starts another.
    fn stop(&mut self) {
        self.note_memory();
        self.running = None;
    }

    fn note_memory(&self) {
        if let Some(bytes) = self.running.as_ref().and_then(|running| peak_rss_bytes(running.child.id())) {
            self.stats.peak_rss_bytes.fetch_max(bytes, Ordering::Relaxed);
        }
    }
}

impl Running {
    fn start(options: &SupervisorOptions, memory: &SharedMemory) -> Result<Self, RecogniseError> {
        let start = Instant::now();
        let (link, theirs) = Link::pair().map_err(|e| RecogniseError::NotStarted(e.to_string()))?;
        let worker = &options.worker;
        let cores: Vec<String> = worker.cores.iter().map(usize::to_string).collect();
        let mut command = Command::new(&options.program);
        command
            .arg0("oratype")
            .arg("recogniser")
            .arg("--model")
            .arg(&worker.model)
            .args(["--threads", &worker.engine.threads.to_string()])
            // Large blocks go back to the system when whisper.cpp frees them, instead of staying resident: 3 MB less.
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null());
        if !worker.phrases.is_empty() {
            command.args(["--phrases", &worker.phrases.join("\n")]);
        }
        if worker.any_model {
            command.arg("--any-model");
        }
        if !cores.is_empty() {
            command.args(["--cores", &cores.join(",")]);
        }
        let child = command
            .spawn()
            .map_err(|e| RecogniseError::NotStarted(format!("{}: {e}", options.program.display())))?;
        // Our copy of the recogniser's end is in `command`; while it is open its death would go unnoticed.
        drop(command);
        let mut running = Self { link, child };
        // While it waits for the memory below it has one thread.
        if let Some(partition) = &options.partition
            && let Err(error) = partition.admit(running.child.id())
        {
            log::warn!("the recogniser has no cores of its own: {error}");
        }
        let ready = running
            .link
            .send_fd(std::os::fd::AsFd::as_fd(memory))
            .and_then(|()| running.link.receive(Some(options.step_max())));
        match ready {
            Ok(Reply::Ready { load, warm_up }) => {
                log::info!(
                    "recogniser ready after {} ms (model {} ms, warm-up {} ms)",
                    start.elapsed().as_millis(),
                    load.as_millis(),
                    warm_up.as_millis()
                );
                Ok(running)
            }
            Ok(Reply::Unusable(reason)) => {
                running.kill();
                Err(RecogniseError::Model(reason.as_str().into()))
            }
            Ok(_) => Err(RecogniseError::NotStarted(LinkError::Malformed.to_string())),
            Err(error) => {
                running.kill();
                Err(RecogniseError::NotStarted(format!("it did not become ready: {error}")))
            }
        }
    }

    fn kill(&mut self) {
        // It may be gone already; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
