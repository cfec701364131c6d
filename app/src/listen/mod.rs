//! The listen thread: from the capture's periods to utterances of 16 kHz mono samples.

pub mod frontend;
