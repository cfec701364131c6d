//! Oratype's pipeline: from the button and the microphone to typed words.
//!
//! Architecture invariant: the library knows traits of `hal` and no board; only `main` names one.

pub mod capture;
pub mod sizes;
pub mod settings;
pub mod typing;
pub mod listen;
pub mod speech;
