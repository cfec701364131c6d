//! Hardware abstraction: what Oratype touches, behind small traits.
//!
//! | module | trait | drivers |
//! |---|---|---|
//! | [`pcm`] | [`pcm::Capture`] | ALSA, WAV files |
//! | [`hid`] | [`hid::Keyboard`] | `/dev/hidgN` and raw report streams, uinput, a decoder that prints |
//! | [`gpio`] | [`gpio::Button`], [`gpio::Led`] | rppal, GPIO character device, scripted, terminal |
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
