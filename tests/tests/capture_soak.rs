//! Twenty seconds of the capture soak; `cargo run --release -p oratype-tests --bin capture-soak` does ten minutes.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows one only by the standard harness")]

use std::time::Duration;

use oratype_hal::sched;
use oratype_tests::paced::{self, PacedPcm};
use oratype_tests::soak;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    // SAFETY: the first thing main does; there are no threads yet.
    unsafe { paced::configure(dir.path(), &[PacedPcm::new("mic")], "") }.unwrap();

    // Without real-time priority the trial is of the machine's load, not of the program.
    let realtime = std::thread::spawn(|| sched::set_realtime(1)).join().unwrap();
    if let Err(e) = realtime {
        eprintln!("test no_frame_is_lost_under_load ... NOT RUN: {e}");
        return;
    }
    let report = soak::run("mic", Duration::from_secs(20)).unwrap();
    eprint!("{report}");
    assert!(report.is_clean(), "frames were lost");
    eprintln!("test no_frame_is_lost_under_load ... ok");
}
