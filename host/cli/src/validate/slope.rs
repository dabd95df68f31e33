//! A gradient against finite differences along directions.

use engine::Random;

/// Steps that are tried, as shares of the point's own size; one that agrees is enough, since rounding spoils the
/// shortest and curvature the longest.
const STEPS: [f64; 7] = [0.03, 0.01, 0.1, 0.003, 0.3, 0.001, 0.0003];
/// In a deep network the loss bends within longer steps than this. Shorter ones agree only where the slope is well above rounding: else any
/// slope would.
const PLAIN: f64 = 0.003;
/// Largest deviation, relative to the larger of the two slopes.
const TOLERANCE: f64 = 0.05;
/// Rounding of a difference of two losses, relative to the loss.
const ROUNDING: f64 = 2.5e-7;

/// The slope along a direction, by the gradient and by differences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    /// By the gradient.
    pub(super) claimed: f64,
    /// By differences, with the step that comes closest.
    pub(super) measured: f64,
    /// What of the difference may be rounding.
    pub(super) rounding: f64,
}

impl Slope {
    /// Whether the two agree.
    pub(super) fn agrees(&self) -> bool {
        self.excess() <= 0.0
    }

    /// Whether the slope is well above what rounding makes.
    pub(super) fn tells(&self) -> bool {
        self.claimed.abs().max(self.measured.abs()) > 10.0 * self.rounding
    }

    fn excess(&self) -> f64 {
        let off = (self.claimed - self.measured).abs();
        off - TOLERANCE * self.claimed.abs().max(self.measured.abs()) - self.rounding
    }
}

/// Measures along `direction` from `at`, where `f` has the gradient `gradient`.
///
/// # Errors
/// What `f` returns.
pub(super) fn along<E>(mut f: impl FnMut(&[f32]) -> Result<f64, E>, at: &[f32], gradient: &[f32], direction: &[f64]) -> Result<Slope, E> {
    let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    let unit: Vec<f64> = direction.iter().map(|d| d / length).collect();
    let claimed = unit.iter().zip(gradient).map(|(d, g)| d * f64::from(*g)).sum();
    let size = (at.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / at.len() as f64).sqrt().max(0.1);
    // a direction of many coordinates may go further before any of them has moved by much
    let coordinates = (1.0 / unit.iter().map(|d| d.powi(4)).sum::<f64>()).sqrt();
    let mut best: Option<Slope> = None;
    for step in STEPS {
        let h = step * size * coordinates;
        let mut moved = |sign: f64| f(&at.iter().zip(&unit).map(|(v, d)| (f64::from(*v) + sign * h * d) as f32).collect::<Vec<_>>());
        let (up, down) = (moved(1.0)?, moved(-1.0)?);
        let slope = Slope { claimed, measured: (up - down) / (2.0 * h), rounding: ROUNDING * up.abs().max(down.abs()) / h };
        let seen = step >= PLAIN || slope.tells();
        if seen && slope.agrees() {
            return Ok(slope);
        }
        if seen && best.is_none_or(|b| slope.excess() < b.excess()) {
            best = Some(slope);
        }
    }
    Ok(best.unwrap_or(Slope { claimed, measured: f64::NAN, rounding: 0.0 }))
}

/// Signs drawn at random: a slope along them shows what the gradient left out.
pub(super) fn signs(n: usize, random: &mut Random) -> Vec<f64> {
    (0..n).map(|_| if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_gradient_agrees_and_a_wrong_one_does_not() {
        let f = |x: &[f32]| Ok::<_, ()>(x.iter().map(|v| f64::from(*v).powi(3)).sum::<f64>());
        let at = [0.5f32, -1.0, 2.0];
        let right: Vec<f32> = at.iter().map(|v| 3.0 * v * v).collect();
        let half: Vec<f32> = right.iter().map(|g| g / 2.0).collect();
        let direction: Vec<f64> = right.iter().map(|g| f64::from(*g)).collect();
        let slope = along(f, &at, &right, &direction).unwrap();
        assert!(slope.agrees() && slope.tells(), "{slope:?}");
        assert!(!along(f, &at, &half, &direction).unwrap().agrees());
        assert!(!along(f, &at, &[0.0; 3], &[1.0, 1.0, -1.0]).unwrap().agrees());
        let nan = along(|_| Ok::<_, ()>(f64::NAN), &at, &right, &direction).unwrap();
        assert!(!nan.agrees());
        // it bends within all but the shortest steps
        let bent = |x: &[f32]| Ok::<_, ()>((5000.0 * f64::from(x[0])).sin());
        assert!(along(bent, &[0.0], &[5000.0], &[1.0]).unwrap().agrees());
        assert!(!along(bent, &[0.0], &[2500.0], &[1.0]).unwrap().agrees());
        // a wrong slope that is small beside what the shortest steps round
        let faint = |x: &[f32]| Ok::<_, ()>(1.0 + 1e-3 * f64::from(x[0]));
        assert!(!along(faint, &[1.0], &[1.5e-3], &[1.0]).unwrap().agrees());
    }
}
