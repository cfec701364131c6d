//! Every capacity and length of the pipeline, with the reason beside it. What is here is decided once; nothing
//! grows at run time.

use std::time::Duration;

/// Bytes of the ring between the capture and the listen thread.
///
/// One second of 48 kHz S32 stereo, what the I2S microphones deliver: 384 kB of frames and 100 records' headers
/// (33 bytes each: 31 of header, 2 of length). The listen thread does little work for each period, so a second outlasts any delay the
/// scheduler makes on a loaded machine. One period more than a second, as a ring of exactly N records holds only
/// N − 1 once it has wrapped.
pub const RING_BYTES: usize = 101 * (3840 + 33);

/// How long the capture thread rests when the ring is full and the source can wait. The reader wakes it when it
/// gave a record back; this bounds the wait when that wake-up came just before.
pub const RING_FULL_WAIT: Duration = Duration::from_millis(10);

/// SCHED_FIFO priority of the capture thread: above the kernel's threaded interrupts (50), so that the work of
/// other devices does not delay it; far below 99, where the kernel's own watchdog and migration threads run.
pub const CAPTURE_PRIORITY: u8 = 70;
