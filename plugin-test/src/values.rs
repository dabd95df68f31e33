//! A dense array in f64.

use plugin_api::DType;

/// A dense array, last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The values; whole numbers and truth values are kept as f64 too.
    pub data: Vec<f64>,
    /// What they are.
    pub dtype: DType,
}

impl Values {
    /// Floats.
    ///
    /// # Panics
    /// The number of values is not that of the shape.
    #[track_caller]
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "values for the shape {shape:?}");
        Values { shape: shape.to_vec(), data, dtype: DType::Float }
    }

    /// Whole numbers.
    ///
    /// # Panics
    /// The number of values is not that of the shape.
    #[track_caller]
    pub fn ints(shape: &[usize], data: &[i64]) -> Self {
        Values { dtype: DType::Int, ..Values::new(shape, data.iter().map(|&v| v as f64).collect()) }
    }

    /// Floats that look random and are the same for the same seed, spread over -1..1.
    pub fn noise(shape: &[usize], seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
        Values::from_fn(shape, DType::Float, |_| 2.0 * uniform(&mut state) - 1.0)
    }

    /// A value for each index.
    pub(crate) fn from_fn(shape: &[usize], dtype: DType, mut f: impl FnMut(&[usize]) -> f64) -> Self {
        let mut data = Vec::with_capacity(shape.iter().product());
        each_index(shape, |index| data.push(f(index)));
        Values { shape: shape.to_vec(), data, dtype }
    }

    /// The value at an index of as many axes or more; axes of length 1 are repeated, as NumPy broadcasts.
    pub(crate) fn at(&self, index: &[usize]) -> f64 {
        let own = &index[index.len() - self.shape.len()..];
        self.data[own.iter().zip(&self.shape).fold(0, |i, (&at, &n)| i * n + if n == 1 { 0 } else { at })]
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Values { shape: self.shape.clone(), data: self.data.iter().map(|&v| f(v)).collect(), dtype: self.dtype }
    }
}

/// Calls `f` with each index of a shape, last axis fastest.
pub(crate) fn each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..shape.iter().product() {
        f(&index);
        for (at, &n) in index.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < n {
                break;
            }
            *at = 0;
        }
    }
}

/// The next number of a stream, 0 to 1 (xorshift64*, Vigna 2016).
pub(crate) fn uniform(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
}

/// A standard normal number (Box and Muller 1958).
pub(crate) fn normal(state: &mut u64) -> f64 {
    let (a, b) = (1.0 - uniform(state), uniform(state));
    (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
}
