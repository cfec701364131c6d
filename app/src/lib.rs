//! Oratype's pipeline: from the button and the microphone to typed words.
//!
//! ```text
//! capture ─► listen ─► recognise ─► compose ─► type
//! ```
//!
//! Architecture invariant: the library knows traits of `hal` and no board; only the binary names one.

pub mod appliance;
pub mod bench;
pub mod capture;
pub mod compose;
pub mod listen;
pub mod liveness;
pub mod metrics;
pub mod models;
pub mod pipeline;
pub mod recognise;
pub mod report;
pub mod settings;
pub mod sizes;
pub mod speech;
pub mod status;
pub mod typing;
