//! ggml's q8_0: rows in blocks of 32 elements, each block an f16 scale and 32 signed bytes.
//!
//! Source: ggml, `quantize_row_q8_0_ref` in ggml-quants.c.

use half::f16;

/// Elements of a block.
pub const BLOCK_LEN: usize = 32;
/// Bytes of a block: the scale and the elements.
pub const BLOCK_BYTES: usize = size_of::<f16>() + BLOCK_LEN;

/// One block.
///
/// The scale is stored rounded to f16, but the elements are divided by the unrounded one, and
/// halves round away from zero: anything else gives other bytes than the official file's.
pub fn q8_0_block(values: &[f32; BLOCK_LEN]) -> [u8; BLOCK_BYTES] {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut block = [0; BLOCK_BYTES];
    block[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    for (byte, value) in block[2..].iter_mut().zip(values) {
        *byte = (value * inverse).round() as i8 as u8;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(block: &[u8; BLOCK_BYTES]) -> (f32, Vec<i8>) {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        (scale, block[2..].iter().map(|&byte| byte as i8).collect())
    }

    #[test]
    fn halves_round_away_from_zero() {
        let mut values = [0.0; BLOCK_LEN];
        // Largest 127: the scale is 1 and the elements are the values, rounded.
        values[..8].copy_from_slice(&[127.0, 0.5, -0.5, 1.5, -1.5, 2.5, 0.49, -126.5]);
        let (scale, elements) = decode(&q8_0_block(&values));
        assert_eq!(scale, 1.0);
        assert_eq!(elements[..8], [127, 1, -1, 2, -2, 3, 0, -127]);
    }

    #[test]
    fn zeros_stay_zeros() {
        assert_eq!(q8_0_block(&[0.0; BLOCK_LEN]), [0; BLOCK_BYTES]);
    }

    #[test]
    fn elements_use_the_unrounded_scale() {
        // 1/127 is not an f16: the stored scale is 1/127.008. Divided by the unrounded scale this
        // value is 63.498, by the stored one 63.502.
        let mut values = [63.498 / 127.0; BLOCK_LEN];
        values[0] = 1.0;
        let (scale, elements) = decode(&q8_0_block(&values));
        assert_eq!(scale, f16::from_f32(1.0 / 127.0).to_f32());
        assert!((values[1] / scale).round() == 64.0, "the example shows nothing");
        assert_eq!(elements[..2], [127, 63]);
    }

    proptest! {
        #[test]
        fn an_element_is_at_most_half_a_step_off(values in prop::array::uniform32(-8.0f32..8.0)) {
            let (scale, elements) = decode(&q8_0_block(&values));
            let largest = values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            // Half a step, and the f16 rounding of the scale (2^-11 of the largest value).
            let bound = scale * 0.5 + largest * 2f32.powi(-11) + 1e-6;
            for (value, element) in values.iter().zip(elements) {
                prop_assert!((value - f32::from(element) * scale).abs() <= bound);
            }
        }
    }
}
