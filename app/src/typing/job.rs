//! What the type thread is asked to do, in the order in which it was spoken; and the one thing that goes past that
//! order.

use std::sync::{Mutex, MutexGuard, PoisonError};

use heapless::{Deque, HistoryBuf};
use oratype_hal::time::Timestamp;

use super::Pacing;
use crate::compose::Composed;
use crate::listen::segmenter::Finished;
use crate::metrics::DictationReport;
use crate::sizes::{JOBS_QUEUED, UNDO_DICTATIONS_MAX};

/// From the recognise thread to the type thread.
///
/// Every job but `Finished` ends one piece of work that [`Status::begin_work`](crate::status::Status::begin_work) was
/// told of. The listen thread does that for each segment and each gesture; who makes two jobs of one segment does it
/// for the second.
#[expect(clippy::large_enum_variant, reason = "nearly every job is a text; the queue is made once")]
#[derive(Debug)]
pub enum Job {
    /// Type this. A newline is the Enter key.
    Text(Composed),
    /// Take back so many characters of what was typed last, of earlier dictations too; fewer if less is known.
    Erase {
        /// How many, as they stood in the texts.
        chars: usize,
    },
    /// Take back a dictation that typed something.
    Undo {
        /// How many that typed something have come after it.
        newer: usize,
    },
    /// Type the last dictation once more.
    Retype,
    /// Press Enter.
    Enter,
    /// A dictation is over; the report lacks what typing adds.
    Finished(Box<DictationReport>, Finished),
    /// Type this, which belongs to no dictation.
    OwnWords(String),
    /// From here on type at this pace.
    Pacing(Pacing),
}

/// How a gesture stops at once what is being typed, past all jobs that wait; and how far the typing is, for those who
/// must know that before they queue something.
///
/// The type thread says what it is typing. The gesture names that, or else the dictation spoken last, as unwanted: the
/// type thread stops in the middle of it and takes back what was typed, or does not begin. The name goes the way of all
/// work as well, so that the [`Job::Undo`] of the same gesture is about the same text, and then has nothing left to do.
///
/// An Enter or a Tab cannot be taken back. So the type thread asks before each, under the same lock under which the
/// gesture names its text: whichever comes first, from the gesture on it is known how many of them the host has.
#[derive(Debug, Default)]
pub struct Interrupt(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    typing: Typing,
    /// What gestures have named. Some of it may not have come to the type thread yet; what has passed there long ago
    /// makes room.
    unwanted: HistoryBuf<Typing, UNWANTED_MAX>,
    /// Dictations whose end was typed.
    finished: u64,
    /// Texts that belong to no dictation and were typed.
    own: u64,
    /// Enters and Tabs pressed for a dictation, and for a text that belongs to none.
    pressed: [(Typing, u32); 2],
    /// When the last texts were typed, the latest last.
    typed: Deque<(Typing, Timestamp), TYPED_MAX>,
}

/// Every text that can be taken back, and as many that were taken back in between as anybody has patience for.
const TYPED_MAX: usize = 4 * UNDO_DICTATIONS_MAX;

/// Every dictation that can wait to be typed while the host is away.
const UNWANTED_MAX: usize = JOBS_QUEUED / 2;

/// What a gesture has stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Nothing if the gesture is about whatever stands last when its turn comes.
    pub what: Typing,
    /// Of this so many Enters and Tabs were pressed; what stands before the last of them stays.
    pub keys: u32,
}

impl Interrupt {
    /// Stop what is being typed now; if nothing is, do not type the dictation `last`, or, if an earlier gesture has named
    /// that, the one before it; unless that was typed already. Returns what this is about.
    pub fn undo(&self, last: Option<u64>) -> Stopped {
        let mut progress = self.progress();
        let what = match progress.typing {
            Typing::Nothing => {
                let waiting = last.into_iter().flat_map(|last| (progress.finished..=last).rev());
                waiting.map(Typing::Dictation).find(|&what| !progress.is_unwanted(what)).unwrap_or_default()
            }
            // What stands before it was typed already.
            typing if progress.is_unwanted(typing) => Typing::Nothing,
            typing => typing,
        };
        if what == Typing::Nothing {
            return Stopped::default();
        }
        progress.unwanted.write(what);
        let keys = progress.pressed.iter().find(|(of, _)| *of == what).map_or(0, |(_, keys)| *keys);
        Stopped { what, keys }
    }

    /// Whether this was typed before `then`. No part of a dictation was before its end is.
    pub fn was_typed_before(&self, what: Typing, then: Timestamp) -> bool {
        let progress = self.progress();
        let is_typed = match what {
            Typing::Nothing => false,
            Typing::Dictation(number) => number < progress.finished,
            Typing::Own(number) => number < progress.own,
        };
        let at = progress.typed.iter().rev().find(|(text, _)| *text == what);
        // One that is not remembered was typed before all that are.
        is_typed && at.is_none_or(|(_, at)| *at < then)
    }

    /// This is being typed from now on; nothing while the host is away.
    pub(super) fn set_typing(&self, what: Typing) {
        self.progress().typing = what;
    }

    /// Text of this was typed.
    pub(super) fn set_typed(&self, what: Typing, at: Timestamp) {
        let progress = &mut *self.progress();
        match what {
            Typing::Nothing => return,
            Typing::Dictation(_) => {}
            Typing::Own(number) => progress.own = number + 1,
        }
        match progress.typed.back_mut() {
            Some(last) if last.0 == what => last.1 = at,
            _ => {
                if progress.typed.is_full() {
                    progress.typed.pop_front();
                }
                // There is room now.
                let _ = progress.typed.push_back((what, at));
            }
        }
    }

    /// So many dictations are over.
    pub(super) fn set_finished(&self, dictations: u64) {
        self.progress().finished = dictations;
    }

    /// Whether this is unwanted.
    pub(super) fn is_unwanted(&self, what: Typing) -> bool {
        self.progress().is_unwanted(what)
    }

    /// Whether an Enter or a Tab may be pressed for this; then it counts as pressed.
    pub(super) fn may_press(&self, what: Typing) -> bool {
        let mut progress = self.progress();
        if progress.is_unwanted(what) {
            return false;
        }
        let [dictation, own] = &mut progress.pressed;
        let pressed = match what {
            Typing::Nothing => return true,
            Typing::Dictation(_) => dictation,
            Typing::Own(_) => own,
        };
        if pressed.0 != what {
            *pressed = (what, 0);
        }
        pressed.1 += 1;
        true
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Each change is complete by itself, so that a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn is_unwanted(&self, what: Typing) -> bool {
        what != Typing::Nothing && self.unwanted.contains(&what)
    }
}

/// What the type thread is typing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Typing {
    /// Nothing, or it waits for the host.
    #[default]
    Nothing,
    /// The dictation of this number.
    Dictation(u64),
    /// Something that belongs to no dictation, by its number among the likes of it: [`Job::OwnWords`] and
    /// [`Job::Retype`], from 0.
    Own(u64),
}
