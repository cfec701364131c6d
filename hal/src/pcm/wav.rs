//! Recordings as a microphone: WAV files played one after another as one stream of periods.
//!
//! Every header is checked before the first period is delivered; the samples are read from disk as they are
//! played, so the length of a recording does not matter.

mod file;
mod turnstile;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use self::file::WavFile;
pub use self::turnstile::Turnstile;
use super::{Capture, CaptureError, Captured, Period};
use crate::time::{Clock, Timestamp};

/// Periods in a second: 10 ms each, what a sound card is asked for too. Shorter costs wake-ups, longer delays the
/// moment a button's edge takes effect.
const PERIODS_PER_S: u32 = 100;

/// The longest wait at a turnstile before saying [`Captured::Pending`], as the trait demands.
const TURNSTILE_WAIT: Duration = Duration::from_millis(100);

/// How fast recordings play.
#[derive(Clone)]
pub enum Pace {
    /// As fast as they were spoken: each period is delivered when its last frame would have been captured.
    RealTime(Arc<dyn Clock>),
    /// As fast as they are read.
    Fast,
}

/// How recordings are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WavOptions {
    /// Silence before each recording.
    pub lead: Duration,
    /// Silence after each recording.
    pub gap: Duration,
    /// Whether to wait before each recording, its lead included, until [`Turnstile::release`] lets it through.
    pub turnstile: bool,
}

/// Where a recording lies in the stream, its lead and gap not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// When its first frame begins.
    pub start: Timestamp,
    /// When its last frame ends.
    pub end: Timestamp,
}

/// Why a recording cannot be played. Do not retry.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// No recording was named.
    #[error("no recording to play: name at least one WAV file")]
    NoFiles,
    /// The file could not be opened or read.
    #[error("{path}: {source}: give the path of a WAV file you may read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a WAV file, or its header makes no sense.
    #[error("{path}: not a WAV file ({reason}): convert it, e.g. `sox IN -b 16 OUT.wav`")]
    NotWav {
        /// The file.
        path: PathBuf,
        /// What is wrong with the header.
        reason: String,
    },
    /// The file ends before its header says.
    #[error("{path}: truncated ({reason}): copy or record it again")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// How much is missing.
        reason: String,
    },
    /// There is not one frame in it.
    #[error("{path}: empty, 0 frames: record it again")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A WAV file, but of a kind that is not played.
    #[error(
        "{path}: unsupported ({reason}): convert it, e.g. `sox IN -b 16 -c 1 -r 16000 OUT.wav`; mono and stereo, 4 to \
         384 kHz, 8, 16, 24 or 32 bits and 32-bit float are played"
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not played.
        reason: String,
    },
}

/// A recording and where it lies in the stream.
struct Track {
    file: WavFile,
    /// When its lead begins.
    base: Timestamp,
    /// Frames of silence before the data.
    lead_frames: u64,
    /// Lead, data and gap together.
    total_frames: u64,
}

impl Track {
    /// When the first `frames` frames of the track are over, rounded down to a nanosecond.
    fn time_after(&self, frames: u64) -> Timestamp {
        self.base + frames_to_duration(frames, self.file.format.rate_hz)
    }
}

/// Where in the stream the next period begins.
#[derive(Clone, Copy)]
struct Position {
    track: usize,
    /// Frames of the track already delivered.
    frame: u64,
}

/// One moment on two clocks.
struct Anchor {
    /// What the clock that paces the source showed.
    clock: Timestamp,
    /// What stream time it was.
    stream: Timestamp,
}

/// A playlist of recordings as a source of sound.
///
/// Time stamps are stream time: frames over rate, from 0 at the first frame of the first lead, the same at either
/// pace. [`Captured::End`] follows the last gap. A file that shrinks while it plays is
/// [`CaptureError::Failed`].
pub struct WavSource {
    tracks: Vec<Track>,
    position: Position,
    /// The file of the track being played; opened when its turn comes, so that a long playlist does not use up the
    /// process's file descriptors.
    open_file: Option<File>,
    /// Bytes as they are in the file, for one period.
    raw: Box<[u8]>,
    period_bytes_max: usize,
    pace: Pace,
    /// Unknown until the first period, and after a pause.
    anchor: Option<Anchor>,
    turnstile: Option<Turnstile>,
}

impl WavSource {
    /// Check all recordings in `paths` and line them up. Nothing plays unless every one of them can be played.
    pub fn open<P: AsRef<Path>>(paths: &[P], pace: Pace, options: WavOptions) -> Result<Self, WavError> {
        if paths.is_empty() {
            return Err(WavError::NoFiles);
        }
        let mut tracks: Vec<Track> = Vec::with_capacity(paths.len());
        let mut base = Timestamp::ZERO;
        for path in paths {
            let file = WavFile::open(path.as_ref())?;
            let lead_frames = duration_to_frames(options.lead, file.format.rate_hz);
            let gap_frames = duration_to_frames(options.gap, file.format.rate_hz);
            let total_frames = lead_frames + file.frames + gap_frames;
            let track = Track { file, base, lead_frames, total_frames };
            base = track.time_after(total_frames);
            tracks.push(track);
        }
        let most = |bytes: fn(&Track) -> usize| tracks.iter().map(bytes).max().unwrap_or(0);
        let period_bytes_max = most(|t| period_frames(&t.file) * t.file.format.frame_bytes());
        let raw_bytes_max = most(|t| period_frames(&t.file) * t.file.frame_bytes());
        Ok(Self {
            tracks,
            position: Position { track: 0, frame: 0 },
            open_file: None,
            raw: vec![0; raw_bytes_max].into(),
            period_bytes_max,
            pace,
            anchor: None,
            turnstile: options.turnstile.then(Turnstile::new),
        })
    }

    /// Where each recording lies in the stream, in the order given.
    pub fn schedule(&self) -> Vec<Scheduled> {
        self.tracks
            .iter()
            .map(|t| Scheduled {
                start: t.time_after(t.lead_frames),
                end: t.time_after(t.lead_frames + t.file.frames),
            })
            .collect()
    }

    /// What lets the recordings through, if the options asked for it.
    pub fn turnstile(&self) -> Option<Turnstile> {
        self.turnstile.clone()
    }

    /// Whether the next recording may begin; waits a while for it.
    fn may_begin(&mut self) -> bool {
        let Some(turnstile) = &self.turnstile else { return true };
        if turnstile.is_released(self.position.track) {
            return true;
        }
        // Stream time stands still here while the clock goes on.
        self.anchor = None;
        turnstile.wait(self.position.track, TURNSTILE_WAIT)
    }

    /// Read the next frames into `buffer`. Returns the period and moves the position.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Period, CaptureError> {
        let track = &self.tracks[self.position.track];
        let file = &track.file;
        let begin = self.position.frame;
        let frames = (period_frames(file) as u64).min(track.total_frames - begin);
        let end = begin + frames;

        // The part of the period that lies in the data; silence around it.
        let data_end = track.lead_frames + file.frames;
        let from = track.lead_frames.clamp(begin, end);
        let to = data_end.clamp(begin, end);
        let out_bytes = file.format.frame_bytes();
        let silence_before = (from - begin) as usize * out_bytes;
        let data_bytes = (to - from) as usize * out_bytes;
        buffer[..silence_before].fill(0);
        buffer[silence_before + data_bytes..frames as usize * out_bytes].fill(0);

        if to > from {
            let opened = match &mut self.open_file {
                Some(opened) => opened,
                closed => closed.insert(file.reopen().map_err(CaptureError::Failed)?),
            };
            let raw = &mut self.raw[..(to - from) as usize * file.frame_bytes()];
            let offset = file.data_offset + (from - track.lead_frames) * file.frame_bytes() as u64;
            read_exact_at(opened, raw, offset).map_err(CaptureError::Failed)?;
            file.encoding.decode(raw, &mut buffer[silence_before..silence_before + data_bytes]);
        }

        let period = Period {
            frames: frames as u32,
            format: file.format,
            end: track.time_after(end),
            discontinuity: false,
        };
        self.position.frame = end;
        if end == track.total_frames {
            self.position = Position { track: self.position.track + 1, frame: 0 };
            self.open_file = None;
        }
        Ok(period)
    }
}

impl Capture for WavSource {
    fn period_bytes_max(&self) -> usize {
        self.period_bytes_max
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        let Some(track) = self.tracks.get(self.position.track) else { return Ok(Captured::End) };
        let begin = track.time_after(self.position.frame);
        if self.position.frame == 0 && !self.may_begin() {
            return Ok(Captured::Pending);
        }
        let period = self.fill(buffer)?;
        if let Pace::RealTime(clock) = &self.pace {
            let anchor = self.anchor.get_or_insert_with(|| Anchor { clock: clock.now(), stream: begin });
            clock.sleep_until(anchor.clock + (period.end - anchor.stream));
        }
        Ok(Captured::Period(period))
    }

    fn can_wait(&self) -> bool {
        true
    }
}

/// Frames in a period of this file; shorter only at the end of a track.
fn period_frames(file: &WavFile) -> usize {
    (file.format.rate_hz / PERIODS_PER_S) as usize
}

/// Whole frames in `duration`, rounded down.
fn duration_to_frames(duration: Duration, rate_hz: u32) -> u64 {
    (duration.as_nanos() * u128::from(rate_hz) / 1_000_000_000) as u64
}

/// How long `frames` frames take, rounded down to a nanosecond.
fn frames_to_duration(frames: u64, rate_hz: u32) -> Duration {
    Duration::from_nanos((u128::from(frames) * 1_000_000_000 / u128::from(rate_hz)) as u64)
}

/// Fill `buffer` from `offset`. ENODATA when the file ends before.
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<(), Errno> {
    file.read_exact_at(buffer, offset)
        // The error of a file that ends early carries no number.
        .map_err(|e| e.raw_os_error().map_or(Errno::ENODATA, Errno::from_raw))
}

#[cfg(test)]
mod tests;
