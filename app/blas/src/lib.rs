//! The one BLAS routine that whisper.cpp calls, single-precision matrix multiplication, by the crate
//! matrixmultiply, under the names of OpenBLAS.
//!
//! ggml multiplies 8-bit matrices with an instruction (dot product) that ARMv8.0 does not have; without it the work
//! is slower than in single precision. With whisper-rs' feature `openblas` ggml hands products of large matrices to
//! a BLAS, with the weights widened to f32. Of OpenBLAS that takes 20 MB of library; here it is one kernel.
//!
//! `cblas/`, `cmake/` and `lib/` are what the build of whisper-rs-sys looks for; `.cargo/config.toml` leads it there.

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `CblasRowMajor`
const ROW_MAJOR: c_int = 101;
/// `CblasTrans`
const TRANSPOSED: c_int = 112;
/// Rows are shared out in multiples of this: the kernel's own, or part of its work would be for nothing.
const ROWS_STEP: usize = 8;
/// Stack of a thread. The packed matrices are on the heap; the recogniser's memory is scarce.
const STACK_BYTES: usize = 64 << 10;

static THREADS: AtomicUsize = AtomicUsize::new(1);

/// From now on products are made by so many threads, which are made anew for each: none is left that could spin.
// SAFETY: no other library of the program has the name; OpenBLAS is not linked.
#[unsafe(no_mangle)]
pub extern "C" fn openblas_set_num_threads(threads: c_int) {
    THREADS.store(usize::try_from(threads).unwrap_or(1).max(1), Ordering::Relaxed);
}

/// C ← α A B + β C, or with A or B transposed; A is m×k, B k×n, C m×n, by rows, `ld*` elements apart.
///
/// # Safety
/// As CBLAS has it: the matrices are there, and nobody else uses C.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cblas_sgemm(
    order: c_int,
    trans_a: c_int,
    trans_b: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: f32,
    a: *const f32,
    lda: c_int,
    b: *const f32,
    ldb: c_int,
    beta: f32,
    c: *mut f32,
    ldc: c_int,
) {
    assert!(order == ROW_MAJOR, "cblas_sgemm: matrices by columns are not supported");
    let length = |length: c_int| usize::try_from(length).unwrap_or(0);
    let strides = |transposed, ld: c_int| if transposed { (1, ld as isize) } else { (ld as isize, 1) };
    let product = Product {
        n: length(n),
        k: length(k),
        alpha,
        a: Matrix { data: a, strides: strides(trans_a == TRANSPOSED, lda) },
        b: Matrix { data: b, strides: strides(trans_b == TRANSPOSED, ldb) },
        beta,
        c,
        c_row: ldc as isize,
    };
    let m = length(m);
    let share = m.div_ceil(THREADS.load(Ordering::Relaxed)).next_multiple_of(ROWS_STEP).max(ROWS_STEP);
    std::thread::scope(|scope| {
        for first in (share..m).step_by(share) {
            let rows = first..(first + share).min(m);
            let part = rows.clone();
            // SAFETY: the rows are this thread's alone.
            let work = move || unsafe { product.rows(part) };
            let builder = std::thread::Builder::new().name("sgemm".into()).stack_size(STACK_BYTES);
            if builder.spawn_scoped(scope, work).is_err() {
                // No thread to be had: do it here.
                // SAFETY: as above.
                unsafe { product.rows(rows) };
            }
        }
        // SAFETY: as above.
        unsafe { product.rows(0..share.min(m)) };
    });
}

#[derive(Clone, Copy)]
struct Matrix {
    data: *const f32,
    /// From row to row, from column to column, in elements.
    strides: (isize, isize),
}

/// What is to be computed.
#[derive(Clone, Copy)]
struct Product {
    n: usize,
    k: usize,
    alpha: f32,
    a: Matrix,
    b: Matrix,
    beta: f32,
    c: *mut f32,
    /// From row to row of C, in elements.
    c_row: isize,
}

// SAFETY: the matrices live until cblas_sgemm returns, and so do the threads; each writes rows of C of its own.
unsafe impl Send for Product {}

impl Product {
    /// Compute some rows of C.
    ///
    /// # Safety
    /// The matrices are there, and nobody else uses these rows of C.
    unsafe fn rows(self, rows: std::ops::Range<usize>) {
        let first = rows.start as isize;
        // SAFETY: as the caller says.
        unsafe {
            matrixmultiply::sgemm(
                rows.len(),
                self.k,
                self.n,
                self.alpha,
                self.a.data.offset(first * self.a.strides.0),
                self.a.strides.0,
                self.a.strides.1,
                self.b.data,
                self.b.strides.0,
                self.b.strides.1,
                self.beta,
                self.c.offset(first * self.c_row),
                self.c_row,
                1,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOT_TRANSPOSED: c_int = 111;

    /// Small whole numbers: sums of their products are exact, in any order.
    fn numbers(len: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec((-8i8..8).prop_map(f32::from), len)
    }

    /// Sides, whether A and B are transposed, what rows are longer by, and the data.
    fn cases() -> impl Strategy<Value = (Case, Vec<f32>, Vec<f32>, Vec<f32>)> {
        (1usize..70, 1usize..30, 0usize..40, any::<bool>(), any::<bool>(), 0usize..3, 1i32..5).prop_flat_map(
            |(m, n, k, trans_a, trans_b, pad, threads)| {
                let case = Case { m, n, k, trans_a, trans_b, pad, threads };
                let [a, b, c] = case.lens();
                (Just(case), numbers(a), numbers(b), numbers(c))
            },
        )
    }

    #[derive(Clone, Copy, Debug)]
    struct Case {
        m: usize,
        n: usize,
        k: usize,
        trans_a: bool,
        trans_b: bool,
        pad: usize,
        threads: i32,
    }

    impl Case {
        fn row_lens(&self) -> [usize; 3] {
            let a = if self.trans_a { self.m } else { self.k };
            let b = if self.trans_b { self.k } else { self.n };
            [a, b, self.n].map(|row| row + self.pad)
        }

        fn lens(&self) -> [usize; 3] {
            let [a, b, c] = self.row_lens();
            let (a_rows, b_rows) =
                (if self.trans_a { self.k } else { self.m }, if self.trans_b { self.n } else { self.k });
            [a * a_rows, b * b_rows, c * self.m]
        }
    }

    proptest! {
        #[test]
        fn products_are_exact_whoever_computes_them((case, a, b, c) in cases()) {
            let [lda, ldb, ldc] = case.row_lens();
            let mut expected = c.clone();
            for row in 0..case.m {
                for column in 0..case.n {
                    let sum: f32 = (0..case.k).map(|i| {
                        let a = a[if case.trans_a { i * lda + row } else { row * lda + i }];
                        a * b[if case.trans_b { column * ldb + i } else { i * ldb + column }]
                    }).sum();
                    expected[row * ldc + column] = 2.0 * sum + 3.0 * c[row * ldc + column];
                }
            }
            let mut found = c;
            openblas_set_num_threads(case.threads);
            let trans = |transposed| if transposed { TRANSPOSED } else { NOT_TRANSPOSED };
            let [m, n, k, lda, ldb, ldc] = [case.m, case.n, case.k, lda, ldb, ldc].map(|side| side as c_int);
            // SAFETY: the vectors have the sizes given.
            unsafe {
                cblas_sgemm(ROW_MAJOR, trans(case.trans_a), trans(case.trans_b), m, n, k, 2.0, a.as_ptr(), lda,
                    b.as_ptr(), ldb, 3.0, found.as_mut_ptr(), ldc);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
