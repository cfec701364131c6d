//! The keyboard of a USB gadget, through `/dev/hidgN`.

mod drops;
mod link;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::uio::writev;
use nix::unistd;

use self::drops::DropLog;
use self::link::{Link, Node};
use super::{HostLeds, Keyboard, KeyboardError, OpenError, Report, errno_of};
use crate::time::{MonotonicClock, Timestamp};
use crate::usb::{Gadget, GadgetError};

/// A keyboard that a USB host sees.
///
/// A report counts as sent when the host has fetched it, so nothing is lost or typed twice when the host goes away
/// in the middle. What that rests on, and its one limit, stands in the first lines of `gadget/link.rs`.
pub struct GadgetKeyboard(Link<Hidg>);

impl GadgetKeyboard {
    /// Make the USB gadget on the controller `udc`, which is waited for at most `wait`, and be its keyboard. The
    /// gadget is removed on drop.
    ///
    /// # Errors
    /// As [`Gadget::create`].
    pub fn create(udc: &str, wait: Duration) -> Result<Self, GadgetError> {
        let clock = MonotonicClock;
        let gadget = Gadget::create(udc, wait, &clock)?;
        let node = Hidg { source: Source::Own(gadget), file: None, drops: DropLog::open() };
        Ok(Self(Link::new(node, Arc::new(clock))))
    }

    /// The keyboard of a gadget that somebody else has made.
    ///
    /// # Errors
    /// When the node cannot be opened.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let remedy = |errno| match errno {
            Errno::EACCES | Errno::EPERM => "run as root, or allow this user by a udev rule",
            _ => "set up the USB HID gadget first (configfs, modules libcomposite and usb_f_hid)",
        };
        let file = open_node(path).map_err(|errno| OpenError::new(path, errno, remedy(errno)))?;
        let node = Hidg { source: Source::Given(path.to_owned()), file: Some(file), drops: DropLog::open() };
        Ok(Self(Link::new(node, Arc::new(MonotonicClock))))
    }
}

impl Keyboard for GadgetKeyboard {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        self.0.send(report)
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        self.0.host_leds()
    }

    fn meet_host(&mut self) -> bool {
        self.0.meet_host()
    }
}

/// A node of the kernel's f_hid driver.
struct Hidg {
    source: Source,
    file: Option<File>,
    drops: DropLog,
}

enum Source {
    Own(Gadget),
    Given(PathBuf),
}

fn open_node(path: &Path) -> Result<File, Errno> {
    OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path).map_err(|e| errno_of(&e))
}

impl Hidg {
    fn file(&self) -> Result<&File, Errno> {
        self.file.as_ref().ok_or(Errno::ESHUTDOWN)
    }
}

impl Node for Hidg {
    fn reopen(&mut self, now: Timestamp) -> Result<(), Errno> {
        // Binding a gadget again makes a new node, and sets up anew what an open one refers to.
        self.file = None;
        let path = match &mut self.source {
            Source::Given(path) => path.clone(),
            Source::Own(gadget) => {
                gadget.keep_bound(now);
                gadget.keyboard_node().map_err(|e| errno_of(&e))?
            }
        };
        self.file = Some(open_node(&path)?);
        Ok(())
    }

    fn write(&mut self, report: [u8; Report::BYTES]) -> Result<(), Errno> {
        match unistd::write(self.file()?, &report)? {
            Report::BYTES => Ok(()),
            _ => Err(Errno::EIO),
        }
    }

    /// f_hid takes the parts of a vector one after the other, as if each were written by itself.
    fn write_pair(&mut self, reports: [[u8; Report::BYTES]; 2]) -> Result<bool, Errno> {
        match writev(self.file()?, &reports.each_ref().map(|report| IoSlice::new(report)))? {
            Report::BYTES => Ok(false),
            n if n == 2 * Report::BYTES => Ok(true),
            _ => Err(Errno::EIO),
        }
    }

    fn read(&mut self) -> Result<u8, Errno> {
        let mut report = [0; 1];
        match unistd::read(self.file()?, &mut report)? {
            0 => Err(Errno::EAGAIN),
            _ => Ok(report[0]),
        }
    }

    fn wait(&mut self, limit: Duration) -> bool {
        let Ok(file) = self.file() else { return false };
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
        // Rounded up: poll has no finer time, and waiting for nothing would be a busy loop.
        let limit = PollTimeout::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
        // Interrupted: the caller looks again.
        let _ = poll(&mut fds, limit);
        fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
    }

    fn was_dropped(&mut self) -> Option<bool> {
        self.drops.was_dropped()
    }

    fn was_enabled(&mut self) -> bool {
        match &mut self.source {
            Source::Own(gadget) => gadget.was_configured(),
            Source::Given(_) => false,
        }
    }

    fn is_suspended(&mut self) -> bool {
        matches!(&self.source, Source::Own(gadget) if gadget.is_suspended())
    }

    fn wake_host(&mut self) {
        if let Source::Own(gadget) = &self.source {
            gadget.wake_host();
        }
    }
}
