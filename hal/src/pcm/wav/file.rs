//! One WAV file: its header, and its samples turned into S16 or S32.

use std::ffi::CString;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::stat::Mode;

use super::WavError;
use crate::pcm::{SampleFormat, StreamFormat};

/// Rates that are played: telephone recordings at 8 kHz are the least in use, 384 kHz the most I2S does.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// How a sample is stored in the file, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Unsigned, 128 is silence.
    U8,
    S16,
    /// Three bytes.
    S24,
    S32,
    /// Full scale is ±1.
    F32,
}

impl Encoding {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
        }
    }

    /// The narrowest format that loses nothing (but for floats beyond full scale or finer than 2⁻³¹).
    const fn delivered_as(self) -> SampleFormat {
        match self {
            Self::U8 | Self::S16 => SampleFormat::S16,
            Self::S24 | Self::S32 | Self::F32 => SampleFormat::S32,
        }
    }

    /// Turn samples as stored in the file (`raw`) into as many of [`delivered_as`](Self::delivered_as).
    pub(super) fn decode(self, raw: &[u8], out: &mut [u8]) {
        debug_assert_eq!(raw.len() / self.bytes(), out.len() / self.delivered_as().bytes());
        match self {
            Self::S16 | Self::S32 => out.copy_from_slice(raw),
            Self::U8 => {
                for (&sample, out) in raw.iter().zip(out.as_chunks_mut::<2>().0) {
                    *out = ((i16::from(sample) - 128) << 8).to_le_bytes();
                }
            }
            Self::S24 => {
                for (&[a, b, c], out) in raw.as_chunks::<3>().0.iter().zip(out.as_chunks_mut::<4>().0) {
                    *out = [0, a, b, c];
                }
            }
            Self::F32 => {
                for (&sample, out) in raw.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
                    // `as` saturates beyond full scale and makes NaN 0.
                    *out = ((f64::from(f32::from_le_bytes(sample)) * 2f64.powi(31)) as i32).to_le_bytes();
                }
            }
        }
    }
}

/// A WAV file that can be played.
pub(super) struct WavFile {
    /// As a C string, because opening a file by a `Path` may allocate.
    path: CString,
    pub(super) encoding: Encoding,
    /// What is delivered.
    pub(super) format: StreamFormat,
    pub(super) frames: u64,
    /// Byte of the file at which the samples begin.
    pub(super) data_offset: u64,
}

impl WavFile {
    /// Read and check the header.
    pub(super) fn open(path: &Path) -> Result<Self, WavError> {
        let unreadable = |source| WavError::Unreadable { path: path.into(), source };
        let not_wav = |reason: &str| WavError::NotWav { path: path.into(), reason: reason.into() };
        let truncated = |reason: String| WavError::Truncated { path: path.into(), reason };
        let unsupported = |reason: String| WavError::Unsupported { path: path.into(), reason };

        let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|e| unreadable(e.into()))?;
        // Opening a named pipe would wait for whoever writes to it; regular files ignore the flag.
        let file =
            File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(std::io::Error::new(ErrorKind::InvalidInput, "not a regular file")));
        }
        if metadata.len() == 0 {
            return Err(WavError::Empty { path: path.into() });
        }

        let header_error = |error| match error {
            hound::Error::FormatError(reason) => not_wav(reason),
            hound::Error::Unsupported => unsupported("a compressed or rare encoding".into()),
            // What hound says when the file ends within the header.
            hound::Error::IoError(e) if matches!(e.kind(), ErrorKind::Other | ErrorKind::UnexpectedEof) => {
                truncated("it ends within the header".into())
            }
            hound::Error::IoError(e) => unreadable(e),
            other => not_wav(&other.to_string()),
        };
        let reader = hound::WavReader::new(BufReader::new(file)).map_err(header_error)?;
        let spec = reader.spec();
        let samples = reader.len();
        let mut inner = reader.into_inner();
        let data_offset = inner.stream_position().map_err(unreadable)?;
        // The length field of the data, right before them, tells how many bytes a sample takes; hound keeps that to
        // itself.
        let mut data_bytes = [0; 4];
        inner.get_ref().read_exact_at(&mut data_bytes, data_offset - 4).map_err(unreadable)?;
        let data_bytes = u32::from_le_bytes(data_bytes);
        if samples == 0 {
            return Err(WavError::Empty { path: path.into() });
        }

        let encoding = match (spec.sample_format, spec.bits_per_sample, data_bytes / samples) {
            (hound::SampleFormat::Int, 8, 1) => Encoding::U8,
            (hound::SampleFormat::Int, 16, 2) => Encoding::S16,
            (hound::SampleFormat::Int, 24, 3) => Encoding::S24,
            (hound::SampleFormat::Int, 32, 4) => Encoding::S32,
            (hound::SampleFormat::Float, 32, 4) => Encoding::F32,
            (_, bits, bytes) => return Err(unsupported(format!("samples of {bits} bits in {bytes} bytes"))),
        };
        let channels = match spec.channels {
            1 | 2 => spec.channels as u8,
            n => return Err(unsupported(format!("{n} channels"))),
        };
        if !RATES_HZ.contains(&spec.sample_rate) {
            return Err(unsupported(format!("{} frames per second", spec.sample_rate)));
        }
        let format = StreamFormat { rate_hz: spec.sample_rate, channels, sample: encoding.delivered_as() };

        let frame_bytes = (usize::from(channels) * encoding.bytes()) as u64;
        let data_bytes = u64::from(data_bytes);
        let there = metadata.len().saturating_sub(data_offset);
        if there < data_bytes {
            return Err(truncated(format!(
                "its header announces {data_bytes} bytes of sound, it has {there}"
            )));
        }
        let frames = data_bytes / frame_bytes;
        Ok(Self { path: c_path, encoding, format, frames, data_offset })
    }

    /// Open the file again to read its samples, without allocating.
    pub(super) fn reopen(&self) -> Result<File, Errno> {
        open(self.path.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map(File::from)
    }

    /// Bytes one frame takes in the file.
    pub(super) const fn frame_bytes(&self) -> usize {
        self.format.channels as usize * self.encoding.bytes()
    }
}
