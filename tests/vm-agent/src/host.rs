//! What a computer does to the USB port of a keyboard, through usbfs.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::{fs, ptr};

use crate::Failure;

/// USB 2.0, table 11-15: requests of hubs; `type` is "class request to a port".
const SET_FEATURE: u8 = 3;
const CLEAR_FEATURE: u8 = 1;
const TO_PORT: u8 = 0x23;
/// USB 2.0, table 11-17.
const PORT_SUSPEND: u16 = 2;
/// dummy_hcd's hub has one.
const PORT: u16 = 1;
const TIMEOUT_MS: u32 = 5000;

/// `struct usbdevfs_ctrltransfer` of linux/usbdevice_fs.h.
#[repr(C)]
struct ControlTransfer {
    request_type: u8,
    request: u8,
    value: u16,
    index: u16,
    length: u16,
    timeout_ms: u32,
    data: *mut std::ffi::c_void,
}

nix::ioctl_readwrite!(usbdevfs_control, b'U', 0, ControlTransfer);

/// Suspend the port of the emulated host controller, or resume it.
pub(crate) fn suspend_port(suspend: bool) -> Result<(), Failure> {
    let hub = hub()?;
    let file =
        OpenOptions::new().read(true).write(true).open(&hub).map_err(|error| format!("{hub}: {error}"))?;
    let mut transfer = ControlTransfer {
        request_type: TO_PORT,
        request: if suspend { SET_FEATURE } else { CLEAR_FEATURE },
        value: PORT_SUSPEND,
        index: PORT,
        length: 0,
        timeout_ms: TIMEOUT_MS,
        data: ptr::null_mut(),
    };
    // SAFETY: the file is usbfs's, the transfer lives until the call returns, and has no data.
    unsafe { usbdevfs_control(file.as_raw_fd(), &raw mut transfer) }?;
    Ok(())
}

/// The node of dummy_hcd's root hub.
fn hub() -> Result<String, Failure> {
    for entry in fs::read_dir("/sys/bus/usb/devices")?.flatten() {
        let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        if read("serial").trim() == "dummy_hcd.0" {
            let number = |name| read(name).trim().parse::<u32>();
            return Ok(format!("/dev/bus/usb/{:03}/{:03}", number("busnum")?, number("devnum")?));
        }
    }
    Err("no dummy_hcd.0".into())
}
