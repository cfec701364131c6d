//! From probabilities to decisions: pauses, and whether an utterance holds speech at all.

use super::{FRAME_SAMPLES, Vad};

/// A frame this probable begins speech: the model's own operating point. Of the frames of 180 clips of noise, machines,
/// instruments and music, 3 % reach it.
pub const SPEECH_START_PROBABILITY: f32 = 0.5;

/// Speech goes on until a frame is less probable than this. Against ending it at 0.5, over 268 spoken sentences clean, in
/// white noise at 10 dB SNR and in pink noise at 5, this bridges four of ten pauses of 0.3 s and more within them (87 become
/// 52). The end of single words at 10 dB SNR is seen 80 ms after it instead of 52 (median).
pub const SPEECH_END_PROBABILITY: f32 = 0.35;

/// A frame counts for the gate when it is this probable.
pub const GATE_PROBABILITY: f32 = 0.4;

/// The gate opens at this many such frames in a row, 128 ms: half of what the shortest of 182 single words spoken at
/// -26 dBFS, clean or at 5 dB SNR, gave.
///
/// With these two, of 268 sentences none was refused at their own level, at -50 dBFS, or with white or pink noise at 10
/// and 5 dB SNR; of 476 short prompts of four other voices in other languages one (a lone "s"). At -50 dBFS 7 of 182
/// single words are refused: that quiet, the microphone wants gain. Of 183 clips of noise, machines,
/// instruments and music 14 pass at their own level and 12 at -20 dBFS; without 21 clips in which people may be heard,
/// by their description or because two releases of the model agree on it, 8 and 5 of 162. What follows recognition has
/// to stop those. One frame less refuses hardly fewer words and lets 13 and 10 of the 162 pass. The thresholds were
/// chosen on these same recordings.
pub const GATE_RUN_FRAMES: u32 = 4;

/// Frames of which it is remembered whether they belong to speech: 16.4 s, more than a segment has.
const FRAMES_KEPT: usize = 512;

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
    pub(crate) probability_sum: f32,
    /// First sample of the first, and end (exclusive) of the last frame that belongs to speech, by the hysteresis of
    /// [`SPEECH_START_PROBABILITY`] and [`SPEECH_END_PROBABILITY`]; `None` while there was none.
    pub span: Option<(u64, u64)>,
    /// The run going on now.
    pub(crate) run_frames: u32,
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
    vad: Box<dyn Vad>,
    /// The frame being filled.
    frame: [f32; FRAME_SAMPLES],
    filled: usize,
    /// Samples judged since the last reset.
    judged: u64,
    probability: f32,
    in_speech: bool,
    /// Where the silence that lasts until now began.
    silence_start: u64,
    /// Whether frame n belongs to speech, at n modulo its length.
    speech: [bool; FRAMES_KEPT],
    evidence: SpeechEvidence,
}

impl SpeechDetector {
    /// A detector at the beginning of a stream.
    pub fn new(vad: impl Vad + 'static) -> Self {
        Self {
            vad: Box::new(vad),
            frame: [0.0; FRAME_SAMPLES],
            filled: 0,
            judged: 0,
            probability: 0.0,
            in_speech: false,
            silence_start: 0,
            speech: [false; FRAMES_KEPT],
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

    /// Where the last speech before this position ends, samples since the last reset; none if there is none in the
    /// frames that are remembered.
    pub fn speech_end_before(&self, position: u64) -> Option<u64> {
        const FRAME: u64 = FRAME_SAMPLES as u64;
        let frames = self.judged.div_ceil(FRAME);
        let oldest = frames.saturating_sub(FRAMES_KEPT as u64);
        (oldest..position.div_ceil(FRAME).min(frames))
            .rev()
            .find(|frame| self.speech[(frame % FRAMES_KEPT as u64) as usize])
            .map(|frame| ((frame + 1) * FRAME).min(position))
    }

    /// Judge the frame, of which the first `count` samples are sound.
    fn judge(&mut self, count: usize) {
        self.filled = 0;
        let probability = self.vad.push(&self.frame);
        self.note(probability, count as u64);
    }

    /// Take in the probability of the next `count` samples.
    fn note(&mut self, probability: f32, count: u64) {
        let (start, end) = (self.judged, self.judged + count);
        self.judged = end;
        self.probability = probability;
        let threshold = if self.in_speech { SPEECH_END_PROBABILITY } else { SPEECH_START_PROBABILITY };
        self.in_speech = probability >= threshold;
        if self.in_speech {
            self.silence_start = end;
        }
        self.speech[(start / FRAME_SAMPLES as u64) as usize % FRAMES_KEPT] = self.in_speech;
        self.evidence.add(probability, self.in_speech, start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::super::silero::tests::{load, synthetic_file};
    use super::*;

    const FRAME: u64 = FRAME_SAMPLES as u64;

    /// A detector that was told these probabilities, a frame each.
    fn told(probabilities: &[f32]) -> SpeechDetector {
        let mut detector = SpeechDetector::new(load(&synthetic_file()).unwrap());
        for probability in probabilities {
            detector.note(*probability, FRAME);
        }
        detector
    }

    #[test]
    fn a_pause_is_counted_from_the_last_frame_of_speech() {
        assert_eq!(told(&[0.1, 0.1]).silence_samples(), 2 * FRAME);
        assert_eq!(told(&[0.1, 0.9]).silence_samples(), 0);
        // Between the thresholds speech goes on, but does not begin.
        assert_eq!(told(&[0.9, 0.4, 0.4]).silence_samples(), 0);
        assert_eq!(told(&[0.9, 0.4, 0.3, 0.4]).silence_samples(), 2 * FRAME);
        assert!(!told(&[0.9, 0.3]).in_speech());
    }

    #[test]
    fn the_speech_before_a_place_is_known() {
        let mut detector = told(&[0.1, 0.9, 0.9, 0.1, 0.1, 0.9]);
        let before = |detector: &SpeechDetector, frames: u64| detector.speech_end_before(frames * FRAME);
        assert_eq!(before(&detector, 0), None);
        assert_eq!(before(&detector, 1), None);
        assert_eq!(before(&detector, 2), Some(2 * FRAME));
        assert_eq!(detector.speech_end_before(2 * FRAME + 7), Some(2 * FRAME + 7));
        assert_eq!(before(&detector, 5), Some(3 * FRAME));
        assert_eq!(before(&detector, 99), Some(6 * FRAME));
        // The oldest are forgotten.
        (0..FRAMES_KEPT).for_each(|_| detector.note(0.1, FRAME));
        assert_eq!(before(&detector, 99), None);
        detector.note(0.9, FRAME);
        assert_eq!(before(&detector, 9999), Some((FRAMES_KEPT as u64 + 7) * FRAME));
    }

    #[test]
    fn samples_that_fill_no_frame_yet_belong_to_the_pause() {
        let mut detector = told(&[0.9, 0.1]);
        detector.push(&[0.0; 100]);
        assert_eq!((detector.position(), detector.silence_samples()), (2 * FRAME + 100, FRAME + 100));
    }

    #[test]
    fn the_evidence_tells_where_and_how_long() {
        let evidence = *told(&[0.0, 0.6, 0.45, 0.2, 0.7, 0.7, 0.1, 0.0]).evidence();
        assert_eq!((evidence.frames, evidence.speech_frames, evidence.longest_run_frames), (8, 4, 2));
        assert_eq!(evidence.span, Some((FRAME, 6 * FRAME)));
        assert_eq!(evidence.probability_max, 0.7);
        assert!((evidence.probability_mean() - 2.75 / 8.0).abs() < 1e-6);
        assert_eq!(told(&[0.1, 0.3]).evidence().span, None);
        assert_eq!(SpeechEvidence::default().probability_mean(), 0.0);
    }

    #[test]
    fn the_gate_opens_at_a_run_of_speech_only() {
        assert!(!told(&[0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9]).evidence().is_speech());
        assert!(told(&[0.1, 0.4, 0.4, 0.4, 0.4, 0.1]).evidence().is_speech());
        assert!(!told(&[]).evidence().is_speech());
    }

    #[test]
    fn each_utterance_has_its_own_evidence() {
        let mut detector = told(&[0.9; 4]);
        assert!(detector.take_evidence().is_speech());
        detector.note(0.9, FRAME);
        assert_eq!(detector.evidence().span, Some((4 * FRAME, 5 * FRAME)));
        assert!(!detector.evidence().is_speech());
        detector.reset();
        assert_eq!((detector.position(), *detector.evidence()), (0, SpeechEvidence::default()));
    }

    #[test]
    fn frames_do_not_depend_on_how_the_samples_come() {
        let samples: Vec<f32> = (0..5_000).map(|n| (n as f32 * 0.3).sin() * 0.5).collect();
        let mut whole = told(&[]);
        whole.push(&samples);
        for piece in [1, 37, 512, 513, 4_999] {
            let mut pieces = told(&[]);
            for samples in samples.chunks(piece) {
                pieces.push(samples);
            }
            assert_eq!(pieces.evidence(), whole.evidence(), "{piece}");
            assert_eq!((pieces.position(), pieces.probability()), (5_000, whole.probability()));
        }
    }

    #[test]
    fn the_end_of_a_stream_is_judged_too() {
        let mut detector = told(&[]);
        detector.push(&[0.1; 600]);
        assert_eq!(detector.evidence().frames, 1);
        detector.flush();
        assert_eq!((detector.evidence().frames, detector.position()), (2, 600));
        detector.flush();
        assert_eq!(detector.evidence().frames, 2);
    }
}
