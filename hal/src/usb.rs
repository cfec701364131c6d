//! The USB device that Oratype is to its host: a boot keyboard and a serial port, made through configfs.
//!
//! Needs the kernel modules libcomposite, usb_f_hid and usb_f_acm, configfs mounted, devtmpfs on /dev and a USB
//! device controller (UDC). No udev: nodes are found by their numbers.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use usb_gadget::function::other::Other;
use usb_gadget::function::serial::{Serial, SerialClass};
use usb_gadget::function::{Handle, util};
use usb_gadget::{Class, Config, Id, RegGadget, Strings, Udc};

use crate::hid::Report;
use crate::time::{Clock, Timestamp};

/// Name of the gadget in configfs. What bears it is ours to remove; anything else is not.
const NAME: &str = "oratype";

const MANUFACTURER: &str = "Oratype";
const PRODUCT: &str = "Oratype dictation keyboard";

/// "Multifunction Composite Gadget" of the Linux Foundation: what Linux gadgets without an ID of their own use, and
/// known to every host's drivers. It is for development: a product that is sold needs its own (see pid.codes).
const ID: Id = Id::LINUX_FOUNDATION_COMPOSITE;

/// bcdDevice. Hosts cache descriptors by IDs and this number: raise it when the descriptors change.
const DEVICE_RELEASE: u16 = 0x0100;

/// The most that a USB 2 port gives, in mA.
const MAX_POWER_MA: u16 = 500;

/// Where the device tree has the board's serial number.
const SERIAL_NUMBER: &str = "/proc/device-tree/serial-number";

/// Serial number of a machine that has none. A constant: the host knows the keyboard again after a restart.
const NO_SERIAL_NUMBER: &str = "0000000000000000";

/// Packet size of the keyboard's endpoint, larger than a report. f_hid ends a report that fills its packet with an
/// empty one, for which the host has to ask once more: each report would take twice as long, and a host that left
/// in between would have a report that the kernel takes for dropped.
const PACKET_BYTES: u8 = 16;
const _: () = assert!(PACKET_BYTES as usize > Report::BYTES);

/// How often the host is to ask for a report, bInterval of the keyboard's endpoint: every millisecond at full speed,
/// every microframe (125 µs) at high speed. f_hid takes it from Linux 6.16 on; before that it says 10 ms and 1 ms.
const POLL_INTERVAL: u8 = 1;

/// How often to look for the controller. sysfs has no event for a new one but uevents, of which a container or a
/// small init may see none; its driver needs some 100 ms to come up.
const CONTROLLER_POLL: Duration = Duration::from_millis(10);

/// A gadget whose controller is gone or which somebody unbound is bound again after this time: long enough for
/// whoever unbound it on purpose to bind it, short enough for a person who waits.
const REBIND_AFTER: Duration = Duration::from_secs(5);

/// Report descriptor of a boot keyboard (HID 1.11, appendix B.1), with the keys that keyboards outside
/// the United States have.
#[rustfmt::skip]
pub const REPORT_DESCRIPTOR: [u8; 64] = [
    0x05, 0x01,       // Usage Page (Generic Desktop)
    0x09, 0x06,       // Usage (Keyboard)
    0xa1, 0x01,       // Collection (Application)
    0x05, 0x07,       //   Usage Page (Keyboard)
    0x19, 0xe0,       //   Usage Minimum (Left Ctrl)
    0x29, 0xe7,       //   Usage Maximum (Right GUI)
    0x15, 0x00,       //   Logical Minimum (0)
    0x25, 0x01,       //   Logical Maximum (1)
    0x75, 0x01,       //   Report Size (1)
    0x95, 0x08,       //   Report Count (8)
    0x81, 0x02,       //   Input (Data, Variable, Absolute): modifiers
    0x95, 0x01,       //   Report Count (1)
    0x75, 0x08,       //   Report Size (8)
    0x81, 0x01,       //   Input (Constant): reserved
    0x95, 0x05,       //   Report Count (5)
    0x75, 0x01,       //   Report Size (1)
    0x05, 0x08,       //   Usage Page (LEDs)
    0x19, 0x01,       //   Usage Minimum (Num Lock)
    0x29, 0x05,       //   Usage Maximum (Kana)
    0x91, 0x02,       //   Output (Data, Variable, Absolute): lock lights
    0x95, 0x01,       //   Report Count (1)
    0x75, 0x03,       //   Report Size (3)
    0x91, 0x01,       //   Output (Constant): padding
    0x95, 0x06,       //   Report Count (6)
    0x75, 0x08,       //   Report Size (8)
    0x15, 0x00,       //   Logical Minimum (0)
    0x26, 0xdd, 0x00, //   Logical Maximum (221, the last usage before the modifiers)
    0x05, 0x07,       //   Usage Page (Keyboard)
    0x19, 0x00,       //   Usage Minimum (0)
    0x29, 0xdd,       //   Usage Maximum (221)
    0x81, 0x00,       //   Input (Data, Array): six keys
    0xc0,             // End Collection
];

/// Why there is no gadget. Names the controller and what a person can do.
#[derive(Debug, thiserror::Error)]
pub enum GadgetError {
    /// The controller did not appear in time.
    #[error(
        "no USB device controller {udc} (there: {present}); check [usb] udc, the device tree overlay and that the \
         port is in device mode"
    )]
    NoController {
        /// The one that was wanted.
        udc: String,
        /// Those that are there.
        present: String,
    },
    /// Another gadget is bound to the controller. It is left alone.
    #[error("another gadget holds the USB device controller {udc}; remove it from configfs first")]
    Busy {
        /// The controller.
        udc: String,
    },
    /// The kernel refused.
    #[error(
        "cannot make a USB gadget on {udc}: {source}; needs root, configfs mounted and the kernel modules \
         libcomposite, usb_f_hid and usb_f_acm"
    )]
    Failed {
        /// The controller.
        udc: String,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// Our gadget, bound to a controller; unbound and removed on drop.
#[derive(Debug)]
pub struct Gadget {
    registered: RegGadget,
    keyboard: Other,
    udc: Udc,
    state: UdcState,
    /// Since when it is seen unbound.
    unbound_since: Option<Timestamp>,
}

impl Gadget {
    /// Make the gadget on the controller `udc` (a name in `/sys/class/udc`), which is waited for at most `wait`.
    ///
    /// A gadget of the same name that a killed process left behind is removed first. Two processes that do this at
    /// the same time take the gadget from each other.
    ///
    /// # Errors
    /// See [`GadgetError`]. Nothing is left in configfs.
    pub fn create(udc: &str, wait: Duration, clock: &dyn Clock) -> Result<Self, GadgetError> {
        let failed = |source| GadgetError::Failed { udc: udc.to_owned(), source };
        let controller = wait_for_controller(udc, wait, clock)?;
        remove_stale().map_err(failed)?;

        let state = UdcState::open(&sysfs(&controller).join("state")).map_err(failed)?;
        let register = |poll_interval| {
            let (keyboard, function) = keyboard_function(poll_interval)?;
            Ok((keyboard, gadget_with(function).register()?))
        };
        let (keyboard, registered) = register(Some(POLL_INTERVAL))
            .or_else(|error| {
                log::info!("the kernel chooses how often the host asks the keyboard ({error})");
                register(None)
            })
            .map_err(failed)?;
        registered.bind(Some(&controller)).map_err(|e| match e.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EBUSY) => GadgetError::Busy { udc: udc.to_owned() },
            _ => failed(e),
        })?;
        Ok(Self { registered, keyboard, udc: controller, state, unbound_since: None })
    }

    /// The keyboard's device node. It changes when the gadget is bound again.
    ///
    /// # Errors
    /// When there is none, as while the gadget is unbound.
    pub fn keyboard_node(&self) -> std::io::Result<PathBuf> {
        let number = String::from_utf8_lossy(&self.keyboard.get("dev")?).trim().to_owned();
        let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let (major, minor) = number.split_once(':').ok_or_else(invalid)?;
        util::dev_path(major.parse().map_err(|_| invalid())?, minor.parse().map_err(|_| invalid())?)
    }

    /// Bind the gadget again where it has been seen unbound for 5 s: its controller went away and came back, or
    /// somebody unbound it. Call it now and then while the host is away.
    pub fn keep_bound(&mut self, now: Timestamp) {
        if !matches!(self.registered.udc(), Ok(None)) {
            self.unbound_since = None;
            return;
        }
        let since = *self.unbound_since.get_or_insert(now);
        if now.saturating_sub(since) >= REBIND_AFTER {
            self.unbound_since = None;
            match self.registered.bind(Some(&self.udc)) {
                Ok(()) => log::warn!("the USB gadget was unbound; bound it again"),
                Err(error) => log::warn!("cannot bind the USB gadget again: {error}"),
            }
        }
    }

    /// Whether a host may have configured the gadget since the last call. Also true after other changes that the
    /// controller's driver tells.
    pub fn was_configured(&mut self) -> bool {
        self.state.was_configured()
    }

    /// Whether the host has suspended the bus, as far as the controller's driver tells.
    pub fn is_suspended(&self) -> bool {
        // `gadget.N/suspended` is made by the kernel's composite framework beside the UDC's class device.
        let parent = sysfs(&self.udc).join("device");
        let Ok(entries) = fs::read_dir(parent) else { return false };
        entries
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"gadget"))
            .any(|entry| fs::read(entry.path().join("suspended")).is_ok_and(|value| value.starts_with(b"1")))
    }

    /// Ask the host to wake. It does if it has armed remote wake-up and the controller's driver can (dwc2 of Linux
    /// 6.12 cannot).
    pub fn wake_host(&self) {
        // In spite of its name, this attribute signals remote wake-up (usb_udc_srp_store in udc/core.c).
        if let Err(error) = self.udc.start_srp() {
            log::debug!("the controller cannot wake the host: {error}");
        }
    }
}

/// A boot keyboard; with a poll interval where the kernel takes one.
fn keyboard_function(poll_interval: Option<u8>) -> std::io::Result<(Other, Handle)> {
    let mut hid = Other::builder("hid")?;
    // Boot interface, keyboard protocol: a BIOS uses nothing else.
    hid.set("subclass", "1")?;
    hid.set("protocol", "1")?;
    hid.set("report_desc", REPORT_DESCRIPTOR)?;
    hid.set("report_length", PACKET_BYTES.to_string())?;
    // With an OUT endpoint a SET_REPORT request, which a BIOS may send for the lock lights, is stalled.
    hid.set("no_out_endpoint", "1")?;
    if let Some(interval) = poll_interval {
        hid.set("interval", interval.to_string())?;
    }
    Ok(hid.build())
}

/// The gadget around the keyboard.
fn gadget_with(keyboard: Handle) -> usb_gadget::Gadget {
    // Reserved for control from the host; nothing listens yet.
    let (_serial, serial) = Serial::new(SerialClass::Acm);
    let mut config = Config::new("Keyboard and serial port");
    config.max_power = MAX_POWER_MA;
    config.remote_wakeup = true;
    // The keyboard is the first interface: some BIOSes look at no other.
    config.add_function(keyboard);
    config.add_function(serial);

    let strings = Strings::new(MANUFACTURER, PRODUCT, serial_number(Path::new(SERIAL_NUMBER)));
    // The serial port spans two interfaces, which Windows takes together only under this device class.
    let mut gadget = usb_gadget::Gadget::new(Class::MISCELLANEOUS_IAD, ID, strings);
    gadget.name = Some(NAME.to_owned());
    gadget.device_release = DEVICE_RELEASE;
    gadget.add_config(config);
    gadget
}

fn sysfs(udc: &Udc) -> PathBuf {
    Path::new("/sys/class/udc").join(udc.name())
}

/// The controller's `state` attribute. What it says is not to be relied on: with some controllers it stays
/// "configured" when the host suspends, leaves, or another gadget is bound. But the kernel notifies each change, and
/// each configuration by a host even if it says the same as before (usb_gadget_set_state in udc/core.c).
#[derive(Debug)]
struct UdcState {
    attribute: File,
    suspended: bool,
}

impl UdcState {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut state = Self { attribute: File::open(path)?, suspended: false };
        state.read();
        Ok(state)
    }

    /// Whether it says that the host has suspended the bus; from here on later changes are notified.
    fn read(&mut self) -> bool {
        let mut value = [0; 16];
        let length = self.attribute.read_at(&mut value, 0).unwrap_or(0);
        self.suspended = value[..length].starts_with(b"suspended");
        self.suspended
    }

    fn was_configured(&mut self) -> bool {
        let mut fds = [PollFd::new(self.attribute.as_fd(), PollFlags::POLLPRI)];
        let changed = matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1));
        // Falling asleep and waking up configure nothing.
        changed && !(self.suspended | self.read())
    }
}

/// The controller of this name, as soon as it is there.
fn wait_for_controller(name: &str, wait: Duration, clock: &dyn Clock) -> Result<Udc, GadgetError> {
    let deadline = clock.now() + wait;
    loop {
        let mut controllers = usb_gadget::udcs().unwrap_or_default();
        if let Some(found) = controllers.iter().position(|udc| udc.name() == name) {
            return Ok(controllers.swap_remove(found));
        }
        let now = clock.now();
        if now >= deadline {
            let names: Vec<_> = controllers.iter().map(|udc| udc.name().to_string_lossy()).collect();
            let present = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(GadgetError::NoController { udc: name.to_owned(), present });
        }
        clock.sleep_until(deadline.min(now + CONTROLLER_POLL));
    }
}

/// Remove what a killed process left of our gadget.
fn remove_stale() -> std::io::Result<()> {
    for gadget in usb_gadget::registered()? {
        if gadget.name() == NAME {
            log::info!("removing the USB gadget that an earlier run left behind");
            gadget.remove()?;
        }
    }
    Ok(())
}

/// The board's serial number from the device tree, which ends it with a zero byte.
fn serial_number(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let number: Vec<u8> = bytes.into_iter().filter(u8::is_ascii_alphanumeric).collect();
    String::from_utf8(number).ok().filter(|n| !n.is_empty()).unwrap_or_else(|| NO_SERIAL_NUMBER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimulatedClock;

    #[test]
    fn the_serial_number_is_the_boards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serial-number");
        assert_eq!(serial_number(&path), NO_SERIAL_NUMBER);
        for (content, expected) in [
            (&b"10000000abcdef01\0"[..], "10000000abcdef01"),
            (b"\0", NO_SERIAL_NUMBER),
            (b"a \xff\nb", "ab"),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(serial_number(&path), expected);
        }
    }

    #[test]
    fn a_missing_controller_is_named_when_the_wait_is_over() {
        let clock = SimulatedClock::new();
        let error = Gadget::create("no-such.udc", Duration::from_secs(10), &clock).unwrap_err();
        assert!(matches!(error, GadgetError::NoController { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("no-such.udc") && message.contains("[usb] udc"), "{message}");
        assert_eq!(clock.now(), Duration::from_secs(10));
    }

    /// Walks the descriptor's items and adds up what a host would read: the boot layout, whatever the wording.
    #[test]
    fn the_descriptor_describes_the_boot_report() {
        let (mut size, mut count, mut input_bits, mut output_bits, mut depth) = (0_u32, 0_u32, 0, 0, 0);
        let mut rest = &REPORT_DESCRIPTOR[..];
        while let [prefix, tail @ ..] = rest {
            let len = usize::from(prefix & 3);
            let (data, next) = tail.split_at(len);
            let value = data.iter().rev().fold(0, |value, &b| value << 8 | u32::from(b));
            match prefix & 0xfc {
                0x74 => size = value,
                0x94 => count = value,
                0x80 => input_bits += size * count,
                0x90 => output_bits += size * count,
                0xa0 => depth += 1,
                0xc0 => depth -= 1,
                _ => {}
            }
            rest = next;
        }
        assert_eq!((input_bits, output_bits, depth), (64, 8, 0));
    }
}
