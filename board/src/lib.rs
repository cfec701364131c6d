//! What differs from board to board, as data. One folder per board.
//!
//! Architecture invariant: a board says what there is; it opens and drives nothing.

pub mod desk;

use oratype_hal::pcm::StreamFormat;
use oratype_hal::pcm::alsa::Timing;

/// A board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its name, as `--board` takes it.
    pub name: &'static str,
    /// ALSA name of its microphone.
    pub microphone: &'static str,
    /// Format to ask the microphone for.
    pub format: StreamFormat,
    /// Periods to ask the microphone for.
    pub timing: Timing,
    /// Cores set aside for the recogniser.
    pub recogniser_cores: Vec<usize>,
    /// Whether fused attention pays off in whisper.cpp on this processor.
    pub flash_attention: bool,
}
