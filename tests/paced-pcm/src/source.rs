//! The imagined hardware: a counter of frames that follows the clock, and a buffer's worth of the newest ones.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use oratype_hal::time::{Clock, MonotonicClock, Timestamp};

/// What asound.conf says about the PCM.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) rate_hz: u64,
    pub(crate) speed: u64,
    pub(crate) xrun_every: u64,
    pub(crate) suspend_every: u64,
    pub(crate) resumes: bool,
    pub(crate) disconnect_at: u64,
}

/// What went wrong, on demand or for a late reader.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Xrun,
    Suspend,
    Disconnect,
}

/// What the hardware says when it is asked where it is.
pub(crate) enum Position {
    /// Frames written to the buffer since the last start.
    Written(u64),
    Failed(Fault),
}

/// Frames are numbered from 0 at the first start, and the count goes on with the clock whatever happens, so that
/// what is lost in an overrun or a suspend is missing from the numbers.
pub(crate) struct Source {
    settings: Settings,
    /// Ticks once a period, to wake whoever polls.
    pub(crate) timer: Timer,
    /// The clock at frame 0.
    epoch: Option<Timestamp>,
    /// The frame that was at the start of the buffer.
    base: u64,
    /// The first frame not yet written when the position was last asked for.
    written: u64,
    next_xrun: u64,
    next_suspend: u64,
}

impl Source {
    pub(crate) fn new(settings: Settings) -> Result<Self, Errno> {
        let first = |every: u64| if every == 0 { u64::MAX } else { every };
        Ok(Self {
            settings,
            timer: Timer::new()?,
            epoch: None,
            base: 0,
            written: 0,
            next_xrun: first(settings.xrun_every),
            next_suspend: first(settings.suspend_every),
        })
    }

    /// The frame that is captured now.
    fn now(&self) -> u64 {
        let elapsed = self.epoch.map_or(Duration::ZERO, |epoch| MonotonicClock.now() - epoch);
        let rate_hz = u128::from(self.settings.rate_hz * self.settings.speed);
        (elapsed.as_nanos() * rate_hz / 1_000_000_000) as u64
    }

    /// Begin with an empty buffer.
    pub(crate) fn start(&mut self, period_frames: u64) -> Result<(), Errno> {
        self.epoch.get_or_insert_with(|| MonotonicClock.now());
        self.base = self.now();
        self.written = self.base;
        let rate_hz = self.settings.rate_hz * self.settings.speed;
        self.timer.tick_every(Duration::from_nanos((period_frames * 1_000_000_000 / rate_hz).max(1)))
    }

    /// No ticks, and an empty buffer.
    pub(crate) fn stop(&mut self) {
        self.base = self.written;
        self.timer.stop();
    }

    /// Frames written since the start, when last looked at.
    pub(crate) fn written(&self) -> u64 {
        self.written - self.base
    }

    /// Let the hardware write until now, or until something fails. The application has read `applied` frames since
    /// the start.
    pub(crate) fn advance(&mut self, applied: u64, buffer_frames: u64) -> Position {
        let now = self.now();
        if self.settings.disconnect_at != 0 && now >= self.settings.disconnect_at {
            return Position::Failed(Fault::Disconnect);
        }
        if now >= self.next_suspend {
            self.next_suspend = now + self.settings.suspend_every;
            return Position::Failed(Fault::Suspend);
        }
        if now >= self.next_xrun {
            self.next_xrun = now + self.settings.xrun_every;
            return Position::Failed(Fault::Xrun);
        }
        // A full buffer counts as overrun too: to alsa-lib it would look like an empty one.
        if now - (self.base + applied) >= buffer_frames {
            return Position::Failed(Fault::Xrun);
        }
        self.written = now;
        Position::Written(self.written())
    }

    /// Frames there would be to read if the position was asked for now.
    pub(crate) fn readable_now(&self, applied: u64) -> u64 {
        self.now() - (self.base + applied)
    }

    /// The number of the frame that follows the `applied` first ones since the start.
    pub(crate) fn number(&self, applied: u64) -> u64 {
        self.base + applied
    }

    /// Go on after a suspend, if that works here. What was captured meanwhile is lost.
    pub(crate) fn resume(&mut self) -> bool {
        if self.settings.resumes {
            let lost = self.now() - self.written;
            self.base += lost;
            self.written += lost;
        }
        self.settings.resumes
    }

    pub(crate) fn clear_tick(&self) {
        self.timer.clear();
    }
}

/// A timer that can be polled.
pub(crate) struct Timer(TimerFd);

impl Timer {
    fn new() -> Result<Self, Errno> {
        TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC).map(Self)
    }

    fn tick_every(&self, interval: Duration) -> Result<(), Errno> {
        self.0.set(Expiration::Interval(TimeSpec::from_duration(interval)), TimerSetTimeFlags::empty())
    }

    fn stop(&self) {
        // Fails only for what is no timer.
        let _ = self.0.unset();
    }

    fn clear(&self) {
        // EAGAIN if it did not tick since.
        let _ = self.0.wait();
    }

    pub(crate) fn as_fd_raw(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
