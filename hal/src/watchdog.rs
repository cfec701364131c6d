//! The hardware watchdog: a timer that reboots the machine unless it is fed.
//!
//! See the kernel's Documentation/watchdog/watchdog-api.rst.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

/// Written before closing, it stops the timer ("magic close").
const MAGIC_CLOSE: &[u8] = b"V";

/// From include/uapi/linux/watchdog.h. The request numbers say `int`, and so does the kernel.
mod ioctl {
    const WATCHDOG_IOCTL_BASE: u8 = b'W';
    nix::ioctl_read!(keep_alive, WATCHDOG_IOCTL_BASE, 5, i32);
    nix::ioctl_readwrite!(set_timeout, WATCHDOG_IOCTL_BASE, 6, i32);
    nix::ioctl_read!(get_timeout, WATCHDOG_IOCTL_BASE, 7, i32);
}

/// Why the watchdog could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// There is none (ENOENT, ENODEV), it is in use (EBUSY), or not for this user (EACCES).
    #[error(
        "no watchdog at {}: {error}: needs the board's watchdog module, e.g. bcm2835_wdt, and root",
        path.display()
    )]
    Open {
        /// The device.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// It is no watchdog, or its driver does not do this.
    #[error("{}: {request} failed: {errno}", path.display())]
    Failed {
        /// The device.
        path: PathBuf,
        /// What was asked.
        request: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
}

/// A running watchdog. Dropping it leaves the timer running: whoever does not open it again, and feed it, in time is
/// rebooted. Only [`disarm`](Self::disarm) stops it.
#[derive(Debug)]
pub struct Watchdog {
    path: PathBuf,
    device: File,
    timeout: Duration,
}

impl Watchdog {
    /// Start the watchdog at `path`, to bite after `timeout` or the nearest the hardware has; the Raspberry Pi's
    /// takes at most 15 s. Opening starts the timer.
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, WatchdogError> {
        let device = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|error| WatchdogError::Open { path: path.into(), error })?;
        let mut watchdog = Self { path: path.into(), device, timeout };
        let mut seconds = timeout.as_secs() as i32;
        // SAFETY: the kernel reads and writes the one `int` that `seconds` is.
        let result = unsafe { ioctl::set_timeout(watchdog.device.as_raw_fd(), &raw mut seconds) };
        match result {
            Ok(_) => {}
            // The driver has one timeout, or does not take this one: what it has counts.
            Err(Errno::EOPNOTSUPP | Errno::EINVAL) => {
                // SAFETY: as above.
                let result = unsafe { ioctl::get_timeout(watchdog.device.as_raw_fd(), &raw mut seconds) };
                watchdog.check("WDIOC_GETTIMEOUT", result)?;
            }
            Err(_) => watchdog.check("WDIOC_SETTIMEOUT", result)?,
        }
        watchdog.timeout = Duration::from_secs(u64::from(seconds.unsigned_abs()));
        Ok(watchdog)
    }

    /// The time after which it bites, as the hardware has it.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Start its time anew.
    pub fn feed(&mut self) -> Result<(), WatchdogError> {
        let mut ignored = 0;
        // SAFETY: the kernel leaves the `int` alone or writes it.
        let result = unsafe { ioctl::keep_alive(self.device.as_raw_fd(), &raw mut ignored) };
        self.check("WDIOC_KEEPALIVE", result)
    }

    /// Stop the timer: an orderly end. A kernel built with `CONFIG_WATCHDOG_NOWAYOUT` lets it run on.
    pub fn disarm(mut self) -> Result<(), WatchdogError> {
        let written = self.device.write_all(MAGIC_CLOSE);
        let errno = |e: io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(0));
        self.check("the magic close", written.map(|()| 0).map_err(errno))
    }

    fn check(&self, request: &'static str, result: nix::Result<i32>) -> Result<(), WatchdogError> {
        result.map(drop).map_err(|errno| WatchdogError::Failed { path: self.path.clone(), request, errno })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);

    #[test]
    fn a_missing_watchdog_is_named() {
        let error = Watchdog::open(Path::new("/dev/no-watchdog"), TIMEOUT).unwrap_err();
        assert!(matches!(error, WatchdogError::Open { .. }));
        assert!(error.to_string().contains("/dev/no-watchdog"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_watchdog_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Watchdog::open(file.path(), TIMEOUT).unwrap_err();
        assert!(matches!(error, WatchdogError::Failed { errno: Errno::ENOTTY, .. }), "{error}");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"", "it was written to");
    }

    /// include/uapi/linux/watchdog.h, worked out by the kernel's `_IOR` and `_IOWR`.
    #[test]
    fn the_request_numbers_are_the_kernels() {
        assert_eq!(nix::request_code_read!(b'W', 5, size_of::<i32>()) as u32, 0x8004_5705);
        assert_eq!(nix::request_code_readwrite!(b'W', 6, size_of::<i32>()) as u32, 0xc004_5706);
        assert_eq!(nix::request_code_read!(b'W', 7, size_of::<i32>()) as u32, 0x8004_5707);
    }
}
