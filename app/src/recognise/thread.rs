//! The recognise thread: a segment of speech becomes a transcript, the transcript the text to type.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use super::protocol::Engine;
use super::supervisor::{Caller, Supervisor};
use super::verdict;
use crate::compose::{Composed, Composer};
use crate::listen::ptt::Command;
use crate::listen::segmenter::{Segment, Work};
use crate::liveness::Alive;
use crate::metrics::DictationReport;
use crate::report::{About, Facts};
use crate::status::{Cause, Status};
use crate::typing::Job;

/// What the thread works with.
pub struct RecogniseThread<'a> {
    /// Keeps the recogniser process.
    pub supervisor: Supervisor,
    /// How segments are decoded.
    pub engine: Engine,
    /// Makes text of transcripts.
    pub composer: Composer,
    /// There is text of this dictation already. False at the start.
    pub continues: bool,
    /// For a status report.
    pub about: About,
    /// For the light.
    pub status: &'a Status,
    /// Marks the thread's life while it waits for the recogniser.
    pub caller: &'a Caller<'a>,
}

impl RecogniseThread<'_> {
    /// Recognise until the queue ends. Returns how many segments were lost.
    pub fn run(mut self, work: &Receiver<Work>, jobs: &SyncSender<Job>) -> u32 {
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
                Work::Command(command) => {
                    let job = match command {
                        Command::Undo => Job::Undo,
                        Command::Retype => Job::Retype,
                        Command::Enter => Job::Enter,
                    };
                    if !self.send(jobs, job) {
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

/// What comes from `queue`, until it ends. Waiting for it is no sign of death.
fn idle_between<T>(queue: &Receiver<T>, alive: &Alive) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || {
        alive.idle();
        let next = queue.recv().ok();
        alive.mark();
        next
    })
}
