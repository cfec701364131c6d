//! USB HID boot keyboard: the 8-byte input report, and the places it can be sent to.
//!
//! | driver | where the keys go |
//! |---|---|
//! | [`GadgetKeyboard`] | a USB host, through `/dev/hidgN` |
//! | [`ReportStream`] | raw reports to a file or a named pipe |
//! | [`UinputKeyboard`] | this computer, as if a keyboard were plugged in |
//! | [`PrintKeyboard`] | decoded to text, to any writer |
//! | [`Echo`] | another keyboard, and decoded to a writer beside it |
//!
//! No driver keeps reports back: what `send` accepted is with the host or the writer.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod decode;
mod echo;
mod gadget;
mod print;
mod raw;
mod uinput;
pub mod usage;

pub use decode::{Decode, Decoder, Typed};
pub use echo::Echo;
pub use gadget::GadgetKeyboard;
pub use print::{Backspace, PrintKeyboard};
pub use raw::ReportStream;
pub use uinput::UinputKeyboard;

use std::path::{Path, PathBuf};

/// An input report of a boot keyboard (HID 1.11, appendix B.1): modifiers, a reserved byte, six usage IDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bit 0 left Ctrl, 1 left Shift, 2 left Alt, 3 left GUI, 4–7 the right ones.
    pub modifiers: u8,
    /// Usage IDs of the keys that are down, 0 for none.
    pub keys: [u8; 6],
}

impl Report {
    /// Length on the wire.
    pub const BYTES: usize = 8;

    /// Nothing is pressed.
    pub const RELEASED: Self = Self { modifiers: 0, keys: [0; 6] };

    /// One key is down, and these modifiers.
    pub const fn key(modifiers: u8, usage: u8) -> Self {
        Self { modifiers, keys: [usage, 0, 0, 0, 0, 0] }
    }

    /// As it goes over the wire.
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        let k = self.keys;
        [self.modifiers, 0, k[0], k[1], k[2], k[3], k[4], k[5]]
    }

    /// From the wire; the reserved byte is not looked at.
    pub const fn from_bytes(b: [u8; Self::BYTES]) -> Self {
        Self { modifiers: b[0], keys: [b[2], b[3], b[4], b[5], b[6], b[7]] }
    }

    /// The same modifiers without any key.
    pub const fn without_keys(self) -> Self {
        Self { modifiers: self.modifiers, ..Self::RELEASED }
    }

    /// Whether a key goes down from `before` to this report.
    pub fn presses_after(self, before: Self) -> bool {
        self.keys.iter().any(|key| *key != usage::NONE && !before.keys.contains(key))
    }
}

/// Lock lights as the host last set them (HID output report).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostLeds {
    /// Num Lock is on.
    pub num_lock: bool,
    /// Caps Lock is on.
    pub caps_lock: bool,
}

impl HostLeds {
    /// No light is on.
    pub const OFF: Self = Self { num_lock: false, caps_lock: false };
}

/// Why a report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyboardError {
    /// No host takes reports now: unplugged, asleep, or not yet ready. Nothing of the report was delivered so far,
    /// but what was offered to a host cannot always be withdrawn: send the same report again later. It arrives
    /// once.
    #[error("the host is away")]
    HostAway,
    /// The keyboard itself failed. Do not retry.
    #[error("the keyboard failed: {0}")]
    Failed(nix::errno::Errno),
}

/// Something that takes key presses.
pub trait Keyboard: Send {
    /// Send one report. All of it is taken, or none. Waits for the host at most 50 ms.
    fn send(&mut self, report: Report) -> Result<(), KeyboardError>;

    /// The host's lock lights, if it ever told them. Never blocks.
    fn host_leds(&mut self) -> Option<HostLeds>;

    /// Meet a host that has arrived, so that the first key need not wait for it. Call it a few times a second while
    /// nothing is sent. Types nothing. Waits for the host at most 50 ms. Whether it is there and awake, as far as
    /// is known.
    fn meet_host(&mut self) -> bool {
        true
    }
}

impl<K: Keyboard + ?Sized> Keyboard for Box<K> {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        (**self).send(report)
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        (**self).host_leds()
    }

    fn meet_host(&mut self) -> bool {
        (**self).meet_host()
    }
}

/// The keyboard behind a path: a USB host for a node of a HID gadget (`/dev/hidgN`), otherwise a stream of reports.
///
/// # Errors
/// When the path cannot be written, or is a directory, a disk or a socket.
pub fn open(path: &Path) -> Result<Box<dyn Keyboard>, OpenError> {
    // Its links resolved: the kernel names these nodes.
    let node = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if node.as_os_str().as_encoded_bytes().starts_with(b"/dev/hidg") {
        return Ok(Box::new(GadgetKeyboard::open(path)?));
    }
    Ok(Box::new(ReportStream::open(path)?))
}

/// Why a keyboard could not be opened. Says which path, why and what to do about it, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot type to {}: {}; {remedy}", path.display(), errno.desc())]
pub struct OpenError {
    /// The file or device.
    pub path: PathBuf,
    /// What the kernel said.
    pub errno: nix::errno::Errno,
    /// What a person can do.
    pub remedy: &'static str,
}

impl OpenError {
    fn new(path: &Path, errno: nix::errno::Errno, remedy: &'static str) -> Self {
        Self { path: path.to_owned(), errno, remedy }
    }
}

/// The kernel's number for a failed read or write; EIO where the error did not come from the kernel.
fn errno_of(error: &std::io::Error) -> nix::errno::Errno {
    error.raw_os_error().map_or(nix::errno::Errno::EIO, nix::errno::Errno::from_raw)
}
