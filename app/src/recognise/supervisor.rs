//! Keeps a recogniser process running and asks it for text.
//!
//! A crash or a hang in whisper's C code costs time, never sound or text: the segment lies in this process's
//! memory until its text is there, and is given to the next recogniser.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::audio::SharedMemory;
use super::protocol::{Engine, Link, LinkError, Reply, Request, Transcript};
use super::worker::WorkerOptions;
use crate::listen::segmenter::Segment;
use crate::metrics::peak_rss_bytes;

/// Time for a new recogniser to load its model. A Zero 2 W reads the model's 43 MB from RAM and checks them in
/// some seconds; a PC needs a third of one.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Recognisers that one segment may bring down before it is given up: a crash by chance deserves another try, a
/// crash by this very sound would go on for ever.
const TRIES_MAX: u32 = 3;

/// How long a recogniser that does not start in the middle of the work is tried again, and how often. Speech waits
/// in its slots meanwhile.
const RESTART_PATIENCE: Duration = Duration::from_secs(10);
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// How the recogniser is started and watched.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// The program to start; normally this one.
    pub program: PathBuf,
    /// What it is told.
    pub worker: WorkerOptions,
    /// An answer later than this counts as a hang.
    pub timeout: Duration,
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum RecogniseError {
    /// The recogniser cannot be started; it will not get better by itself.
    #[error("{0}")]
    Unusable(String),
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
    options: SupervisorOptions,
    memory: SharedMemory,
    stats: Arc<RecogniserStats>,
    /// None after a crash or a hang, until the next request.
    running: Option<Running>,
}

struct Running {
    link: Link,
    child: Child,
}

impl Supervisor {
    /// Start the first recogniser and wait until it is ready.
    pub fn start(options: SupervisorOptions, memory: SharedMemory) -> Result<Self, RecogniseError> {
        let stats = Arc::new(RecogniserStats::default());
        let running = Running::start(&options, &memory)?;
        stats.pid.store(running.child.id(), Ordering::Relaxed);
        Ok(Self { options, memory, stats, running: Some(running) })
    }

    /// Counters that may be read from other threads.
    pub fn stats(&self) -> Arc<RecogniserStats> {
        Arc::clone(&self.stats)
    }

    /// The text of `segment`. Blocks until it is there.
    pub fn recognise(&mut self, segment: &Segment, engine: Engine) -> Result<Transcript, RecogniseError> {
        let request = Request {
            slot: segment.slot.index(),
            samples: segment.slot.samples().len() as u32,
            speech_end: segment.speech_end as u32,
            engine,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.ask(&request) {
                Ok(transcript) => return Ok(transcript),
                Err(error) => error,
            };
            self.stop();
            if tries == TRIES_MAX || matches!(error, RecogniseError::Unusable(_)) {
                return Err(error);
            }
            log::error!("{error}; trying again with another");
        }
    }

    /// Ask the recogniser, a new one if there is none.
    fn ask(&mut self, request: &Request) -> Result<Transcript, RecogniseError> {
        let running = match &self.running {
            Some(running) => running,
            None => {
                self.stats.restarts.fetch_add(1, Ordering::Relaxed);
                let running = Running::start_again(&self.options, &self.memory)?;
                self.stats.pid.store(running.child.id(), Ordering::Relaxed);
                self.running.insert(running)
            }
        };
        let fault = match running
            .link
            .send(request)
            .and_then(|()| running.link.receive(Some(self.options.timeout)))
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
    /// Start a recogniser in the middle of the work, with patience: the system may be short of memory for a while.
    fn start_again(options: &SupervisorOptions, memory: &SharedMemory) -> Result<Self, RecogniseError> {
        let begun = Instant::now();
        loop {
            match Self::start(options, memory) {
                Err(error) if begun.elapsed() < RESTART_PATIENCE => {
                    log::error!("{error}");
                    std::thread::sleep(RESTART_PAUSE);
                }
                result => return result,
            }
        }
    }

    fn start(options: &SupervisorOptions, memory: &SharedMemory) -> Result<Self, RecogniseError> {
        let start = Instant::now();
        let unusable = |what: String| RecogniseError::Unusable(format!("recogniser process: {what}"));
        let (link, theirs) = Link::pair().map_err(|e| unusable(e.to_string()))?;
        let worker = &options.worker;
        let cores: Vec<String> = worker.cores.iter().map(usize::to_string).collect();
        let mut command = Command::new(&options.program);
        command
            .arg("recogniser")
            .arg("--model")
            .arg(&worker.model)
            .args(["--threads", &worker.engine.threads.to_string()])
            // Large blocks go back to the system when whisper.cpp frees them, instead of staying resident: 3 MB less.
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null());
        if !cores.is_empty() {
            command.args(["--cores", &cores.join(",")]);
        }
        if worker.engine.flash_attention {
            command.arg("--flash-attention");
        }
        let child = command.spawn().map_err(|e| unusable(format!("{}: {e}", options.program.display())))?;
        // Our copy of the recogniser's end is in `command`; while it is open its death would go unnoticed.
        drop(command);
        let mut running = Self { link, child };
        let ready = running
            .link
            .send_fd(std::os::fd::AsFd::as_fd(memory))
            .and_then(|()| running.link.receive(Some(START_TIMEOUT)));
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
                Err(RecogniseError::Unusable(reason.as_str().into()))
            }
            Ok(_) => Err(unusable(LinkError::Malformed.to_string())),
            Err(error) => {
                running.kill();
                Err(unusable(format!("it did not become ready: {error}")))
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
