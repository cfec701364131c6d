//! The short-context adapter: low-rank additions to the model's matrices.
//!
//! scripts/adapter trains it; its README says what it is for. The file, little endian: magic, the SHA-256 of the f16
//! model it was trained on, u32 number of matrices; per matrix u16 length of the name, the name (OpenAI's), u32 rows,
//! u32 columns, u32 rank, A in f16 [rank][columns], B in f16 [rows][rank]. The adapted matrix is W + B·A.
//!
//! The sum has a defined order and no fused operation, so that every machine makes the same bytes.

use half::f16;

use super::ggml::Model;
use super::pinned::Sha256Digest;

/// First bytes of the file; the last is the version.
const MAGIC: [u8; 8] = *b"lowrank\x01";
/// More than any sensible adapter's, so that a damaged file is not taken for a huge one.
const RANK_MAX: usize = 384;

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The file does not begin like an adapter.
    #[error("this is no adapter file of version 1")]
    Magic,
    /// The file ends too early.
    #[error("the adapter file ends early, at byte {at}")]
    Short {
        /// Where something was expected.
        at: usize,
    },
    /// The file goes on behind its last matrix.
    #[error("the adapter file has {bytes} bytes too many")]
    Long {
        /// How many.
        bytes: usize,
    },
    /// A name that is not UTF-8 or was there before, or sizes that no adapter has.
    #[error("the adapter file is damaged at byte {at}")]
    Damaged {
        /// Where.
        at: usize,
    },
    /// It was trained on other weights.
    #[error("the adapter was made for another model")]
    Base,
    /// A matrix does not fit the model.
    #[error("the adapter does not fit the model: {name}: {what}")]
    Misfit {
        /// Matrix.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// An addition to one matrix.
#[derive(Debug, Clone, PartialEq)]
struct LowRank<'a> {
    name: &'a str,
    rows: usize,
    columns: usize,
    rank: usize,
    /// f16 [rank][columns].
    a: &'a [u8],
    /// f16 [rows][rank].
    b: &'a [u8],
}

/// A parsed adapter file.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter<'a> {
    base: Sha256Digest,
    matrices: Vec<LowRank<'a>>,
}

impl<'a> Adapter<'a> {
    /// Reads a file's bytes.
    pub fn parse(file: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { file, at: 0 };
        if reader.take(MAGIC.len()).is_ok_and(|magic| magic == MAGIC) {
            let base = reader.array()?;
            let count = reader.size()?;
            let mut matrices: Vec<LowRank> = vec![];
            for _ in 0..count {
                let at = reader.at;
                let matrix = reader.matrix()?;
                if matrices.iter().any(|known| known.name == matrix.name) {
                    return Err(Error::Damaged { at });
                }
                matrices.push(matrix);
            }
            match file.len() - reader.at {
                0 => Ok(Self { base, matrices }),
                bytes => Err(Error::Long { bytes }),
            }
        } else {
            Err(Error::Magic)
        }
    }

    /// Adds the adapter to `model`, whose f16 file hashes to `base`.
    pub fn merge(&self, model: &mut Model, base: &Sha256Digest) -> Result<(), Error> {
        if self.base != *base {
            return Err(Error::Base);
        }
        self.matrices.iter().try_for_each(|matrix| matrix.merge(model))
    }
}

impl LowRank<'_> {
    fn merge(&self, model: &mut Model) -> Result<(), Error> {
        let misfit = |what| Error::Misfit { name: self.name.to_owned(), what };
        let tensor = model.tensors.iter_mut().find(|tensor| tensor.name == self.name);
        let tensor = tensor.ok_or_else(|| misfit("the model has no such matrix"))?;
        if tensor.dims != [self.rows, self.columns] || tensor.full_precision {
            return Err(misfit("another shape"));
        }
        let a = values(self.a);
        let b = values(self.b);
        let weights = tensor.data.to_mut();
        for (row, b) in
            weights.chunks_exact_mut(self.columns * size_of::<f16>()).zip(b.chunks_exact(self.rank))
        {
            for (column, weight) in row.chunks_exact_mut(size_of::<f16>()).enumerate() {
                let stock = f16::from_le_bytes([weight[0], weight[1]]).to_f64();
                let sum = (0..self.rank).fold(stock, |sum, k| sum + b[k] * a[k * self.columns + column]);
                // By way of f32: a direct conversion rounds differently on processors without f16 instructions.
                weight.copy_from_slice(&f16::from_f32(sum as f32).to_le_bytes());
            }
        }
        Ok(())
    }
}

fn values(halves: &[u8]) -> Vec<f64> {
    halves.chunks_exact(2).map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f64()).collect()
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Error> {
        let taken = self.file[self.at..].get(..bytes).ok_or(Error::Short { at: self.at })?;
        self.at += bytes;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| Error::Short { at: self.at })
    }

    fn size(&mut self) -> Result<usize, Error> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn matrix(&mut self) -> Result<LowRank<'a>, Error> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let damaged = Error::Damaged { at: self.at };
        let Ok(name) = str::from_utf8(self.take(length)?) else { return Err(damaged) };
        let (rows, columns, rank) = (self.size()?, self.size()?, self.size()?);
        if rank == 0 || rank > RANK_MAX || rows == 0 || columns == 0 || rows.max(columns) > u16::MAX.into() {
            return Err(damaged);
        }
        let a = self.take(rank * columns * size_of::<f16>())?;
        let b = self.take(rows * rank * size_of::<f16>())?;
        Ok(LowRank { name, rows, columns, rank, a, b })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ggml::{Hyperparameters, Tensor};
    use proptest::prelude::*;

    const BASE: Sha256Digest = [7; 32];

    fn halves(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()
    }

    fn file(name: &str, [rows, columns, rank]: [u32; 3], a: &[f32], b: &[f32]) -> Vec<u8> {
        let sizes = [rows, columns, rank].map(u32::to_le_bytes).concat();
        let count = 1u32.to_le_bytes();
        let length = (name.len() as u16).to_le_bytes();
        [&MAGIC[..], &BASE, &count, &length, name.as_bytes(), &sizes, &halves(a), &halves(b)].concat()
    }

    fn model(data: &[f32]) -> Model<'static> {
        let tensor = |name: &str, data: &[f32]| Tensor {
            name: name.to_owned(),
            dims: vec![2, data.len() / 2],
            data: halves(data).into(),
            full_precision: false,
        };
        let hyperparameters = Hyperparameters {
            vocab: 1,
            audio_ctx: 1,
            audio_state: 1,
            audio_head: 1,
            audio_layer: 1,
            text_ctx: 1,
            text_state: 1,
            text_head: 1,
            text_layer: 1,
            mels: 1,
        };
        let tensors = vec![tensor("other", &[1.0; 6]), tensor("w", data)];
        Model { hyperparameters, mel_filters: vec![], vocabulary: vec![], tensors }
    }

    #[test]
    fn the_product_is_added_and_nothing_else_changes() {
        // B·A = [[1, 2, 3], [10, 20, 30]] + [[0, 4, 0], [0, 8, 0]].
        let bytes = file("w", [2, 3, 2], &[1.0, 2.0, 3.0, 0.0, 4.0, 0.0], &[1.0, 1.0, 10.0, 2.0]);
        let mut model = model(&[0.5, 0.0, 0.0, 0.0, 0.0, -1.0]);
        Adapter::parse(&bytes).unwrap().merge(&mut model, &BASE).unwrap();
        assert_eq!(&model.tensors[1].data[..], halves(&[1.5, 6.0, 3.0, 10.0, 28.0, 29.0]));
        assert_eq!(&model.tensors[0].data[..], halves(&[1.0; 6]));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let sound = file("w", [2, 3, 1], &[1.0; 3], &[1.0; 2]);
        let adapter = Adapter::parse(&sound).unwrap();
        assert_eq!(adapter.merge(&mut model(&[0.0; 6]), &[8; 32]), Err(Error::Base));
        let error = adapter.merge(&mut model(&[0.0; 8]), &BASE).unwrap_err();
        assert_eq!(error.to_string(), "the adapter does not fit the model: w: another shape");
        let bytes = file("v", [2, 3, 1], &[1.0; 3], &[1.0; 2]);
        let error = Adapter::parse(&bytes).unwrap().merge(&mut model(&[0.0; 6]), &BASE).unwrap_err();
        assert!(error.to_string().contains("v: the model has no such matrix"), "{error}");
    }

    #[test]
    fn a_bad_file_is_refused() {
        let good = file("w", [2, 3, 1], &[1.0; 3], &[1.0; 2]);
        for length in 0..good.len() {
            let error = Adapter::parse(&good[..length]).unwrap_err();
            let expected = if length < MAGIC.len() {
                error == Error::Magic
            } else {
                matches!(error, Error::Short { .. })
            };
            assert!(expected, "{length} bytes: {error}");
        }
        assert_eq!(Adapter::parse(&[&good[..], &[0]].concat()), Err(Error::Long { bytes: 1 }));
        let huge = file("w", [2, 3, u32::MAX], &[], &[]);
        assert!(matches!(Adapter::parse(&huge), Err(Error::Damaged { .. })));
        let mut twice = [&good[..], &good[MAGIC.len() + BASE.len() + 4..]].concat();
        twice[MAGIC.len() + BASE.len()] = 2;
        assert_eq!(Adapter::parse(&twice), Err(Error::Damaged { at: good.len() }));
        let empty = file("w", [2, 0, 1], &[], &[1.0; 2]);
        assert!(matches!(Adapter::parse(&empty), Err(Error::Damaged { .. })));
    }

    #[test]
    fn the_adapter_in_the_repository_covers_every_linear_layer() {
        let adapter = Adapter::parse(crate::model::ADAPTER).unwrap();
        assert_eq!(adapter.base, crate::model::pinned::WHISPER_F16.sha256);
        // Six in each of the encoder's four blocks, ten in the decoder's.
        assert_eq!(adapter.matrices.len(), 4 * 6 + 4 * 10);
        assert!(crate::model::ADAPTER.len() <= 4 << 20);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_adapter_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            bytes.splice(0..0, MAGIC);
            let _ = Adapter::parse(&bytes);
        }
    }
}
