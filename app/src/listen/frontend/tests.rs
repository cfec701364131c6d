//! What the front end does to tones, offsets, channels, counts and times.

use super::*;
use oratype_hal::pcm::SampleFormat;
use proptest::prelude::*;

fn format(rate_hz: u32, channels: u8, sample: SampleFormat) -> StreamFormat {
    StreamFormat { rate_hz, channels, sample }
}

fn bytes_s16(samples: impl IntoIterator<Item = f64>) -> Vec<u8> {
    samples.into_iter().flat_map(|s| ((s * 32_768.0).round() as i16).to_le_bytes()).collect()
}

fn bytes_s32(samples: impl IntoIterator<Item = f64>) -> Vec<u8> {
    samples.into_iter().flat_map(|s| ((s * 2_147_483_648.0).round() as i32).to_le_bytes()).collect()
}

/// A tone of `frames` frames.
fn tone(rate_hz: u32, tone_hz: f64, amplitude: f64, frames: usize) -> impl Iterator<Item = f64> {
    let step = std::f64::consts::TAU * tone_hz / f64::from(rate_hz);
    (0..frames).map(move |frame| amplitude * (step * frame as f64).sin())
}

/// The whole stream in periods of 480 frames.
fn convert(format: StreamFormat, bytes: &[u8]) -> Vec<f32> {
    let mut front_end = FrontEnd::new(format, 0.0).unwrap();
    let mut out = Vec::new();
    for period in bytes.chunks(480 * format.frame_bytes()) {
        front_end.process(period, |samples| out.extend_from_slice(samples));
    }
    front_end.flush(|samples| out.extend_from_slice(samples));
    out
}

/// RMS of the middle, away from the filter's ends, relative to a sine of amplitude 0.5.
fn level_db(samples: &[f32]) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let power = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64;
    10.0 * (power / 0.125).log10()
}

fn tone_level_db(rate_hz: u32, tone_hz: f64) -> f64 {
    let bytes = bytes_s32(tone(rate_hz, tone_hz, 0.5, rate_hz as usize / 2));
    level_db(&convert(format(rate_hz, 1, SampleFormat::S32), &bytes))
}

#[test]
fn the_pass_band_is_flat_to_7_khz() {
    for rate_hz in [16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 384_000] {
        for tone_hz in [100.0, 300.0, 1000.0, 3000.0, 5000.0, 6500.0, 7000.0] {
            let level = tone_level_db(rate_hz, tone_hz);
            assert!(level.abs() < 0.5, "{tone_hz} Hz at {rate_hz} Hz: {level:.2} dB");
        }
    }
}

#[test]
fn a_low_rate_keeps_its_band_and_gains_no_images() {
    for (rate_hz, tones_hz) in [(8_000, [100.0, 1000.0, 3300.0]), (11_025, [100.0, 2000.0, 4700.0])] {
        for tone_hz in tones_hz {
            let level = tone_level_db(rate_hz, tone_hz);
            assert!(level.abs() < 0.5, "{tone_hz} Hz at {rate_hz} Hz: {level:.2} dB");
        }
    }
    // The image of 1 kHz at 8 kHz would be 7 kHz: what remains without the 1 kHz tone is below -60 dB.
    let out = convert(format(8_000, 1, SampleFormat::S32), &bytes_s32(tone(8_000, 1000.0, 0.5, 8_000)));
    let middle = &out[4_000..12_000];
    let image: f64 = middle
        .iter()
        .enumerate()
        .map(|(n, s)| f64::from(*s) * (std::f64::consts::TAU * 7000.0 * n as f64 / 16_000.0).sin())
        .sum::<f64>()
        / middle.len() as f64;
    assert!(image.abs() < 0.25e-3, "image {image}");
}

#[test]
fn tones_beyond_9_khz_do_not_come_through() {
    for rate_hz in [44_100, 48_000, 96_000] {
        for tone_hz in [9_000.0, 9_500.0, 12_000.0, 15_000.0, 16_000.0, 17_000.0, 20_000.0, 21_500.0] {
            let level = tone_level_db(rate_hz, tone_hz);
            assert!(level < -60.0, "{tone_hz} Hz at {rate_hz} Hz: {level:.1} dB");
        }
    }
    assert!(tone_level_db(48_000, 23_000.0) < -60.0);
}

#[test]
fn an_unusual_rate_is_as_clean() {
    for rate_hz in [44_101, 37_337] {
        assert!(tone_level_db(rate_hz, 7_000.0).abs() < 0.5);
        assert!(tone_level_db(rate_hz, 9_500.0) < -60.0);
    }
}

#[test]
fn an_offset_vanishes_and_makes_no_step() {
    for rate_hz in [16_000, 48_000] {
        let out = convert(format(rate_hz, 1, SampleFormat::S16), &bytes_s16(vec![0.5; rate_hz as usize]));
        // The filter's own rise at the very beginning is let through; half a second later nothing is left.
        let rest = out[8_000..15_900].iter().fold(0.0_f32, |max, s| max.max(s.abs()));
        assert!(rest < 1e-4, "{rate_hz} Hz: {rest}");
    }
}

#[test]
fn sixteen_khz_passes_unchanged_but_for_the_high_pass() {
    let samples: Vec<f64> = tone(16_000, 440.0, 0.5, 16_000).collect();
    let out = convert(format(16_000, 1, SampleFormat::S32), &bytes_s32(samples.iter().copied()));
    let mut level = Level::new(0.0);
    let plain: Vec<f32> =
        samples.iter().map(|s| (s * 2_147_483_648.0).round() as i32 as f32 / 2_147_483_648.0).collect();
    let expected: Vec<f32> = plain.chunks(100).flat_map(|piece| level.apply(piece).to_vec()).collect();
    assert_eq!(out, expected);
    assert_eq!(FrontEnd::new(format(16_000, 1, SampleFormat::S16), 0.0).unwrap().delay(), 0);
}

#[test]
fn both_sample_formats_agree() {
    let samples: Vec<f64> = tone(48_000, 700.0, 0.3, 48_000).collect();
    let s16 = convert(format(48_000, 1, SampleFormat::S16), &bytes_s16(samples.iter().copied()));
    let s32 = convert(format(48_000, 1, SampleFormat::S32), &bytes_s32(samples));
    assert_eq!(s16.len(), s32.len());
    assert!(s16.iter().zip(&s32).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn one_filled_slot_keeps_its_level_and_two_are_averaged() {
    let mono: Vec<f64> = tone(48_000, 500.0, 0.5, 48_000).collect();
    for (first, second) in [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.01)] {
        let frames = mono.iter().flat_map(|s| [s * first, s * second]);
        let level = level_db(&convert(format(48_000, 2, SampleFormat::S32), &bytes_s32(frames)));
        assert!(level.abs() < 0.1, "{first} {second}: {level:.2} dB");
    }
    // An offset in the empty slot is no sound.
    let frames = mono.iter().flat_map(|s| [s * 0.9, 0.5]);
    let level = level_db(&convert(format(48_000, 2, SampleFormat::S32), &bytes_s32(frames)));
    assert!((level + 0.92).abs() < 0.1, "{level:.2} dB");
}

#[test]
fn output_keeps_the_time_of_the_input() {
    // A click at 0.25 s comes out at 0.25 s, whatever the rate.
    for rate_hz in [8_000, 16_000, 22_050, 44_100, 48_000, 192_000] {
        let (frames, click) = (rate_hz as usize / 2, rate_hz as usize / 4);
        // As wide as an output sample, or it would be lost in the clamp's noise.
        let width = (rate_hz as usize / 16_000).max(1);
        let samples = (0..frames).map(|n| if n.abs_diff(click) <= width { 0.5 } else { 0.0 });
        let out = convert(format(rate_hz, 1, SampleFormat::S16), &bytes_s16(samples));
        let peak = (0..out.len()).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs())).unwrap();
        assert!(peak.abs_diff(4_000) <= 1, "{rate_hz} Hz: click at {peak}");
    }
}

#[test]
fn no_sample_is_lost_in_an_hour() {
    let mut front_end = FrontEnd::new(format(44_100, 1, SampleFormat::S16), 0.0).unwrap();
    let second = bytes_s16(tone(44_100, 200.0, 0.1, 44_100));
    let (mut out, mut held_back_max) = (0_i64, 0);
    for number in 1..=3_600 {
        front_end.process(&second, |samples| out += samples.len() as i64);
        held_back_max = held_back_max.max(number * 16_000 - out);
    }
    assert!(held_back_max <= front_end.delay() as i64, "{held_back_max} held back");
    front_end.flush(|samples| out += samples.len() as i64);
    assert_eq!(out, 3_600 * 16_000);
}

#[test]
fn gain_is_applied_and_clamped() {
    let bytes = bytes_s16(tone(16_000, 440.0, 0.25, 16_000));
    for (gain_db, peak) in [(6.0206, 0.5), (-6.0206, 0.125), (40.0, 1.0)] {
        let mut front_end = FrontEnd::new(format(16_000, 1, SampleFormat::S16), gain_db).unwrap();
        let mut out = Vec::new();
        front_end.process(&bytes, |samples| out.extend_from_slice(samples));
        // The first periods still hold what the high-pass makes of the sudden start.
        let max = out[8_000..].iter().fold(0.0_f32, |max, s| max.max(s.abs()));
        assert!((max - peak).abs() < 0.01, "{gain_db} dB: {max}");
    }
}

#[test]
fn a_new_stream_knows_nothing_of_the_old() {
    let format = format(48_000, 2, SampleFormat::S16);
    let bytes = bytes_s16(tone(48_000, 300.0, 0.5, 9_999).flat_map(|s| [s, 0.0]));
    let fresh = convert(format, &bytes);
    let mut front_end = FrontEnd::new(format, 0.0).unwrap();
    front_end.process(&bytes_s16(vec![0.7; 5_001]), |_| {});
    front_end.reset();
    let mut out = Vec::new();
    front_end.process(&bytes, |samples| out.extend_from_slice(samples));
    front_end.flush(|samples| out.extend_from_slice(samples));
    assert_eq!(out, fresh);
    // After a flush too.
    out.clear();
    front_end.process(&bytes, |samples| out.extend_from_slice(samples));
    front_end.flush(|samples| out.extend_from_slice(samples));
    assert_eq!(out, fresh);
}

#[test]
fn formats_out_of_range_are_refused() {
    let refused = |rate_hz, channels, gain_db| {
        FrontEnd::new(format(rate_hz, channels, SampleFormat::S16), gain_db).err()
    };
    assert_eq!(refused(3_999, 1, 0.0), Some(FrontEndError::Rate(3_999)));
    assert_eq!(refused(384_001, 1, 0.0), Some(FrontEndError::Rate(384_001)));
    assert_eq!(refused(48_000, 3, 0.0), Some(FrontEndError::Channels(3)));
    assert_eq!(refused(48_000, 0, 0.0), Some(FrontEndError::Channels(0)));
    assert_eq!(refused(48_000, 1, 101.0), Some(FrontEndError::Gain(101.0)));
    assert!(refused(48_000, 1, f32::NAN).is_some());
    assert_eq!(refused(4_000, 1, 0.0), None);
    assert_eq!(refused(384_000, 2, 0.0), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any rate, any periods: the count is right, and the samples do not depend on the periods.
    #[test]
    fn periods_of_any_size_give_the_same_samples(
        rate_hz in prop_oneof![Just(16_000_u32), Just(48_000), Just(44_100), INPUT_RATE_MIN_HZ..=INPUT_RATE_MAX_HZ],
        channels in 1_u8..=2,
        periods in prop::collection::vec(1_usize..4_500, 1..12),
        seed in any::<u32>(),
    ) {
        let format = format(rate_hz, channels, SampleFormat::S16);
        let frames: usize = periods.iter().sum();
        let mut state = seed;
        let bytes: Vec<u8> = (0..frames * format.frame_bytes()).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }).collect();
        let whole = convert(format, &bytes);
        let due = (frames as f64 * 16_000.0 / f64::from(rate_hz)).round();
        prop_assert!((whole.len() as f64 - due).abs() <= 1.0, "{} for {due}", whole.len());

        let mut front_end = FrontEnd::new(format, 0.0).unwrap();
        let (mut out, mut rest) = (Vec::new(), &bytes[..]);
        for frames in periods {
            let (period, later) = rest.split_at(frames * format.frame_bytes());
            front_end.process(period, |samples| out.extend_from_slice(samples));
            rest = later;
        }
        front_end.flush(|samples| out.extend_from_slice(samples));
        prop_assert_eq!(out, whole);
    }
}
