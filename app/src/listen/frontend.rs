//! The front end: a source's periods become the samples that recognition wants, mono, 16 kHz, in [-1, 1].
//!
//! Bytes → mono → rate conversion → removal of DC → gain → clamp. Output sample k belongs to the time k / 16 kHz after
//! the first input frame: the delay of the filter is taken out, so that positions need no correction; what is held
//! back meanwhile is at most [`FrontEnd::delay`]. The output does not depend on how the input is cut into periods.
//! After construction nothing here allocates.

mod mono;
mod rate;
#[cfg(test)]
mod tests;

use oratype_hal::pcm::StreamFormat;

use mono::Mono;
use rate::RateConverter;

/// Rate of the samples that come out.
pub const OUTPUT_RATE_HZ: u32 = 16_000;
/// The lowest input rate: below it no speech is intelligible.
pub const INPUT_RATE_MIN_HZ: u32 = 4_000;
/// The highest input rate any sound card offers.
pub const INPUT_RATE_MAX_HZ: u32 = 384_000;

/// The most gain, either way: more than the settings and a board's microphone together ask for. A 24-bit sample has no
/// more to give.
pub const GAIN_DB_MAX: f32 = 100.0;

/// Corner of the high-pass that removes DC. MEMS microphones have an offset of up to a few per cent of full scale, and
/// rumble below 20 Hz carries no speech; voices begin near 70 Hz, where this takes 0.3 dB.
const DC_CORNER_HZ: f32 = 20.0;

/// Below this the high-pass's memory is set to zero: -400 dB, and denormal numbers, slow on many cores, never occur.
const SILENCE: f32 = 1e-20;

/// Why a front end could not be made. Do not retry: the format or the setting has to change.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FrontEndError {
    /// The rate is outside what can be converted.
    #[error(
        "the sound has {0} frames a second; choose a rate from {INPUT_RATE_MIN_HZ} to {INPUT_RATE_MAX_HZ} Hz"
    )]
    Rate(u32),
    /// Neither mono nor stereo.
    #[error("the sound has {0} channels; choose a source with 1 or 2")]
    Channels(u8),
    /// The gain is no number, or beyond all use.
    #[error("a gain of {0} dB cannot be applied; choose one from -{GAIN_DB_MAX} to {GAIN_DB_MAX} dB")]
    Gain(f32),
}

/// Whether sound of this format can be converted.
pub fn check(format: StreamFormat) -> Result<(), FrontEndError> {
    if !(INPUT_RATE_MIN_HZ..=INPUT_RATE_MAX_HZ).contains(&format.rate_hz) {
        return Err(FrontEndError::Rate(format.rate_hz));
    }
    if !(1..=2).contains(&format.channels) {
        return Err(FrontEndError::Channels(format.channels));
    }
    Ok(())
}

/// Converts one stream of periods.
pub struct FrontEnd {
    mono: Mono,
    rate: RateConverter,
    level: Level,
}

impl FrontEnd {
    /// A front end for a stream of `format`, its samples multiplied by `gain_db` (up to [`GAIN_DB_MAX`] either way).
    ///
    /// # Errors
    /// [`FrontEndError`] when the format or the gain is outside the documented range.
    pub fn new(format: StreamFormat, gain_db: f32) -> Result<Self, FrontEndError> {
        check(format)?;
        if !(-GAIN_DB_MAX..=GAIN_DB_MAX).contains(&gain_db) {
            return Err(FrontEndError::Gain(gain_db));
        }
        let rate = RateConverter::new(format.rate_hz).map_err(|_| FrontEndError::Rate(format.rate_hz))?;
        Ok(Self { mono: Mono::new(format), rate, level: Level::new(gain_db) })
    }

    /// Convert the interleaved frames of one period, any number of them, and hand the samples that are ready to
    /// `sink`, in none, one or several pieces. Bytes after the last whole frame are ignored.
    pub fn process(&mut self, bytes: &[u8], mut sink: impl FnMut(&[f32])) {
        let Self { mono, rate, level } = self;
        mono.convert(bytes, |samples| rate.push(samples, |samples| sink(level.apply(samples))));
    }

    /// The stream ends: hand over what is held back, so that in all `frames * 16000 / rate` samples came out, rounded.
    /// Afterwards a new stream may begin.
    pub fn flush(&mut self, mut sink: impl FnMut(&[f32])) {
        let Self { rate, level, .. } = self;
        rate.flush(|samples| sink(level.apply(samples)));
        self.reset();
    }

    /// Frames were lost: forget the past, drop what is held back. The next frame is the first of a new stream.
    pub fn reset(&mut self) {
        self.mono.reset();
        self.rate.reset();
        self.level.reset();
    }

    /// The most samples (16 kHz) that are held back between calls: the newest sample handed out is that much, at
    /// most, older than the newest frame taken in. 0 when the input has 16 kHz.
    pub fn delay(&self) -> usize {
        self.rate.delay()
    }
}

/// Removes DC, applies the gain, clamps.
struct Level {
    gain: f32,
    /// Pole of the high-pass `y[n] = x[n] - x[n-1] + pole * y[n-1]`.
    pole: f32,
    /// The last input; `None` before the first, which is taken to have been there for ever: no step, no thump.
    input: Option<f32>,
    output: f32,
    samples: [f32; rate::PIECE_SAMPLES_MAX],
}

impl Level {
    fn new(gain_db: f32) -> Self {
        Self {
            gain: 10.0_f32.powf(gain_db / 20.0),
            pole: (-std::f32::consts::TAU * DC_CORNER_HZ / OUTPUT_RATE_HZ as f32).exp(),
            input: None,
            output: 0.0,
            samples: [0.0; _],
        }
    }

    fn reset(&mut self) {
        self.input = None;
        self.output = 0.0;
    }

    /// At most [`rate::PIECE_SAMPLES_MAX`] samples.
    fn apply(&mut self, samples: &[f32]) -> &[f32] {
        for (target, &sample) in self.samples.iter_mut().zip(samples) {
            let last = self.input.replace(sample).unwrap_or(sample);
            self.output = sample - last + self.pole * self.output;
            if self.output.abs() < SILENCE {
                self.output = 0.0;
            }
            *target = (self.output * self.gain).clamp(-1.0, 1.0);
        }
        &self.samples[..samples.len()]
    }
}
