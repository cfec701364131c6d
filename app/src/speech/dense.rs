//! One dense layer, its weights laid out so that the compiler makes vector instructions of the loops.

/// Outputs computed side by side: four 128-bit vectors a column, enough independent sums to hide the latency of an
/// addition. Of 4, 8 and 16 this was the fastest on x86-64 (0.5, 0.6, 0.24 % of a core, when
/// the transform was one of the layers).
const LANES: usize = 16;

/// A layer `y = W x + b`.
///
/// Convolutions are such layers too: with their input stored as `[time][channel]`, the window under the kernel is one
/// contiguous slice.
pub(super) struct Dense {
    inputs: usize,
    outputs: usize,
    /// `[output / LANES][input][output % LANES]`; the last block is filled up with zeros.
    weights: Vec<[f32; LANES]>,
    /// `[output / LANES][output % LANES]`.
    bias: Vec<[f32; LANES]>,
}

impl Dense {
    /// Lay out the weights that `weight(output, input)` and `bias(output)` give.
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let blocks = outputs.div_ceil(LANES);
        let lanes = |block: usize, value: &dyn Fn(usize) -> f32| {
            std::array::from_fn(|lane| {
                let output = block * LANES + lane;
                if output < outputs { value(output) } else { 0.0 }
            })
        };
        Self {
            inputs,
            outputs,
            weights: (0..blocks * inputs)
                .map(|row| lanes(row / inputs, &|output| weight(output, row % inputs)))
                .collect(),
            bias: (0..blocks).map(|block| lanes(block, &bias)).collect(),
        }
    }

    /// Apply the layer to `COLUMNS` inputs of `inputs` values each; `y` is `[COLUMNS][outputs]`.
    ///
    /// The columns share each load of a weight: the weights (0.9 MB in all) are what the memory has to deliver.
    pub(super) fn apply<const COLUMNS: usize>(&self, x: [&[f32]; COLUMNS], y: &mut [f32]) {
        let x = x.map(|column| &column[..self.inputs]);
        for (block, rows) in self.weights.chunks_exact(self.inputs).enumerate() {
            let mut sums = [self.bias[block]; COLUMNS];
            for (input, weights) in rows.iter().enumerate() {
                for (sum, column) in sums.iter_mut().zip(&x) {
                    let value = column[input];
                    for (lane, weight) in sum.iter_mut().zip(weights) {
                        *lane += weight * value;
                    }
                }
            }
            let first = block * LANES;
            let count = LANES.min(self.outputs - first);
            for (sum, column) in sums.iter().zip(y.chunks_exact_mut(self.outputs)) {
                column[first..first + count].copy_from_slice(&sum[..count]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_columns_equal_the_plain_sums() {
        let weight = |output: usize, input: usize| (output * 3 + input) as f32 * 0.25 - 2.0;
        let bias = |output: usize| output as f32;
        // 11 outputs: the last block of lanes is partly filled.
        let layer = Dense::new(5, 11, weight, bias);
        let (a, b) = ([1.0, -2.0, 0.5, 3.0, 0.0], [0.0, 1.0, 1.0, -1.0, 4.0]);
        let mut y = [0.0; 22];
        layer.apply([&a, &b], &mut y);
        for (column, x) in [a, b].iter().enumerate() {
            for output in 0..11 {
                let expected: f32 = bias(output) + (0..5).map(|i| weight(output, i) * x[i]).sum::<f32>();
                assert!((y[column * 11 + output] - expected).abs() < 1e-4, "column {column} output {output}");
            }
        }
    }
}
