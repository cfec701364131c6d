//! Time as an interface, so that tests can run hours in milliseconds.

use std::time::Duration;

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
