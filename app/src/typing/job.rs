//! What the type thread is asked to do, in the order in which it was spoken.

use crate::compose::Composed;
use crate::listen::segmenter::Finished;
use crate::metrics::DictationReport;

/// From the recognise thread to the type thread.
#[expect(clippy::large_enum_variant, reason = "nearly every job is a text; the queue is made once")]
pub enum Job {
    /// Type this.
    Text(Composed),
    /// A dictation is over; the report lacks what typing adds.
    Finished(Box<DictationReport>, Finished),
    /// Type this, which belongs to no dictation.
    OwnWords(String),
}
