//! Random numbers that depend on what they are for, and on nothing else.
//!
//! A [`Stream`] is keyed by a seed and a path such as (epoch, iteration, sample). Whoever draws from it, in whichever
//! thread and order, gets the same numbers, so a resumed training run repeats an undisturbed one bit by bit.
//!
//! The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

/// Numbers of one (seed, path).
#[derive(Clone, Debug)]
pub struct Stream {
    /// A hash of the seed and the path: the generator's key, and the upper half of its counter.
    identity: [u64; 2],
    /// The next block.
    counter: u64,
    block: [u32; 4],
    /// How much of `block` has been handed out.
    used: usize,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's finaliser: every bit of the result depends on every bit of `z`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn absorb(identity: [u64; 2], part: u64) -> [u64; 2] {
    let first = mix(identity[0].wrapping_add(GOLDEN) ^ mix(part.wrapping_add(GOLDEN)));
    [first, mix(identity[1].wrapping_add(first).rotate_left(29).wrapping_add(part))]
}

/// Ten rounds of Philox4x32.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

impl Stream {
    /// The stream of `seed` at `path`, for example `[epoch, iteration, sample]`.
    pub fn new(seed: u64, path: &[u64]) -> Self {
        let start = absorb([mix(seed.wrapping_add(GOLDEN)), seed], path.len() as u64);
        Self::of(path.iter().fold(start, |identity, &part| absorb(identity, part)))
    }

    /// The stream one step further down the path. It does not depend on what was drawn from this one.
    #[must_use]
    pub fn fork(&self, part: u64) -> Self {
        Self::of(absorb(self.identity, part))
    }

    fn of(identity: [u64; 2]) -> Self {
        Self { identity, counter: 0, block: [0; 4], used: 4 }
    }

    /// Any 32 bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            let ([key, high], low) = (self.identity, self.counter);
            let counter = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
            self.block = philox(counter, [key as u32, (key >> 32) as u32]);
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Any 64 bits.
    pub fn bits64(&mut self) -> u64 {
        u64::from(self.bits()) << 32 | u64::from(self.bits())
    }

    /// Uniform in [0, 1), a multiple of 2^-24.
    pub fn f32(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * 2f32.powi(-24)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn f64(&mut self) -> f64 {
        (self.bits64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Uniform in [`low`, `high`).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.f64()
    }

    /// Whether an event of probability `p` happens.
    pub fn chance(&mut self, p: f64) -> bool {
        self.f64() < p
    }

    /// A whole number below `n`, each equally likely; 0 if `n` is 0.
    ///
    /// Lemire 2019, "Fast random integer generation in an interval".
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        let unfair = n.wrapping_neg().checked_rem(n).unwrap_or(0);
        loop {
            let product = u128::from(self.bits64()) * u128::from(n);
            if product as u64 >= unfair {
                return (product >> 64) as usize;
            }
        }
    }

    /// A whole number from `low` to `high`, both possible, each equally likely; `low` if `high` is less.
    pub fn between(&mut self, low: isize, high: isize) -> isize {
        low + self.below((high - low + 1).max(0) as usize) as isize
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Two independent numbers of mean 0 and standard deviation 1 (Box and Muller 1958).
    pub fn normals(&mut self) -> [f32; 2] {
        // In (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.f32()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * self.f32()).sin_cos();
        [radius * cos, radius * sin]
    }

    /// Fills `values` with independent numbers of mean 0 and standard deviation `sigma`.
    pub fn fill_normal(&mut self, values: &mut [f32], sigma: f32) {
        for pair in values.chunks_mut(2) {
            pair.iter_mut().zip(self.normals()).for_each(|(value, normal)| *value = sigma * normal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_its_authors_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn a_stream_depends_on_its_seed_and_every_part_of_its_path() {
        let first = |seed, path: &[u64]| Stream::new(seed, path).bits64();
        let mut seen: Vec<u64> = (0..4).flat_map(|s| (0..4).flat_map(move |e| (0..4).map(move |i| first(s, &[e, i])))).collect();
        seen.extend([first(0, &[]), first(0, &[0]), first(0, &[0, 0, 0]), Stream::new(0, &[0, 0]).fork(7).bits64()]);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert_eq!(first(5, &[1, 2, 3]), first(5, &[1, 2, 3]));
    }

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn() {
        let mut drawn = Stream::new(1, &[2]);
        let before = drawn.fork(3).bits64();
        drawn.bits64();
        assert_eq!(before, drawn.fork(3).bits64());
    }

    #[test]
    fn numbers_have_the_moments_of_their_distributions() {
        let mut rng = Stream::new(3, &[]);
        let n = 200_000;
        let uniform: Vec<f64> = (0..n).map(|_| rng.uniform(-1.0, 3.0)).collect();
        let mean = uniform.iter().sum::<f64>() / n as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!(uniform.iter().all(|u| (-1.0..3.0).contains(u)));
        let mut normal = vec![0.0; n];
        rng.fill_normal(&mut normal, 2.0);
        let moment = |k: i32| normal.iter().map(|&x| f64::from(x / 2.0).powi(k)).sum::<f64>() / n as f64;
        for (k, wanted, allowed) in [(1, 0.0, 0.01), (2, 1.0, 0.02), (3, 0.0, 0.03), (4, 3.0, 0.1)] {
            assert!((moment(k) - wanted).abs() < allowed, "moment {k} is {}", moment(k));
        }
        let hits = (0..n).filter(|_| rng.chance(0.3)).count();
        assert!((hits as f64 / n as f64 - 0.3).abs() < 0.005);
    }

    #[test]
    fn whole_numbers_are_equally_likely() {
        let mut rng = Stream::new(4, &[]);
        let mut counts = [0usize; 7];
        (0..70_000).for_each(|_| counts[rng.below(7)] += 1);
        // 10000 expected, standard deviation 93
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 450), "{counts:?}");
        assert_eq!((rng.below(1), rng.below(0), rng.between(-3, -3)), (0, 0, -3));
        assert!((0..1000).map(|_| rng.between(-2, 2)).all(|v| (-2..=2).contains(&v)));
    }

    #[test]
    fn a_shuffle_gives_each_order_equally_often() {
        let mut rng = Stream::new(5, &[]);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..60_000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0usize) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&c| c.abs_diff(10_000) < 450), "{counts:?}");
    }
}
