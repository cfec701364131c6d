//! Tests of the ring and the capture thread.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use nix::errno::Errno;
use oratype_hal::pcm::{SampleFormat, StreamFormat};
use proptest::prelude::*;

use super::*;
use crate::liveness::{Liveness, Role};

const FORMAT: StreamFormat = StreamFormat { rate_hz: 48_000, channels: 2, sample: SampleFormat::S32 };
const PERIOD_BYTES: usize = 3840;

/// Longer than any test takes; a wait that reaches it has failed.
const FOREVER: Duration = Duration::from_secs(60);

/// Start a capture thread that nobody watches.
fn start_alone(source: Box<dyn Capture>) -> Result<(CaptureHandle, RingReader), StartError> {
    start(source, Arc::<Liveness>::default().enter(Role::Capture))
}

fn period(number: u64, discontinuity: bool) -> Captured {
    Captured::Period(Period {
        frames: 480,
        format: FORMAT,
        end: Duration::from_millis(10 * (number + 1)),
        discontinuity,
    })
}

/// A source that does as the test tells it, and tells the test when it was asked.
struct Told {
    script: VecDeque<Result<Captured, CaptureError>>,
    can_wait: bool,
    /// Steps before the end at which it waits for the test.
    hold_at: usize,
    /// Says that it waits.
    played: SyncSender<()>,
    go_on: Receiver<()>,
    read: u64,
}

impl Capture for Told {
    fn period_bytes_max(&self) -> usize {
        PERIOD_BYTES
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        if self.script.len() == self.hold_at {
            self.played.send(()).unwrap();
            // An error means that the test does not wait for anything here.
            let _ = self.go_on.recv();
        }
        let next = self.script.pop_front().unwrap_or(Ok(Captured::End));
        if let Ok(Captured::Period(_)) = next {
            buffer[..PERIOD_BYTES].fill(self.read as u8);
            self.read += 1;
        }
        next
    }

    fn can_wait(&self) -> bool {
        self.can_wait
    }
}

/// A source that plays `script`, and waits before its last `hold_at` steps until something is sent to the sender.
fn told(
    script: Vec<Result<Captured, CaptureError>>,
    can_wait: bool,
    hold_at: usize,
) -> (Box<Told>, Receiver<()>, SyncSender<()>) {
    let (played, wait_played) = sync_channel(1);
    let (go, go_on) = sync_channel(1);
    (Box::new(Told { script: script.into(), can_wait, hold_at, played, go_on, read: 0 }), wait_played, go)
}

/// Everything left in the ring: the headers, and the byte each record is filled with.
fn drain(reader: &mut RingReader) -> (Vec<(Header, u8)>, Result<(), CaptureError>) {
    let mut records = Vec::new();
    loop {
        match reader.next(FOREVER) {
            Next::Record(record) => {
                let frames = record.frames();
                assert_eq!(frames.len(), PERIOD_BYTES);
                assert!(frames.iter().all(|&b| b == frames[0]), "a record of two periods");
                records.push((*record.header(), frames[0]));
            }
            Next::Timeout => panic!("nothing came"),
            Next::End => return (records, Ok(())),
            Next::Failed(e) => return (records, Err(e)),
        }
    }
}

#[test]
fn periods_arrive_whole_and_in_order_from_a_source_that_can_wait() {
    // So many that the source must wait, and the ring wraps.
    const PERIODS: u64 = 3 * sizes::RING_PERIODS as u64;
    let (source, _played, go) = told((0..PERIODS).map(|n| Ok(period(n, n == 7))).collect(), true, 1);
    go.send(()).unwrap();
    let (mut capture, mut reader) = start_alone(source).unwrap();
    let (records, outcome) = drain(&mut reader);
    assert_eq!(outcome, Ok(()));
    assert_eq!(records.len() as u64, PERIODS);
    for (n, (header, byte)) in records.into_iter().enumerate() {
        assert_eq!(header.sequence, n as u64);
        assert_eq!(header.dropped_periods, 0);
        assert_eq!(Captured::Period(header.period), period(n as u64, n == 7));
        assert_eq!(byte, n as u8);
    }
    capture.stop();
    assert_eq!(capture.counters(), Counters { periods: PERIODS, dropped_periods: 0, discontinuities: 1 });
    assert!(matches!(reader.next(Duration::ZERO), Next::End), "it ends only once");
}

#[test]
fn the_ring_holds_so_much_and_then_a_live_source_loses_counted_periods() {
    const PERIODS: u64 = 3 * sizes::RING_PERIODS as u64;
    let (source, played, go) = told((0..PERIODS).map(|n| Ok(period(n, false))).collect(), false, 2);
    let (mut capture, mut reader) = start_alone(source).unwrap();
    // All but two periods came and nobody read.
    played.recv().unwrap();
    let held = PERIODS - 2 - capture.counters().dropped_periods;
    assert!(held >= sizes::RING_PERIODS as u64, "the ring holds only {held} periods");
    for n in 0..held {
        let Next::Record(record) = reader.next(FOREVER) else {
            panic!("less in the ring than was put there")
        };
        assert_eq!((record.header().sequence, record.frames()[0]), (n, n as u8));
        assert!(!record.header().period.discontinuity);
    }

    // The source waits with a period that found no room; the one after it finds room.
    go.send(()).unwrap();
    let (last, outcome) = drain(&mut reader);
    assert_eq!(outcome, Ok(()));
    let [(header, byte)] = last[..] else { panic!("{last:?}") };
    assert_eq!((header.sequence, byte), (held, (PERIODS - 1) as u8));
    assert_eq!(u64::from(header.dropped_periods), PERIODS - 1 - held);
    assert!(header.period.discontinuity, "a loss that is not marked");
    capture.stop();
    let expected = Counters { periods: PERIODS, dropped_periods: PERIODS - 1 - held, discontinuities: 0 };
    assert_eq!(capture.counters(), expected);
}

#[test]
fn what_came_before_a_failure_is_read_before_the_failure() {
    let failure = CaptureError::Failed(Errno::EIO);
    for error in [CaptureError::Disconnected, failure] {
        let (source, _played, go) =
            told(vec![Ok(period(0, false)), Ok(Captured::Pending), Err(error)], false, 1);
        go.send(()).unwrap();
        let (_capture, mut reader) = start_alone(source).unwrap();
        let (records, outcome) = drain(&mut reader);
        assert_eq!(records.len(), 1);
        assert_eq!(outcome, Err(error));
        assert!(matches!(reader.next(FOREVER), Next::Failed(e) if e == error));
    }
}

#[test]
fn nothing_in_time_is_a_timeout() {
    let (source, played, go) = told(vec![Ok(period(0, false))], false, 1);
    let (_capture, mut reader) = start_alone(source).unwrap();
    played.recv().unwrap();
    assert!(matches!(reader.next(Duration::ZERO), Next::Timeout));
    go.send(()).unwrap();
    assert!(matches!(reader.next(FOREVER), Next::Record(_)));
}

#[test]
fn stopping_ends_a_source_that_waits_for_a_reader() {
    const PERIODS: usize = 3 * sizes::RING_PERIODS;
    let script = (0..PERIODS as u64).map(|n| Ok(period(n, false)));
    let (source, _played, go) = told(script.collect(), true, 1);
    drop(go);
    let (mut capture, mut reader) = start_alone(source).unwrap();
    capture.stop();
    let (records, outcome) = drain(&mut reader);
    assert_eq!(outcome, Ok(()));
    assert!(records.len() < PERIODS);
}

#[test]
fn a_panic_in_a_driver_reaches_the_reader_as_a_failure() {
    struct Panics;
    impl Capture for Panics {
        fn period_bytes_max(&self) -> usize {
            PERIOD_BYTES
        }
        fn read_period(&mut self, _: &mut [u8]) -> Result<Captured, CaptureError> {
            panic!("on purpose")
        }
        fn can_wait(&self) -> bool {
            false
        }
    }
    let (_capture, mut reader) = start_alone(Box::new(Panics)).unwrap();
    assert!(matches!(reader.next(FOREVER), Next::Failed(CaptureError::Failed(Errno::ECANCELED))));
}

#[test]
fn periods_too_long_for_the_ring_are_refused() {
    struct Long;
    impl Capture for Long {
        fn period_bytes_max(&self) -> usize {
            PERIOD_BYTES_MAX + 1
        }
        fn read_period(&mut self, _: &mut [u8]) -> Result<Captured, CaptureError> {
            Ok(Captured::End)
        }
        fn can_wait(&self) -> bool {
            true
        }
    }
    assert!(matches!(start_alone(Box::new(Long)), Err(StartError::PeriodTooLong(_))));
}

proptest! {
    #[test]
    fn headers_survive_the_ring(
        sequence: u64, end_ns: u64, committed_ns: u64, rate_hz: u32, frames: u32, dropped_periods: u32, discontinuity: bool,
        channels in 1u8..=2, wide: bool,
    ) {
        let sample = if wide { SampleFormat::S32 } else { SampleFormat::S16 };
        let format = StreamFormat { rate_hz, channels, sample };
        let period = Period { frames, format, end: Duration::from_nanos(end_ns), discontinuity };
        let committed = Duration::from_nanos(committed_ns);
        let header = Header { sequence, period, dropped_periods, committed };
        prop_assert_eq!(Header::from_bytes(&header.to_bytes()), header);
    }
}
