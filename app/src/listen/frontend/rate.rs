//! Any rate to 16 kHz, by a windowed sinc (crate rubato), with the filter's delay taken out.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler, ResamplerConstructionError, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::OUTPUT_RATE_HZ;

/// The most samples handed on at a time: the mono pieces of 256 at 16 kHz, or the output of one block.
pub(super) const PIECE_SAMPLES_MAX: usize = 256;

/// The converter works on blocks of 2 ms: a short wait, and still few calls.
const BLOCKS_PER_S: usize = 500;
/// At least this many frames a block, so that low rates are not all overhead.
const BLOCK_FRAMES_MIN: usize = 16;

/// The Blackman-Harris window has side lobes of -92 dB, and half its transition is 8.04 / length of the input's
/// Nyquist frequency: with four taps per kHz of input rate, 1 kHz. So with the corner at 0.98 * 8 kHz the pass band
/// reaches 7 kHz, and nothing above 9 kHz comes through.
const TAPS_PER_KHZ: usize = 4;
/// Corner when the rate goes down, relative to 8 kHz.
const CORNER: f32 = 0.98;
/// At least this many taps: from low rates to 16 kHz the transition would else be wide (0.7 kHz at 8 kHz this way).
const TAPS_MIN: usize = 96;

/// A rate that is no simple ratio to 16 kHz is interpolated between this many phases of the filter.
const PHASES: usize = 128;
/// Up to this many phases (11.025 kHz needs 640) a filter is kept for each that occurs, and nothing is interpolated.
const PHASES_EXACT_MAX: usize = 640;

/// Converts one stream.
pub(super) struct RateConverter {
    input_rate_hz: u32,
    /// `None` at 16 kHz, where samples pass unchanged.
    filter: Option<Filter>,
    /// Frames taken in and samples handed out since the stream began.
    frames: u64,
    handed_out: u64,
}

struct Filter {
    sinc: Async<f32>,
    /// The block being filled.
    block: Vec<f32>,
    filled: usize,
    output: Vec<f32>,
    /// Samples by which the filter delays, rounded.
    delay: usize,
    /// How many of them are still to be dropped.
    to_drop: usize,
}

impl RateConverter {
    pub(super) fn new(input_rate_hz: u32) -> Result<Self, ResamplerConstructionError> {
        let filter = if input_rate_hz == OUTPUT_RATE_HZ { None } else { Some(Filter::new(input_rate_hz)?) };
        Ok(Self { input_rate_hz, filter, frames: 0, handed_out: 0 })
    }

    pub(super) fn push(&mut self, samples: &[f32], mut sink: impl FnMut(&[f32])) {
        self.frames += samples.len() as u64;
        let Some(filter) = &mut self.filter else { return sink(samples) };
        let handed_out = &mut self.handed_out;
        filter.push(samples, |samples| {
            *handed_out += samples.len() as u64;
            sink(samples);
        });
    }

    /// Hand out what is missing, by feeding silence.
    pub(super) fn flush(&mut self, mut sink: impl FnMut(&[f32])) {
        let Some(filter) = &mut self.filter else { return };
        let (input, output) = (u128::from(self.input_rate_hz), u128::from(OUTPUT_RATE_HZ));
        let due = ((u128::from(self.frames) * output + input / 2) / input) as u64;
        let mut missing = due.saturating_sub(self.handed_out) as usize;
        while missing > 0 {
            filter.push(&[0.0; BLOCK_FRAMES_MIN], |samples| {
                let count = samples.len().min(missing);
                missing -= count;
                if count > 0 {
                    sink(&samples[..count]);
                }
            });
        }
    }

    pub(super) fn reset(&mut self) {
        self.frames = 0;
        self.handed_out = 0;
        if let Some(filter) = &mut self.filter {
            filter.reset();
        }
    }

    /// The most output samples held back between two calls.
    pub(super) fn delay(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| {
            let block = filter.block.len() as f64 * f64::from(OUTPUT_RATE_HZ) / f64::from(self.input_rate_hz);
            // The remainder of a block, the filter, and one for rounding.
            filter.delay + block.ceil() as usize + 1
        })
    }
}

impl Filter {
    fn new(input_rate_hz: u32) -> Result<Self, ResamplerConstructionError> {
        let taps = (TAPS_PER_KHZ * input_rate_hz as usize / 1000).max(TAPS_MIN).next_multiple_of(8);
        // Output samples fall on this many different places between two input frames.
        let phases = (OUTPUT_RATE_HZ / gcd(input_rate_hz, OUTPUT_RATE_HZ)) as usize;
        let (phases, interpolation) = if phases <= PHASES_EXACT_MAX {
            (phases, SincInterpolationType::Nearest)
        } else {
            (PHASES, SincInterpolationType::Cubic)
        };
        let parameters = SincInterpolationParameters {
            f_cutoff: (input_rate_hz > OUTPUT_RATE_HZ).then_some(CORNER),
            ..SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris)
                .oversampling_factor(phases)
                .interpolation(interpolation)
        };
        let ratio = f64::from(OUTPUT_RATE_HZ) / f64::from(input_rate_hz);
        let block_frames = (input_rate_hz as usize / BLOCKS_PER_S).max(BLOCK_FRAMES_MIN);
        let sinc = Async::new_sinc(ratio, 1.0, &parameters, block_frames, 1, FixedAsync::Input)?;
        let output = vec![0.0; sinc.output_frames_max()];
        // rubato's first output lies one output step after the place where the filter's window ends before the
        // first frame, and the filter's middle is half its length behind.
        let delay = ((taps as f64 / 2.0 - 1.0) * ratio - 1.0).round().max(0.0) as usize;
        Ok(Self { sinc, block: vec![0.0; block_frames], filled: 0, output, delay, to_drop: delay })
    }

    fn push(&mut self, mut samples: &[f32], mut sink: impl FnMut(&[f32])) {
        while !samples.is_empty() {
            let count = samples.len().min(self.block.len() - self.filled);
            let (now, later) = samples.split_at(count);
            self.block[self.filled..self.filled + count].copy_from_slice(now);
            self.filled += count;
            samples = later;
            if self.filled == self.block.len() {
                self.filled = 0;
                let made = self.convert_block();
                let dropped = made.min(self.to_drop);
                self.to_drop -= dropped;
                for piece in self.output[dropped..made].chunks(PIECE_SAMPLES_MAX) {
                    sink(piece);
                }
            }
        }
    }

    /// Convert the full block; returns how many samples it gave.
    fn convert_block(&mut self) -> usize {
        let (frames, room) = (self.block.len(), self.output.len());
        let converted = SequentialSlice::new(&self.block, 1, frames)
            .ok()
            .zip(SequentialSlice::new_mut(&mut self.output, 1, room).ok())
            .and_then(|(input, mut output)| {
                self.sinc.process_into_buffer(&input, &mut output, None::<&Indexing>).ok()
            });
        // Both buffers have the sizes that rubato asks for, so it has nothing to refuse.
        debug_assert!(converted.is_some(), "rubato refused a block");
        converted.map_or(0, |(_, made)| made)
    }

    fn reset(&mut self) {
        self.sinc.reset();
        self.filled = 0;
        self.to_drop = self.delay;
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
