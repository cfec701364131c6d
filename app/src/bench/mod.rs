//! The benchmark's own parts: the speech set's manifest, the scoring of transcripts, the report.
//!
//! Architecture invariant: nothing here records, recognises or types. What another program transcribed
//! is scored by the same code as what Oratype did.

pub mod comparison;
pub mod manifest;
pub mod normalise;
pub mod report;
pub mod wer;
