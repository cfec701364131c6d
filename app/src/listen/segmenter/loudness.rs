//! Judgements by loudness alone: where a word may have begun, and where it is quietest.

use crate::recognise::engine::SAMPLE_RATE_HZ;

/// Without a pause, the quietest place is looked for in this last part of the segment,
pub(super) const QUIET_SEARCH_SAMPLES: usize = 8 * SAMPLE_RATE_HZ;
/// but not in its last second: what is left over must be long enough to be known as speech.
const QUIET_LEFT_OVER_SAMPLES: usize = SAMPLE_RATE_HZ;
/// Length of the stretch whose loudness counts there: shorter than a syllable, longer than a pitch period.
const QUIET_WINDOW_SAMPLES: usize = SAMPLE_RATE_HZ / 20;
/// The last sound before the release that is looked at for the beginning of a word: a word is heard by the detector some
/// 60 ms after it has begun.
const ONSET_SAMPLES: usize = SAMPLE_RATE_HZ * 64 / 1000;
/// Length of the stretches whose loudness is compared for that: 16 ms, longer than a pitch period.
const ONSET_WINDOW_SAMPLES: usize = SAMPLE_RATE_HZ * 16 / 1000;
/// A word stands out from the pause before it by so much power, 10 dB; steady noise varies by less than 3.
const ONSET_POWER_RATIO: f32 = 10.0;
/// Mean square of what is no sound at all, -70 dB of full scale.
const NOTHING_POWER: f32 = 1e-7;

/// Mean square.
fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

/// Whether a word may have begun in the last moments of `samples`, which the detector took for the end of a silence of so
/// many samples: they are much louder than the quietest moment of that silence.
pub(super) fn word_may_begin(samples: &[f32], silence: usize) -> bool {
    let (before, onset) = samples.split_at(samples.len().saturating_sub(ONSET_SAMPLES));
    let silence = &before[before.len().saturating_sub(silence.saturating_sub(ONSET_SAMPLES))..];
    let powers = |samples| <[f32]>::chunks_exact(samples, ONSET_WINDOW_SAMPLES).map(power);
    let Some(quiet) = powers(silence).min_by(f32::total_cmp) else { return false };
    powers(onset).any(|power| power > ONSET_POWER_RATIO * quiet.max(NOTHING_POWER))
}

/// The middle of the quietest stretch in the last part of `samples`, which must be longer than that part.
pub(super) fn quietest(samples: &[f32]) -> usize {
    let from = samples.len() - QUIET_SEARCH_SAMPLES;
    let to = samples.len() - QUIET_LEFT_OVER_SAMPLES;
    let windows = samples[from..to].chunks_exact(QUIET_WINDOW_SAMPLES).map(power).enumerate();
    let quietest = windows.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index);
    from + quietest * QUIET_WINDOW_SAMPLES + QUIET_WINDOW_SAMPLES / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_out_from_the_pause_may_be_a_word() {
        let hiss =
            |power: f32, ms: usize| (0..16 * ms).map(move |i| power.sqrt() * [1.0, -1.0, 0.6, -1.2][i % 4]);
        let may_begin = |pause: f32, end: f32, silence_ms: usize| {
            let samples: Vec<f32> = hiss(0.1, 500).chain(hiss(pause, 150)).chain(hiss(end, 40)).collect();
            word_may_begin(&samples, 16 * silence_ms)
        };
        assert!(may_begin(1e-5, 1e-3, 190));
        assert!(!may_begin(1e-5, 5e-5, 190), "a breath of air");
        assert!(!may_begin(0.0, 1e-7, 190), "hardly a sound");
        assert!(!may_begin(1e-5, 1e-3, 0), "somebody speaks, as the detector knows");
        assert!(!word_may_begin(&[], 0));
    }

    #[test]
    fn the_quietest_place_is_found_in_the_last_part_but_not_at_the_very_end() {
        let mut samples = vec![0.5; QUIET_SEARCH_SAMPLES + SAMPLE_RATE_HZ];
        let quiet = samples.len() - 3 * SAMPLE_RATE_HZ;
        samples[..SAMPLE_RATE_HZ].fill(0.0);
        samples[quiet..quiet + 2 * QUIET_WINDOW_SAMPLES].fill(0.1);
        let end = samples.len() - QUIET_LEFT_OVER_SAMPLES;
        samples[end..].fill(0.0);
        assert!((quiet..quiet + 2 * QUIET_WINDOW_SAMPLES).contains(&quietest(&samples)));
    }
}
