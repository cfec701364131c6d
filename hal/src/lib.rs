//! Hardware abstraction: what Oratype touches, behind small traits.
//!
//! | module | trait | drivers |
//! |---|---|---|
//! | [`pcm`] | [`pcm::Capture`] | ALSA, WAV files |
//! | [`hid`] | [`hid::Keyboard`] | `/dev/hidgN` and raw report streams, uinput, a decoder that prints |
//! | [`gpio`] | [`gpio::Button`], [`gpio::Led`] | rppal, GPIO character device, scripted, terminal |
//! | [`hid`] | [`hid::Keyboard`] | USB gadget, raw report streams, uinput, a decoder that prints |
//! | [`usb`] | – | the USB gadget itself, made through configfs |
//! | [`gpio`] | [`gpio::Button`], [`gpio::Led`] | scripted, terminal |
//! | [`time`] | [`time::Clock`] | monotonic, simulated |
//! | [`sched`], [`cpuset`], [`cpufreq`], [`memory`] | – | real-time priority, CPU affinity, cores of one's own, clock speed, locked memory |
//! | [`watchdog`] | – | the hardware watchdog |
//!
//! Architecture invariant: nothing in here knows what dictation is. No driver knows a board: pins, device names
//! and rates come in as arguments.

pub mod cpufreq;
pub mod cpuset;
pub mod gpio;
pub mod hid;
pub mod memory;
pub mod pcm;
pub mod sched;
pub mod time;
pub mod usb;
pub mod watchdog;
