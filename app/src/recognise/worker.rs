//! The recogniser process: whisper.cpp behind a socket.
//!
//! It is the same program, started as `oratype recogniser` with the socket as its standard input. It ends when
//! the socket closes or its parent dies. Whatever happens in here, the other process still holds the sound.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::time::{ClockId, clock_gettime};

use super::audio::AudioView;
use super::engine::{Engine, EngineOptions, Sound};
use super::policy;
use super::protocol::{self, Link, LinkError, Reply};
use crate::models;

/// How the process is started.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The ggml model file.
    pub model: PathBuf,
    /// Take any model that whisper.cpp takes, not only the one Oratype comes with: to measure others.
    pub any_model: bool,
    /// Words and names to favour while decoding.
    pub phrases: Vec<String>,
    /// Cores the process may use; empty for any.
    pub cores: Vec<usize>,
    /// See [`EngineOptions`].
    pub engine: EngineOptions,
}

/// Serve requests until the other side closes the socket.
pub fn run(options: &WorkerOptions) -> Result<(), LinkError> {
    // Ctrl-C in a terminal goes to every process of the group; the parent decides what it means.
    for ignored in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT] {
        // SAFETY: ignoring a signal installs no handler.
        let _ = unsafe { signal(ignored, SigHandler::SigIgn) };
    }
    // The kernel calls it after the file it was started by, which is a link in /proc. Its threads inherit the name.
    let _ = prctl::set_name(c"recogniser");
    // Not left behind, computing, when the parent is killed.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);

    let link = Link::from_fd(
        std::io::stdin().as_fd().try_clone_to_owned().map_err(|e| LinkError::Socket(errno(&e)))?,
    );
    let audio = AudioView::new(link.receive_fd()?).map_err(LinkError::Socket)?;
    if !options.cores.is_empty()
        && let Err(error) = oratype_hal::sched::pin_to(&options.cores)
    {
        log::warn!("recogniser cores: {error}");
    }

    let start = Instant::now();
    let mut engine = match load(options) {
        Ok(engine) => engine,
        Err(reason) => {
            let mut line = heapless::String::new();
            for c in reason.chars() {
                let _ = line.push(c);
            }
            return link.send(&Reply::Unusable(line));
        }
    };
    let load = start.elapsed();
    let start = Instant::now();
    if let Err(error) = policy::warm_up(&mut engine) {
        log::error!("warm-up: {error}");
    }
    link.send(&Reply::Ready { load, warm_up: start.elapsed() })?;

    loop {
        let request: protocol::Request = match link.receive(None) {
            Err(LinkError::Closed) => return Ok(()),
            other => other?,
        };
        let cpu_before = cpu_time();
        let result = audio.segment(request.slot, request.samples).map(|samples| {
            let is_withdrawn =
                || request.ticket.is_some_and(|ticket| audio.is_withdrawn(request.slot, ticket));
            let segment = Sound {
                samples,
                speech_end: request.speech_end as usize,
                prompt: &request.prompt,
                is_withdrawn: &is_withdrawn,
            };
            match request.engine {
                protocol::Engine::Product(decoding) => policy::product(&mut engine, segment, &decoding),
                protocol::Engine::FullContext => policy::full_context(&mut engine, segment),
            }
        });
        if result.is_some() {
            audio.release(request.slot);
        }
        let reply = match result {
            Some(Ok(mut transcript)) => {
                transcript.cpu = cpu_time().saturating_sub(cpu_before);
                Reply::Transcript(transcript)
            }
            Some(Err(error)) => {
                log::error!("{error}");
                Reply::Failed
            }
            None => Reply::Failed,
        };
        link.send(&reply)?;
    }
}

/// Check the model's bytes, then load it.
fn load(options: &WorkerOptions) -> Result<Engine, String> {
    let model = &options.model;
    if !options.any_model {
        models::verify(model, &models::WHISPER).map_err(|error| error.to_string())?;
    }
    Engine::load(model, options.engine, &options.phrases)
        .map_err(|error| format!("{}: {error}", model.display()))
}

fn cpu_time() -> std::time::Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Into::into).unwrap_or_default()
}

fn errno(error: &std::io::Error) -> nix::errno::Errno {
    nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
