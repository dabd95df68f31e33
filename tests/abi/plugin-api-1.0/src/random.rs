//! Random numbers for a sample: the same seed gives the same numbers, on every machine and in every thread.

/// xoshiro256++ (Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"), seeded through SplitMix64.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        let mut z = seed;
        let state = std::array::from_fn(|_| {
            z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut x = z;
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            x ^ (x >> 31)
        });
        Rng { state }
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [`low`, `high`).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.bits() >> 11) as f64 * 2f64.powi(-53))
    }

    /// Whether an event of probability `p` happens.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform(0.0, 1.0) < p
    }

    /// A whole number below `n`; 0 if `n` is 0. The bias is below n / 2^64.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A number of mean 0 and standard deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // in (0, 1], so that the logarithm is finite
        let radius = (-2.0 * (1.0 - self.uniform(0.0, 1.0)).ln()).sqrt();
        radius * self.uniform(0.0, std::f64::consts::TAU).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by a second implementation, in Python.
    #[test]
    fn the_first_numbers_of_seed_0() {
        let mut rng = Rng::new(0);
        assert_eq!([rng.bits(), rng.bits()], [0x53175d61490b23df, 0x61da6f3dc380d507]);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let (mut rng, n) = (Rng::new(3), 100_000);
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / n as f64;
        let normals: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        assert!(mean(normals.clone()).abs() < 0.015 && (mean(normals.iter().map(|x| x * x).collect()) - 1.0).abs() < 0.02);
        assert!((mean((0..n).map(|_| rng.uniform(2.0, 4.0)).collect()) - 3.0).abs() < 0.01);
        assert!((mean((0..n).map(|_| f64::from(u8::from(rng.chance(0.3)))).collect()) - 0.3).abs() < 0.01);
        assert!((0..1000).all(|_| rng.below(3) < 3) && rng.below(0) == 0);
    }
}
