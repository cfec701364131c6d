//! The type thread: does its jobs in order, and looks for the host while there are none.

use std::cell::Cell;
use std::str::Chars;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use oratype_hal::hid::{Keyboard, KeyboardError};
use oratype_hal::time::{Clock, Timestamp};

use super::history::History;
use super::job::Typing;
use super::{Interrupt, Job, Keymap, Moment, TypingOutcome, Typist};
use crate::listen::segmenter::Finished;
use crate::liveness::Alive;
use crate::metrics::DictationReport;
use crate::pipeline::Fault;
use crate::status::{Cause, Status};

/// How often a keyboard that has nothing to type looks for its host: the light tells of it before a person has
/// wondered, and a host that was just plugged in is met before anybody has spoken.
const MEET_HOST_INTERVAL: Duration = Duration::from_millis(250);

/// What the thread shares with others.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    /// For the light.
    pub status: &'a Status,
    /// Do not wait for a host any more.
    pub stop: &'a AtomicBool,
    /// What gestures ask for at once.
    pub interrupt: &'a Interrupt,
    /// Marks the thread's life.
    pub alive: &'a Alive,
}

/// The thread's state.
pub struct TypeThread<'a> {
    typist: Typist<Box<dyn Keyboard>>,
    clock: Arc<dyn Clock>,
    shared: Shared<'a>,
    /// The host took no keys when last asked.
    away: AtomicBool,
    history: History,
    /// The dictation that goes on.
    dictation: Dictation,
    /// All of the last dictation that had words, whether they were typed or not.
    last: String,
    /// Texts that belong to no dictation, so far.
    own: u64,
    /// Characters that were not typed, because of a stop.
    untyped: usize,
}

/// A dictation, from its first text on.
#[derive(Default)]
struct Dictation {
    number: u64,
    /// All its texts.
    said: String,
    /// What stands of it on the host.
    typed: String,
    /// The times of each text.
    keys: Vec<Times>,
    /// A gesture took it back: nothing more of it is typed.
    unwanted: bool,
}

/// When the first and the last key of a text went down.
type Times = (Instant, Instant);

/// The keyboard failed with so many characters of a text not typed.
struct Failed(KeyboardError, usize);

impl<'a> TypeThread<'a> {
    /// Nothing typed yet. `clock` is the typist's.
    pub fn new(typist: Typist<Box<dyn Keyboard>>, clock: Arc<dyn Clock>, shared: Shared<'a>) -> Self {
        Self {
            typist,
            clock,
            shared,
            away: AtomicBool::new(false),
            history: History::new(),
            dictation: Dictation::default(),
            last: String::new(),
            own: 0,
            untyped: 0,
        }
    }

    /// Type until the queue ends, or the keyboard fails. `on_report` hears of every dictation once it is typed.
    pub fn run(
        mut self,
        jobs: &Receiver<Job>,
        on_report: &mut impl FnMut(DictationReport),
    ) -> Result<(), Fault> {
        loop {
            self.shared.alive.mark();
            let job = match jobs.recv_timeout(MEET_HOST_INTERVAL) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    let is_there = self.typist.meet_host();
                    see_host(&self.away, self.shared.status, !is_there);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let ends_work = !matches!(job, Job::Finished(..));
            self.work(job, on_report).map_err(|failed| self.failed(failed, jobs))?;
            if ends_work {
                self.shared.status.end_work();
            }
        }
        if self.untyped > 0 { Err(Fault::Untyped(self.untyped)) } else { Ok(()) }
    }

    fn work(&mut self, job: Job, on_report: &mut impl FnMut(DictationReport)) -> Result<(), Failed> {
        match job {
            Job::Text(text) => self.type_of_dictation(&text),
            Job::Erase { chars } => {
                let taken = self.history.erase(chars);
                self.dictation.forget_last(taken.forgotten);
                self.take_back(&taken.erased)
            }
            Job::Undo { newer } => {
                let taken = self.history.undo(newer);
                if newer == 0 {
                    self.dictation.forget_last(taken.forgotten);
                }
                self.take_back(&taken.erased)?;
                // It stands in the history already.
                self.type_text(&taken.again, Typing::Nothing).map(drop)
            }
            Job::Retype => {
                let text = std::mem::take(&mut self.last);
                let typed = self.type_own(&text);
                self.last = text;
                typed
            }
            Job::Enter => {
                self.history.close();
                self.type_wanted("\n", Typing::Nothing).map(drop)
            }
            Job::OwnWords(words) => self.type_own(&words),
            Job::Pacing(pacing) => {
                self.typist.set_pacing(pacing);
                Ok(())
            }
            Job::Finished(mut report, finished) => {
                self.finish(&mut report, &finished)?;
                on_report(*report);
                Ok(())
            }
        }
    }

    /// Type a text of the dictation that goes on.
    fn type_of_dictation(&mut self, text: &str) -> Result<(), Failed> {
        let text = &*self.typist.keymap().prepare(text);
        self.dictation.said.push_str(text);
        if self.is_dictation_unwanted()? {
            self.remember_untyped(text);
            return Ok(());
        }
        let (typed, times) = self.type_wanted(text, Typing::Dictation(self.dictation.number))?;
        self.dictation.typed.push_str(typed);
        self.dictation.keys.extend(times);
        if self.is_dictation_unwanted()? {
            self.remember_untyped(&text[typed.len()..]);
        }
        Ok(())
    }

    /// Whether a gesture took back the dictation that goes on. When that turns out, so does what was typed of it.
    fn is_dictation_unwanted(&mut self) -> Result<bool, Failed> {
        let is_unwanted = self.shared.interrupt.is_unwanted(Typing::Dictation(self.dictation.number));
        if is_unwanted && !self.dictation.unwanted {
            self.dictation.unwanted = true;
            self.dictation.typed.clear();
            let text = self.history.take_open();
            self.take_back(&text)?;
        }
        Ok(self.dictation.unwanted)
    }

    /// The dictation is over.
    fn finish(&mut self, report: &mut DictationReport, finished: &Finished) -> Result<(), Failed> {
        self.is_dictation_unwanted()?;
        self.shared.interrupt.set_finished(finished.number + 1);
        self.history.close();
        let next = Dictation { number: finished.number + 1, ..Dictation::default() };
        let Dictation { said, typed, keys, .. } = std::mem::replace(&mut self.dictation, next);
        if !said.is_empty() {
            self.last = said;
        }
        report.number = finished.number;
        report.text = typed;
        add_latencies(report, finished, &keys);
        Ok(())
    }

    /// Type what belongs to no dictation, but can be taken back like one.
    fn type_own(&mut self, text: &str) -> Result<(), Failed> {
        let text = &*self.typist.keymap().prepare(text);
        let what = Typing::Own(self.own);
        self.own += 1;
        self.history.close();
        let (typed, _) = self.type_wanted(text, what)?;
        if self.shared.interrupt.is_unwanted(what) {
            let on_host = self.history.take_open();
            self.take_back(&on_host)?;
            self.remember_untyped(&text[typed.len()..]);
        }
        self.history.close();
        Ok(())
    }

    /// Press Backspace as often as this text takes.
    fn take_back(&mut self, text: &str) -> Result<(), Failed> {
        let keymap = *self.typist.keymap();
        let count = text.chars().map(|c| keymap.typed(c).count()).sum();
        let asked = Asked::new(Typing::Nothing, "", keymap, self.shared, &self.away);
        match self.typist.erase(count, |moment| asked.stop(moment), |is_away| asked.see_host(is_away)) {
            TypingOutcome::Done { .. } | TypingOutcome::Stopped { .. } => Ok(()),
            TypingOutcome::Failed { error, .. } => Err(Failed(error, 0)),
        }
    }

    /// Type as much of a prepared text as is wanted, and remember that. Returns the same as [`Self::type_text`].
    fn type_wanted<'t>(&mut self, text: &'t str, what: Typing) -> Result<(&'t str, Option<Times>), Failed> {
        let (typed, times) = self.type_text(text, what)?;
        let keymap = *self.typist.keymap();
        self.history.typed(typed, |c| does_more(&keymap, c));
        self.shared.interrupt.set_typed(what, self.clock.now());
        Ok((typed, times))
    }

    /// A gesture kept this from being typed.
    fn remember_untyped(&mut self, text: &str) {
        let keymap = self.typist.keymap();
        self.history.not_typed(text, |c| does_more(keymap, c));
    }

    /// Type as much of a prepared text as is wanted. Returns that, and its times if all of it was.
    fn type_text<'t>(&mut self, text: &'t str, what: Typing) -> Result<(&'t str, Option<Times>), Failed> {
        let asked = Asked::new(what, text, *self.typist.keymap(), self.shared, &self.away);
        asked.see_host(self.away.load(Ordering::Relaxed));
        let outcome =
            self.typist.type_text(text, |moment| asked.stop(moment), |is_away| asked.see_host(is_away));
        // The end of a dictation may be long in coming: until then nobody sees it being typed.
        self.shared.interrupt.set_typing(Typing::Nothing);
        let (remaining, times) = match outcome {
            TypingOutcome::Done { first_key_at, last_key_at } => (0, first_key_at.zip(last_key_at)),
            TypingOutcome::Stopped { remaining } => (remaining, None),
            TypingOutcome::Failed { error, remaining } => return Err(Failed(error, remaining)),
        };
        let end = text.char_indices().rev().nth(remaining.wrapping_sub(1)).map_or(text.len(), |(at, _)| at);
        let typed = &text[..end];
        if !self.shared.interrupt.is_unwanted(what) {
            self.untyped += remaining;
        }
        Ok((typed, times.map(|times| self.on_the_wall(times))))
    }

    /// Two moments of the typist's clock.
    fn on_the_wall(&self, (first, last): (Timestamp, Timestamp)) -> Times {
        let (now, clock_now) = (Instant::now(), self.clock.now());
        let instant = |at| now.checked_sub(clock_now.saturating_sub(at)).unwrap_or(now);
        (instant(first), instant(last))
    }

    /// What becomes of the thread when the keyboard fails: it ends, and counts what waits for it too.
    fn failed(&self, Failed(error, untyped): Failed, jobs: &Receiver<Job>) -> Fault {
        self.shared.status.set_fault(Cause::Usb);
        let waiting = jobs.try_iter().map(|job| match job {
            Job::Text(text) => text.chars().count(),
            Job::OwnWords(words) => words.chars().count(),
            Job::Erase { .. }
            | Job::Undo { .. }
            | Job::Retype
            | Job::Enter
            | Job::Finished(..)
            | Job::Pacing(_) => 0,
        });
        Fault::Keyboard(error, self.untyped + untyped + waiting.sum::<usize>())
    }
}

impl Dictation {
    /// Its last characters were taken back, or all of them if there are fewer.
    fn forget_last(&mut self, count: usize) {
        for text in [&mut self.said, &mut self.typed] {
            let at = text.char_indices().rev().nth(count.wrapping_sub(1)).map(|(at, _)| at);
            text.truncate(at.unwrap_or(if count == 0 { text.len() } else { 0 }));
        }
    }
}

/// Whether a character does more than to make text.
fn does_more(keymap: &Keymap, c: char) -> bool {
    keymap.typed(c).any(|typed| matches!(typed, '\n' | '\t'))
}

/// What the typist asks and tells while it types.
struct Asked<'a> {
    what: Typing,
    /// The characters that were not asked about yet.
    left: Cell<Chars<'a>>,
    keymap: Keymap,
    shared: Shared<'a>,
    away: &'a AtomicBool,
}

impl<'a> Asked<'a> {
    fn new(what: Typing, text: &'a str, keymap: Keymap, shared: Shared<'a>, away: &'a AtomicBool) -> Self {
        Self { what, left: Cell::new(text.chars()), keymap, shared, away }
    }

    /// The character before which the thread is asked.
    fn next(&self) -> Option<char> {
        let mut left = self.left.replace("".chars());
        let next = left.next();
        self.left.set(left);
        next
    }

    /// Told to stop, the thread goes on typing, but no longer waits for a host. A gesture stops it between two
    /// characters only, where it is known exactly what to take back.
    fn stop(&self, moment: Moment) -> bool {
        self.shared.alive.mark();
        let ending = self.shared.stop.load(Ordering::Relaxed);
        match moment {
            Moment::HostAway => ending,
            Moment::BeforeReport => false,
            Moment::BetweenCharacters if ending && self.away.load(Ordering::Relaxed) => true,
            Moment::BetweenCharacters if self.next().is_some_and(|c| does_more(&self.keymap, c)) => {
                !self.shared.interrupt.may_press(self.what)
            }
            Moment::BetweenCharacters => self.shared.interrupt.is_unwanted(self.what),
        }
    }

    /// A gesture can stop only what somebody sees being typed.
    fn see_host(&self, is_away: bool) {
        self.shared.interrupt.set_typing(if is_away { Typing::Nothing } else { self.what });
        see_host(self.away, self.shared.status, is_away);
    }
}

/// Fill in the times that are known once the last key is up. `keys`: the times of each text.
fn add_latencies(report: &mut DictationReport, finished: &Finished, keys: &[Times]) {
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

#[cfg(test)]
mod tests;
