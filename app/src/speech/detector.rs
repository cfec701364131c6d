//! From probabilities to decisions: pauses, and whether an utterance holds speech at all.

use super::silero::{FRAME_SAMPLES, SileroVad};

/// A frame this probable begins speech.
pub const SPEECH_START_PROBABILITY: f32 = 0.5;
/// Speech goes on until a frame is less probable than this.
pub const SPEECH_END_PROBABILITY: f32 = 0.35;
/// A frame counts for the gate when it is this probable.
pub const GATE_PROBABILITY: f32 = 0.5;
/// The gate opens at this many such frames in a row.
pub const GATE_RUN_FRAMES: u32 = 3;

/// What the frames of one utterance said. Sample positions count from the detector's last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpeechEvidence {
    /// Frames judged.
    pub frames: u32,
    /// Frames of at least [`GATE_PROBABILITY`].
    pub speech_frames: u32,
    /// Most such frames in a row.
    pub longest_run_frames: u32,
    /// Highest probability.
    pub probability_max: f32,
    /// Sum of all probabilities; see [`probability_mean`](Self::probability_mean).
    probability_sum: f32,
    /// First sample of the first, and end (exclusive) of the last frame that belongs to speech, by the hysteresis of
    /// [`SPEECH_START_PROBABILITY`] and [`SPEECH_END_PROBABILITY`]; `None` while there was none.
    pub span: Option<(u64, u64)>,
    /// The run going on now.
    run_frames: u32,
}

impl SpeechEvidence {
    /// Mean probability of all frames; 0 without frames.
    pub fn probability_mean(&self) -> f32 {
        if self.frames == 0 { 0.0 } else { self.probability_sum / self.frames as f32 }
    }

    /// Whether this is worth recognising.
    pub fn is_speech(&self) -> bool {
        self.longest_run_frames >= GATE_RUN_FRAMES
    }

    fn add(&mut self, probability: f32, in_speech: bool, start: u64, end: u64) {
        self.frames += 1;
        self.probability_sum += probability;
        self.probability_max = self.probability_max.max(probability);
        if probability >= GATE_PROBABILITY {
            self.speech_frames += 1;
            self.run_frames += 1;
            self.longest_run_frames = self.longest_run_frames.max(self.run_frames);
        } else {
            self.run_frames = 0;
        }
        if in_speech {
            self.span = Some((self.span.map_or(start, |(first, _)| first), end));
        }
    }
}

/// Follows a stream of samples.
pub struct SpeechDetector {
    vad: SileroVad,
    /// The frame being filled.
    frame: [f32; FRAME_SAMPLES],
    filled: usize,
    /// Samples judged since the last reset.
    judged: u64,
    probability: f32,
    in_speech: bool,
    /// Where the silence that lasts until now began.
    silence_start: u64,
    evidence: SpeechEvidence,
}

impl SpeechDetector {
    /// A detector at the beginning of a stream.
    pub fn new(vad: SileroVad) -> Self {
        Self {
            vad,
            frame: [0.0; FRAME_SAMPLES],
            filled: 0,
            judged: 0,
            probability: 0.0,
            in_speech: false,
            silence_start: 0,
            evidence: SpeechEvidence::default(),
        }
    }

    /// Take the next samples, any number of them.
    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let count = samples.len().min(FRAME_SAMPLES - self.filled);
            let (now, later) = samples.split_at(count);
            self.frame[self.filled..self.filled + count].copy_from_slice(now);
            self.filled += count;
            samples = later;
            if self.filled == FRAME_SAMPLES {
                self.judge(FRAME_SAMPLES);
            }
        }
    }

    /// Judge the samples that do not fill a frame, as if silence followed. The stream ends here: [`reset`](Self::reset)
    /// before the next one.
    pub fn flush(&mut self) {
        if self.filled > 0 {
            let count = self.filled;
            self.frame[count..].fill(0.0);
            self.judge(count);
        }
    }

    /// Begin a new stream: samples count from 0, the past and the evidence are forgotten.
    pub fn reset(&mut self) {
        self.vad.reset();
        self.filled = 0;
        self.judged = 0;
        self.probability = 0.0;
        self.in_speech = false;
        self.silence_start = 0;
        self.evidence = SpeechEvidence::default();
    }

    /// Begin a new utterance in the same stream, and take the evidence of the one before.
    pub fn take_evidence(&mut self) -> SpeechEvidence {
        std::mem::take(&mut self.evidence)
    }

    /// What the frames said since the stream began or the evidence was last taken.
    pub fn evidence(&self) -> &SpeechEvidence {
        &self.evidence
    }

    /// Probability of the last whole frame; 0 before the first.
    pub fn probability(&self) -> f32 {
        self.probability
    }

    /// Whether the last whole frame belongs to speech.
    pub fn in_speech(&self) -> bool {
        self.in_speech
    }

    /// Samples pushed since the last reset.
    pub fn position(&self) -> u64 {
        self.judged + self.filled as u64
    }

    /// Samples since the last frame of speech ended, or since the stream began; 0 while somebody speaks.
    pub fn silence_samples(&self) -> u64 {
        if self.in_speech { 0 } else { self.position() - self.silence_start }
    }

    /// Judge the frame, of which the first `count` samples are sound.
    fn judge(&mut self, count: usize) {
        let (start, end) = (self.judged, self.judged + count as u64);
        self.filled = 0;
        self.judged = end;
        self.probability = self.vad.push(&self.frame);
        let threshold = if self.in_speech { SPEECH_END_PROBABILITY } else { SPEECH_START_PROBABILITY };
        self.in_speech = self.probability >= threshold;
        if self.in_speech {
            self.silence_start = end;
        }
        self.evidence.add(self.probability, self.in_speech, start, end);
    }
}
