//! Sound to dictate: recordings changed in rate, format and length, and sound that was never recorded.

use std::f32::consts::{PI, TAU};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples per second.
    pub rate_hz: u32,
    /// In [-1, 1].
    pub samples: Vec<f32>,
}

/// How samples lie in a file.
#[derive(Clone, Copy, Debug)]
pub enum Encoding {
    /// Integers of 8, 16, 24 or 32 bits.
    Int(u16),
    /// 32-bit float.
    Float,
}

impl Sound {
    /// The first channel of a 16-bit WAV file.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn read(path: &Path) -> Self {
        let mut reader = WavReader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let spec = reader.spec();
        let samples: Result<Vec<i16>, _> = reader.samples().step_by(spec.channels.into()).collect();
        let samples = samples.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { rate_hz: spec.sample_rate, samples: samples.iter().map(|&s| f32::from(s) / 32768.0).collect() }
    }

    /// As a function of time in seconds.
    pub fn of(rate_hz: u32, duration_s: f32, mut at: impl FnMut(f32) -> f32) -> Self {
        let count = (duration_s * rate_hz as f32) as usize;
        Self { rate_hz, samples: (0..count).map(|i| at(i as f32 / rate_hz as f32)).collect() }
    }

    /// Nothing.
    pub fn silence(rate_hz: u32, duration_s: f32) -> Self {
        Self::of(rate_hz, duration_s, |_| 0.0)
    }

    /// A sine wave.
    pub fn tone(rate_hz: u32, duration_s: f32, frequency_hz: f32, amplitude: f32) -> Self {
        Self::of(rate_hz, duration_s, |t| amplitude * (TAU * frequency_hz * t).sin())
    }

    /// White noise, the same every time.
    pub fn noise(rate_hz: u32, duration_s: f32, amplitude: f32) -> Self {
        let mut state = 1u32;
        Self::of(rate_hz, duration_s, |_| {
            // Numerical Recipes' linear congruential generator; its upper bits are random enough to hear.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            amplitude * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        })
    }

    /// This, then that.
    ///
    /// # Panics
    /// If their rates differ.
    #[must_use]
    pub fn then(mut self, that: &Self) -> Self {
        assert_eq!(self.rate_hz, that.rate_hz);
        self.samples.extend(&that.samples);
        self
    }

    /// Without what is quieter than `amplitude` at both ends.
    ///
    /// # Panics
    /// If all of it is.
    #[must_use]
    pub fn without_margins(mut self, amplitude: f32) -> Self {
        let loud = |s: &f32| s.abs() >= amplitude;
        let last = self.samples.iter().rposition(loud).expect("there is sound in it");
        self.samples.truncate(last + 1);
        let first = self.samples.iter().position(loud).unwrap_or(0);
        self.samples.drain(..first);
        self
    }

    /// At another rate, by windowed sinc interpolation.
    #[must_use]
    pub fn resampled(&self, rate_hz: u32) -> Self {
        /// Zero crossings of the sinc on each side.
        const CROSSINGS: f32 = 16.0;
        let step = self.rate_hz as f32 / rate_hz as f32;
        // Of the lower one of both rates, relative to this one.
        let bandwidth = (1.0 / step).min(1.0);
        let reach = CROSSINGS / bandwidth;
        let count = (self.samples.len() as u64 * u64::from(rate_hz) / u64::from(self.rate_hz)) as usize;
        let sample = |i: usize| {
            let center = i as f64 * f64::from(self.rate_hz) / f64::from(rate_hz);
            let from = (center - f64::from(reach)).ceil().max(0.0) as usize;
            let to = ((center + f64::from(reach)) as usize + 1).min(self.samples.len());
            let weighted = |k: usize| {
                let x = (k as f64 - center) as f32;
                let window = 0.5 + 0.5 * (PI * x / reach).cos();
                self.samples[k] * bandwidth * sinc(bandwidth * x) * window
            };
            (from..to).map(weighted).sum()
        };
        Self { rate_hz, samples: (0..count).map(sample).collect() }
    }

    /// Write it as a WAV file, the same on each of `channels`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: PathBuf, encoding: Encoding, channels: u16) -> PathBuf {
        let (bits_per_sample, sample_format) = match encoding {
            Encoding::Int(bits) => (bits, SampleFormat::Int),
            Encoding::Float => (32, SampleFormat::Float),
        };
        let spec = WavSpec { channels, sample_rate: self.rate_hz, bits_per_sample, sample_format };
        let mut writer = WavWriter::create(&path, spec).expect("a temporary file");
        for &sample in self.samples.iter().flat_map(|s| std::iter::repeat_n(s, channels.into())) {
            let written = match encoding {
                Encoding::Float => writer.write_sample(sample),
                Encoding::Int(bits) => writer.write_sample(integer(sample, bits)),
            };
            written.expect("room for a temporary file");
        }
        writer.finalize().expect("room for a temporary file");
        path
    }

    /// Samples as a sound card delivers them: interleaved little-endian S32, the same on both channels.
    pub fn to_s32_stereo(&self) -> Vec<u8> {
        self.samples.iter().flat_map(|&s| [integer(s, 32).to_le_bytes(); 2]).flatten().collect()
    }
}

fn integer(sample: f32, bits: u16) -> i32 {
    let full_scale = f64::from(1u32 << (bits - 1));
    (f64::from(sample) * full_scale).round().clamp(-full_scale, full_scale - 1.0) as i32
}

fn sinc(x: f32) -> f32 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_keeps_a_tone() {
        for (from_hz, to_hz) in [(16_000, 48_000), (16_000, 44_100), (48_000, 16_000), (16_000, 8_000)] {
            let resampled = Sound::tone(from_hz, 0.5, 1000.0, 0.5).resampled(to_hz);
            let expected = Sound::tone(to_hz, 0.5, 1000.0, 0.5);
            let middle = expected.samples.len() / 4..expected.samples.len() * 3 / 4;
            for (a, b) in resampled.samples[middle.clone()].iter().zip(&expected.samples[middle]) {
                assert!((a - b).abs() < 0.005, "{from_hz} to {to_hz} Hz: {a} instead of {b}");
            }
        }
    }

    #[test]
    fn margins_go() {
        let sound = Sound { rate_hz: 8000, samples: vec![0.0, 0.01, 0.5, 0.0, -0.5, 0.01] };
        assert_eq!(sound.without_margins(0.1).samples, [0.5, 0.0, -0.5]);
    }
}
