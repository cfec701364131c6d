//! What a dictation cost, in time, processor and memory.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// Processor time of all threads of this process so far.
pub fn process_cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let time = |t: nix::sys::time::TimeVal| {
        Duration::new(t.tv_sec().unsigned_abs(), t.tv_usec().unsigned_abs() as u32 * 1000)
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// The largest resident set a process has had, bytes (`VmHWM` of `/proc/PID/status`). `None` once it is gone.
pub fn peak_rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// One dictation, from its start to its last key.
///
/// Durations of a stage are sums over the dictation's segments, except where it says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DictationReport {
    /// Dictations since the start, from 0.
    pub number: u64,
    /// All that was typed for it, a space before it included.
    pub text: String,
    /// Segments that were recognised.
    pub segments: u32,
    /// Segments given up because recognisers died of them.
    pub segments_lost: u32,
    /// The audio context that each segment's text came from, encoder positions.
    pub contexts: Vec<u32>,
    /// Recognition attempts thrown away.
    pub retries: u32,
    /// Segments whose text was there, or being made, when they turned out to be complete.
    pub early_hits: u32,
    /// Early recognitions for nothing, because the speaker went on.
    pub early_wasted: u32,
    /// Processor time of the recogniser that went into those.
    pub wasted_cpu: Duration,
    /// Capture of the period with the release until the listener worked on it.
    pub capture: Duration,
    /// Release to the end of the last segment: the tail.
    pub endpoint: Duration,
    /// Waiting for the recogniser.
    pub queue: Duration,
    /// Mel spectrogram and encoder.
    pub encode: Duration,
    /// Decoder.
    pub decode: Duration,
    /// Text rules.
    pub compose: Duration,
    /// First key to last key of the last text.
    pub typing: Duration,
    /// Release to the first key that came after it; `None` if no key did.
    pub release_to_first_key: Option<Duration>,
    /// Release to the last key.
    pub release_to_last_key: Option<Duration>,
    /// Processor time of recogniser processes.
    pub recogniser_cpu: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_figures_are_plausible() {
        let bytes = peak_rss_bytes(std::process::id()).unwrap();
        assert!((1 << 18..1 << 36).contains(&bytes), "{bytes}");
        assert!(process_cpu() > Duration::ZERO);
        assert_eq!(peak_rss_bytes(u32::MAX), None);
    }
}
