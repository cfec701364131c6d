//! Text to key presses on the host: keymap, input reports, pacing, and a host that comes and goes.
//!
//! Architecture invariant: nothing here chooses or changes words. What cannot be typed as it is gets a stand-in.

mod decode;
mod history;
mod job;
mod keymap;
mod pacing;
mod reports;
mod thread;
mod typist;

pub use decode::LayoutDecoder;
pub use job::{Interrupt, Job, Stopped, Typing};
pub use keymap::{CapsLock, Keymap, Stroke, UnicodeEntry, open_end};
pub use pacing::{Pacing, Preset};
pub use reports::{press, release};
pub use thread::{Shared, TypeThread};
pub use typist::{Moment, TypingOutcome, Typist};

#[cfg(test)]
mod tests;
