//! Microphones through alsa-lib.
//!
//! The PCM is opened non-blocking, started, and kept running until the driver is dropped: I2S microphones need some
//! 85 ms after their clock starts before they deliver sound. Reading uses `readi` on bytes; alsa-rs's typed readers
//! allocate hw_params on every call.

use std::ffi::CString;
use std::thread;
use std::time::Duration;

use alsa::device_name::HintIter;
use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State};
use alsa::{Direction, Output, ValueOr};
use nix::errno::Errno;

use super::{Capture, CaptureError, Captured, Period, SampleFormat, StreamFormat};
use crate::time::{Clock, MonotonicClock, Timestamp};

/// The longest a call may wait (see [`Capture::read_period`]).
const WAIT_MS: u32 = 100;

/// Between two attempts to resume a suspended device. Its driver is slower than this, a person faster than ten.
const RESUME_PAUSE: Duration = Duration::from_millis(20);

/// Attempts to resume before the stream is made anew: one second in all.
const RESUME_ATTEMPTS_MAX: u32 = 50;

/// How often one call may recover and go on before it says [`Captured::Pending`]: xrun, prepare, start, and the
/// period itself, with one to spare. A device that fails at once after each start must not hold the caller.
const STEPS_MAX: u32 = 5;

/// How much sound is passed on at a time, and how much the device holds for a late reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Length of a period.
    pub period: Duration,
    /// Length of the device's buffer; the device may give less.
    pub buffer: Duration,
}

impl Default for Timing {
    /// 10 ms periods, as recordings have. 200 ms of buffer outlast every delay seen on a loaded machine and cost
    /// 77 kB at 48 kHz S32 stereo.
    fn default() -> Self {
        Self { period: Duration::from_millis(10), buffer: Duration::from_millis(200) }
    }
}

/// Why a PCM could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// alsa-lib does not know the name, or its card is not there. Retry when the device was plugged in.
    #[error("no PCM named \"{name}\": `arecord -L` lists those there are{known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that would do, ready to be shown, or nothing.
        known: String,
    },
    /// Another program uses it. Retry later.
    #[error(
        "PCM \"{name}\" is in use by another program: end that, or use a PCM that shares, e.g. \"default\""
    )]
    Busy {
        /// What was asked for.
        name: String,
    },
    /// The device has no format this driver can deliver. Do not retry.
    #[error("PCM \"{name}\" offers no {missing}: try \"plug:{name}\", which converts")]
    Unsupported {
        /// What was asked for.
        name: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// alsa-lib failed in another way.
    #[error("PCM \"{name}\": {call} failed: {errno}: check it with `arecord -D {name} -d 1 /dev/null`")]
    Failed {
        /// What was asked for.
        name: String,
        /// The function of alsa-lib.
        call: &'static str,
        /// What it said.
        errno: Errno,
    },
}

/// A microphone. Every period's time stamp is that of `CLOCK_MONOTONIC` when its last frame was captured.
pub struct AlsaCapture {
    pcm: PCM,
    format: StreamFormat,
    period_frames: usize,
    /// Frames were lost since the last period was delivered.
    discontinuity: bool,
    resume_attempts: u32,
    /// When the last period ended.
    last_end: Timestamp,
}

impl AlsaCapture {
    /// Open and start the PCM alsa-lib knows as `name`, in the format nearest to `wanted` that its hardware offers.
    ///
    /// Where the sample format or the channel count is not offered, the other one is taken; the rate is the nearest
    /// the hardware has, without alsa-lib's rate conversion.
    pub fn open(name: &str, wanted: StreamFormat, timing: Timing) -> Result<Self, OpenError> {
        // alsa-lib would write to stderr; the errors below say the same in one line.
        let _messages = Output::local_error_handler();
        let failed = |e: alsa::Error| OpenError::Failed {
            name: name.into(),
            call: e.func(),
            errno: Errno::from_raw(e.errno()),
        };
        let unsupported = |missing| OpenError::Unsupported { name: name.into(), missing };

        let c_name = CString::new(name).map_err(|_| unknown(name))?;
        let pcm =
            PCM::open(&c_name, Direction::Capture, true).map_err(|e| match Errno::from_raw(e.errno()) {
                Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => unknown(name),
                Errno::EBUSY | Errno::EAGAIN => OpenError::Busy { name: name.into() },
                _ => failed(e),
            })?;

        let (format, period_frames) = {
            let hw = HwParams::any(&pcm).map_err(failed)?;
            hw.set_rate_resample(false).map_err(failed)?;
            hw.set_access(Access::RWInterleaved).map_err(|_| unsupported("interleaved access"))?;
            let sample = match wanted.sample {
                SampleFormat::S32 => [SampleFormat::S32, SampleFormat::S16],
                SampleFormat::S16 => [SampleFormat::S16, SampleFormat::S32],
            }
            .into_iter()
            .find(|&s| hw.set_format(alsa_format(s)).is_ok())
            .ok_or_else(|| unsupported("16 or 32-bit samples"))?;
            let channels = [wanted.channels, 1, 2]
                .into_iter()
                .find(|&c| (1..=2).contains(&c) && hw.set_channels(u32::from(c)).is_ok())
                .ok_or_else(|| unsupported("mono or stereo"))?;
            let rate_hz = hw.set_rate_near(wanted.rate_hz, ValueOr::Nearest).map_err(failed)?;
            let frames = |d: Duration| (d.as_nanos() * u128::from(rate_hz) / 1_000_000_000) as Frames;
            hw.set_period_size_near(frames(timing.period), ValueOr::Nearest).map_err(failed)?;
            hw.set_buffer_size_near(frames(timing.buffer)).map_err(failed)?;
            pcm.hw_params(&hw).map_err(failed)?;
            // What is read at a time is what was asked for, whatever the device's interrupts come at, so that the
            // size of a period has a bound that the caller chose.
            let buffer_frames = hw.get_buffer_size().map_err(failed)?;
            let period_frames = frames(timing.period).clamp(1, buffer_frames.max(2) / 2);
            (StreamFormat { rate_hz, channels, sample }, period_frames)
        };
        {
            let sw = pcm.sw_params_current().map_err(failed)?;
            sw.set_avail_min(period_frames).map_err(failed)?;
            pcm.sw_params(&sw).map_err(failed)?;
        }
        pcm.start().map_err(failed)?;
        let period_frames = period_frames as usize;
        Ok(Self {
            pcm,
            format,
            period_frames,
            discontinuity: false,
            resume_attempts: 0,
            last_end: Timestamp::ZERO,
        })
    }

    /// What the device delivers.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// Prepare and start the stream again after frames were lost.
    fn restart(&mut self) -> Result<(), alsa::Error> {
        self.discontinuity = true;
        self.pcm.prepare()?;
        self.pcm.start()
    }

    /// One attempt to wake a suspended device. False while it needs more time.
    fn resume(&mut self) -> Result<bool, alsa::Error> {
        self.discontinuity = true;
        self.resume_attempts += 1;
        match self.pcm.resume() {
            Err(e) if e.errno() == Errno::EAGAIN as i32 && self.resume_attempts < RESUME_ATTEMPTS_MAX => {
                thread::sleep(RESUME_PAUSE);
                return Ok(false);
            }
            // Plugins report success whatever came of it, so only the state counts.
            Ok(()) if self.pcm.state() == State::Running => {}
            // The driver cannot resume (ENOSYS), or does not: begin anew.
            _ => self.restart()?,
        }
        self.resume_attempts = 0;
        Ok(true)
    }

    /// Read a period, waiting for it once. None if there is none yet.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, alsa::Error> {
        let enough = self.pcm.avail_update()? >= self.period_frames as Frames;
        if !enough && !self.pcm.wait(Some(WAIT_MS))? {
            return Ok(None);
        }
        let bytes = self.period_frames * self.format.frame_bytes();
        self.pcm.io_bytes().readi(&mut buffer[..bytes]).map(|frames| (frames > 0).then_some(frames))
    }
}

impl AlsaCapture {
    /// When the frame last read was captured: as long ago as it takes to fill what still waits in the buffer. A
    /// reader that was held up finds several periods there, and each has its own time. Devices tell how much waits
    /// in steps of their own, so the result is kept from going back.
    fn captured_until(&mut self) -> Timestamp {
        let waiting_frames = self.pcm.avail_update().map_or(0, |frames| frames.max(0) as u64);
        let waiting = Duration::from_nanos(waiting_frames * 1_000_000_000 / u64::from(self.format.rate_hz));
        self.last_end = self.last_end.max(MonotonicClock.now().saturating_sub(waiting));
        self.last_end
    }
}

impl Capture for AlsaCapture {
    fn period_bytes_max(&self) -> usize {
        self.period_frames * self.format.frame_bytes()
    }

    /// Driven by the PCM's state: whatever error a call gives, the state tells what to do about it.
    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        for _ in 0..STEPS_MAX {
            let state = self.pcm.state();
            let step = match state {
                State::Running => self.read(buffer),
                State::XRun | State::Setup => self.restart().map(|()| None),
                State::Prepared => self.pcm.start().map(|()| None),
                State::Suspended => match self.resume() {
                    Ok(false) => return Ok(Captured::Pending),
                    resumed => resumed.map(|_| None),
                },
                State::Disconnected => return Err(CaptureError::Disconnected),
                _ => return Err(CaptureError::Failed(Errno::EBADFD)),
            };
            match step.map_err(|e| Errno::from_raw(e.errno())) {
                Ok(Some(frames)) => {
                    return Ok(Captured::Period(Period {
                        frames: frames as u32,
                        format: self.format,
                        end: self.captured_until(),
                        discontinuity: std::mem::take(&mut self.discontinuity),
                    }));
                }
                Ok(None) if state == State::Running => return Ok(Captured::Pending),
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Captured::Pending),
                Err(Errno::ENODEV) => return Err(CaptureError::Disconnected),
                // The state did not change, so it will not be cured by looking at it again.
                Err(errno) if self.pcm.state() == state => return Err(CaptureError::Failed(errno)),
                // Recovered, or the state changed while it was looked at.
                Ok(None) | Err(_) => {}
            }
        }
        Ok(Captured::Pending)
    }

    fn can_wait(&self) -> bool {
        false
    }
}

fn alsa_format(sample: SampleFormat) -> Format {
    match sample {
        SampleFormat::S16 => Format::S16LE,
        SampleFormat::S32 => Format::S32LE,
    }
}

/// The error for a name that alsa-lib does not know, with some that it does.
fn unknown(name: &str) -> OpenError {
    /// A machine with one sound card has some thirty; the first are the ones of use.
    const SHOWN_MAX: usize = 6;
    let names: Vec<String> = HintIter::new_str(None, "pcm")
        .into_iter()
        .flatten()
        // No direction means both.
        .filter(|hint| hint.direction != Some(Direction::Playback))
        .filter_map(|hint| hint.name)
        .filter(|name| name != "null")
        .take(SHOWN_MAX)
        .collect();
    let known = if names.is_empty() { String::new() } else { format!(", e.g. {}", names.join(", ")) };
    OpenError::Unknown { name: name.into(), known }
}
