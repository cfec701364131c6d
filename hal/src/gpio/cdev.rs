//! Lines of the kernel's GPIO character device: `/dev/gpiochipN`.
//!
//! Edges carry the kernel's `CLOCK_MONOTONIC` time of the interrupt. The kernel does not debounce: the debounce
//! times an edge by when the level has settled, and the dictation begins at the press.

use std::path::PathBuf;
use std::sync::Arc;

use gpiocdev::Request;
use gpiocdev::chip::Chip;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use nix::errno::Errno;

use super::reconciled::{Input, Reconciled};
use super::{Button, ButtonLine, Edge, GpioError, Led, LedLine, OpenError};
use crate::time::{Clock, Timestamp};

/// Edges the kernel keeps for us. Contacts bounce some ten times; a listener that is a second late still gets a few
/// presses whole.
const QUEUED_EDGES: u32 = 64;

/// Who uses the line, as `gpioinfo` shows it.
const CONSUMER: &str = "oratype";

/// A button on a line of a GPIO chip.
pub struct CdevButton(Reconciled<CdevInput>);

struct CdevInput(Request);

impl CdevButton {
    /// Request the line: pulled to its idle level, edges of both kinds.
    pub fn open(line: &ButtonLine<'_>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let chip = find_chip(line.chip_labels)?;
        let mut builder = Request::builder();
        builder
            .on_chip(&chip)
            .with_consumer(CONSUMER)
            .with_line(line.line)
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_kernel_event_buffer_size(QUEUED_EDGES);
        if line.active_low {
            builder.as_active_low().with_bias(Bias::PullUp);
        } else {
            builder.with_bias(Bias::PullDown);
        }
        let refused = |errno| refused(&chip, line.line, errno);
        let request = builder.request().map_err(|e| refused(errno(&e)))?;
        Ok(Self(Reconciled::new(CdevInput(request), clock).map_err(refused)?))
    }
}

impl Button for CdevButton {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        self.0.next_edge(until)
    }
}

impl Input for CdevInput {
    fn queued_edge(&mut self) -> Result<Option<Edge>, Errno> {
        // Reading blocks when there is nothing.
        if !self.0.has_edge_event().map_err(|e| errno(&e))? {
            return Ok(None);
        }
        let event = self.0.read_edge_event().map_err(|e| errno(&e))?;
        Ok(Some(edge(event.timestamp_ns, event.kind)))
    }

    fn is_pressed(&mut self) -> Result<bool, Errno> {
        Ok(self.0.lone_value().map_err(|e| errno(&e))? == Value::Active)
    }
}

/// Rising is from inactive to active, also on a line that is active low.
fn edge(timestamp_ns: u64, kind: EdgeKind) -> Edge {
    Edge { at: Timestamp::from_nanos(timestamp_ns), pressed: kind == EdgeKind::Rising }
}

/// A light on a line of a GPIO chip, lit when the line is high.
pub struct CdevLed(Request);

impl CdevLed {
    /// Request the line as an output that is lit, or not, from the first moment on.
    pub fn open(line: &LedLine<'_>, lit: bool) -> Result<Self, OpenError> {
        let chip = find_chip(line.chip_labels)?;
        let request = Request::builder()
            .on_chip(&chip)
            .with_consumer(CONSUMER)
            .with_line(line.line)
            .as_output(Value::from(lit))
            .request();
        request.map(Self).map_err(|e| refused(&chip, line.line, errno(&e)))
    }
}

impl Led for CdevLed {
    fn set(&mut self, lit: bool) -> Result<(), GpioError> {
        self.0.set_lone_value(Value::from(lit)).map_err(|e| GpioError(errno(&e)))
    }
}

/// The chip with one of these labels, or else the only one there is.
fn find_chip(labels: &[&str]) -> Result<PathBuf, OpenError> {
    let chips: Vec<(PathBuf, String)> = gpiocdev::chip::chips()
        .map_err(|e| OpenError::NoChips(errno(&e)))?
        .into_iter()
        .filter_map(|path| {
            let label = Chip::from_path(&path).and_then(|chip| chip.info()).ok()?.label;
            Some((path, label))
        })
        .collect();
    if chips.is_empty() {
        return Err(OpenError::NoChips(Errno::ENODEV));
    }
    choose_chip(&chips, labels).ok_or_else(|| OpenError::OtherChips {
        wanted: labels.join(" or "),
        found: chips.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(", "),
    })
}

fn choose_chip(chips: &[(PathBuf, String)], labels: &[&str]) -> Option<PathBuf> {
    let labelled = chips.iter().find(|(_, label)| labels.contains(&label.as_str()));
    let only = || if let [only] = chips { Some(only) } else { None };
    labelled.or_else(only).map(|(path, _)| path.clone())
}

fn refused(chip: &std::path::Path, line: u32, errno: Errno) -> OpenError {
    OpenError::Refused { chip: chip.display().to_string(), line, errno }
}

/// What the kernel said; EIO for what gpiocdev found wrong by itself.
fn errno(error: &gpiocdev::Error) -> Errno {
    match error {
        gpiocdev::Error::Os(errno) | gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) => {
            Errno::from_raw(errno.0)
        }
        gpiocdev::Error::NoGpioChips() => Errno::ENODEV,
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::time::Duration;

    use gpiosim::{Level, Simpleton};

    use super::*;
    use crate::gpio::conformance;
    use crate::time::MonotonicClock;

    #[test]
    fn an_edge_keeps_the_kernels_time() {
        assert_eq!(edge(7_000_000, EdgeKind::Rising), Edge { at: Duration::from_millis(7), pressed: true });
        assert_eq!(
            edge(8_000_001, EdgeKind::Falling),
            Edge { at: Duration::from_nanos(8_000_001), pressed: false }
        );
    }

    #[test]
    fn a_chip_is_found_by_its_label_or_by_being_the_only_one() {
        let chip = |n: u32, label: &str| (PathBuf::from(format!("/dev/gpiochip{n}")), label.to_owned());
        let chips = [chip(0, "pinctrl-bcm2711"), chip(1, "raspberrypi-exp-gpio")];
        let chosen =
            |chips, labels: &[&str]| choose_chip(chips, labels).map(|path| path.display().to_string());
        assert_eq!(chosen(&chips, &["pinctrl-bcm2711"]).as_deref(), Some("/dev/gpiochip0"));
        assert_eq!(chosen(&chips, &["other", "raspberrypi-exp-gpio"]).as_deref(), Some("/dev/gpiochip1"));
        assert_eq!(chosen(&chips[1..], &["other"]).as_deref(), Some("/dev/gpiochip1"));
        assert_eq!(chosen(&chips, &["other"]), None);
        assert_eq!(chosen(&[], &["other"]), None);
    }

    #[test]
    fn errors_are_the_kernels() {
        let os = |n| gpiocdev::Error::from(std::io::Error::from_raw_os_error(n));
        assert_eq!(errno(&os(16)), Errno::EBUSY);
        assert_eq!(errno(&gpiocdev::Error::NoGpioChips()), Errno::ENODEV);
        assert_eq!(errno(&gpiocdev::Error::InvalidArgument("x".into())), Errno::EIO);
    }

    /// Needs the kernel's gpio-sim, configfs and root.
    #[test]
    fn lines_of_a_simulated_chip_conform() {
        const LABEL: &str = "gpiosim";
        let Ok(chip) = catch_unwind(|| Simpleton::new(4)) else {
            return crate::gpio::not_run("a chip of the kernel's gpio-sim cannot be made here");
        };
        let label = Chip::from_path(chip.dev_path()).unwrap().info().unwrap().label;
        let labels = [label.as_str(), LABEL];
        let mut led = CdevLed::open(&LedLine { chip_labels: &labels, line: 1 }, true).unwrap();
        assert_eq!(chip.get_level(1).unwrap(), Level::High);
        conformance::check_led(&mut led, || chip.get_level(1).unwrap() == Level::High);

        chip.pullup(2).unwrap();
        let line = ButtonLine { chip_labels: &labels, line: 2, active_low: true };
        let mut button = CdevButton::open(&line, Arc::new(MonotonicClock)).unwrap();
        assert_eq!(button.next_edge(Timestamp::MAX), Ok(None));
        let start = MonotonicClock.now();
        chip.pulldown(2).unwrap();
        let down = button.next_edge(Timestamp::MAX).unwrap().unwrap();
        chip.pullup(2).unwrap();
        let up = button.next_edge(Timestamp::MAX).unwrap().unwrap();
        assert!(down.pressed && !up.pressed && start <= down.at && down.at <= up.at, "{down:?} {up:?}");
        assert!(
            CdevLed::open(&LedLine { chip_labels: &labels, line: 2 }, false).is_err(),
            "the line is in use"
        );
    }
}
