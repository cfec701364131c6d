//! Which driver a line gets: rppal where it works, else the GPIO character device.

use std::fmt::Display;
use std::sync::Arc;

use nix::errno::Errno;

use super::{Button, CdevButton, CdevLed, Led, RppalButton, RppalLed};
use crate::time::Clock;

/// Where a button is.
#[derive(Clone, Copy, Debug)]
pub struct ButtonLine<'a> {
    /// What the kernel may call the chip; not needed where there is only one.
    pub chip_labels: &'a [&'a str],
    /// The line, counted from 0 on the chip.
    pub line: u32,
    /// Whether the line is low while the button is down. It is pulled to the other level.
    pub active_low: bool,
}

/// Where a light is. It is lit when the line is high.
#[derive(Clone, Copy, Debug)]
pub struct LedLine<'a> {
    /// What the kernel may call the chip; not needed where there is only one.
    pub chip_labels: &'a [&'a str],
    /// The line, counted from 0 on the chip.
    pub line: u32,
}

/// Why a line could not be used. Do not retry, but for a line in use.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no GPIO chip at all.
    #[error(
        "no GPIO chip in /dev: {0}: the kernel lacks its driver, or this user may not open /dev/gpiochip*"
    )]
    NoChips(Errno),
    /// There are several GPIO chips, and none is the one.
    #[error("no GPIO chip is called {wanted}, only {found}: is this the board that was asked for?")]
    OtherChips {
        /// Labels it might have.
        wanted: String,
        /// Labels there are.
        found: String,
    },
    /// The kernel refused: EBUSY when something else uses the line, EINVAL when there is no such line.
    #[error(
        "line {line} of {chip}: {errno}: gpioinfo shows who uses it; choose another GPIO in the settings"
    )]
    Refused {
        /// The device file.
        chip: String,
        /// The line.
        line: u32,
        /// What the kernel said.
        errno: Errno,
    },
    /// rppal cannot be used: this is no Raspberry Pi, or its registers cannot be mapped.
    #[error(
        "GPIO{line} through rppal: {error}: it needs a Raspberry Pi, and iomem=relaxed with Debian's kernel"
    )]
    Rppal {
        /// The line.
        line: u32,
        /// What rppal said.
        error: rppal::gpio::Error,
    },
}

/// Open the button with the driver that works here.
pub fn open_button(line: &ButtonLine<'_>, clock: Arc<dyn Clock>) -> Result<Box<dyn Button>, OpenError> {
    match RppalButton::open(line, Arc::clone(&clock)) {
        Ok(button) => {
            taken("button", line.line, "rppal");
            Ok(Box::new(button))
        }
        Err(error) => {
            passed_over("button", &error);
            let button = CdevButton::open(line, clock)?;
            taken("button", line.line, "the GPIO character device");
            Ok(Box::new(button))
        }
    }
}

/// Open the light with the driver that works here; it is lit, or not, from the first moment on.
pub fn open_led(line: &LedLine<'_>, lit: bool) -> Result<Box<dyn Led>, OpenError> {
    match RppalLed::open(line, lit) {
        Ok(led) => {
            taken("light", line.line, "rppal");
            Ok(Box::new(led))
        }
        Err(error) => {
            passed_over("light", &error);
            let led = CdevLed::open(line, lit)?;
            taken("light", line.line, "the GPIO character device");
            Ok(Box::new(led))
        }
    }
}

fn taken(what: &str, line: u32, driver: &str) {
    log::info!("{what}: line {line} through {driver}");
}

fn passed_over(what: &str, error: &dyn Display) {
    log::info!("{what}: {error}; trying the GPIO character device");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimulatedClock;

    /// The message must tell of the last thing that was tried.
    #[test]
    fn without_any_gpio_the_character_device_is_what_is_missing() {
        if gpiocdev::chip::chips().is_ok_and(|chips| !chips.is_empty()) {
            return crate::gpio::not_run("this machine has GPIO");
        }
        let line = ButtonLine { chip_labels: &["none"], line: 26, active_low: true };
        let failed = open_button(&line, Arc::new(SimulatedClock::new())).err().unwrap();
        assert!(failed.to_string().starts_with("no GPIO chip in /dev"), "{failed}");
        let failed = open_led(&LedLine { chip_labels: &["none"], line: 16 }, true).err().unwrap();
        assert!(matches!(failed, OpenError::NoChips(_)));
    }
}
