//! The capture thread, and the ring through which it hands periods to the listen thread.
//!
//! The driver writes its frames straight into the ring. From the first period on the thread neither allocates, nor
//! locks, nor logs; the oratype-tests crate proves the first.

mod record;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use bbqueue::nicknames::{GogiGui, YakiNiku};
use bbqueue::prod_cons::framed::{FramedConsumer, FramedGrantR, FramedProducer};
use bbqueue::traits::storage::BoxedSlice;
use oratype_hal::pcm::{Capture, CaptureError, Captured, Period};
use oratype_hal::time::{Clock, MonotonicClock};
use oratype_hal::{memory, sched};

pub use self::record::Header;
use crate::liveness::Alive;
use crate::sizes;

/// A ring on the heap, made once, shared by its two ends.
type Queue = Arc<YakiNiku>;

/// What the two threads share besides the ring.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    periods: AtomicU64,
    dropped_periods: AtomicU64,
    discontinuities: AtomicU64,
    /// Set once, when the capture thread is through with the source.
    outcome: OnceLock<Result<(), CaptureError>>,
    /// The listen thread, to be woken. Known from its first call of [`RingReader::next`] on.
    reader: OnceLock<Thread>,
}

impl Shared {
    fn wake_reader(&self) {
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }
}

/// What the capture thread has seen since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Periods read from the source, dropped ones included.
    pub periods: u64,
    /// Periods of a live source that found the ring full.
    pub dropped_periods: u64,
    /// Periods before which the device lost frames: overruns (xruns) and suspends.
    pub discontinuities: u64,
}

/// Why the capture thread could not be started. Do not retry.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The source's periods are too long for the ring.
    #[error(
        "the sound source's periods take {0} bytes, at most {PERIOD_BYTES_MAX} fit: use a shorter period"
    )]
    PeriodTooLong(usize),
    /// The system gave no thread.
    #[error("no capture thread: {0}: raise the limit on processes (`ulimit -u`)")]
    Thread(#[from] std::io::Error),
}

/// A record's length is kept in 16 bits.
const PERIOD_BYTES_MAX: usize = u16::MAX as usize - Header::BYTES;

// The longest record there can be must not fill half of the ring, or it may find no room in one piece.
const _: () = assert!(sizes::RING_BYTES > 2 * (PERIOD_BYTES_MAX + Header::BYTES));

/// Start the capture thread on `source`; it marks its life with `alive`.
pub fn start(source: Box<dyn Capture>, alive: Alive) -> Result<(CaptureHandle, RingReader), StartError> {
    let period_bytes = source.period_bytes_max();
    if period_bytes > PERIOD_BYTES_MAX {
        return Err(StartError::PeriodTooLong(period_bytes));
    }
    let queue = GogiGui::new_with_storage(BoxedSlice::new(sizes::RING_BYTES));
    let shared = Arc::new(Shared::default());
    let record_bytes = (Header::BYTES + period_bytes) as u16;
    let (producer, consumer) = (queue.framed_producer(), queue.framed_consumer());
    if !source.can_wait() {
        touch(&producer, &consumer, record_bytes);
    }
    let writer = RingWriter {
        alive,
        producer,
        // Not zero, and so written to: its pages are there before the first period.
        spare: vec![1; period_bytes].into(),
        record_bytes,
        sequence: 0,
        dropped: 0,
        shared: Arc::clone(&shared),
    };
    let thread = thread::Builder::new().name("capture".into()).spawn(move || writer.run(source))?;
    let reader = RingReader { consumer, capture: thread.thread().clone(), shared: Arc::clone(&shared) };
    Ok((CaptureHandle { thread: Some(thread), shared }, reader))
}

/// Write to the whole ring once, so that its pages are there before the first period: the capture thread must not
/// wait while the kernel makes them.
fn touch(producer: &FramedProducer<Queue>, consumer: &FramedConsumer<Queue>, record_bytes: u16) {
    // Records of this length go round the ring, one at a time.
    for _ in 0..sizes::RING_BYTES.div_ceil(usize::from(record_bytes)) {
        if let Ok(mut record) = producer.grant(record_bytes) {
            record.fill(0);
            record.commit(record_bytes);
        }
        if let Ok(record) = consumer.read() {
            record.release();
        }
    }
}

/// Stops the capture thread, on drop too, and shows its counters.
pub struct CaptureHandle {
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl CaptureHandle {
    /// What the thread has seen so far.
    pub fn counters(&self) -> Counters {
        Counters {
            periods: self.shared.periods.load(Ordering::Relaxed),
            dropped_periods: self.shared.dropped_periods.load(Ordering::Relaxed),
            discontinuities: self.shared.discontinuities.load(Ordering::Relaxed),
        }
    }

    /// Whether the source is still read.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// End the thread and wait for it; 100 ms at most, as long as a driver may take. What is in the ring can still
    /// be read.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                log::error!("the capture thread panicked");
            }
        }
    }
}

impl Drop for CaptureHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The capture thread's end of the ring.
struct RingWriter {
    alive: Alive,
    producer: FramedProducer<Queue>,
    /// Where periods go for which the ring has no room.
    spare: Box<[u8]>,
    /// The most a record takes.
    record_bytes: u16,
    /// Number of the next record.
    sequence: u64,
    /// Periods dropped since the last record.
    dropped: u32,
    shared: Arc<Shared>,
}

impl RingWriter {
    /// The thread.
    fn run(mut self, mut source: Box<dyn Capture>) {
        // A recording has no deadline, and at a fast pace it would keep the machine from everything else.
        if !source.can_wait() {
            become_real_time();
        }
        // Seen by the reader even if this thread panics, lest it wait forever.
        let _ending = Ending(Arc::clone(&self.shared));
        let outcome = self.capture(&mut *source);
        // Cannot have been set before.
        let _ = self.shared.outcome.set(outcome);
    }

    fn capture(&mut self, source: &mut dyn Capture) -> Result<(), CaptureError> {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.alive.mark();
            match self.producer.grant(self.record_bytes) {
                Ok(mut record) => {
                    let (header, frames) = record.split_at_mut(Header::BYTES);
                    match source.read_period(frames)? {
                        Captured::Period(period) => {
                            self.count(&period);
                            header.copy_from_slice(&self.header(&period).to_bytes());
                            let bytes = Header::BYTES + period.frames as usize * period.format.frame_bytes();
                            record.commit(bytes as u16);
                            self.shared.wake_reader();
                        }
                        Captured::Pending => {}
                        Captured::End => return Ok(()),
                    }
                }
                Err(_) if source.can_wait() => thread::park_timeout(sizes::RING_FULL_WAIT),
                Err(_) => match source.read_period(&mut self.spare)? {
                    Captured::Period(period) => {
                        self.count(&period);
                        self.dropped = self.dropped.saturating_add(1);
                        self.shared.dropped_periods.fetch_add(1, Ordering::Relaxed);
                    }
                    Captured::Pending => {}
                    Captured::End => return Ok(()),
                },
            }
        }
        Ok(())
    }

    fn count(&self, period: &Period) {
        self.shared.periods.fetch_add(1, Ordering::Relaxed);
        self.shared.discontinuities.fetch_add(u64::from(period.discontinuity), Ordering::Relaxed);
    }

    /// The header of the next record.
    fn header(&mut self, period: &Period) -> Header {
        let dropped_periods = std::mem::take(&mut self.dropped);
        let discontinuity = period.discontinuity || dropped_periods > 0;
        let header = Header {
            sequence: self.sequence,
            period: Period { discontinuity, ..*period },
            dropped_periods,
            committed: MonotonicClock.now(),
        };
        self.sequence += 1;
        header
    }
}

/// Let the calling thread wait for no other thread, and for no memory.
fn become_real_time() {
    if let Err(e) = sched::set_realtime(sizes::CAPTURE_PRIORITY) {
        log::warn!("capture runs at normal priority and may lose sound under load: {e}");
    }
    // All of the process: the listen thread must not wait for a page either, or the ring fills up.
    if let Err(e) = memory::lock() {
        log::info!("capture may have to wait for memory: {e}");
    }
    memory::touch_stack();
}

/// Tells the reader that the thread is over, however it ended.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.outcome.get_or_init(|| Err(CaptureError::Failed(nix::errno::Errno::ECANCELED)));
        self.0.wake_reader();
    }
}

/// What [`RingReader::next`] found.
pub enum Next<'a> {
    /// The oldest period not yet read.
    Record(Record<'a>),
    /// Nothing came in time; call again.
    Timeout,
    /// The recording is over, or the thread was stopped, and everything was read. Every further call says so again.
    End,
    /// The source failed, and everything before that was read. Every further call says so again.
    Failed(CaptureError),
}

/// The listen thread's end of the ring.
pub struct RingReader {
    consumer: FramedConsumer<Queue>,
    capture: Thread,
    shared: Arc<Shared>,
}

impl RingReader {
    /// The next period, waited for at most `timeout`. To be called from one thread only: the first caller is the one
    /// that is woken when a period comes.
    pub fn next(&mut self, timeout: Duration) -> Next<'_> {
        self.shared.reader.get_or_init(thread::current);
        let deadline = Instant::now() + timeout;
        loop {
            // Looked at before the ring: what was written before the end is in the ring by then.
            let outcome = self.shared.outcome.get().copied();
            if let Ok(grant) = self.consumer.read() {
                let header = Header::from_bytes(&grant);
                return Next::Record(Record { header, grant: Some(grant), capture: &self.capture });
            }
            match outcome {
                Some(Ok(())) => return Next::End,
                Some(Err(e)) => return Next::Failed(e),
                None => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Timeout;
            }
            thread::park_timeout(left);
        }
    }
}

/// A period in the ring; its place is free again when this is dropped.
pub struct Record<'a> {
    header: Header,
    /// There until drop.
    grant: Option<FramedGrantR<Queue>>,
    capture: &'a Thread,
}

impl Record<'_> {
    /// What the frames are.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The interleaved frames, little endian.
    pub fn frames(&self) -> &[u8] {
        self.grant.as_deref().map_or(&[], |bytes| &bytes[Header::BYTES..])
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            grant.release();
        }
        // The capture thread may be waiting for room.
        self.capture.unpark();
    }
}

#[cfg(test)]
mod tests;
