//! The capture path under full CPU load: every frame numbered and checked.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use oratype::capture::{self, Next};
use oratype::liveness::{Liveness, Role};
use oratype_hal::pcm::alsa::{AlsaCapture, Timing};
use oratype_paced_pcm::frame;

use crate::paced;

/// What a soak found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Threads that kept the cores busy.
    pub load_threads: usize,
    /// Records read from the ring.
    pub periods: u64,
    /// Frames in them.
    pub frames: u64,
    /// Frames whose number was skipped.
    pub frames_lost: u64,
    /// Frames whose samples were not those of any number, or came twice.
    pub frames_wrong: u64,
    /// Periods marked as discontinuous.
    pub discontinuities: u64,
    /// Periods that found the ring full.
    pub dropped_periods: u64,
    /// The longest time between two periods leaving the driver; 10 ms is ideal.
    pub gap_max: Duration,
    /// How often it was over 20 ms.
    pub gaps_over_20_ms: u64,
    /// The longest time from a period leaving the driver until it was read from the ring.
    pub ring_delay_max: Duration,
}

/// Capture from the PCM `name` for `duration` while two threads of normal priority per core do nothing but work.
///
/// # Errors
/// In words, if the PCM or the thread does not start, or the PCM fails meanwhile.
pub fn run(name: &str, duration: Duration) -> Result<Report, String> {
    let stop = AtomicBool::new(false);
    let load_threads = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..load_threads {
            scope.spawn(|| burn(&stop));
        }
        let report = listen(name, duration);
        stop.store(true, Ordering::Relaxed);
        report.map(|report| Report { load_threads, ..report })
    })
}

/// Arithmetic and memory traffic, until stopped.
fn burn(stop: &AtomicBool) {
    let mut values = vec![1.0f32; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        for value in &mut values {
            *value = black_box(*value * 1.000_1 + 0.5) % 1000.0;
        }
    }
}

fn listen(name: &str, duration: Duration) -> Result<Report, String> {
    let source = AlsaCapture::open(name, paced::FORMAT, Timing::default()).map_err(|e| e.to_string())?;
    let alive = Arc::<Liveness>::default().enter(Role::Capture);
    let (mut capture, mut ring) = capture::start(Box::new(source), alive).map_err(|e| e.to_string())?;
    let mut report = Report::default();
    let mut expected = None;
    let mut last_end = None;
    let begin = Instant::now();
    while begin.elapsed() < duration {
        let record = match ring.next(Duration::from_secs(1)) {
            Next::Record(record) => record,
            Next::Timeout => continue,
            Next::End => return Err("the source ended".into()),
            Next::Failed(e) => return Err(e.to_string()),
        };
        let period = record.header().period;
        report.periods += 1;
        report.discontinuities += u64::from(period.discontinuity);
        if let Some(last) = last_end.replace(period.end) {
            let gap = period.end - last;
            report.gap_max = report.gap_max.max(gap);
            report.gaps_over_20_ms += u64::from(gap > Duration::from_millis(20));
        }
        let now = oratype_hal::time::Clock::now(&oratype_hal::time::MonotonicClock);
        report.ring_delay_max = report.ring_delay_max.max(now - period.end);
        check(record.frames(), &mut expected, &mut report);
    }
    capture.stop();
    report.dropped_periods = capture.counters().dropped_periods;
    Ok(report)
}

/// Check that `frames` go on where the last ones ended, and are what they should be. `expected` is the next number,
/// if there was one before.
pub fn check(frames: &[u8], expected: &mut Option<u64>, report: &mut Report) {
    for bytes in frames.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *bytes;
        let samples = [i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h])];
        // A soak is shorter than the twelve hours in which a sample's 31 bits of numbers are used up.
        let number = samples[0] as u32 as u64;
        let next = expected.unwrap_or(number);
        if samples != frame(number) || number < next {
            report.frames_wrong += 1;
        } else {
            report.frames_lost += number - next;
        }
        report.frames += 1;
        *expected = Some(number + 1);
    }
}

impl Report {
    /// Whether every frame arrived, once and as it was.
    pub fn is_clean(&self) -> bool {
        self.frames > 0
            && self.frames_lost == 0
            && self.frames_wrong == 0
            && self.discontinuities == 0
            && self.dropped_periods == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1e3);
        let rows = [
            ("load threads", self.load_threads.to_string()),
            ("periods", self.periods.to_string()),
            ("frames", self.frames.to_string()),
            ("frames lost", self.frames_lost.to_string()),
            ("frames wrong", self.frames_wrong.to_string()),
            ("discontinuities", self.discontinuities.to_string()),
            ("periods dropped, ring full", self.dropped_periods.to_string()),
            ("longest time between periods", ms(self.gap_max)),
            ("periods over 20 ms apart", self.gaps_over_20_ms.to_string()),
            ("longest wait in the ring", ms(self.ring_delay_max)),
        ];
        rows.iter().try_for_each(|(name, value)| writeln!(f, "{name:<28}  {value:>10}"))
    }
}
