//! The type thread: does its jobs in order, and looks for the host while there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use oratype_hal::hid::{Keyboard, KeyboardError};
use oratype_hal::time::Clock;

use super::{Job, TypingOutcome, Typist};
use crate::listen::segmenter::Finished;
use crate::liveness::Alive;
use crate::metrics::DictationReport;
use crate::pipeline::Fault;
use crate::status::{Cause, Status};

/// How often a keyboard that has nothing to type looks for its host: the light tells of it before a person has
/// wondered, and a host that was just plugged in is met before anybody has spoken.
const MEET_HOST_INTERVAL: Duration = Duration::from_millis(250);

/// What the thread works with.
pub struct TypeThread<'a> {
    /// Presses the keys.
    pub typist: Typist<Box<dyn Keyboard>>,
    /// The clock of the typist's times.
    pub clock: Arc<dyn Clock>,
    /// For the light.
    pub status: &'a Status,
    /// Do not wait for a host any more.
    pub stop: &'a AtomicBool,
    /// The host took no keys when last asked. False at the start.
    pub away: AtomicBool,
    /// Marks the thread's life.
    pub alive: &'a Alive,
}

impl TypeThread<'_> {
    /// Type until the queue ends, or the keyboard fails. `on_report` hears of every dictation once it is typed.
    pub fn run(
        mut self,
        jobs: &Receiver<Job>,
        on_report: &mut impl FnMut(DictationReport),
    ) -> Result<(), Fault> {
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

/// The host is there, or away: remember it in `away`, and tell it when it is news.
fn see_host(away: &AtomicBool, status: &Status, is_away: bool) {
    if away.swap(is_away, Ordering::Relaxed) != is_away {
        status.set_host_away(is_away);
        log::info!("the host {}", if is_away { "is away; text waits" } else { "is there" });
    }
}
