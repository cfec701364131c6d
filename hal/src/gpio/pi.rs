//! Lines of a Raspberry Pi's header, through rppal: levels straight from the registers, edges from the kernel.
//!
//! rppal maps the GPIO registers. The Raspberry Pi's own kernel has `/dev/gpiomem` for it; Debian's has `/dev/mem`
//! only, and lets it be mapped when its command line has `iomem=relaxed`.

use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use rppal::gpio::{Error, Event, Gpio, InputPin, OutputPin, Trigger};

use super::reconciled::{Input, Reconciled};
use super::{Button, ButtonLine, Edge, GpioError, Led, LedLine, OpenError};
use crate::time::{Clock, Timestamp};

/// A button on the header.
pub struct RppalButton(Reconciled<RppalInput>);

struct RppalInput {
    pin: InputPin,
    active_low: bool,
}

impl RppalButton {
    /// Pull the line to its idle level and ask for edges. Fails with [`Error::UnknownModel`] on anything but a
    /// Raspberry Pi.
    pub fn open(line: &ButtonLine<'_>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Rppal { line: line.line, error };
        let pin = pin(line.line).map_err(failed)?;
        let mut pin = if line.active_low { pin.into_input_pullup() } else { pin.into_input_pulldown() };
        pin.set_interrupt(Trigger::Both, None).map_err(failed)?;
        let input = RppalInput { pin, active_low: line.active_low };
        Ok(Self(Reconciled::new(input, clock).map_err(|errno| failed(Error::Io(errno.into())))?))
    }
}

impl Button for RppalButton {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        self.0.next_edge(until)
    }
}

impl Input for RppalInput {
    fn queued_edge(&mut self) -> Result<Option<Edge>, Errno> {
        let event = self.pin.poll_interrupt(false, Some(Duration::ZERO)).map_err(|e| errno(&e))?;
        Ok(event.map(|event| edge(&event, self.active_low)))
    }

    fn is_pressed(&mut self) -> Result<bool, Errno> {
        Ok(self.pin.is_low() == self.active_low)
    }
}

/// rppal knows electrical edges only. It leaves the kernel's event clock at its default, `CLOCK_MONOTONIC`.
fn edge(event: &Event, active_low: bool) -> Edge {
    Edge { at: event.timestamp, pressed: (event.trigger == Trigger::FallingEdge) == active_low }
}

/// A light on the header, lit when its line is high.
pub struct RppalLed(OutputPin);

impl RppalLed {
    /// Make the line an output that is lit, or not, from the first moment on. Fails with [`Error::UnknownModel`] on
    /// anything but a Raspberry Pi.
    pub fn open(line: &LedLine<'_>, lit: bool) -> Result<Self, OpenError> {
        let pin = pin(line.line).map_err(|error| OpenError::Rppal { line: line.line, error })?;
        Ok(Self(if lit { pin.into_output_high() } else { pin.into_output_low() }))
    }
}

impl Led for RppalLed {
    fn set(&mut self, lit: bool) -> Result<(), GpioError> {
        self.0.write(lit.into());
        Ok(())
    }
}

fn pin(line: u32) -> Result<rppal::gpio::Pin, Error> {
    // A number that no pin has, for one that does not fit.
    Gpio::new()?.get(u8::try_from(line).unwrap_or(u8::MAX))
}

/// What the system said; EIO for what rppal found wrong by itself.
fn errno(error: &Error) -> Errno {
    match error {
        Error::Io(error) => error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimulatedClock;

    #[test]
    fn edges_follow_the_wiring() {
        let event = |trigger| Event { timestamp: Duration::from_millis(3), seqno: 1, trigger };
        for (trigger, active_low, pressed) in [
            (Trigger::FallingEdge, true, true),
            (Trigger::RisingEdge, true, false),
            (Trigger::FallingEdge, false, false),
            (Trigger::RisingEdge, false, true),
        ] {
            let expected = Edge { at: Duration::from_millis(3), pressed };
            assert_eq!(edge(&event(trigger), active_low), expected);
        }
    }

    #[test]
    fn elsewhere_it_says_that_this_is_no_raspberry_pi() {
        if Gpio::new().is_ok() {
            return crate::gpio::not_run("this is a Raspberry Pi");
        }
        let button = ButtonLine { chip_labels: &[], line: 26, active_low: true };
        let failed = RppalButton::open(&button, Arc::new(SimulatedClock::new())).err().unwrap();
        assert!(matches!(failed, OpenError::Rppal { line: 26, error: Error::UnknownModel }), "{failed}");
        let led = LedLine { chip_labels: &[], line: 16 };
        assert!(matches!(RppalLed::open(&led, true), Err(OpenError::Rppal { line: 16, .. })));
    }
}
