//! Sums, means and percentiles of float32 data, with NumPy's order of operations.

use super::select::at_places;

/// `np.sum` of contiguous float32: pairwise summation (Higham 1993) over blocks of 128 with eight accumulators.
pub fn sum_f32(x: &[f32]) -> f32 {
    0.0 + pairwise(x, |v| v)
}

/// `np.mean` of contiguous float32: the sum in float32, divided in float64. NaN when empty.
pub fn mean_f32(x: &[f32]) -> f32 {
    over(sum_f32(x), x.len())
}

/// `np.std` (of the population) of contiguous float32: mean, deviations, squares and their sum in float32. NaN when empty.
pub fn std_f32(x: &[f32]) -> f32 {
    let mean = mean_f32(x);
    let squares = pairwise(x, |v| {
        let deviation = v - mean;
        deviation * deviation
    });
    over(squares, x.len()).sqrt()
}

/// `np.percentile(x, percents)` of float32 with an array of percents in [0, 100]: linear between neighbours, whose difference is
/// taken in float32 and the rest in float64. NaN when `x` is empty or holds one.
pub fn percentile_linear(x: &[f32], percents: &[f64]) -> Vec<f64> {
    let last = x.len().saturating_sub(1);
    let places: Vec<f64> = percents.iter().map(|percent| (last as f64 * (percent / 100.0)).clamp(0.0, last as f64)).collect();
    let neighbours: Vec<usize> = places.iter().flat_map(|place| [place.floor() as usize, (place.floor() as usize + 1).min(last)]).collect();
    let Some(values) = at_places(x, &neighbours) else { return vec![f64::NAN; percents.len()] };
    let between = |(pair, place): (&[f32], &f64)| match *pair {
        [low, high] => {
            let (gap, t) = (f64::from(high - low), place.fract());
            // measured from the nearer end, so that t = 1 would give `high` itself
            if t >= 0.5 { f64::from(high) - gap * (1.0 - t) } else { f64::from(low) + gap * t }
        }
        _ => f64::NAN,
    };
    values.chunks(2).zip(&places).map(between).collect()
}

fn over(sum: f32, n: usize) -> f32 {
    (f64::from(sum) / n as f64) as f32
}

/// The pairwise sum of `f` over `x`: the same tree for any number of threads.
fn pairwise(x: &[f32], f: impl Fn(f32) -> f32 + Copy + Sync + Send) -> f32 {
    /// Elements that are not worth another thread.
    const ALONE: usize = 1 << 18;
    const BLOCK: usize = 128;
    const LANES: usize = 8;
    if x.len() > BLOCK {
        let half = x.len() / 2;
        let (left, right) = x.split_at(half - half % LANES);
        let (left, right) = match x.len() > ALONE {
            true => rayon::join(|| pairwise(left, f), || pairwise(right, f)),
            false => (pairwise(left, f), pairwise(right, f)),
        };
        return left + right;
    }
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder().iter().map(|&v| f(v));
    let mut lanes = [-0.0_f32; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &v)| *lane += f(v));
    }
    let [a, b, c, d, e, g, h, i] = lanes;
    rest.fold(((a + b) + (c + d)) + ((e + g) + (h + i)), |sum, v| sum + v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numpy::RandomState;

    /// Number of elements, and the bits of sum, mean, std and three percentiles that NumPy 2.4.6 computes for
    /// `(u * u * u * 1000 - 100).astype(float32)` with `u = RandomState(n).random_sample(n)`.
    const NUMPY: &[(usize, u32, u32, u32, [u64; 3])] = &[
        (1, 0xc1dbd080, 0xc1dbd080, 0x0, [0xc03b7a1000000000, 0xc03b7a1000000000, 0xc03b7a1000000000]),
        (5, 0x4485f3b1, 0x435652b5, 0x43a6ce29, [0xc056c7f2aa3d70a4, 0x4030821f00000000, 0x408506ede51eb852]),
        (7, 0x44b5e5c2, 0x434fe202, 0x4395ab11, [0xc05842a13e666666, 0x404c136fc0000000, 0x4089aca5f3d70a3c]),
        (8, 0x44d95548, 0x43595548, 0x43aa509e, [0xc058e3ac4e8f5c29, 0x402d5dd900000000, 0x408900a70d999999]),
        (9, 0xc408b6d9, 0xc2730c2c, 0x4248e51e, [0xc058fe69370a3d71, 0xc05663d5a0000000, 0x403a3aa271eb851f]),
        (128, 0x46af320f, 0x432f320f, 0x439031e6, [0xc058fbebe9c28f5c, 0x4053714660000000, 0x408ba14f770a3d70]),
        (129, 0x4625e769, 0x42a49e2d, 0x437df7ff, [0xc058fffe828f5c29, 0xc047842740000000, 0x408a4b00f0a3d70a]),
        (136, 0x469412bc, 0x430b5ced, 0x438c3b9c, [0xc058fffdb8cccccd, 0x4036c81010000000, 0x408a5ff6ff333333]),
        (255, 0x47168764, 0x43171e83, 0x4390bdd4, [0xc058ffe480f5c28f, 0x40302f6880000000, 0x408b55918dc28f59]),
        (1000, 0x4811e203, 0x43156251, 0x43923b3b, [0xc058ffffa051eb85, 0x401d715980000000, 0x408bc36c61999999]),
        (4099, 0x49115fde, 0x431144a1, 0x438c7b8b, [0xc058fff683d70a3d, 0x40328ff080000000, 0x408b9aad54cccccb]),
        (100003, 0x4b64ae24, 0x4315dd07, 0x438d9412, [0xc058fffe00000000, 0x40390d1320000000, 0x408bad654570a3d8]),
        (1666666, 0x4d6f0608, 0x43166174, 0x438dea26, [0xc058fffe00000000, 0x40391c7f90000000, 0x408baa12ae666667]),
    ];

    #[test]
    fn bits_are_those_of_numpy() {
        for &(n, sum, mean, std, percentiles) in NUMPY {
            let mut rs = RandomState::new(n as u32);
            let cube = |u: f64| (u * u * u * 1000.0 - 100.0) as f32;
            let x: Vec<f32> = (0..n).map(|_| cube(rs.random_sample())).collect();
            let bits = [sum_f32(&x), mean_f32(&x), std_f32(&x)].map(f32::to_bits);
            assert_eq!(bits, [sum, mean, std], "{n} elements");
            let found = percentile_linear(&x, &[0.5, 50.0, 99.5]);
            assert_eq!(found.iter().map(|p| p.to_bits()).collect::<Vec<_>>(), percentiles, "{n} elements");
        }
    }

    #[test]
    fn edges() {
        assert_eq!(sum_f32(&[]), 0.0);
        assert!(mean_f32(&[]).is_nan() && std_f32(&[]).is_nan());
        assert!(percentile_linear(&[], &[50.0])[0].is_nan());
        assert!(percentile_linear(&[1.0, f32::NAN], &[0.0])[0].is_nan());
        assert_eq!(percentile_linear(&[3.0, 1.0, 2.0], &[0.0, 100.0, 50.0, 25.0]), [1.0, 3.0, 2.0, 1.5]);
        assert_eq!(std_f32(&[2.0; 1000]), 0.0);
    }
}
