//! Every capacity and length of the pipeline, with the reason beside it. What is here is decided once; nothing
//! grows at run time.

use std::time::Duration;

use crate::capture::Header;

/// Periods of 10 ms that the ring between the capture and the listen thread holds: 4 s.
///
/// The listen thread does little work for each period, so that a second outlasts any delay the scheduler makes on a
/// machine that is merely loaded. The rest is for one that is short of everything: an emulated machine has left its
/// listen thread two seconds behind.
pub const RING_PERIODS: usize = 400;

/// Bytes of that ring: 1.5 MB, for periods of 48 kHz S32 stereo, what the I2S microphones deliver: 3,840 bytes of
/// frames, a header, and the record's length in 2 bytes. One period more, as a ring of exactly N records holds only
/// N − 1 once it has wrapped.
pub const RING_BYTES: usize = (RING_PERIODS + 1) * (3840 + Header::BYTES + 2);

/// How long the capture thread rests when the ring is full and the source can wait. The reader wakes it when it
/// gave a record back; this bounds the wait when that wake-up came just before.
pub const RING_FULL_WAIT: Duration = Duration::from_millis(10);

/// SCHED_FIFO priority of the capture thread: above the kernel's threaded interrupts (50), so that the work of
/// other devices does not delay it; far below 99, where the kernel's own watchdog and migration threads run.
pub const CAPTURE_PRIORITY: u8 = 70;

/// Samples (16 kHz) that a segment may have: 16 s. The recogniser's memory grows with the context it encodes, and the
/// widest it takes is 20.5 s, silence at the end included (`recognise::policy`).
pub const SEGMENT_SAMPLES_MAX: usize = 16 * 16_000;

/// Samples from one segment slot to the next: the longest segment, rounded up to whole pages (of 4, 16 or 64 KiB)
/// as `f32`.
pub const SLOT_SAMPLES: usize = 16 * 16_384;

/// Segment slots: one being recorded, one being recognised, and ten that wait. At 15 s each they hold two and a half
/// minutes of speech for a recogniser that was restarted or is slow; 13 MB when all were used once.
pub const SEGMENT_SLOTS: usize = 12;

/// Samples (16 kHz) of sound remembered while nobody dictates: the longest pre-roll (1 s) and more than the longest
/// debounce that the settings allow, and as much again for a period that comes late.
pub const HISTORY_SAMPLES: usize = 2 * (16_000 + 1_600);

/// Work queued for the recognise thread: every slot once, and the ends of dictations that had no speech in them,
/// of which an impatient thumb makes some hundred while the recogniser is restarted.
pub const WORK_QUEUED: usize = SEGMENT_SLOTS + 256;

/// Jobs queued for the type thread while the host is away: the texts of 64 dictations of one segment each, and the
/// end of each dictation; of long ones half an hour of speech. When it is full, segments wait in their slots; when
/// these are full, no further dictation is begun.
pub const JOBS_QUEUED: usize = 2 * 64;

/// Dictations that can be taken back, one undo after the other: more than anybody remembers having said.
pub const UNDO_DICTATIONS_MAX: usize = 16;
