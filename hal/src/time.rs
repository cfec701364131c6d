//! Time as an interface, so that tests can run hours in milliseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// A point in time, as the duration since the epoch of the clock that gave it.
///
/// For live devices the epoch is that of `CLOCK_MONOTONIC`, so it can be compared with the kernel's own event
/// time stamps. Recordings count from the first frame of the first recording.
pub type Timestamp = Duration;

/// A monotonic clock.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
    /// Block until `deadline`; returns at once when it has passed.
    fn sleep_until(&self, deadline: Timestamp);
}

/// The kernel's `CLOCK_MONOTONIC`: never set back, stands still while the machine is suspended.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Timestamp {
        // Fails only for a clock the kernel does not have or an address that is not ours (clock_gettime(2)).
        clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has CLOCK_MONOTONIC").into()
    }

    fn sleep_until(&self, deadline: Timestamp) {
        let deadline = TimeSpec::from_duration(deadline);
        let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
        while let Err(Errno::EINTR) = clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &deadline) {}
    }
}

/// A clock for tests: it starts at zero and moves only when someone sleeps on it or advances it.
///
/// Sleeping moves it to the deadline at once, so a test that paces hours of sound ends in milliseconds. Share it
/// as `Arc<SimulatedClock>`.
#[derive(Debug, Default)]
pub struct SimulatedClock {
    now_ns: AtomicU64,
}

impl SimulatedClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Let `duration` pass.
    pub fn advance(&self, duration: Duration) {
        self.now_ns.fetch_add(to_ns(duration), Ordering::AcqRel);
    }
}

/// Whole nanoseconds; 64 bits hold 584 years.
fn to_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Duration::from_nanos(self.now_ns.load(Ordering::Acquire))
    }

    fn sleep_until(&self, deadline: Timestamp) {
        self.now_ns.fetch_max(to_ns(deadline), Ordering::AcqRel);
    }
}

/// What every [`Clock`] must do.
#[cfg(any(test, feature = "conformance"))]
pub mod conformance {
    use super::{Clock, Duration};

    /// Run the whole suite. Takes 1 ms of the clock's own time.
    pub fn check(clock: &dyn Clock) {
        let first = clock.now();
        assert!(clock.now() >= first, "time went back");

        let deadline = clock.now() + Duration::from_millis(1);
        clock.sleep_until(deadline);
        assert!(clock.now() >= deadline, "woke before the deadline");

        let now = clock.now();
        clock.sleep_until(Duration::ZERO);
        assert!(clock.now() >= now, "sleeping until the past moved time back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_clock_conforms() {
        conformance::check(&MonotonicClock);
    }

    #[test]
    fn simulated_clock_conforms() {
        conformance::check(&SimulatedClock::new());
    }

    #[test]
    fn simulated_clock_moves_only_when_told() {
        let clock = SimulatedClock::new();
        assert_eq!(clock.now(), Duration::ZERO);
        clock.advance(Duration::from_secs(3600));
        clock.sleep_until(Duration::from_secs(10));
        assert_eq!(clock.now(), Duration::from_secs(3600));
        clock.sleep_until(Duration::from_secs(3601));
        assert_eq!(clock.now(), Duration::from_secs(3601));
    }
}
