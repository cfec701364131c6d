//! The mel filter bank that a ggml Whisper file carries.
//!
//! It is librosa's `filters.mel(sr=16000, n_fft=400, n_mels=80, norm='slaney', htk=False)`:
//! triangles evenly spaced on Slaney's mel scale (linear below 1 kHz, logarithmic above), each of
//! area 1. The order of the operations and the passage through f32 are librosa's, because the
//! bytes have to come out the same.

/// Filters.
pub const MEL_COUNT: usize = 80;
/// Bins of the 400-point spectrum: 0 to 8 kHz in steps of 40 Hz.
pub const BIN_COUNT: usize = 1 + FFT_SIZE / 2;

const SAMPLE_RATE_HZ: f64 = 16_000.0;
const FFT_SIZE: usize = 400;

/// Slaney's scale: below this frequency a mel is 200/3 Hz.
const LOG_FROM_HZ: f64 = 1_000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Above it, 27 mels are a factor of 6.4.
const LOG_RATIO: f64 = 6.4;
const LOG_MELS: f64 = 27.0;

/// The filters, one row of [`BIN_COUNT`] weights each.
pub fn filters() -> Vec<[f32; BIN_COUNT]> {
    let edges_hz = edges_hz();
    // The spacing of the bins as numpy's rfftfreq computes it.
    let bin_hz = 1.0 / (FFT_SIZE as f64 * (1.0 / SAMPLE_RATE_HZ));
    edges_hz
        .windows(3)
        .map(|edge| {
            let area_norm = 2.0 / (edge[2] - edge[0]);
            std::array::from_fn(|bin| {
                let hz = bin as f64 * bin_hz;
                let rising = (hz - edge[0]) / (edge[1] - edge[0]);
                let falling = (edge[2] - hz) / (edge[2] - edge[1]);
                let height = rising.min(falling).max(0.0) as f32;
                // Adding 0 turns -0 into +0, which is what the official file has.
                (f64::from(height) * area_norm) as f32 + 0.0
            })
        })
        .collect()
}

/// Corner frequencies: filter i rises from edge i to i+1 and falls to i+2.
fn edges_hz() -> Vec<f64> {
    let log_from_mel = LOG_FROM_HZ / HZ_PER_MEL;
    let log_step = LOG_RATIO.ln() / LOG_MELS;
    let last_mel = log_from_mel + (SAMPLE_RATE_HZ / 2.0 / LOG_FROM_HZ).ln() / log_step;
    let last = MEL_COUNT + 1;
    let step_mel = last_mel / last as f64;
    (0..=last)
        .map(|i| if i == last { last_mel } else { i as f64 * step_mel })
        .map(|mel| {
            if mel >= log_from_mel {
                LOG_FROM_HZ * (log_step * (mel - log_from_mel)).exp()
            } else {
                HZ_PER_MEL * mel
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_triangles_of_area_one() {
        let filters = filters();
        assert_eq!(filters.len(), MEL_COUNT);
        for (i, filter) in filters.iter().enumerate() {
            assert!(filter.iter().all(|&w| w >= 0.0 && w.is_sign_positive()), "filter {i}");
            let peak = (0..BIN_COUNT).max_by(|&a, &b| filter[a].total_cmp(&filter[b])).unwrap();
            assert!(filter[..=peak].is_sorted(), "filter {i} does not rise");
            assert!(filter[peak..].iter().rev().is_sorted(), "filter {i} does not fall");
        }
        // Wide filters are sampled finely enough for their sum times 40 Hz to be the area.
        let area: f32 = filters[MEL_COUNT - 1].iter().sum::<f32>() * 40.0;
        assert!((area - 1.0).abs() < 0.01, "{area}");
    }

    #[test]
    fn edges_span_0_to_8_khz() {
        let edges = edges_hz();
        assert_eq!(edges.len(), MEL_COUNT + 2);
        assert_eq!(edges[0], 0.0);
        assert!((edges[MEL_COUNT + 1] - 8_000.0).abs() < 1e-6);
        assert!(edges.is_sorted());
    }
}
