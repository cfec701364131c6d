//! PCM capture: periods of interleaved frames from a microphone or a recording.

pub mod alsa;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod wav;

use crate::time::Timestamp;

/// How one sample is stored. Little endian, interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// 16-bit signed.
    S16,
    /// 32-bit signed; I2S microphones put their 24 bits in the upper part.
    S32,
}

impl SampleFormat {
    /// Bytes one sample takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::S16 => 2,
            Self::S32 => 4,
        }
    }
}

/// What a stream of frames looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFormat {
    /// Frames per second.
    pub rate_hz: u32,
    /// Samples in a frame: 1 or 2.
    pub channels: u8,
    /// Storage of one sample.
    pub sample: SampleFormat,
}

impl StreamFormat {
    /// Bytes one frame takes.
    pub const fn frame_bytes(self) -> usize {
        self.channels as usize * self.sample.bytes()
    }
}

/// What [`Capture::read_period`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Captured {
    /// `frames` frames were written to the front of the buffer.
    Period(Period),
    /// Nothing arrived within the driver's own waiting time; call again.
    Pending,
    /// The recording is over; every further call says so again. Live devices never say it.
    End,
}

/// One period of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Frames written.
    pub frames: u32,
    /// Their format. It may change between periods, where one recording follows another.
    pub format: StreamFormat,
    /// When the last of the frames was captured, on the source's own clock.
    pub end: Timestamp,
    /// Frames were lost between the previous period and this one (xrun, suspend).
    pub discontinuity: bool,
}

/// Why a period could not be read. Overruns and suspends are not errors: the driver recovers from them and marks
/// the next period as discontinuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The device is gone (ENODEV). Do not retry; open it again when it is back.
    #[error("the capture device is gone")]
    Disconnected,
    /// The device reports an error it could not be recovered from. Do not retry; open it again.
    #[error("the capture device failed: {0}")]
    Failed(nix::errno::Errno),
}

/// A source of sound.
///
/// After it was opened it neither allocates nor locks nor logs: it is called from the real-time capture thread.
pub trait Capture: Send {
    /// The most bytes one period takes, in any format this source will deliver.
    fn period_bytes_max(&self) -> usize;

    /// Wait for the next period and write it to `buffer`, at least [`period_bytes_max`](Self::period_bytes_max)
    /// long. Returns after at most 100 ms, with [`Captured::Pending`] if nothing came.
    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError>;

    /// Whether the source loses nothing by waiting for its reader, as a recording does and a microphone does not.
    fn can_wait(&self) -> bool;
}
