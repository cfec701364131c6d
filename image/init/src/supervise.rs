//! Keeps the program running: starts it, logs what it says, starts it again when it ends, and reaps what processes
//! leave behind. Ends only with the power, on SIGTERM or Ctrl-Alt-Del.

use std::io::{PipeReader, PipeWriter, Read as _, pipe};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, sync};

use crate::backoff::Backoff;
use crate::kmsg::stage;
use crate::lines::{Lines, TARGET};

/// How long the program may take to let go of its keys and end.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// How often to look without signals, should the kernel not give a signalfd.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the program is.
enum State {
    Running { pid: Pid, since: Instant },
    Waiting { until: Instant },
}

/// Run `program` for as long as there is power.
pub(crate) fn forever(program: &str, arguments: &[String]) -> ! {
    // Ctrl-Alt-Del becomes SIGINT instead of an immediate reset.
    if let Err(error) = set_cad_enabled(false) {
        log::warn!("Ctrl-Alt-Del: {error}");
    }
    let signals = watch_signals().inspect_err(|error| log::error!("signals: {error}")).ok();
    // Kept for all runs: init has the writing end too, so there is never an end of file.
    let log = pipe().inspect_err(|error| log::error!("log of the program: {error}")).ok();
    let mut lines = Lines::default();
    let mut backoff = Backoff::default();
    let mut state = State::Waiting { until: Instant::now() };
    let mut stop_at: Option<Instant> = None;
    loop {
        let now = Instant::now();
        if let (State::Waiting { until }, None) = (&state, stop_at)
            && *until <= now
        {
            state = start(program, arguments, log.as_ref().map(|(_, writer)| writer), &mut backoff);
        }
        if let Some(deadline) = stop_at
            && (matches!(state, State::Waiting { .. }) || deadline <= now)
        {
            power_off();
        }
        wait(signals.as_ref(), log.as_ref().map(|(reader, _)| reader), &mut lines, until(&state, stop_at));
        for ended in reap() {
            if let State::Running { pid, since } = state
                && ended.pid() == Some(pid)
            {
                let pause = backoff.after(since.elapsed());
                let next = if stop_at.is_some() {
                    String::new()
                } else {
                    format!("; starting it again in {pause:?}")
                };
                log::warn!("{program} ended: {ended:?}{next}");
                state = State::Waiting { until: later(pause) };
            }
        }
        // Read them all, always: one that is left would keep the next wait from waiting.
        if stop_was_asked(signals.as_ref()) && stop_at.is_none() {
            stage("stopping");
            stop_at = Some(later(STOP_WAIT));
            if let State::Running { pid, .. } = state
                && let Err(error) = kill(pid, Signal::SIGTERM)
            {
                log::error!("{program}: cannot be told to stop: {error}");
            }
        }
    }
}

fn start(program: &str, arguments: &[String], log: Option<&PipeWriter>, backoff: &mut Backoff) -> State {
    let output = || log.and_then(|writer| writer.try_clone().ok()).map_or_else(Stdio::null, Stdio::from);
    // Its environment is what the kernel gave to init; standard input is empty.
    let child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(output()).stderr(output()).spawn();
    match child.map(|child| i32::try_from(child.id())) {
        Ok(Ok(pid)) => {
            stage("program started");
            State::Running { pid: Pid::from_raw(pid), since: Instant::now() }
        }
        problem => {
            let pause = backoff.after(Duration::ZERO);
            log::error!("{program}: cannot be started: {problem:?}; trying again in {pause:?}");
            State::Waiting { until: later(pause) }
        }
    }
}

/// The signals init acts on, blocked and readable instead. A program that is started has them unblocked again.
fn watch_signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        mask.add(signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// Wait for a signal, for something the program says, which is logged, or until a moment.
fn wait(signals: Option<&SignalFd>, log: Option<&PipeReader>, lines: &mut Lines, until: Option<Instant>) {
    let bound = until.map(|until| until.saturating_duration_since(Instant::now()));
    let bound = if signals.is_none() { Some(bound.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)) } else { bound };
    // A fraction of a millisecond is rounded up: else the loop would spin until the moment.
    let bound = bound.map(|bound| bound.saturating_add(Duration::from_millis(1)));
    let timeout =
        bound.map_or(PollTimeout::NONE, |bound| PollTimeout::try_from(bound).unwrap_or(PollTimeout::MAX));
    let sources = [log.map(AsFd::as_fd), signals.map(AsFd::as_fd)];
    let mut fds: Vec<_> =
        sources.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => {
            log::error!("poll: {error}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
    let has_log = log.is_some() && fds.first().and_then(PollFd::any).unwrap_or(false);
    if let (true, Some(mut reader)) = (has_log, log) {
        let mut bytes = [0; 4096];
        if let Ok(length) = reader.read(&mut bytes) {
            lines.push(bytes.get(..length).unwrap_or_default(), |line| log::info!(target: TARGET, "{line}"));
        }
    }
}

/// The next moment at which something is to be done, if nothing happens before.
fn until(state: &State, stop_at: Option<Instant>) -> Option<Instant> {
    match (state, stop_at) {
        (_, Some(stop_at)) => Some(stop_at),
        (State::Waiting { until }, None) => Some(*until),
        (State::Running { .. }, None) => None,
    }
}

/// Every process that has ended since, also those whose parents are gone.
fn reap() -> Vec<WaitStatus> {
    let next = || match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(_) => None,
        Ok(ended) => Some(ended),
    };
    std::iter::from_fn(next).collect()
}

/// Whether SIGTERM or SIGINT came. SIGCHLD, which comes the same way, only woke the loop.
fn stop_was_asked(signals: Option<&SignalFd>) -> bool {
    let stops = [Signal::SIGTERM as u32, Signal::SIGINT as u32];
    let next = || signals?.read_signal().ok().flatten();
    // All are read, not only up to the first.
    std::iter::from_fn(next).filter(|signal| stops.contains(&signal.ssi_signo)).count() > 0
}

fn later(pause: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(pause).unwrap_or(now)
}

fn power_off() -> ! {
    stage("power off");
    sync();
    loop {
        // It returns only if the kernel refuses.
        let Err(error) = reboot(RebootMode::RB_POWER_OFF);
        log::error!("power off: {error}");
        std::thread::sleep(LOOK_EVERY);
    }
}
