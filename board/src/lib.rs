//! What differs from board to board, as data. One folder per board.
//!
//! | board | what it is |
//! |---|---|
//! | [`desk`] | a PC, without button and light of its own |
//! | [`zero2w`], [`pi3aplus`], [`pi4`] | Raspberry Pi; [`raspberry`] has what they share |
//! | [`virt`] | QEMU's arm64 machine, for tests |
//!
//! `board/overlays` has their device tree overlays and `board/boot` the files the Raspberry Pi's firmware reads.
//!
//! Architecture invariant: a board says what there is; it opens and drives nothing. [`detect_here`] alone reads a
//! file.

pub mod desk;
pub mod pi3aplus;
pub mod pi4;
mod pins;
pub mod raspberry;
pub mod virt;
pub mod zero2w;

use std::io;
use std::time::Duration;

use oratype_hal::pcm::StreamFormat;
use oratype_hal::pcm::alsa::Timing;

pub use pins::{BUTTON_KEY, Gpio, LIGHT_KEY, PinProblem, Pins, RangeOfLines, Taken};

/// Encoder positions of one retry, even of the longest segment, and never of two: as many as the widest context has.
pub const ONE_RETRY_POSITIONS: u16 = 1024;

/// A board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its name, as `--board` takes it.
    pub name: &'static str,
    /// The products that are this board; none for one that has no device tree.
    pub models: &'static [Model],
    /// ALSA name of its microphone.
    pub microphone: &'static str,
    /// Amplification its microphone needs, dB, before that of the settings.
    pub microphone_gain_db: f32,
    /// Format to ask the microphone for.
    pub format: StreamFormat,
    /// Periods to ask the microphone for.
    pub timing: Timing,
    /// The USB device controller (UDC) it types through, as in `/sys/class/udc`.
    pub udc: Option<&'static str>,
    /// Button and light, where it has them.
    pub gpio: Option<Gpio>,
    /// Cores set aside for the recogniser.
    pub recogniser_cores: Vec<usize>,
    /// Cores for everything else, capture above all; those of the recogniser only where there is no other.
    pub other_cores: Vec<usize>,
    /// Encoder positions that retries of one segment may cost; [`ONE_RETRY_POSITIONS`] where the processor is fast
    /// enough.
    pub retry_positions: u16,
    /// The longest time-out that its hardware watchdog takes.
    pub watchdog_timeout_max: Option<Duration>,
    /// File of `board/overlays` that is merged into its device trees.
    pub overlay: Option<&'static str>,
}

/// A product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// What its maker calls it, as in `/proc/device-tree/model`.
    pub name: &'static str,
    /// The entry of the device tree's `compatible` that only it has.
    pub compatible: &'static str,
    /// File name of Linux' own device tree for it, which is the name the firmware asks for; the image has it with
    /// the board's overlay merged. `None` where the tree does not come from an image.
    pub device_tree: Option<&'static str>,
}

/// Every name that [`by_name`] knows.
pub const NAMES: [&str; 5] = ["desk", "zero2w", "pi4", "pi3aplus", "virt"];

/// Every board that has a device tree.
pub fn appliances() -> [Board; 4] {
    [zero2w::board(), pi4::board(), pi3aplus::board(), virt::board()]
}

/// The board of that name; `cores` are those this process may use, which matters to the desk only.
pub fn by_name(name: &str, cores: &[usize]) -> Option<Board> {
    match name {
        "desk" => Some(desk::board(cores)),
        _ => appliances().into_iter().find(|board| board.name == name),
    }
}

/// The board, and which of its models, that a device tree's root `compatible` names: strings from the most
/// specific to the most general one, each ended by a NUL (Devicetree Specification 2.3.1). `None` for a machine that
/// is none of the boards, such as a Raspberry Pi without a USB device port.
pub fn detect(compatible: &[u8]) -> Option<(Board, Model)> {
    compatible.split(|&byte| byte == 0).find_map(|entry| {
        appliances().into_iter().find_map(|board| {
            let model = board.models.iter().find(|model| model.compatible.as_bytes() == entry).copied()?;
            Some((board, model))
        })
    })
}

/// Where Linux shows the device tree's root `compatible`.
const COMPATIBLE: &str = "/proc/device-tree/compatible";

/// The board this machine is; `None` if it is none of them, or has no device tree, as PCs have not.
///
/// # Errors
/// When there is a device tree that cannot be read.
pub fn detect_here() -> io::Result<Option<(Board, Model)>> {
    match std::fs::read(COMPATIBLE) {
        Ok(compatible) => Ok(detect(&compatible)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{COMPATIBLE}: {error}"))),
    }
}

#[cfg(test)]
mod tests;
