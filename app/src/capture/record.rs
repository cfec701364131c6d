//! A record in the ring: a header of fixed size, then the frames.

use std::time::Duration;

use oratype_hal::pcm::{Period, SampleFormat, StreamFormat};
use oratype_hal::time::Timestamp;

/// What stands before the frames of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts records from 0, without a hole: dropped periods take no number.
    pub sequence: u64,
    /// The period; marked as discontinuous also when periods were dropped before it.
    pub period: Period,
    /// Periods dropped before this one because the ring was full.
    pub dropped_periods: u32,
    /// When it was written, on `CLOCK_MONOTONIC`, whatever clock the source has.
    pub committed: Timestamp,
}

impl Header {
    /// Its size in the ring.
    pub const BYTES: usize = 8 + 8 + 8 + 4 + 4 + 4 + 1 + 1 + 1;

    /// Bytes: sequence, end and commit in ns, rate, frames, dropped periods (little endian), channels, sample bytes, whether
    /// discontinuous.
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let Self { sequence, period, dropped_periods, committed } = self;
        let mut bytes = [0; Self::BYTES];
        bytes[0..8].copy_from_slice(&sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&(period.end.as_nanos() as u64).to_le_bytes());
        bytes[16..24].copy_from_slice(&(committed.as_nanos() as u64).to_le_bytes());
        bytes[24..28].copy_from_slice(&period.format.rate_hz.to_le_bytes());
        bytes[28..32].copy_from_slice(&period.frames.to_le_bytes());
        bytes[32..36].copy_from_slice(&dropped_periods.to_le_bytes());
        bytes[36] = period.format.channels;
        bytes[37] = period.format.sample.bytes() as u8;
        bytes[38] = u8::from(period.discontinuity);
        bytes
    }

    /// The inverse of [`to_bytes`](Self::to_bytes), from the front of a record.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            sequence: u64::from_le_bytes(array(bytes, 0)),
            period: Period {
                end: Duration::from_nanos(u64::from_le_bytes(array(bytes, 8))),
                format: StreamFormat {
                    rate_hz: u32::from_le_bytes(array(bytes, 24)),
                    channels: bytes[36],
                    sample: if bytes[37] == 2 { SampleFormat::S16 } else { SampleFormat::S32 },
                },
                frames: u32::from_le_bytes(array(bytes, 28)),
                discontinuity: bytes[38] != 0,
            },
            dropped_periods: u32::from_le_bytes(array(bytes, 32)),
            committed: Duration::from_nanos(u64::from_le_bytes(array(bytes, 16))),
        }
    }
}

/// `N` bytes from `at`.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
