//! Whisper's input: the log-mel spectrogram of a segment.
//!
//! The definition is OpenAI's (`whisper/audio.py`, `log_mel_spectrogram`): frames of 25 ms every 10 ms, Hann window,
//! 80 mel bands, logarithm, clamped 80 dB under the maximum. whisper.cpp computes the same with a
//! transform that is slow for 400 points, into a table that always has 30 s more than there is sound; here there are
//! only the frames that are encoded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples in a frame.
const FRAME_SAMPLES: usize = 400;
/// Samples from one frame to the next.
const HOP_SAMPLES: usize = 160;
/// Frequency bins of a frame.
const BINS: usize = FRAME_SAMPLES / 2 + 1;
/// Mel bands.
const BANDS: usize = 80;
/// Power below which everything is silence.
const POWER_MIN: f32 = 1e-10;
/// What is more than this many decades under the maximum is clamped.
const RANGE_DECADES: f32 = 8.0;
/// Where the filter bank lies in a ggml model file: behind the magic number, 11 hyperparameters, and the two sizes.
const FILTERS_OFFSET: u64 = (12 + 2) * 4;

/// Computes spectrograms.
pub(super) struct MelSpectrogram {
    bands: Vec<Band>,
    window: [f32; FRAME_SAMPLES],
    fft: Arc<dyn RealToComplex<f32>>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

/// A triangle of the filter bank: its weights, none of them zero, from bin `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl MelSpectrogram {
    /// With the filter bank of a ggml model file, whose bytes have been checked.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn for_model(model: &Path) -> io::Result<Self> {
        let mut file = File::open(model)?;
        file.seek(SeekFrom::Start(FILTERS_OFFSET))?;
        let mut bytes = [0; BANDS * BINS * size_of::<f32>()];
        file.read_exact(&mut bytes)?;
        let filters: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok(Self::new(&filters))
    }

    /// `filters`: 80 rows of 201 weights.
    fn new(filters: &[f32]) -> Self {
        let band = |row: &[f32]| {
            let first = row.iter().position(|&w| w != 0.0).unwrap_or(0);
            let end = row.iter().rposition(|&w| w != 0.0).map_or(first, |last| last + 1);
            Band { first, weights: row[first..end].to_vec() }
        };
        let hann = |i| 0.5 * (1.0 - (std::f64::consts::TAU * i as f64 / FRAME_SAMPLES as f64).cos());
        let fft = RealFftPlanner::new().plan_fft_forward(FRAME_SAMPLES);
        Self {
            bands: filters.chunks_exact(BINS).map(band).collect(),
            window: std::array::from_fn(|i| hann(i) as f32),
            frame: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
        }
    }

    /// The spectrogram of `samples` (16 kHz mono) and the silence behind them: `frames` frames of 10 ms, band after
    /// band. `samples` holds more than half a frame.
    pub(super) fn compute(&mut self, samples: &[f32], frames: usize) -> Vec<f32> {
        let mut mel = vec![POWER_MIN.log10(); BANDS * frames];
        // Frames are centred: the first half of the first one is a reflection, as in OpenAI's code.
        let sounding = (samples.len() + FRAME_SAMPLES / 2).div_ceil(HOP_SAMPLES).min(frames);
        for index in 0..sounding {
            let start = (index * HOP_SAMPLES) as isize - (FRAME_SAMPLES / 2) as isize;
            for (i, (out, weight)) in self.frame.iter_mut().zip(&self.window).enumerate() {
                let at = (start + i as isize).unsigned_abs();
                *out = samples.get(at).map_or(0.0, |sample| sample * weight);
            }
            let done = self.fft.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
            debug_assert!(done.is_ok(), "the buffers are the transform's own");
            for (row, band) in mel.chunks_exact_mut(frames).zip(&self.bands) {
                let bins = &self.spectrum[band.first..];
                let power: f32 =
                    band.weights.iter().zip(bins).map(|(weight, bin)| weight * bin.norm_sqr()).sum();
                row[index] = power.max(POWER_MIN).log10();
            }
        }
        let floor = mel.iter().copied().fold(f32::NEG_INFINITY, f32::max) - RANGE_DECADES;
        for value in &mut mel {
            *value = (value.max(floor) + 4.0) / 4.0;
        }
        mel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter bank whose band `n` is bins 2n and 2n + 1, weighted 1 and ½.
    fn filters() -> Vec<f32> {
        let mut filters = vec![0.0; BANDS * BINS];
        for band in 0..BANDS {
            filters[band * BINS + 2 * band] = 1.0;
            filters[band * BINS + 2 * band + 1] = 0.5;
        }
        filters
    }

    /// By the definition: every sum written out, in f64.
    fn reference(samples: &[f32], frames: usize) -> Vec<f64> {
        let at = |i: isize| f64::from(samples.get(i.unsigned_abs()).copied().unwrap_or(0.0));
        let hann = |i: usize| 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / 400.0).cos();
        let power = |frame: usize, bin: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for i in 0..400 {
                let x = hann(i) * at((frame * 160 + i) as isize - 200);
                let phase = std::f64::consts::TAU * (i * bin) as f64 / 400.0;
                re += x * phase.cos();
                im -= x * phase.sin();
            }
            re * re + im * im
        };
        let mut mel = Vec::new();
        for band in 0..BANDS {
            for frame in 0..frames {
                let sum = power(frame, 2 * band) + 0.5 * power(frame, 2 * band + 1);
                mel.push(sum.max(1e-10).log10());
            }
        }
        let floor = mel.iter().copied().fold(f64::NEG_INFINITY, f64::max) - 8.0;
        mel.iter().map(|&value| (value.max(floor) + 4.0) / 4.0).collect()
    }

    #[test]
    fn agrees_with_the_definition() {
        // A chirp that ends in the middle of a frame, and silence behind it.
        let samples: Vec<f32> = (0..1111).map(|i| 0.3 * (i as f32 * i as f32 * 2e-4).sin()).collect();
        let expected = reference(&samples, 12);
        let mut mel = MelSpectrogram::new(&filters());
        // Twice: nothing of the first spectrogram is left in the second.
        mel.compute(&[0.9; 4000], 20);
        let found = mel.compute(&samples, 12);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-3, "{found} instead of {expected}");
        }
    }

    #[test]
    fn silence_is_flat() {
        let mut mel = MelSpectrogram::new(&filters());
        assert!(mel.compute(&[0.0; 3200], 30).iter().all(|&value| value == -1.5));
    }

    #[test]
    fn a_missing_model_is_an_error() {
        assert!(MelSpectrogram::for_model(Path::new("/nonexistent/model")).is_err());
    }
}
