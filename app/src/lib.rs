//! Oratype's pipeline: from the button and the microphone to typed words.
//!
//! Architecture invariant: the library knows traits of `hal` and no board; only `main` names one.

pub mod bench;
pub mod settings;
