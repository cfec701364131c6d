//! Microphone, button, keyboard and light that may be absent, disappear and come back. To the pipeline they never
//! fail: an absent microphone has nothing to give yet, an absent keyboard is a host that is away.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use oratype_hal::gpio::{Button, Edge, GpioError, Led};
use oratype_hal::hid::{HostLeds, Keyboard, KeyboardError, Report};
use oratype_hal::pcm::{Capture, CaptureError, Captured, Period};
use oratype_hal::time::{Clock, Timestamp};

use super::reopen::{Failure, Kind, Opener, Reopened};
use crate::listen::frontend;
use crate::status::{Cause, Status};

/// Bytes that a period may have: 10 ms of 96 kHz S32 stereo, twice what the boards ask for, because a device may give
/// another rate. Also what is kept free in the ring before each period.
const PERIOD_BYTES_MAX: usize = 7680;

/// How long the capture thread rests while there is no microphone; as long as a driver may take for a period.
const ABSENT_WAIT: Duration = Duration::from_millis(100);

/// A microphone that gives nothing for this long is opened again. Longer than a device takes to resume.
const MUTE_MAX: Duration = Duration::from_secs(5);

/// A microphone that may be absent. Reading it neither allocates nor locks while it is there.
pub struct ReopenedMicrophone {
    source: Reopened<Box<dyn Capture>>,
    clock: Arc<dyn Clock>,
    /// When it last gave a period, or was not there.
    heard_at: Timestamp,
    /// It was not there, or another, since the last period.
    interrupted: bool,
}

impl ReopenedMicrophone {
    /// Open it as soon as possible, and again `pause` after it failed or could not be opened; `status` tells whether it
    /// is there. `clock` is `CLOCK_MONOTONIC`, but for tests.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(
        mut open: Opener<Box<dyn Capture>>,
        pause: Duration,
        status: &Arc<Status>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let kind = Kind { name: "microphone", lacking: Some(Cause::Microphone) };
        let open_checked = move || -> Result<Box<dyn Capture>, Failure> {
            let source = open()?;
            match source.period_bytes_max() {
                0..=PERIOD_BYTES_MAX => Ok(source),
                bytes => Err(format!(
                    "its periods take {bytes} bytes, at most {PERIOD_BYTES_MAX} fit: use a lower rate or a shorter \
                     period"
                )
                .into()),
            }
        };
        let source = Reopened::start(kind, Box::new(open_checked), pause, status)?;
        Ok(Self { source, heard_at: clock.now(), clock, interrupted: false })
    }

    fn lose(&mut self) -> Captured {
        self.source.fail();
        self.interrupted = true;
        Captured::Pending
    }
}

impl Capture for ReopenedMicrophone {
    fn period_bytes_max(&self) -> usize {
        PERIOD_BYTES_MAX
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        let Some(source) = self.source.get() else {
            self.heard_at = self.clock.now();
            self.clock.sleep_until(self.heard_at + ABSENT_WAIT);
            return Ok(Captured::Pending);
        };
        Ok(match source.read_period(buffer) {
            Ok(Captured::Period(period)) if frontend::check(period.format).is_ok() => {
                self.source.works();
                self.heard_at = self.clock.now();
                let interrupted = std::mem::take(&mut self.interrupted);
                Captured::Period(Period { discontinuity: period.discontinuity || interrupted, ..period })
            }
            Ok(Captured::Pending) if self.clock.now() < self.heard_at + MUTE_MAX => Captured::Pending,
            // Gone, mute, or of a format that nobody can use.
            _ => self.lose(),
        })
    }

    fn can_wait(&self) -> bool {
        false
    }
}

/// A button that may be absent.
pub(super) struct ReopenedButton {
    button: Reopened<Box<dyn Button>>,
    pressed: bool,
}

impl ReopenedButton {
    pub(super) fn start(
        open: Opener<Box<dyn Button>>,
        pause: Duration,
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        let kind = Kind { name: "button", lacking: Some(Cause::Other) };
        Ok(Self { button: Reopened::start(kind, open, pause, status)?, pressed: false })
    }
}

impl Button for ReopenedButton {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        let Some(button) = self.button.get() else { return Ok(None) };
        let edge = match button.next_edge(until) {
            Ok(edge) => {
                self.button.works();
                edge
            }
            Err(error) => {
                log::error!("{error}");
                self.button.fail();
                // Nobody holds a button that is gone.
                self.pressed.then_some(Edge { at: until, pressed: false })
            }
        };
        self.pressed = edge.map_or(self.pressed, |edge| edge.pressed);
        Ok(edge)
    }
}

/// A keyboard that may be absent.
pub(super) struct ReopenedKeyboard(Reopened<Box<dyn Keyboard>>);

impl ReopenedKeyboard {
    pub(super) fn start(
        open: Opener<Box<dyn Keyboard>>,
        pause: Duration,
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        let kind = Kind { name: "keyboard", lacking: Some(Cause::Usb) };
        Ok(Self(Reopened::start(kind, open, pause, status)?))
    }
}

impl Keyboard for ReopenedKeyboard {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        let keyboard = self.0.get().ok_or(KeyboardError::HostAway)?;
        let result = keyboard.send(report);
        if let Err(error @ KeyboardError::Failed(_)) = result {
            log::error!("{error}");
            self.0.fail();
            // The report is sent again to the next keyboard.
            return Err(KeyboardError::HostAway);
        }
        self.0.works();
        result
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        self.0.get()?.host_leds()
    }

    fn meet_host(&mut self) -> bool {
        let is_there = self.0.get().is_some_and(|keyboard| keyboard.meet_host());
        if is_there {
            self.0.works();
        }
        is_there
    }
}

/// A light that may be absent.
pub(super) struct ReopenedLight(Reopened<Box<dyn Led>>);

impl ReopenedLight {
    pub(super) fn start(
        open: Opener<Box<dyn Led>>,
        pause: Duration,
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        Ok(Self(Reopened::start(Kind { name: "light", lacking: None }, open, pause, status)?))
    }
}

impl Led for ReopenedLight {
    fn set(&mut self, lit: bool) -> Result<(), GpioError> {
        if let Some(light) = self.0.get()
            && let Err(error) = light.set(lit)
        {
            log::error!("light: {error}");
            self.0.fail();
        }
        Ok(())
    }
}
