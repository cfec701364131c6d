//! One button and one light.
//!
//! | driver | what it is |
//! |---|---|
//! | [`CdevButton`], [`CdevLed`] | lines of the kernel's GPIO character device |
//! | [`RppalButton`], [`RppalLed`] | lines of a Raspberry Pi's header, through rppal |
//! | [`TerminalButton`], [`TerminalLed`] | Enter on a terminal, a dot on its right edge |
//! | [`ScriptedButton`], [`RecordingLed`] | a list of edges, a record of states |
//!
//! [`open_button`] and [`open_led`] take rppal where it works and the character device elsewhere. A driver for a GPIO
//! line stamps edges with the kernel's event time (`CLOCK_MONOTONIC`), reads the event queue without blocking, and
//! makes up for edges that were lost (`reconciled.rs`).

mod cdev;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod open;
mod pi;
mod reconciled;
mod scripted;
mod terminal;

pub use cdev::{CdevButton, CdevLed};
pub use open::{ButtonLine, LedLine, OpenError, open_button, open_led};
pub use pi::{RppalButton, RppalLed};
pub use scripted::{RecordingLed, ScriptedButton};
pub use terminal::{TerminalButton, TerminalLed};

use crate::time::Timestamp;

/// The button went down or up. Not debounced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When, on the clock of the sound source that runs beside it.
    pub at: Timestamp,
    /// Down (true) or up.
    pub pressed: bool,
}

/// Why a button or an LED could not be used. Not worth a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GPIO line failed: {0}")]
pub struct GpioError(pub nix::errno::Errno);

/// The push-to-talk button.
pub trait Button: Send {
    /// The oldest edge not yet taken, if it happened at or before `until`. Edges come in order. Never blocks.
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError>;
}

/// The status light.
pub trait Led: Send {
    /// Light it, or not.
    fn set(&mut self, lit: bool) -> Result<(), GpioError>;
}

impl<B: Button + ?Sized> Button for Box<B> {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        (**self).next_edge(until)
    }
}

impl<L: Led + ?Sized> Led for Box<L> {
    fn set(&mut self, lit: bool) -> Result<(), GpioError> {
        (**self).set(lit)
    }
}

/// Say past the test harness, which would show it for failed tests only, that a test cannot run here.
#[cfg(test)]
fn not_run(reason: &str) {
    use std::io::Write;
    // In one piece: other tests write too.
    let _ = std::io::stderr().write_all(format!("NOT RUN: {reason}\n").as_bytes());
}
