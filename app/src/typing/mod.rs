//! Text to key presses on the host: keymap, input reports, pacing, and a host that comes and goes.
//!
//! Architecture invariant: nothing here chooses or changes words. What cannot be typed as it is gets a stand-in.

mod job;
mod keymap;
mod reports;
mod thread;
mod typist;

pub use job::Job;
pub use keymap::{Stroke, strokes};
pub use reports::{press, release};
pub use thread::TypeThread;
pub use typist::{TypingOutcome, Typist};

#[cfg(test)]
mod tests;
