//! Whether somebody speaks: a streaming voice-activity model and the evidence it gives of an utterance.
//!
//! [`SileroVad`] gives the probability of speech for each frame of 32 ms; [`SpeechDetector`] cuts samples into such
//! frames, follows the pauses with hysteresis, and collects the [`SpeechEvidence`] on which the gate before
//! recognition decides. Nothing here allocates after loading. All samples are mono, 16 kHz, in [-1, 1].

mod dense;
mod detector;
pub(crate) mod silero;

pub use detector::{
    GATE_PROBABILITY, GATE_RUN_FRAMES, SPEECH_END_PROBABILITY, SPEECH_START_PROBABILITY, SpeechDetector,
    SpeechEvidence,
};
pub use silero::{FRAME_SAMPLES, SileroVad, VadError};

/// A voice-activity model: stateful, a frame at a time.
pub trait Vad: Send {
    /// Probability of speech in the next frame of a stream.
    fn push(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32;
    /// Begin a new stream.
    fn reset(&mut self);
}

impl Vad for SileroVad {
    fn push(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
        Self::push(self, frame)
    }

    fn reset(&mut self) {
        Self::reset(self);
    }
}
