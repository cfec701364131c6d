//! Interleaved bytes to one channel of f32.

use oratype_hal::pcm::{SampleFormat, StreamFormat};

/// Frames converted at a time: 2 kB on the way, small enough to stay in the first cache.
const PIECE_FRAMES: usize = 256;

/// Time over which a channel's energy is averaged: a syllable, so that the choice does not flicker within a word.
const ENERGY_TIME_S: f32 = 0.1;
/// Time over which the weights move after the choice changed: fast, but without a click.
const WEIGHT_TIME_S: f32 = 0.01;
/// A channel with a hundredth of the other's energy (20 dB less) is an empty slot or a microphone too far away.
const ENERGY_RATIO: f32 = 100.0;

/// Less energy than this, -150 dB, is none; the average never reaches denormal numbers, slow on many cores.
const SILENCE_ENERGY: f32 = 1e-15;
/// A weight as near as this (-80 dB) to where it moves has arrived, for the same reason.
const WEIGHT_STEP_MIN: f32 = 1e-4;

/// Joins the channels of a stream.
///
/// I2S microphones fill one slot of the two, and averaging them would halve their level. So a channel that has 20 dB
/// less energy than the other is left out; otherwise both count half.
pub(super) struct Mono {
    format: StreamFormat,
    samples: [f32; PIECE_FRAMES],
    energy_step: f32,
    weight_step: f32,
    /// Last sample of each channel: energy is that of the differences, so that an offset does not count as sound.
    last: [f32; 2],
    energy: [f32; 2],
    /// Weight of the first channel; the second has the rest.
    weight: f32,
}

impl Mono {
    /// `format` has one or two channels.
    pub(super) fn new(format: StreamFormat) -> Self {
        let step = |time_s: f32| 1.0 - (-1.0 / (time_s * format.rate_hz as f32)).exp();
        Self {
            format,
            samples: [0.0; _],
            energy_step: step(ENERGY_TIME_S),
            weight_step: step(WEIGHT_TIME_S),
            last: [0.0; 2],
            energy: [0.0; 2],
            weight: 0.5,
        }
    }

    pub(super) fn reset(&mut self) {
        self.last = [0.0; 2];
        self.energy = [0.0; 2];
        self.weight = 0.5;
    }

    /// Hand the frames in `bytes` to `sink`, some at a time.
    pub(super) fn convert(&mut self, bytes: &[u8], sink: impl FnMut(&[f32])) {
        match self.format.sample {
            SampleFormat::S16 => {
                self.convert_samples(bytes, |b: &[u8; 2]| f32::from(i16::from_le_bytes(*b)) / 32_768.0, sink)
            }
            SampleFormat::S32 => self.convert_samples(
                bytes,
                |b: &[u8; 4]| i32::from_le_bytes(*b) as f32 / 2_147_483_648.0,
                sink,
            ),
        }
    }

    fn convert_samples<const BYTES: usize>(
        &mut self,
        bytes: &[u8],
        sample: impl Fn(&[u8; BYTES]) -> f32,
        mut sink: impl FnMut(&[f32]),
    ) {
        let samples = bytes.as_chunks::<BYTES>().0;
        if self.format.channels == 1 {
            for piece in samples.chunks(PIECE_FRAMES) {
                for (target, bytes) in self.samples.iter_mut().zip(piece) {
                    *target = sample(bytes);
                }
                sink(&self.samples[..piece.len()]);
            }
        } else {
            for piece in samples.as_chunks::<2>().0.chunks(PIECE_FRAMES) {
                for (index, [first, second]) in piece.iter().enumerate() {
                    self.samples[index] = self.join([sample(first), sample(second)]);
                }
                sink(&self.samples[..piece.len()]);
            }
        }
    }

    /// One frame of two channels.
    fn join(&mut self, frame: [f32; 2]) -> f32 {
        let last = std::mem::replace(&mut self.last, frame);
        for ((energy, now), last) in self.energy.iter_mut().zip(frame).zip(last) {
            *energy += self.energy_step * ((now - last) * (now - last) - *energy);
            if *energy < SILENCE_ENERGY {
                *energy = 0.0;
            }
        }
        let [first, second] = self.energy;
        let weight = if first > ENERGY_RATIO * second {
            1.0
        } else if second > ENERGY_RATIO * first {
            0.0
        } else if first == 0.0 {
            // Digital silence on both says nothing.
            self.weight
        } else {
            0.5
        };
        self.weight += self.weight_step * (weight - self.weight);
        if (weight - self.weight).abs() < WEIGHT_STEP_MIN {
            self.weight = weight;
        }
        frame[0] * self.weight + frame[1] * (1.0 - self.weight)
    }
}
