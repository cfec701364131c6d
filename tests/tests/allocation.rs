//! After start-up the capture thread allocates nothing, neither in Rust nor in C.
//!
//! This program defines malloc and its relatives itself, and the dynamic linker lets alsa-lib and libc use those;
//! Rust's allocator is counted besides. Calls count on the capture thread only, from its first period until its
//! source is dropped. Two planted sources show that each count can fail.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows one only by the standard harness")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use nix::errno::Errno;
use oratype::appliance::{Opener, ReopenedMicrophone};
use oratype::capture::{self, Counters, Next};
use oratype::liveness::{Liveness, Role};
use oratype_hal::pcm::alsa::{AlsaCapture, Timing};
use oratype_hal::pcm::wav::{Pace, WavOptions, WavSource};
use oratype_hal::pcm::{Capture, CaptureError, Captured, Period};
use oratype_hal::time::{Clock, MonotonicClock};
use oratype_tests::paced::{self, PacedPcm};

/// Periods over which nothing may be allocated.
const PERIODS_MIN: u64 = 10_000;

/// Periods of the shorter runs, over several faults each.
const PERIODS_SHORT: u64 = 1_000;

/// Thirty times real time, so that 10,000 periods take some three seconds.
const SPEED: u32 = 30;

/// A fault every second of sound, that is every 100 periods.
const FAULT_FRAMES: u64 = 48_000;

const PCMS: [PacedPcm; 4] = [
    PacedPcm { speed: SPEED, ..PacedPcm::new("steady") },
    PacedPcm { speed: SPEED, xrun_every: FAULT_FRAMES, ..PacedPcm::new("overruns") },
    PacedPcm { speed: SPEED, suspend_every: FAULT_FRAMES, ..PacedPcm::new("suspends") },
    PacedPcm {
        speed: SPEED,
        suspend_every: FAULT_FRAMES,
        resumes: false,
        ..PacedPcm::new("suspends_for_good")
    },
];

thread_local! {
    /// Whether this thread's calls count.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static C_CALLS: AtomicU64 = AtomicU64::new(0);
static RUST_CALLS: AtomicU64 = AtomicU64::new(0);

fn count(calls: &AtomicU64) {
    if COUNTED.get() {
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

// What glibc's own malloc is called besides.
unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(old: *mut c_void);
}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    count(&C_CALLS);
    // SAFETY: malloc has no precondition.
    unsafe { __libc_malloc(size) }
}

#[unsafe(no_mangle)]
extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
    count(&C_CALLS);
    // SAFETY: calloc has no precondition.
    unsafe { __libc_calloc(number, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
    count(&C_CALLS);
    // SAFETY: as promised to us.
    unsafe { __libc_realloc(old, size) }
}

#[unsafe(no_mangle)]
extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    count(&C_CALLS);
    // SAFETY: memalign has no precondition.
    unsafe { __libc_memalign(alignment, size) }
}

#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    memalign(alignment, size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    let new = memalign(alignment, size);
    if new.is_null() {
        return Errno::ENOMEM as c_int;
    }
    // SAFETY: `out` takes a pointer, as promised to us.
    unsafe { ptr::write(out, new) };
    0
}

/// Freeing counts too: it takes the allocator's locks like the rest.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(old: *mut c_void) {
    if !old.is_null() {
        count(&C_CALLS);
    }
    // SAFETY: as promised to us.
    unsafe { __libc_free(old) }
}

/// The system's allocator, counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&RUST_CALLS);
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&RUST_CALLS);
        // SAFETY: as promised to us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(&RUST_CALLS);
        // SAFETY: as promised to us.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(&RUST_CALLS);
        // SAFETY: as promised to us.
        unsafe { System.dealloc(old, layout) }
    }
}

/// A source on whose thread calls count.
struct Watched<C: Capture>(C);

impl<C: Capture> Capture for Watched<C> {
    fn period_bytes_max(&self) -> usize {
        self.0.period_bytes_max()
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        COUNTED.set(true);
        self.0.read_period(buffer)
    }

    fn can_wait(&self) -> bool {
        self.0.can_wait()
    }
}

impl<C: Capture> Drop for Watched<C> {
    /// Closing the source is no longer capture. Runs before the source itself is dropped.
    fn drop(&mut self) {
        COUNTED.set(false);
    }
}

/// What a run found: calls in C and in Rust, and how much was captured.
struct Outcome {
    c_calls: u64,
    rust_calls: u64,
    counters: Counters,
}

/// Capture `periods` periods, or a recording to its end, through the program's own thread and ring.
fn run(name: &str, source: impl Capture + 'static, periods: u64) -> Outcome {
    C_CALLS.store(0, Ordering::Relaxed);
    RUST_CALLS.store(0, Ordering::Relaxed);
    let alive = Arc::<Liveness>::default().enter(Role::Capture);
    let (mut capture, mut ring) = capture::start(Box::new(Watched(source)), alive).unwrap();
    while capture.counters().periods < periods {
        match ring.next(Duration::from_secs(10)) {
            Next::Record(record) => assert!(!record.frames().is_empty()),
            Next::End => break,
            Next::Timeout => panic!("{name}: nothing came"),
            Next::Failed(e) => panic!("{name}: {e}"),
        }
    }
    capture.stop();
    let outcome = Outcome {
        c_calls: C_CALLS.load(Ordering::Relaxed),
        rust_calls: RUST_CALLS.load(Ordering::Relaxed),
        counters: capture.counters(),
    };
    eprintln!(
        "{name:<20} {:>6} periods {:>4} faults {:>6} calls in C {:>6} in Rust",
        outcome.counters.periods, outcome.counters.discontinuities, outcome.c_calls, outcome.rust_calls
    );
    outcome
}

fn open(name: &str) -> AlsaCapture {
    AlsaCapture::open(name, paced::FORMAT, Timing::default()).unwrap()
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    // SAFETY: the first thing main does; there are no threads yet.
    unsafe { paced::configure(dir.path(), &PCMS, "") }.unwrap();

    for (name, periods) in
        [("overruns", PERIODS_MIN), ("suspends", PERIODS_SHORT), ("suspends_for_good", PERIODS_SHORT)]
    {
        let outcome = run(name, open(name), periods);
        assert!(outcome.counters.periods >= periods, "{name}: too short");
        assert!(outcome.counters.discontinuities >= 1, "{name}: no fault happened");
        assert_eq!((outcome.c_calls, outcome.rust_calls), (0, 0), "{name}: the capture thread allocates");
    }
    let outcome = run("recordings", recordings(dir.path()), u64::MAX);
    assert!(outcome.counters.periods >= PERIODS_SHORT);
    assert_eq!((outcome.c_calls, outcome.rust_calls), (0, 0), "the WAV driver allocates");

    let status = Arc::default();
    let opener: Opener<Box<dyn Capture>> = Box::new(|| Ok(Box::new(open("overruns"))));
    let microphone =
        ReopenedMicrophone::start(opener, Duration::from_secs(1), &status, Arc::new(MonotonicClock)).unwrap();
    let outcome = run("reopened", microphone, PERIODS_SHORT);
    assert!(outcome.counters.discontinuities >= 1, "no fault happened");
    assert_eq!((outcome.c_calls, outcome.rust_calls), (0, 0), "a microphone that may be absent allocates");

    let outcome = run("planted: typed I/O", TypedIo::open("steady"), PERIODS_SHORT);
    assert!(outcome.c_calls > 0, "malloc in alsa-lib is not noticed");
    assert_eq!(outcome.rust_calls, 0, "calls in C are taken for Rust's");
    let outcome = run("planted: Vec", Hoarder { source: open("steady"), ends: Vec::new() }, PERIODS_SHORT);
    assert!(outcome.rust_calls > 0, "Rust's allocator is not noticed");
    eprintln!("test the_capture_thread_never_allocates ... ok");
}

/// Two recordings of 48 kHz float stereo.
fn recordings(dir: &Path) -> WavSource {
    let bytes: u32 = 10 * 48_000 * 8;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((bytes + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x03\0\x02\0");
    wav.extend(48_000u32.to_le_bytes());
    wav.extend(384_000u32.to_le_bytes());
    wav.extend(b"\x08\0\x20\0data");
    wav.extend(bytes.to_le_bytes());
    wav.resize(wav.len() + bytes as usize, 0);
    let path = dir.join("silence.wav");
    std::fs::write(&path, wav).unwrap();
    let options = WavOptions { gap: Duration::from_secs(1), ..WavOptions::default() };
    WavSource::open(&[&path, &path], Pace::Fast, options).unwrap()
}

/// Planted: reads through alsa-rs's typed I/O, which asks alsa-lib for the hw_params, on the heap, at each call.
struct TypedIo {
    pcm: PCM,
    samples: Vec<i32>,
}

impl TypedIo {
    fn open(name: &str) -> Self {
        let pcm = PCM::new(name, Direction::Capture, false).unwrap();
        {
            let hw = HwParams::any(&pcm).unwrap();
            hw.set_access(Access::RWInterleaved).unwrap();
            hw.set_format(Format::S32LE).unwrap();
            hw.set_period_size_near(480, ValueOr::Nearest).unwrap();
            pcm.hw_params(&hw).unwrap();
        }
        pcm.start().unwrap();
        Self { pcm, samples: vec![0; 960] }
    }
}

impl Capture for TypedIo {
    fn period_bytes_max(&self) -> usize {
        self.samples.len() * 4
    }

    fn read_period(&mut self, _: &mut [u8]) -> Result<Captured, CaptureError> {
        let Ok(frames) = self.pcm.io_i32().and_then(|io| io.readi(&mut self.samples)) else {
            let restarted = self.pcm.prepare().and_then(|()| self.pcm.start());
            return restarted.map(|()| Captured::Pending).map_err(|_| CaptureError::Disconnected);
        };
        Ok(Captured::Period(Period {
            frames: frames as u32,
            format: paced::FORMAT,
            end: MonotonicClock.now(),
            discontinuity: false,
        }))
    }

    fn can_wait(&self) -> bool {
        false
    }
}

/// Planted: remembers every period on the heap.
struct Hoarder {
    source: AlsaCapture,
    ends: Vec<Duration>,
}

impl Capture for Hoarder {
    fn period_bytes_max(&self) -> usize {
        self.source.period_bytes_max()
    }

    fn read_period(&mut self, buffer: &mut [u8]) -> Result<Captured, CaptureError> {
        let captured = self.source.read_period(buffer)?;
        if let Captured::Period(period) = captured {
            self.ends.push(period.end);
        }
        Ok(captured)
    }

    fn can_wait(&self) -> bool {
        false
    }
}
