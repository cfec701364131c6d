//! How long to wait before the program is started again.

use std::time::Duration;

/// After the first end. Short: whoever dictates waits.
const FIRST: Duration = Duration::from_millis(100);
/// At most. A program that ends at once each time then still leaves the processor to the log.
const MAX: Duration = Duration::from_secs(5);
/// Who ran for so long did not fail at the start: begin anew.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// Waits twice as long each time, until a run goes well.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The program ended after `ran`: wait this long.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        let wait = match self.last {
            Some(last) if ran < GOOD_RUN => last.saturating_mul(2).min(MAX),
            _ => FIRST,
        };
        self.last = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_bound_and_start_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let waits_ms: Vec<_> = (0..8).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits_ms, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.after(GOOD_RUN), FIRST);
        assert_eq!(backoff.after(Duration::ZERO), FIRST * 2);
    }
}
