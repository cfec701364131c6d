//! The recognise thread: a segment of speech becomes a transcript, the transcript the text to type.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::protocol::{Engine, Prompt, Transcript};
use super::supervisor::{Caller, RecogniseError, Supervisor};
use super::verdict;
use crate::compose::{Action, Composer};
use crate::listen::segmenter::{Segment, Work};
use crate::metrics::DictationReport;
use crate::report::{About, Facts};
use crate::speech::SpeechEvidence;
use crate::status::{Cause, Status};
use crate::typing::Job;

/// How often to look whether somebody still speaks while a full stop waits for that: a stop that comes so much later
/// is not seen to be late.
const LISTENING_INTERVAL: Duration = Duration::from_millis(250);

/// What the thread works with.
pub struct RecogniseThread<'a> {
    /// Keeps the recogniser process.
    pub supervisor: Supervisor,
    /// How segments are decoded in a profile.
    pub engine_in: Box<dyn Fn(&str) -> Engine + Send>,
    /// Makes text of transcripts.
    pub composer: Composer,
    /// Ends of dictations that were not told yet, because more of their text may come. None at the start.
    pub ends: VecDeque<Job>,
    /// What was typed longer ago is not taken back; zero for no limit.
    pub undo_within: Duration,
    /// How the text of this dictation ends so far. Empty at the start.
    pub prompt: Prompt,
    /// For a status report.
    pub about: About,
    /// For the light.
    pub status: &'a Status,
    /// Marks the thread's life while it waits for the recogniser.
    pub caller: &'a Caller<'a>,
}

/// The type thread has ended.
struct Gone;

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
        while let Some(work) = self.next(work, jobs) {
            // The listen thread counts these as work; what becomes of them is counted by itself.
            let is_counted = work.is_counted();
            self.tell_time();
            let actions = match work {
                Work::Segment(segment) => {
                    report.queue += segment.closed.elapsed();
                    let result = self.recognise(&segment);
                    drop(segment.slot);
                    self.compose(result, &segment.evidence, &mut report)
                }
                Work::Early(segment) => {
                    let result = (!segment.is_withdrawn()).then(|| self.recognise(&segment));
                    early = Some((segment, result));
                    Vec::new()
                }
                Work::Withdraw => {
                    if let Some((_, Some(Ok(transcript)))) = early.take() {
                        report.early_wasted += 1;
                        report.wasted_cpu += transcript.cpu;
                        report.recogniser_cpu += transcript.cpu;
                    }
                    Vec::new()
                }
                Work::Confirm(evidence, closed) => {
                    report.queue += closed.elapsed();
                    report.early_hits += 1;
                    match early.take() {
                        Some((segment, result)) => {
                            // The sound was kept, so that nothing depends on what became of the early text.
                            let result = match result {
                                Some(Ok(transcript)) if transcript.withdrawn => self.recognise(&segment),
                                Some(result) => result,
                                None => self.recognise(&segment),
                            };
                            drop(segment);
                            self.compose(result, &evidence, &mut report)
                        }
                        None => {
                            log::error!("nothing was handed on early that could be confirmed");
                            Vec::new()
                        }
                    }
                }
                Work::Finished(finished) => {
                    lost += report.segments_lost;
                    self.prompt.clear();
                    self.ends.push_back(Job::Finished(Box::new(std::mem::take(&mut report)), finished));
                    self.composer.finished()
                }
                Work::Report => {
                    let restarts = self.supervisor.stats().restarts.load(Ordering::Relaxed);
                    let text = Facts::gather(&self.about, self.status, restarts).status_report();
                    self.composer.own_words(&text)
                }
                Work::Undo(named) => self.composer.undone(named),
                Work::Retype => self.composer.retyped(),
                Work::Enter => self.composer.entered(),
            };
            // Without a keyboard nobody needs text any more.
            if self.act(actions, jobs).is_err() {
                return lost;
            }
            if is_counted {
                self.status.end_work();
            }
        }
        let actions = self.composer.time_is_up();
        // At the end nobody misses what cannot be typed any more but the type thread, which counts it.
        let _ = self.act(actions, jobs);
        lost
    }

    fn tell_time(&mut self) {
        self.composer.set_time(self.caller.clock.now(), self.undo_within);
    }

    fn recognise(&mut self, segment: &Segment) -> Result<Transcript, RecogniseError> {
        let engine = (self.engine_in)(self.composer.profile());
        self.supervisor.recognise(segment, engine, &self.prompt, self.caller)
    }

    /// The next piece of work, `None` at the end. What waits for it is done when it does not come in time. Waiting is
    /// no sign of death.
    fn next(&mut self, work: &Receiver<Work>, jobs: &SyncSender<Job>) -> Option<Work> {
        let alive = self.caller.alive;
        let mut patience = self.composer.waits();
        loop {
            alive.idle();
            let next = match patience {
                Some(patience) => work.recv_timeout(patience),
                None => work.recv().map_err(RecvTimeoutError::from),
            };
            alive.mark();
            patience = match next {
                Ok(work) => return Some(work),
                Err(RecvTimeoutError::Disconnected) => return None,
                // Who speaks already may go on with the sentence; or was it only a gesture?
                Err(RecvTimeoutError::Timeout) if self.status.is_listening() => Some(LISTENING_INTERVAL),
                Err(RecvTimeoutError::Timeout) => {
                    self.tell_time();
                    let actions = self.composer.time_is_up();
                    self.act(actions, jobs).ok()?;
                    None
                }
            };
        }
    }

    /// Have it typed.
    fn act(&mut self, actions: Vec<Action>, jobs: &SyncSender<Job>) -> Result<(), Gone> {
        for action in actions {
            let job = match action {
                Action::Type(text) => Job::Text(text),
                Action::OwnWords(words) => Job::OwnWords(words),
                Action::Erase(chars) => Job::Erase { chars },
                Action::Undo { newer } => Job::Undo { newer },
                Action::Retype => Job::Retype,
                Action::Enter => Job::Enter,
                Action::Finish => match self.ends.pop_front() {
                    Some(end) => end,
                    None => continue,
                },
                Action::Profile(name) => {
                    log::info!("profile {name}");
                    continue;
                }
            };
            if !matches!(job, Job::Finished(..)) {
                self.status.begin_work();
            }
            // Waits while the host is away and the queue is full.
            self.caller.alive.idle();
            let sent = jobs.send(job);
            self.caller.alive.mark();
            sent.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// What is to be done for what became of a segment.
    fn compose(
        &mut self,
        result: Result<Transcript, RecogniseError>,
        evidence: &SpeechEvidence,
        report: &mut DictationReport,
    ) -> Vec<Action> {
        let transcript = match result {
            Ok(transcript) => transcript,
            Err(error) => {
                log::error!("{error}");
                self.status.set_fault(Cause::from(&error));
                report.segments_lost += 1;
                return Vec::new();
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
            return Vec::new();
        }
        let start = Instant::now();
        self.tell_time();
        let actions = self.composer.compose(&transcript.text);
        report.compose += start.elapsed();
        self.prompt = transcript.prompt;
        actions
    }
}
