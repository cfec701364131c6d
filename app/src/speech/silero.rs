//! Silero VAD v6 at 16 kHz, streaming: the recurrent state and the last samples live on between frames.
//!
//! The weights are `silero_vad_16k.safetensors` of the Python package silero-vad 6.2.1 (MIT). The network, per frame:
//! a short-time Fourier transform, magnitudes, four convolutions with ReLU, one LSTM cell, one output. Lengths in time
//! shrink 4, 4, 2, 1, 1, so that each frame ends in a single vector. In the file the transform is a convolution, two
//! fifths of the network's arithmetic; here it is a fast one.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use safetensors::{Dtype, SafeTensors};

use super::dense::Dense;

/// Samples in a frame: 32 ms at 16 kHz, the only length the model was trained for.
pub const FRAME_SAMPLES: usize = 512;

/// Samples of the previous frame that the model sees again before each frame.
const CONTEXT_SAMPLES: usize = 64;
/// Samples mirrored at the end of the frame, so that the transform has four windows.
const PAD_SAMPLES: usize = 64;
/// Samples under one window of the transform.
const WINDOW_SAMPLES: usize = 256;
/// Samples from one window to the next.
const HOP_SAMPLES: usize = 128;
/// Windows in a frame.
const WINDOWS: usize = 4;
/// Frequencies of the transform: 0 to 8 kHz in steps of 62.5 Hz.
const BINS: usize = WINDOW_SAMPLES / 2 + 1;
/// Values in the LSTM's state, and in the vector it reads.
const STATE: usize = 128;
/// Channels of the second and third convolution.
const NARROW: usize = 64;
/// The kernel of each convolution covers three columns, one before and one behind its own.
const KERNEL: usize = 3;

/// How far the file's transform may be from a Fourier transform, relative to its largest value; it is by 6e-8.
const TRANSFORM_TOLERANCE: f32 = 1e-5;

/// The official file has 1,239,748 bytes; anything much longer is something else and is not read into memory.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Why the model could not be loaded. Do not retry: the file has to be fetched again.
#[derive(Debug, thiserror::Error)]
pub enum VadError {
    /// The file cannot be read.
    #[error("cannot read the voice-activity model {}: {source}; fetch the model again", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not a safetensors file, or is cut short.
    #[error("{} is not a complete safetensors file: {source}; fetch the model again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: safetensors::SafeTensorError,
    },
    /// The file holds other tensors than those of Silero VAD at 16 kHz.
    #[error("{} is not silero_vad_16k.safetensors of silero-vad 6.2.1: {problem}; fetch the model again", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Which tensor, and what is wrong with it.
        problem: String,
    },
}

/// The model and its state in one stream of sound.
///
/// A sample that is no number is forgotten with its frame and the next: behind the first convolution it counts as 0.
pub struct SileroVad {
    window: [f32; WINDOW_SAMPLES],
    fft: Arc<dyn RealToComplex<f32>>,
    conv1: Dense,
    conv2: Dense,
    conv3: Dense,
    conv4: Dense,
    lstm: Dense,
    output_weights: [f32; STATE],
    output_bias: f32,
    /// Context, frame, mirrored end.
    samples: [f32; CONTEXT_SAMPLES + FRAME_SAMPLES + PAD_SAMPLES],
    // Of the transform.
    windowed: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    // What the first two convolutions read, `[time][channel]`, with a column of zeros (the padding) at both ends.
    magnitudes: [f32; (WINDOWS + 2) * BINS],
    wide: [f32; (WINDOWS + 2) * STATE],
    // And the last two, without the padding.
    narrow: [f32; WINDOWS / 2 * NARROW],
    single: [f32; NARROW],
    /// What the LSTM reads: the vector of this frame, then its own last output.
    lstm_input: [f32; 2 * STATE],
    /// Input, forget, cell and output gate.
    gates: [f32; 4 * STATE],
    /// The LSTM's memory.
    cell: [f32; STATE],
}

impl SileroVad {
    /// Load the weights.
    ///
    /// # Errors
    /// [`VadError`] when the file is missing, cut short, or holds other tensors.
    pub fn load(path: &Path) -> Result<Self, VadError> {
        let read = |source| VadError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)).map_err(read)?;
        Self::from_bytes(path, &bytes)
    }

    /// Take the weights from the bytes of the file; `path` is for messages.
    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, VadError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|source| VadError::Format { path: path.to_owned(), source })?;
        let tensor = |name: &str, shape: &[usize]| {
            values(&file, name, shape).map_err(|problem| VadError::Tensor {
                path: path.to_owned(),
                problem: format!("{name}: {problem}"),
            })
        };
        // `taps`: the part of the kernel that sees more than padding.
        let convolution = |name: &str, inputs: usize, outputs: usize, taps: Range<usize>| {
            let weights = tensor(&format!("{name}.weight"), &[outputs, inputs, KERNEL])?;
            let bias = tensor(&format!("{name}.bias"), &[outputs])?;
            let weight =
                |output, row| weights[(output * inputs + row % inputs) * KERNEL + taps.start + row / inputs];
            Ok(Dense::new(taps.len() * inputs, outputs, weight, |output| bias[output]))
        };

        let basis = tensor("stft_conv.weight", &[2 * BINS, 1, WINDOW_SAMPLES])?;
        let window = window_of(&basis).ok_or_else(|| VadError::Tensor {
            path: path.to_owned(),
            problem: "stft_conv.weight: is no Fourier transform".to_owned(),
        })?;
        let fft = RealFftPlanner::new().plan_fft_forward(WINDOW_SAMPLES);
        let input_weights = tensor("lstm_cell.weight_ih", &[4 * STATE, STATE])?;
        let state_weights = tensor("lstm_cell.weight_hh", &[4 * STATE, STATE])?;
        let input_bias = tensor("lstm_cell.bias_ih", &[4 * STATE])?;
        let state_bias = tensor("lstm_cell.bias_hh", &[4 * STATE])?;
        let output_weights = tensor("final_conv.weight", &[1, STATE, 1])?;
        let lstm_weight = |gate: usize, input: usize| match input.checked_sub(STATE) {
            None => input_weights[gate * STATE + input],
            Some(state) => state_weights[gate * STATE + state],
        };
        Ok(Self {
            window,
            conv1: convolution("conv1", BINS, STATE, 0..KERNEL)?,
            conv2: convolution("conv2", STATE, NARROW, 0..KERNEL)?,
            conv3: convolution("conv3", NARROW, NARROW, 1..KERNEL)?,
            conv4: convolution("conv4", NARROW, STATE, 1..2)?,
            lstm: Dense::new(2 * STATE, 4 * STATE, lstm_weight, |gate| input_bias[gate] + state_bias[gate]),
            output_weights: std::array::from_fn(|input| output_weights[input]),
            output_bias: tensor("final_conv.bias", &[1])?[0],
            samples: [0.0; _],
            windowed: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
            magnitudes: [0.0; _],
            wide: [0.0; _],
            narrow: [0.0; _],
            single: [0.0; _],
            lstm_input: [0.0; _],
            gates: [0.0; _],
            cell: [0.0; _],
        })
    }

    /// Forget the past: the next frame begins a new stream.
    pub fn reset(&mut self) {
        self.samples.fill(0.0);
        self.lstm_input.fill(0.0);
        self.cell.fill(0.0);
    }

    /// The probability, 0 to 1, that somebody speaks in this frame, which follows the previous one without a gap.
    pub fn push(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
        self.transform(frame);
        self.encode();
        self.remember()
    }

    /// Magnitudes of the short-time Fourier transform of the frame and its context.
    fn transform(&mut self, frame: &[f32; FRAME_SAMPLES]) {
        let (context, end) = (CONTEXT_SAMPLES, CONTEXT_SAMPLES + FRAME_SAMPLES);
        self.samples.copy_within(FRAME_SAMPLES..end, 0);
        self.samples[context..end].copy_from_slice(frame);
        for pad in 0..PAD_SAMPLES {
            self.samples[end + pad] = self.samples[end - 2 - pad];
        }
        let windows = self.samples.windows(WINDOW_SAMPLES).step_by(HOP_SAMPLES);
        for (column, samples) in self.magnitudes[BINS..].chunks_exact_mut(BINS).zip(windows) {
            for ((windowed, sample), weight) in self.windowed.iter_mut().zip(samples).zip(&self.window) {
                *windowed = sample * weight;
            }
            let done =
                self.fft.process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch);
            debug_assert!(done.is_ok(), "the buffers are the transform's own");
            for (magnitude, bin) in column.iter_mut().zip(&self.spectrum) {
                *magnitude = bin.norm_sqr().sqrt();
            }
        }
    }

    /// The four convolutions, from the magnitudes to the vector the LSTM reads.
    fn encode(&mut self) {
        let columns: [&[f32]; WINDOWS] = std::array::from_fn(|time| &self.magnitudes[time * BINS..]);
        let wide = &mut self.wide[STATE..(WINDOWS + 1) * STATE];
        self.conv1.apply(columns, wide);
        relu(wide);
        // Stride 2: four columns become two.
        self.conv2.apply([&self.wide[..], &self.wide[2 * STATE..]], &mut self.narrow);
        relu(&mut self.narrow);
        // Stride 2 again: two become one.
        self.conv3.apply([&self.narrow[..]], &mut self.single);
        relu(&mut self.single);
        let vector = &mut self.lstm_input[..STATE];
        self.conv4.apply([&self.single[..]], vector);
        relu(vector);
    }

    /// One step of the LSTM, and the output.
    fn remember(&mut self) -> f32 {
        self.lstm.apply([&self.lstm_input[..]], &mut self.gates);
        let mut logit = self.output_bias;
        for index in 0..STATE {
            let gate = |number: usize| self.gates[number * STATE + index];
            let cell = sigmoid(gate(1)) * self.cell[index] + sigmoid(gate(0)) * gate(2).tanh();
            let hidden = sigmoid(gate(3)) * cell.tanh();
            self.cell[index] = cell;
            self.lstm_input[STATE + index] = hidden;
            logit += hidden.max(0.0) * self.output_weights[index];
        }
        sigmoid(logit)
    }
}

fn relu(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// The window of a Fourier transform that is written as a convolution, `[real parts, imaginary parts][sample]`; none if it
/// is something else.
fn window_of(basis: &[f32]) -> Option<[f32; WINDOW_SAMPLES]> {
    let (real, imaginary) = basis.split_at(BINS * WINDOW_SAMPLES);
    // Every cosine is 1 at frequency 0.
    let window: [f32; WINDOW_SAMPLES] = std::array::from_fn(|sample| real[sample]);
    let turn: [_; WINDOW_SAMPLES] =
        std::array::from_fn(|part| (std::f64::consts::TAU * part as f64 / WINDOW_SAMPLES as f64).sin_cos());
    let largest = window.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
    let mut off_by = real.iter().zip(imaginary).enumerate().map(|(at, (re, im))| {
        let (bin, sample) = (at / WINDOW_SAMPLES, at % WINDOW_SAMPLES);
        let (sin, cos) = turn[bin * sample % WINDOW_SAMPLES];
        (re - window[sample] * cos as f32).abs().max((im + window[sample] * sin as f32).abs())
    });
    off_by.all(|off| off <= TRANSFORM_TOLERANCE * largest).then_some(window)
}

/// The values of one tensor, or what is wrong with it.
fn values(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = file.tensor(name).map_err(|_| "is missing".to_owned())?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return Err(format!("is {:?} {:?}, not F32 {shape:?}", tensor.dtype(), tensor.shape()));
    }
    let values: Vec<f32> =
        tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if !values.iter().all(|value| value.is_finite()) {
        return Err("holds values that are no numbers".to_owned());
    }
    Ok(values)
}

#[cfg(test)]
#[path = "silero_tests.rs"]
pub(crate) mod tests;
