//! What the type thread is asked to do, in the order in which it was spoken; and the one thing that goes past that
//! order.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::compose::Composed;
use crate::listen::segmenter::Finished;
use crate::metrics::DictationReport;

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
}

/// How a gesture stops at once what is being typed, past all jobs that wait.
///
/// The type thread says what it is typing. The gesture names that, or else the dictation spoken last, as unwanted: the
/// type thread stops in the middle of it and takes back what was typed, or does not begin. The name goes the way of all
/// work as well, so that the [`Job::Undo`] of the same gesture is about the same text, and then has nothing left to do.
#[derive(Debug, Default)]
pub struct Interrupt {
    typing: AtomicU64,
    unwanted: AtomicU64,
    /// What a gesture has named last.
    named: AtomicU64,
    /// Dictations whose end was typed.
    finished: AtomicU64,
}

impl Interrupt {
    /// Stop what is being typed now; if nothing is, do not type the dictation `last`, unless that was typed already.
    /// Returns what this is about: nothing if it is about whatever stands last when its turn comes.
    pub fn undo(&self, last: Option<u64>) -> Typing {
        let typing = self.typing.load(Ordering::Relaxed);
        let finished = self.finished.load(Ordering::Relaxed);
        let last = last.filter(|&number| typing == NOTHING && number >= finished);
        let named = last.map_or(typing, |number| Typing::Dictation(number).number());
        // A second gesture goes further back.
        if named == NOTHING || self.named.swap(named, Ordering::Relaxed) == named {
            return Typing::Nothing;
        }
        self.unwanted.store(named, Ordering::Relaxed);
        Typing::by_number(named)
    }

    /// This is being typed from now on; nothing while the host is away.
    pub(super) fn set_typing(&self, what: Typing) {
        self.typing.store(what.number(), Ordering::Relaxed);
    }

    /// So many dictations are over.
    pub(super) fn set_finished(&self, dictations: u64) {
        self.finished.store(dictations, Ordering::Relaxed);
    }

    /// Whether this is unwanted.
    pub(super) fn is_unwanted(&self, what: Typing) -> bool {
        what != Typing::Nothing && self.unwanted.load(Ordering::Relaxed) == what.number()
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

const NOTHING: u64 = 0;

impl Typing {
    const fn number(self) -> u64 {
        match self {
            Self::Nothing => NOTHING,
            Self::Dictation(number) => 2 * number + 2,
            Self::Own(number) => 2 * number + 1,
        }
    }

    const fn by_number(number: u64) -> Self {
        match number {
            NOTHING => Self::Nothing,
            own if own % 2 == 1 => Self::Own(own / 2),
            dictation => Self::Dictation(dictation / 2 - 1),
        }
    }
}
