//! A gradient against differences along directions.
//!
//! What a loss gains along a segment is the integral of its slopes. Leaky ReLU and max-pooling put kinks into it, and a small norm bends it
//! sharply, yet the integral holds across both; a slope at one point would have to be held against steps that are too short for the rounding of
//! a loss in single precision. So a segment is as long as rounding wants it, and the gradient is asked at as many of its points as it takes.

use engine::Random;

/// Lengths of a segment as shares of the point's own size. The shortest that shows the slope clearly is taken: in a longer one a deep network bends
/// so often that [`PARTS`] points may not be enough.
const LENGTHS: [f64; 3] = [0.003, 0.03, 0.3];
/// Parts that a segment is halved into, at most.
const PARTS: usize = 128;
/// The mean slope is known where this many halvings in a row have not changed it by more than this share of [`TOLERANCE`].
const SETTLED: (u32, f64) = (3, 0.2);
/// Largest deviation, relative to the larger of the two slopes.
const TOLERANCE: f64 = 0.05;
/// Rounding of a difference of two losses, relative to the loss.
const ROUNDING: f64 = 2.5e-7;
/// How often a slope must exceed rounding to be told from nothing, and to be shown clearly.
const TELLS: f64 = 10.0;
const CLEAR: f64 = 100.0;

/// The mean slope along a segment, by the gradient and by the difference of its ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    /// By the gradient.
    pub(super) claimed: f64,
    /// By the difference.
    pub(super) measured: f64,
    /// What of the difference may be rounding.
    pub(super) rounding: f64,
}

impl Slope {
    /// Whether the two agree.
    pub(super) fn agrees(&self) -> bool {
        (self.claimed - self.measured).abs() <= TOLERANCE * self.largest() + self.rounding
    }

    /// Whether the slope is well above what rounding makes.
    pub(super) fn tells(&self) -> bool {
        self.largest() > TELLS * self.rounding
    }

    /// How far the two are apart, relative to the larger one.
    pub(super) fn deviation(&self) -> f64 {
        (self.claimed - self.measured).abs() / self.largest()
    }

    fn largest(&self) -> f64 {
        self.claimed.abs().max(self.measured.abs())
    }
}

/// Measures along `direction` from `at`; `f` gives a value and its gradient.
///
/// # Errors
/// What `f` returns.
pub(super) fn along<E>(mut f: impl FnMut(&[f32]) -> Result<(f64, Vec<f32>), E>, at: &[f32], direction: &[f64]) -> Result<Slope, E> {
    let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    let unit: Vec<f64> = direction.iter().map(|d| d / length).collect();
    let size = (at.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / at.len() as f64).sqrt().max(0.1);
    // a direction of many coordinates may go further before any of them has moved by much
    let coordinates = (1.0 / unit.iter().map(|d| d.powi(4)).sum::<f64>()).sqrt();
    let mut value_and_slope = |h: f64| -> Result<(f64, f64), E> {
        let point: Vec<f32> = at.iter().zip(&unit).map(|(v, d)| (f64::from(*v) + h * d) as f32).collect();
        let (value, gradient) = f(&point)?;
        Ok((value, unit.iter().zip(gradient).map(|(d, g)| d * f64::from(g)).sum()))
    };
    let (first, slope_there) = value_and_slope(0.0)?;
    let mut found = Slope { claimed: slope_there, measured: f64::NAN, rounding: 0.0 };
    for (share, longer) in LENGTHS.into_iter().zip([true, true, false]) {
        let h = share * size * coordinates;
        let (last, slope_at_end) = value_and_slope(h)?;
        let (measured, rounding) = ((last - first) / h, ROUNDING * first.abs().max(last.abs()) / h);
        // the trapezoid rule; halving adds the points between, until two in a row agree, since one may by chance, or more points change nothing
        let (mut sum, mut parts) = ((slope_there + slope_at_end) / 2.0, 1);
        found = Slope { claimed: sum, measured, rounding };
        let clear = |slope: &Slope| slope.largest() > CLEAR * slope.rounding;
        if longer && !clear(&found) {
            continue;
        }
        let (mut in_a_row, mut settled) = (u32::from(found.agrees()), 0);
        while in_a_row < 2 && settled < SETTLED.0 && parts < PARTS {
            for i in 0..parts {
                sum += value_and_slope(h * (i as f64 + 0.5) / parts as f64)?.1;
            }
            parts *= 2;
            let before = found.claimed;
            found.claimed = sum / parts as f64;
            in_a_row = if found.agrees() { in_a_row + 1 } else { 0 };
            let unchanged = (found.claimed - before).abs() <= SETTLED.1 * TOLERANCE * found.largest();
            settled = if unchanged { settled + 1 } else { 0 };
        }
        if clear(&found) {
            break;
        }
    }
    Ok(found)
}

/// Signs drawn at random: a slope along them shows what the gradient left out.
pub(super) fn signs(n: usize, random: &mut Random) -> Vec<f64> {
    (0..n).map(|_| if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a function of one number with its slope, or with `share` of it.
    fn of(f: impl Fn(f64) -> (f64, f64), at: f32, share: f64) -> Slope {
        let f = |x: &[f32]| {
            let (value, slope) = f(f64::from(x[0]));
            Ok::<_, ()>((value, vec![(share * slope) as f32]))
        };
        along(f, &[at], &[1.0]).unwrap()
    }

    #[test]
    fn a_right_gradient_agrees_and_a_wrong_one_does_not() {
        let cubes = |share: f32| {
            let value = |x: &[f32]| x.iter().map(|v| f64::from(*v).powi(3)).sum::<f64>();
            move |x: &[f32]| Ok::<_, ()>((value(x), x.iter().map(|v| share * 3.0 * v * v).collect()))
        };
        let at = [0.5f32, -1.0, 2.0];
        for direction in [[0.75, 3.0, 12.0], [1.0, 1.0, -1.0]] {
            let slope = along(cubes(1.0), &at, &direction).unwrap();
            assert!(slope.agrees() && slope.tells() && slope.deviation() < 0.05, "{slope:?}");
            for share in [0.0, 0.5, 0.9, 2.0] {
                assert!(!along(cubes(share), &at, &direction).unwrap().agrees(), "{share}");
            }
        }
        assert!(!of(|_| (f64::NAN, 1.0), 1.0, 1.0).agrees());
    }

    #[test]
    fn kinks_and_bends_do_not_matter() {
        // a slope of 1 and of 0.01 in turn, a kink every 0.0002: the segment has fifteen
        let kinked = |x: f64| {
            let (whole, rest) = ((x / 0.0004).floor(), (x / 0.0004).fract() * 0.0004);
            let (value, slope) = if rest < 0.0002 { (rest, 1.0) } else { (0.0002 + 0.01 * (rest - 0.0002), 0.01) };
            (whole * 0.000202 + value, slope)
        };
        let bent = |x: f64| ((50000.0 * x).sin(), 50000.0 * (50000.0 * x).cos());
        for at in [0.99991, 1.0, 1.00003, 1.00017] {
            assert!(of(kinked, at, 1.0).agrees() && !of(kinked, at, 0.5).agrees(), "{at}");
        }
        assert!(of(bent, 0.0, 1.0).agrees() && !of(bent, 0.0, 0.5).agrees());
    }

    #[test]
    fn a_faint_slope_is_seen_in_a_longer_segment() {
        let faint = |slope: f64| move |x: f64| (1.0 + slope * x, slope);
        for slope in [1e-3, 3e-5] {
            assert!(of(faint(slope), 1.0, 1.0).tells() && !of(faint(slope), 1.0, 1.5).agrees());
        }
        assert!(!of(faint(1e-7), 1.0, 1.0).tells());
    }
}
