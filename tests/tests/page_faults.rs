//! After start-up the capture thread waits for no memory: it takes no page fault, neither a major one (a page read
//! from somewhere) nor a minor one (a page made). Runs the program's own capture thread, on software PCMs. A planted
//! source shows that the count can fail.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows one only by the standard harness")]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use oratype::capture::{self, Next};
use oratype::liveness::{Liveness, Role};
use oratype_hal::memory;
use oratype_hal::pcm::alsa::{AlsaCapture, Timing};
use oratype_hal::pcm::{Capture, CaptureError, Captured};
use oratype_tests::needs::not_run;
use oratype_tests::paced::{self, PacedPcm};

/// Periods over which nothing may fault: three laps of the ring.
const PERIODS: u64 = 300;

/// Until here code runs for the first time, that of an overrun's recovery too.
const WARM_UP_PERIODS: u64 = 120;

/// Thirty times real time, so that a run takes a tenth of a second.
const SPEED: u32 = 30;

const PCMS: [PacedPcm; 2] = [
    PacedPcm { speed: SPEED, ..PacedPcm::new("steady") },
    PacedPcm { speed: SPEED, xrun_every: 48_000, ..PacedPcm::new("overruns") },
];

thread_local! {
    static PERIODS_READ: Cell<u64> = const { Cell::new(0) };
    static AT_START: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

/// Of the capture thread, since its warm-up.
static MAJOR: AtomicI64 = AtomicI64::new(0);
static MINOR: AtomicI64 = AtomicI64::new(0);

/// Major and minor faults of the calling thread so far.
fn faults() -> (i64, i64) {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    (usage.major_page_faults(), usage.minor_page_faults())
}

/// A source whose thread is watched.
struct Watched<C> {
    source: C,
    warm_up_periods: u64,
    /// Planted: pages of its own, a new one touched for each period.
    fresh: Option<Vec<u8>>,
}

impl<C: Capture> Capture for Watched<C> {
    fn period_bytes_max(&self) -> usize {
        self.source.period_bytes_max()
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        let captured = self.source.read_period(buffer)?;
        if let Captured::Period(_) = captured {
            let period = PERIODS_READ.get() + 1;
            PERIODS_READ.set(period);
            if let Some(fresh) = &mut self.fresh {
                fresh[period as usize * 4096 % (PERIODS as usize * 4096)] = 1;
            }
            if period == self.warm_up_periods {
                AT_START.set(faults());
            } else if period > self.warm_up_periods {
                let (now, start) = (faults(), AT_START.get());
                MAJOR.store(now.0 - start.0, Ordering::Relaxed);
                MINOR.store(now.1 - start.1, Ordering::Relaxed);
            }
        }
        Ok(captured)
    }

    fn can_wait(&self) -> bool {
        false
    }
}

/// Major and minor faults of the capture thread over `PERIODS` periods after the warm-up.
fn run(name: &str, pcm: &str, warm_up_periods: u64, plant: bool) -> (i64, i64) {
    MAJOR.store(0, Ordering::Relaxed);
    MINOR.store(0, Ordering::Relaxed);
    let source = AlsaCapture::open(pcm, paced::FORMAT, Timing::default()).unwrap();
    let fresh = plant.then(|| vec![0; PERIODS as usize * 4096]);
    let alive = Arc::<Liveness>::default().enter(Role::Capture);
    let (mut capture, mut ring) =
        capture::start(Box::new(Watched { source, warm_up_periods, fresh }), alive).unwrap();
    while capture.counters().periods < warm_up_periods + PERIODS {
        match ring.next(Duration::from_secs(10)) {
            Next::Record(record) => assert!(!record.frames().is_empty()),
            _ => panic!("{name}: nothing came"),
        }
    }
    capture.stop();
    let faults = (MAJOR.load(Ordering::Relaxed), MINOR.load(Ordering::Relaxed));
    eprintln!("{name:<28} {PERIODS} periods, {} major and {} minor faults", faults.0, faults.1);
    faults
}

fn main() {
    if let Err(error) = memory::lock() {
        not_run(&format!("the capture thread takes no page fault: {error}"));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // SAFETY: the first thing done; there are no threads yet.
    unsafe { paced::configure(dir.path(), &PCMS, "") }.unwrap();

    // The first period of all runs code, of alsa-lib's too, that nobody ran before.
    assert_eq!(run("from the second period", "steady", 2, false), (0, 0));
    assert_eq!(run("over overruns", "overruns", WARM_UP_PERIODS, false), (0, 0));
    let (_, minor) = run("planted: new pages", "steady", 2, true);
    assert!(minor > 100, "faults are not noticed");
    eprintln!("test the_capture_thread_takes_no_page_fault ... ok");
}
