//! Random numbers of the host: a counter run through a mixer, so that a stream is its key and nothing else.

/// A stream keyed by seed and place; equal keys give equal numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random {
    key: u64,
    counter: u64,
}

/// SplitMix64's finaliser (Steele et al. 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of a seed at a place (epoch, iteration, parameter number ...).
    pub fn new(seed: u64, place: &[u64]) -> Self {
        let key = place.iter().fold(mix(seed ^ 0x9E37_79B9_7F4A_7C15), |k, &p| mix(k ^ mix(p.wrapping_add(0x9E37_79B9_7F4A_7C15))));
        Random { key, counter: 0 }
    }

    fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Uniform in 0..1.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
    }
}
