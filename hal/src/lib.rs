//! Hardware abstraction: what Oratype touches, behind small traits.
//!
//! | module | trait | drivers |
//! |---|---|---|
//! | [`pcm`] | [`pcm::Capture`] | ALSA, WAV files |
//! | [`hid`] | [`hid::Keyboard`] | USB gadget, raw report streams, uinput, a decoder that prints |
//! | [`usb`] | – | the USB gadget itself, made through configfs |
//! | [`gpio`] | [`gpio::Button`], [`gpio::Led`] | scripted, terminal |
//! | [`time`] | [`time::Clock`] | monotonic, simulated |
//! | [`sched`] | – | real-time priority, CPU affinity |
//!
//! Architecture invariant: nothing in here knows what dictation is. No driver knows a board: pins, device names
//! and rates come in as arguments.

pub mod gpio;
pub mod hid;
pub mod pcm;
pub mod sched;
pub mod time;
pub mod usb;
