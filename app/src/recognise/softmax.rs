//! Sums of exponentials over the vocabulary, 51,864 for each token: in loops that become vector instructions, which
//! the C library's `expf` does not.

/// Sums side by side: four 128-bit vectors.
const LANES: usize = 16;

/// The sum of `exp(logit - maximum)`, to 5 parts in a million. `maximum` keeps it within range: no
/// logit is much greater.
pub(super) fn sum_exp(logits: &[f32], maximum: f32) -> f32 {
    let (chunks, rest) = logits.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, logit) in sums.iter_mut().zip(chunk) {
            *sum += exp(logit - maximum);
        }
    }
    sums.into_iter().chain(rest.iter().map(|logit| exp(logit - maximum))).sum()
}

/// For values below 88: 2 to the power of a whole number, which becomes the float's exponent, and of what is
/// left over, by its series. What is no number counts as nothing.
fn exp(value: f32) -> f32 {
    /// Added to a number, it leaves it rounded in the lowest bits.
    const ROUNDING: f32 = (1.5 * (1_u32 << 23) as f64) as f32;
    /// The least exponent of a normal float.
    const EXPONENT_MIN: f32 = -126.0;
    let exponent = (value * std::f32::consts::LOG2_E).max(EXPONENT_MIN);
    let rounded = exponent + ROUNDING;
    let rest = (exponent - (rounded - ROUNDING)) * std::f32::consts::LN_2;
    let series = 1.0
        + rest * (1.0 + rest * (1.0 / 2.0 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0)))));
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_exponentials() {
        let logits: Vec<f32> = (0..1003).map(|i| 20.0 - (i as f32 * 0.377) % 97.0).collect();
        let expected: f64 = logits.iter().map(|&logit| f64::from(logit - 20.0).exp()).sum();
        assert!((f64::from(sum_exp(&logits, 20.0)) / expected - 1.0).abs() < 5e-6);
        for value in (0..8600).map(|i| i as f32 * -0.01) {
            let ratio = f64::from(exp(value)) / f64::from(value).exp();
            assert!((ratio - 1.0).abs() < 1e-5, "{value}: {ratio}");
        }
    }

    #[test]
    fn what_is_no_number_or_no_chance_counts_as_nothing() {
        assert_eq!(sum_exp(&[], 0.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        for nothing in [f32::NEG_INFINITY, f32::NAN, -1e30, -90.0] {
            assert!(exp(nothing) < 1e-37, "{nothing}");
        }
    }
}
