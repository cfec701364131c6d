//! Logging to the kernel's log, `/dev/kmsg`, which the kernel shows on the console it was told.
//!
//! One write is one record (Documentation/ABI/testing/dev-kmsg).

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::time::{ClockId, clock_gettime};

/// syslog(3)'s facility `daemon`, shifted to its place in a record's priority.
const DAEMON: u8 = 3 << 3;
/// Longer records are refused; the kernel takes 1024 bytes less its own prefix (`PRINTKRB_RECORD_MAX`).
pub(crate) const RECORD_BYTES_MAX: usize = 900;

struct Kmsg(File);

/// Start logging. Without /dev/kmsg there is nowhere to log to, and nothing is said.
pub(crate) fn start() {
    // Else the kernel drops records of a process that writes many. Refused if the command line says otherwise.
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    if let Ok(file) = OpenOptions::new().write(true).open("/dev/kmsg") {
        let kmsg: &'static Kmsg = Box::leak(Box::new(Kmsg(file)));
        if log::set_logger(kmsg).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    }
}

/// Log that a stage of the start is done, with the time since the kernel started.
pub(crate) fn stage(what: &str) {
    log::info!("{what} {:.2} s", since_kernel_start_s());
}

/// Seconds since the kernel started.
fn since_kernel_start_s() -> f64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9)
}

/// Priorities of syslog(3).
fn priority(level: Level) -> u8 {
    DAEMON
        | match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        }
}

impl Log for Kmsg {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // What the program said has its name, all else is init's.
        let name = if record.target() == crate::lines::TARGET { "oratype" } else { "oratype-init" };
        let mut text = format!("<{}>{name}: {}", priority(record.level()), record.args());
        text.truncate(text.floor_char_boundary(RECORD_BYTES_MAX));
        // Without it the kernel keeps the record for more to come, and shows it when the next one does.
        text.push('\n');
        let _ = (&self.0).write_all(text.as_bytes());
    }

    fn flush(&self) {}
}
