//! Runs the capture path under full CPU load and prints what was lost: `capture-soak --minutes 10`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use oratype_tests::paced::{self, PacedPcm};
use oratype_tests::soak;

/// Capture 48 kHz S32 stereo from a paced software PCM while all cores are busy, checking every frame's number.
#[derive(Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(Duration::from_secs_f64(arguments.minutes * 60.0)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            log_error(&e);
            ExitCode::FAILURE
        }
    }
}

fn log_error(message: &str) {
    let _ = writeln!(io::stderr(), "capture-soak: {message}");
}

/// Whether nothing was lost.
fn run(duration: Duration) -> Result<bool, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    // SAFETY: the first thing main does after reading its arguments; there are no threads yet.
    unsafe { paced::configure(dir.path(), &[PacedPcm::new("mic")], "") }.map_err(|e| e.to_string())?;
    let report = soak::run("mic", duration)?;
    write!(io::stdout(), "{report}").map_err(|e| e.to_string())?;
    Ok(report.is_clean())
}
