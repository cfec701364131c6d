//! What every [`Capture`](super::Capture) must do, to be run against each implementation of it.

use std::time::{Duration, Instant};

use super::{Capture, CaptureError, Captured};

/// What stands behind the bytes a source said it wrote, to see whether it wrote more.
const CANARY: u8 = 0xA5;

/// Bytes of canary.
const CANARY_BYTES: usize = 64;

/// Calls without a period after which a source counts as stuck: at 100 ms each, well over what any device needs.
const PENDING_MAX: u32 = 100;

/// Read at most `periods_max` periods from `source`, checking each, and return how many frames there were. Stops
/// early at the end of a recording.
pub fn check(source: &mut dyn Capture, periods_max: usize) -> Result<u64, CaptureError> {
    let bytes_max = source.period_bytes_max();
    assert!(bytes_max > 0, "a period of no bytes");
    let mut buffer = vec![CANARY; bytes_max + CANARY_BYTES];
    let mut end = Duration::ZERO;
    let mut frames = 0;
    let mut pending = 0;
    for _ in 0..periods_max {
        let period = loop {
            match source.read_period(&mut buffer[..bytes_max])? {
                Captured::Period(period) => break period,
                Captured::Pending => pending += 1,
                Captured::End => {
                    assert!(source.can_wait(), "a live source ended");
                    assert_eq!(source.read_period(&mut buffer), Ok(Captured::End), "went on after the end");
                    return Ok(frames);
                }
            }
            assert!(pending <= PENDING_MAX, "nothing but Pending");
        };
        pending = 0;
        let bytes = period.frames as usize * period.format.frame_bytes();
        assert!(period.frames > 0, "a period without frames");
        assert!((1..=2).contains(&period.format.channels), "{} channels", period.format.channels);
        assert!(bytes <= bytes_max, "{bytes} bytes in a period, announced were {bytes_max}");
        assert!(buffer[bytes_max..].iter().all(|&b| b == CANARY), "wrote past the buffer");
        assert!(period.end >= end, "time went back from {end:?} to {:?}", period.end);
        end = period.end;
        frames += u64::from(period.frames);
    }
    Ok(frames)
}

/// A source whose device is gone says so soon, and says so again.
pub fn check_disconnected(source: &mut dyn Capture) {
    let mut buffer = vec![0; source.period_bytes_max()];
    let give_up = Instant::now() + Duration::from_secs(10);
    let error = loop {
        match source.read_period(&mut buffer) {
            Ok(_) => assert!(Instant::now() < give_up, "still no error"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, CaptureError::Disconnected);
    assert_eq!(source.read_period(&mut buffer), Err(CaptureError::Disconnected));
}
