//! Progress of one long step on standard error: a bar on a terminal, a few lines elsewhere.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A line for every this many percent when standard error is not a terminal.
const LINE_EVERY_PERCENT: u64 = 25;

/// Shows how many of a known number of bytes are done. Removes its bar when dropped.
pub struct Progress {
    name: String,
    total_bytes: u64,
    done_bytes: u64,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines,
    Hidden,
}

impl Progress {
    /// Shows progress on standard error.
    pub fn new(name: &str, total_bytes: u64) -> Self {
        let display = if stderr().is_terminal() {
            let bar = ProgressBar::new(total_bytes).with_message(name.to_owned());
            if let Ok(style) =
                ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            Display::Bar(bar)
        } else {
            Display::Lines
        };
        Self { name: name.to_owned(), total_bytes, done_bytes: 0, display }
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self { name: String::new(), total_bytes: 0, done_bytes: 0, display: Display::Hidden }
    }

    /// `done_bytes` of the total are done; may go back when a step starts over.
    pub fn set(&mut self, done_bytes: u64) {
        match &self.display {
            Display::Bar(bar) => bar.set_position(done_bytes),
            Display::Lines => {
                let step = |bytes| percent(bytes, self.total_bytes) / LINE_EVERY_PERCENT;
                if step(done_bytes) > step(self.done_bytes) {
                    eprintln!("{}: {} %", self.name, percent(done_bytes, self.total_bytes));
                }
            }
            Display::Hidden => {}
        }
        self.done_bytes = done_bytes;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn percent(done_bytes: u64, total_bytes: u64) -> u64 {
    (done_bytes.saturating_mul(100)).checked_div(total_bytes).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percent_stays_between_0_and_100() {
        assert_eq!(percent(0, 43_550_795), 0);
        assert_eq!(percent(21_775_398, 43_550_795), 50);
        assert_eq!(percent(43_550_795, 43_550_795), 100);
        assert_eq!(percent(u64::MAX, 1), 100);
        assert_eq!(percent(0, 0), 100);
    }
}
