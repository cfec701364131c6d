//! Writer of whisper.cpp's ggml model files, in f16 or q8_0.
//!
//! Little endian i32: magic, 11 hyperparameters; mel count, bin count, the filters in f32;
//! token count, each token with its length; the tensors. A tensor: number of dims, length of the
//! name, type, dims (fastest first), name, data. Source: whisper.cpp, `whisper_model_load` in
//! src/whisper.cpp and models/convert-pt-to-ggml.py.

use std::borrow::Cow;
use std::io::{self, Write};

use half::f16;

use super::mel::BIN_COUNT;
use super::quantise::{BLOCK_LEN, q8_0_block};

/// "ggml" read as a little-endian number.
const MAGIC: i32 = 0x6767_6d6c;

/// How the matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// Half precision.
    F16,
    /// 8-bit blocks, see [`super::quantise`]. Applies to 2-D tensors only.
    Q8_0,
}

impl FileType {
    /// The header's `ftype`: for q8_0 it is GGML_FTYPE_MOSTLY_Q8_0 (7) and the version of the
    /// quantisation (2) times 1000.
    fn code(self) -> i32 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 => 2007,
        }
    }
}

/// Element type of a stored tensor, with ggml's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TensorType {
    F32 = 0,
    F16 = 1,
    Q8_0 = 8,
}

/// Sizes of the network, in the order of the file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hyperparameters {
    /// Tokens, special ones included.
    pub vocab: usize,
    /// Frames the encoder puts out.
    pub audio_ctx: usize,
    /// Width of the encoder.
    pub audio_state: usize,
    /// Attention heads of the encoder.
    pub audio_head: usize,
    /// Blocks of the encoder.
    pub audio_layer: usize,
    /// Tokens the decoder can see.
    pub text_ctx: usize,
    /// Width of the decoder.
    pub text_state: usize,
    /// Attention heads of the decoder.
    pub text_head: usize,
    /// Blocks of the decoder.
    pub text_layer: usize,
    /// Mel bands of the input.
    pub mels: usize,
}

/// One array of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    /// OpenAI's name.
    pub name: String,
    /// Shape, slowest dimension first (the file has them the other way round).
    pub dims: Vec<usize>,
    /// Elements as little-endian f16.
    pub data: Cow<'a, [u8]>,
    /// Store as f32 whatever the file type: whisper.cpp wants so for biases, norms and positions.
    pub full_precision: bool,
}

impl Tensor<'_> {
    fn stored_as(&self, file_type: FileType) -> TensorType {
        match file_type {
            _ if self.full_precision => TensorType::F32,
            FileType::Q8_0 if self.dims.len() == 2 => TensorType::Q8_0,
            _ => TensorType::F16,
        }
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        self.data.chunks_exact(2).map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32())
    }

    fn write(&self, out: &mut impl Write, file_type: FileType) -> io::Result<()> {
        let stored_as = self.stored_as(file_type);
        put_i32(out, self.dims.len())?;
        put_i32(out, self.name.len())?;
        put_i32(out, stored_as as usize)?;
        self.dims.iter().rev().try_for_each(|&dim| put_i32(out, dim))?;
        out.write_all(self.name.as_bytes())?;
        match stored_as {
            TensorType::F16 => out.write_all(&self.data),
            TensorType::F32 => self.values().try_for_each(|value| out.write_all(&value.to_le_bytes())),
            TensorType::Q8_0 => self.write_q8_0(out),
        }
    }

    fn write_q8_0(&self, out: &mut impl Write) -> io::Result<()> {
        if self.dims.last().is_none_or(|row| row % BLOCK_LEN != 0) {
            return Err(invalid(format!("{}: rows are not whole q8_0 blocks", self.name)));
        }
        let mut block = [0.0; BLOCK_LEN];
        let mut values = self.values();
        for _ in 0..self.data.len() / (BLOCK_LEN * size_of::<f16>()) {
            block.iter_mut().zip(&mut values).for_each(|(to, value)| *to = value);
            out.write_all(&q8_0_block(&block))?;
        }
        Ok(())
    }
}

/// Everything a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Model<'a> {
    /// Sizes.
    pub hyperparameters: Hyperparameters,
    /// Mel filters.
    pub mel_filters: Vec<[f32; BIN_COUNT]>,
    /// Tokens in the order of their numbers.
    pub vocabulary: Vec<Vec<u8>>,
    /// Weights in the order of the file.
    pub tensors: Vec<Tensor<'a>>,
}

impl Model<'_> {
    /// Writes the file.
    pub fn write(&self, out: &mut impl Write, file_type: FileType) -> io::Result<()> {
        out.write_all(&MAGIC.to_le_bytes())?;
        let sizes = &self.hyperparameters;
        for size in [
            sizes.vocab,
            sizes.audio_ctx,
            sizes.audio_state,
            sizes.audio_head,
            sizes.audio_layer,
            sizes.text_ctx,
            sizes.text_state,
            sizes.text_head,
            sizes.text_layer,
            sizes.mels,
        ] {
            put_i32(out, size)?;
        }
        out.write_all(&file_type.code().to_le_bytes())?;

        put_i32(out, self.mel_filters.len())?;
        put_i32(out, BIN_COUNT)?;
        for weight in self.mel_filters.as_flattened() {
            out.write_all(&weight.to_le_bytes())?;
        }

        put_i32(out, self.vocabulary.len())?;
        for token in &self.vocabulary {
            put_i32(out, token.len())?;
            out.write_all(token)?;
        }

        self.tensors.iter().try_for_each(|tensor| tensor.write(out, file_type))
    }
}

fn put_i32(out: &mut impl Write, value: usize) -> io::Result<()> {
    let value = i32::try_from(value).map_err(|e| invalid(e.to_string()))?;
    out.write_all(&value.to_le_bytes())
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()
    }

    fn i32s(values: &[i32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn written(tensor: &Tensor, file_type: FileType) -> Vec<u8> {
        let mut out = vec![];
        tensor.write(&mut out, file_type).unwrap();
        out
    }

    #[test]
    fn a_matrix_is_f16_or_q8_0() {
        let data = halves(&[1.0; 64]);
        let tensor =
            Tensor { name: "w".to_owned(), dims: vec![2, 32], data: (&data).into(), full_precision: false };
        assert_eq!(
            written(&tensor, FileType::F16),
            [i32s(&[2, 1, 1, 32, 2]), b"w".to_vec(), data.clone()].concat()
        );
        let block = q8_0_block(&[1.0; 32]);
        assert_eq!(
            written(&tensor, FileType::Q8_0),
            [i32s(&[2, 1, 8, 32, 2]), b"w".to_vec(), block.to_vec(), block.to_vec()].concat()
        );
    }

    #[test]
    fn a_convolution_stays_f16_and_a_bias_f32() {
        let data = halves(&[1.0, -2.0, 0.5]);
        let mut tensor =
            Tensor { name: "c".to_owned(), dims: vec![1, 1, 3], data: (&data).into(), full_precision: false };
        let convolution = [i32s(&[3, 1, 1, 3, 1, 1]), b"c".to_vec(), data.clone()].concat();
        assert_eq!(written(&tensor, FileType::F16), convolution);
        assert_eq!(written(&tensor, FileType::Q8_0), convolution);

        tensor.dims = vec![3, 1];
        tensor.full_precision = true;
        let values = [1.0f32, -2.0, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        let bias = [i32s(&[2, 1, 0, 1, 3]), b"c".to_vec(), values].concat();
        assert_eq!(written(&tensor, FileType::F16), bias);
        assert_eq!(written(&tensor, FileType::Q8_0), bias);
    }

    #[test]
    fn rows_that_are_not_whole_blocks_are_refused() {
        let data = halves(&[0.0; 66]);
        let tensor =
            Tensor { name: "w".to_owned(), dims: vec![2, 33], data: (&data).into(), full_precision: false };
        let error = tensor.write(&mut io::sink(), FileType::Q8_0).unwrap_err();
        assert!(error.to_string().starts_with("w: "), "{error}");
    }

    #[test]
    fn the_header_comes_first_and_names_the_file_type() {
        let model = Model {
            hyperparameters: Hyperparameters {
                vocab: 2,
                audio_ctx: 3,
                audio_state: 4,
                audio_head: 5,
                audio_layer: 6,
                text_ctx: 7,
                text_state: 8,
                text_head: 9,
                text_layer: 10,
                mels: 11,
            },
            mel_filters: vec![[0.25; BIN_COUNT]],
            vocabulary: vec![b"a".to_vec(), b"".to_vec()],
            tensors: vec![],
        };
        for (file_type, code) in [(FileType::F16, 1), (FileType::Q8_0, 2007)] {
            let mut out = vec![];
            model.write(&mut out, file_type).unwrap();
            let filters = [0.25f32; BIN_COUNT].iter().flat_map(|w| w.to_le_bytes()).collect();
            let expected = [
                b"lmgg".to_vec(),
                i32s(&[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, code, 1, 201]),
                filters,
                i32s(&[2, 1]),
                b"a".to_vec(),
                i32s(&[0]),
            ];
            assert_eq!(out, expected.concat());
        }
    }
}
