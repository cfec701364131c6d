//! The recognise thread: a segment of speech becomes a transcript, the transcript the text to type.

use std::collections::VecDeque;
use std::sync::Arc;
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
use crate::settings::Settings;
use crate::speech::SpeechEvidence;
use crate::status::{Cause, Status};
use crate::typing::{Interrupt, Job, Pacing};

/// How often to look whether somebody still speaks while a full stop waits for that: a stop that comes so much later
/// is not seen to be late.
const LISTENING_INTERVAL: Duration = Duration::from_millis(250);

/// What changes with the profile, besides the text.
#[derive(Clone, Debug)]
pub struct InProfile {
    /// Its name; empty outside any.
    pub name: String,
    /// How segments are decoded.
    pub engine: Engine,
    /// How fast is typed.
    pub pacing: Pacing,
}

impl InProfile {
    /// For each profile, as the composer numbers them. `engine`: of whatever quality.
    pub fn all(settings: &Settings, engine: Engine) -> Vec<Self> {
        let in_profile = |(name, settings): (&str, Settings)| Self {
            name: name.into(),
            engine: engine.at_quality(&settings.recogniser.quality),
            pacing: (&settings.typing).into(),
        };
        settings.by_profile().map(in_profile).collect()
    }
}

/// What the thread works with.
pub struct RecogniseThread<'a> {
    /// Keeps the recogniser process.
    pub supervisor: Supervisor,
    /// What is different in each profile.
    pub profiles: Vec<InProfile>,
    /// Makes text of transcripts.
    pub composer: Composer,
    /// Ends of dictations that were not told yet, because more of their text may come. None at the start.
    pub ends: VecDeque<Job>,
    /// What waits for the end of the dictation.
    pub held: Held,
    /// What was typed longer ago is not taken back; zero for no limit.
    pub undo_within: Duration,
    /// How the text of this dictation ends so far. Empty at the start.
    pub prompt: Prompt,
    /// For a status report.
    pub about: About,
    /// What the type thread tells of its progress.
    pub interrupt: Arc<Interrupt>,
    /// For the light.
    pub status: &'a Status,
    /// Marks the thread's life while it waits for the recogniser.
    pub caller: &'a Caller<'a>,
}

/// What is to be done when the dictation is over, for a speaker who wants nothing typed before.
#[derive(Default)]
pub struct Held {
    at_release: bool,
    actions: Vec<Action>,
}

impl Held {
    /// Nothing waits yet, and nothing ever does unless all is to be typed `at_release`.
    pub fn new(at_release: bool) -> Self {
        Self { at_release, actions: Vec::new() }
    }

    /// What is to be done now, in order, when there is this more to be done. `goes_on`: the dictation is not over.
    fn due(&mut self, actions: Vec<Action>, goes_on: bool) -> Vec<Action> {
        self.actions.extend(actions);
        if self.at_release && goes_on { Vec::new() } else { std::mem::take(&mut self.actions) }
    }
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
            let goes_on = work.is_within_dictation();
            self.forget_old();
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
                                Some(Ok(transcript)) if !transcript.withdrawn => Ok(transcript),
                                // It has had all its tries.
                                Some(Err(error @ RecogniseError::Segment(_))) => Err(error),
                                _ => self.recognise(&segment),
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
                    let mut facts = Facts::gather(&self.about, self.status, restarts);
                    facts.profile = &self.profiles[self.composer.profile()].name;
                    let text = facts.status_report();
                    self.composer.own_words(&text)
                }
                Work::Undo(stopped) => self.composer.undone(stopped),
                Work::Retype => self.composer.retyped(),
                Work::Enter => self.composer.entered(),
                Work::NextProfile => self.composer.next_profile(),
            };
            let actions = self.held.due(actions, goes_on);
            // Without a keyboard nobody needs text any more.
            if self.act(actions, jobs).is_err() {
                return lost;
            }
            if is_counted {
                self.status.end_work();
            }
        }
        let actions = self.composer.time_is_up();
        let actions = self.held.due(actions, false);
        // At the end nobody misses what cannot be typed any more but the type thread, which counts it.
        let _ = self.act(actions, jobs);
        lost
    }

    fn forget_old(&mut self) {
        if self.undo_within.is_zero() {
            return;
        }
        if let Some(then) = self.caller.clock.now().checked_sub(self.undo_within) {
            self.composer.forget_old(|what| self.interrupt.was_typed_before(what, then));
        }
    }

    fn recognise(&mut self, segment: &Segment) -> Result<Transcript, RecogniseError> {
        let engine = self.profiles[self.composer.profile()].engine;
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
                Action::Profile(number) => {
                    let InProfile { name, pacing, .. } = &self.profiles[number];
                    log::info!("profile {name}");
                    self.status.show_profile(number + 1);
                    Job::Pacing(*pacing)
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
        report.contexts.push(transcript.audio_ctx);
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
        self.forget_old();
        let actions = self.composer.compose(&transcript.text);
        report.compose += start.elapsed();
        self.prompt = transcript.prompt;
        actions
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::sync_channel;

    use oratype_hal::time::SimulatedClock;

    use super::*;
    use crate::liveness::{Liveness, Role};
    use crate::recognise::audio::Pool;
    use crate::recognise::engine::EngineOptions;
    use crate::recognise::policy::Decoding;
    use crate::recognise::supervisor::SupervisorOptions;
    use crate::recognise::worker::WorkerOptions;
    use crate::status::Light;

    /// The gesture goes the way of all work, to the type thread and to the light.
    #[test]
    fn a_gesture_for_the_next_profile_changes_the_pace_and_is_shown() {
        let (settings, problems) = Settings::from_toml("[profile.code]\ntyping.pacing = \"remote\"\n");
        assert_eq!(problems, []);
        let (status, clock, pool) =
            (Arc::new(Status::default()), SimulatedClock::new(), Pool::new().unwrap());
        let options = SupervisorOptions {
            // No segment needs it.
            program: PathBuf::from("/bin/false"),
            worker: WorkerOptions {
                model: PathBuf::new(),
                any_model: false,
                phrases: Vec::new(),
                cores: Vec::new(),
                engine: EngineOptions { threads: 1 },
            },
            timeout: Duration::from_secs(1),
            partition: None,
        };
        let (alive, stop) = (Arc::new(Liveness::default()).enter(Role::Recognise), AtomicBool::new(true));
        let profiles = InProfile::all(&settings, Engine::Product(Decoding::default()));
        let paces: Vec<_> = profiles.iter().map(|profile| profile.pacing).collect();
        let thread = RecogniseThread {
            supervisor: Supervisor::deferred(options, pool.memory(), Arc::clone(&status)),
            profiles,
            composer: Composer::new(&settings),
            ends: VecDeque::new(),
            held: Held::default(),
            undo_within: Duration::ZERO,
            prompt: Prompt::new(),
            about: About::default(),
            interrupt: Arc::default(),
            status: &status,
            caller: &Caller { alive: &alive, stop: &stop, clock: &clock },
        };
        let ((work, queue), (jobs, typed)) = (sync_channel(2), sync_channel(2));
        for _ in 0..2 {
            status.begin_work();
            work.send(Work::NextProfile).unwrap();
        }
        drop(work);
        assert_eq!(thread.run(&queue, &jobs), 0);
        drop(jobs);
        for (job, pace) in typed.iter().zip(&paces[1..]) {
            assert!(matches!(job, Job::Pacing(pacing) if pacing == *pace), "{job:?}");
            status.end_work();
        }
        assert!(paces[1] != paces[2]);
        status.set_ready();
        status.set_lacking(Cause::Recogniser, false);
        assert_eq!(status.light(Duration::ZERO), Light::Profile(3));
    }

    #[test]
    fn what_is_held_comes_in_its_order_at_the_end_of_the_dictation() {
        let (first, second) = (vec![Action::Erase(1)], vec![Action::Enter]);
        let mut held = Held::new(true);
        assert_eq!(held.due(first.clone(), true), []);
        assert_eq!(held.due(Vec::new(), true), []);
        assert_eq!(held.due(second.clone(), false), [first.clone(), second].concat());
        assert_eq!(held.due(Vec::new(), false), []);
        assert_eq!(Held::new(false).due(first.clone(), true), first);
    }

    /// The words that are spoken next are decoded, and typed, as the profile says.
    #[test]
    fn a_profile_that_is_spoken_changes_quality_and_pace() {
        let file = "[profile.quick]\nrecogniser.quality = \"fast\"\ntyping.pacing = \"fast\"\n\
                    [profile.careful]\nrecogniser.quality = \"best\"\ntyping.characters_per_second = 20\n";
        let (settings, problems) = Settings::from_toml(file);
        assert_eq!(problems, []);
        let engine = Engine::Product(Decoding::default());
        let profiles = InProfile::all(&settings, engine);
        let mut composer = Composer::new(&settings);
        let mut change = |said: &str| {
            let actions = composer.compose(said);
            composer.finished();
            let number = composer.profile();
            assert_eq!(actions, [Action::Profile(number)], "{said}");
            let InProfile { name, engine, pacing } = profiles[number].clone();
            (name, engine, pacing)
        };
        let pacing = |settings: &str| Pacing::from(&Settings::from_toml(settings).0.typing);
        let at = |quality| engine.at_quality(quality);
        assert_eq!(change("Profile quick."), ("quick".into(), at("fast"), Pacing::UNPACED));
        let slow = pacing("[typing]\ncharacters_per_second = 20");
        assert_eq!(change("Profile careful."), ("careful".into(), at("best"), slow));
        assert_eq!(change("Switch to profile prose."), ("prose".into(), at("balanced"), pacing("")));
        assert!(at("fast") != at("best") && at("best") != at("balanced"));
    }
}
