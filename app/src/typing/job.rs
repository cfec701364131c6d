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
    /// Take back the last dictation that typed something.
    Undo,
    /// Type the last dictation once more.
    Retype,
    /// Press Enter.
    Enter,
    /// A dictation is over; the report lacks what typing adds.
    Finished(Box<DictationReport>, Finished),
    /// Type this, which belongs to no dictation.
    OwnWords(String),
}

/// What an [`Interrupt`] is about: a dictation by its number and 1, or one of these.
const NOTHING: u64 = 0;
/// The device's own words, or a dictation typed once more.
const OWN: u64 = u64::MAX;

/// How a gesture stops at once what is being typed, past all jobs that wait.
///
/// The type thread says what it is typing. The gesture names that, or else the dictation spoken last, as unwanted: the
/// type thread stops in the middle of it and takes back what was typed, or does not begin. The [`Job::Undo`] of the
/// same gesture, which comes in its order, then has nothing left to do.
#[derive(Debug, Default)]
pub struct Interrupt {
    typing: AtomicU64,
    unwanted: AtomicU64,
}

impl Interrupt {
    /// Stop what is being typed now; if nothing is, do not type the dictation `last`, unless that was typed already.
    pub fn undo(&self, last: Option<u64>) {
        let unwanted = match self.typing.load(Ordering::Relaxed) {
            NOTHING => last.map_or(NOTHING, |number| number + 1),
            typing => typing,
        };
        self.unwanted.store(unwanted, Ordering::Relaxed);
    }

    /// This is being typed from now on; nothing while the host is away.
    pub(super) fn set_typing(&self, what: Typing) {
        self.typing.store(what.number(), Ordering::Relaxed);
    }

    /// Whether this is unwanted.
    pub(super) fn is_unwanted(&self, what: Typing) -> bool {
        what != Typing::Nothing && self.unwanted.load(Ordering::Relaxed) == what.number()
    }

    /// Whether this is unwanted; forgets it.
    pub(super) fn take_unwanted(&self, what: Typing) -> bool {
        let taken =
            self.unwanted.compare_exchange(what.number(), NOTHING, Ordering::Relaxed, Ordering::Relaxed);
        what != Typing::Nothing && taken.is_ok()
    }
}

/// What the type thread is typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typing {
    /// Nothing, or it waits for the host.
    Nothing,
    /// The dictation of this number.
    Dictation(u64),
    /// Something that belongs to no dictation.
    Own,
}

impl Typing {
    const fn number(self) -> u64 {
        match self {
            Self::Nothing => NOTHING,
            Self::Dictation(number) => number + 1,
            Self::Own => OWN,
        }
    }
}
