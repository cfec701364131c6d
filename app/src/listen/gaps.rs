//! What is said in the log of sound that was lost.

use std::mem;
use std::time::Duration;

use crate::capture::Header;

/// Between two lines about lost sound. One for each gap would keep a machine busy that is behind as it is: on the
/// appliance the kernel prints each.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Gaps that the log does not know of yet.
#[derive(Debug, Default)]
pub struct Gaps {
    gaps: u32,
    dropped_periods: u32,
    /// When the log was last told, on the clock of the records' commits.
    told: Option<Duration>,
}

impl Gaps {
    /// A period was heard. What is to be said about gaps before it, if it is time: the first at once, those that follow
    /// in one line a second.
    pub fn hear(&mut self, header: &Header) -> Option<String> {
        if header.period.discontinuity {
            self.gaps += 1;
            self.dropped_periods = self.dropped_periods.saturating_add(header.dropped_periods);
        }
        let too_early = |told| header.committed.saturating_sub(told) < LINE_EVERY;
        if self.told.is_some_and(too_early) {
            return None;
        }
        let line = self.rest()?;
        self.told = Some(header.committed);
        Some(line)
    }

    /// What is to be said about gaps that the log does not know of yet, for when no more sound comes.
    pub fn rest(&mut self) -> Option<String> {
        let (gaps, dropped_periods) = (mem::take(&mut self.gaps), mem::take(&mut self.dropped_periods));
        (gaps > 0).then(|| format!("sound was lost: gaps {gaps}, periods dropped {dropped_periods}"))
    }
}

#[cfg(test)]
mod tests {
    use oratype_hal::pcm::{Period, SampleFormat, StreamFormat};

    use super::*;

    fn heard(gaps: &mut Gaps, at_ms: u64, dropped_periods: u32) -> Option<String> {
        let committed = Duration::from_millis(at_ms);
        let format = StreamFormat { rate_hz: 48_000, channels: 2, sample: SampleFormat::S32 };
        let period = Period { end: committed, format, frames: 480, discontinuity: dropped_periods > 0 };
        gaps.hear(&Header { sequence: 0, period, dropped_periods, committed })
    }

    #[test]
    fn the_first_gap_is_told_at_once_and_the_others_once_a_second_or_at_the_end() {
        let mut gaps = Gaps::default();
        assert_eq!(heard(&mut gaps, 0, 0), None);
        assert_eq!(heard(&mut gaps, 10, 3).as_deref(), Some("sound was lost: gaps 1, periods dropped 3"));
        for at_ms in [20, 500, 1000] {
            assert_eq!(heard(&mut gaps, at_ms, 2), None);
        }
        assert_eq!(heard(&mut gaps, 1010, 0).as_deref(), Some("sound was lost: gaps 3, periods dropped 6"));
        assert_eq!(heard(&mut gaps, 5000, 0), None, "all was told");
        assert_eq!(heard(&mut gaps, 5010, 1).as_deref(), Some("sound was lost: gaps 1, periods dropped 1"));
        assert_eq!(gaps.rest(), None, "all was told");
        assert_eq!(heard(&mut gaps, 5020, 7), None);
        assert_eq!(gaps.rest().as_deref(), Some("sound was lost: gaps 1, periods dropped 7"));
    }
}
