//! The recognise thread: a segment of speech becomes a transcript, the transcript the text to type.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use super::protocol::{Engine, Prompt, Transcript};
use super::supervisor::{Caller, RecogniseError, Supervisor};
use super::verdict;
use crate::compose::{Composed, Composer};
use crate::listen::segmenter::Work;
use crate::liveness::Alive;
use crate::metrics::DictationReport;
use crate::report::{About, Facts};
use crate::speech::SpeechEvidence;
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
    /// How it ends. Empty at the start.
    pub prompt: Prompt,
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
        let mut early = None;
        match self.supervisor.ensure_running(self.caller) {
            Ok(()) => self.status.set_ready(),
            // Tried again when there is something to recognise.
            Err(error) => log::error!("{error}"),
        }
        for work in idle_between(work, self.caller.alive) {
            match work {
                Work::Segment(segment) => {
                    report.queue += segment.closed.elapsed();
                    let result = self.supervisor.recognise(&segment, self.engine, &self.prompt, self.caller);
                    drop(segment.slot);
                    // Without a keyboard nobody needs text any more.
                    if !self.deliver(result, &segment.evidence, &mut report, jobs) {
                        break;
                    }
                }
                Work::Early(segment) => {
                    early = (!segment.is_withdrawn())
                        .then(|| self.supervisor.recognise(&segment, self.engine, &self.prompt, self.caller));
                }
                Work::Withdraw => {
                    if let Some(Ok(transcript)) = early.take() {
                        report.early_wasted += 1;
                        report.wasted_cpu += transcript.cpu;
                        report.recogniser_cpu += transcript.cpu;
                    }
                }
                Work::Confirm(evidence, closed) => {
                    report.queue += closed.elapsed();
                    report.early_hits += 1;
                    if let Some(result) = early.take()
                        && !self.deliver(result, &evidence, &mut report, jobs)
                    {
                        break;
                    }
                }
                Work::Finished(finished) => {
                    lost += report.segments_lost;
                    self.continues = false;
                    self.prompt.clear();
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

    /// Pass on what became of a segment. False when the type thread is gone.
    fn deliver(
        &mut self,
        result: Result<Transcript, RecogniseError>,
        evidence: &SpeechEvidence,
        report: &mut DictationReport,
        jobs: &SyncSender<Job>,
    ) -> bool {
        let Some(text) = self.text_of(result, evidence, report) else {
            self.status.end_work();
            return true;
        };
        self.send(jobs, Job::Text(text))
    }

    /// The text to type, if there is any.
    fn text_of(
        &mut self,
        result: Result<Transcript, RecogniseError>,
        evidence: &SpeechEvidence,
        report: &mut DictationReport,
    ) -> Option<Composed> {
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
        if let Some(refusal) = verdict::refusal(&transcript, evidence) {
            log::info!("not typed ({refusal:?}): {:?}", transcript.text);
            return None;
        }
        let start = Instant::now();
        let text = self.composer.compose(&transcript.text, self.continues);
        report.compose += start.elapsed();
        if !text.is_empty() {
            self.continues = true;
            self.prompt = transcript.prompt;
        }
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
