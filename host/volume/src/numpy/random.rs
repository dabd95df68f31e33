//! NumPy's legacy generator, `numpy.random.RandomState`: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) with
//! the ways of drawing that NumPy has frozen.

/// Words of state.
const N: usize = 624;
/// The distance of the recurrence.
const M: usize = 397;

/// `numpy.random.RandomState(seed)`: equal seeds and equal calls give NumPy's numbers.
#[derive(Debug, Clone)]
pub struct RandomState {
    key: [u32; N],
    /// What the state is handed out as.
    words: [u32; N],
    /// The next word to hand out; `N` means that the state must be renewed.
    at: usize,
}

impl RandomState {
    /// The generator that NumPy seeds with the integer `seed`.
    pub fn new(seed: u32) -> Self {
        let mut word = seed;
        let key = std::array::from_fn(|i| {
            if i > 0 {
                word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
            }
            word
        });
        Self { key, words: [0; N], at: N }
    }

    /// A word of 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.at >= N {
            self.renew();
        }
        let word = self.words.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        word
    }

    /// A float in [0, 1) with 53 random bits, as `random_sample()` draws it.
    pub fn random_sample(&mut self) -> f64 {
        let high = f64::from(self.next_u32() >> 5);
        let low = f64::from(self.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// An integer in [low, high), as `randint(low, high)` draws it; `low` when the interval is empty.
    pub fn randint(&mut self, low: i64, high: i64) -> i64 {
        let last = high.wrapping_sub(1).wrapping_sub(low);
        if high <= low { low } else { low.wrapping_add(self.interval(last as u64) as i64) }
    }

    /// `size` indices below `n`, drawn with replacement, as `choice(n, size)` draws them; none when `n` is 0.
    ///
    /// `choice(array, size)` of NumPy takes the elements at these indices.
    pub fn choice(&mut self, n: usize, size: usize) -> Vec<usize> {
        match n.checked_sub(1) {
            Some(last) => (0..size).map(|_| self.interval(last as u64) as usize).collect(),
            None => Vec::new(),
        }
    }

    /// Fills `drawn` with elements of `from`, as `choice(from, len(drawn))`; with NaN where there are none.
    ///
    /// The same draws as [`RandomState::choice`] makes, many times faster.
    pub fn choose(&mut self, from: &[f32], drawn: &mut [f32]) {
        let last = match u32::try_from(from.len()) {
            Ok(0) => return drawn.fill(f32::NAN),
            Ok(n) => n - 1,
            Err(_) => {
                let indices = self.choice(from.len(), drawn.len());
                drawn.iter_mut().zip(indices).for_each(|(value, index)| *value = from[index]);
                return;
            }
        };
        if last == 0 {
            return drawn.fill(from[0]);
        }
        let mask = u32::MAX >> last.leading_zeros();
        let (mut indices, mut done) = ([0_u32; N], 0);
        while done < drawn.len() {
            if self.at >= N {
                self.renew();
            }
            // no more words than are missing, so that none is taken that NumPy leaves
            let words = &self.words[self.at..N.min(self.at + drawn.len() - done)];
            let mut kept = 0;
            for &word in words {
                indices[kept] = word & mask;
                kept += usize::from(word & mask <= last); // no branch, which would be a coin's throw
            }
            self.at += words.len();
            drawn[done..done + kept].iter_mut().zip(&indices).for_each(|(value, &index)| *value = from[index as usize]);
            done += kept;
        }
    }

    /// `size` different indices below `n`, as `choice(n, size, replace=False)` draws them; at most `n`.
    pub fn choice_without_replacement(&mut self, n: usize, size: usize) -> Vec<usize> {
        let mut indices = self.permutation(n);
        indices.truncate(size);
        indices
    }

    /// The numbers below `n` in random order, as `permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..n).collect();
        self.shuffle(&mut indices);
        indices
    }

    /// Puts `items` in random order, as `shuffle` does.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.interval(i as u64) as usize;
            items.swap(i, j);
        }
    }

    /// An integer in [0, last]: words are cut to the bits of `last` and drawn again while they exceed it. Intervals that fit 32
    /// bits take one word a draw, larger ones two.
    fn interval(&mut self, last: u64) -> u64 {
        if last == 0 {
            return 0;
        }
        let mask = u64::MAX >> last.leading_zeros();
        loop {
            let word = match u32::try_from(last) {
                Ok(_) => u64::from(self.next_u32()),
                Err(_) => (u64::from(self.next_u32()) << 32) | u64::from(self.next_u32()),
            };
            if word & mask <= last {
                return word & mask;
            }
        }
    }

    fn renew(&mut self) {
        let key = &mut self.key;
        let twist = |word: u32, next: u32, far: u32| {
            let y = (word & 0x8000_0000) | (next & 0x7fff_ffff);
            far ^ (y >> 1) ^ if y & 1 == 0 { 0 } else { 0x9908_b0df }
        };
        // in parts without a remainder in the index, which the compiler turns into vectors
        for i in 0..N - M {
            key[i] = twist(key[i], key[i + 1], key[i + M]);
        }
        for i in N - M..N - 1 {
            key[i] = twist(key[i], key[i + 1], key[i + M - N]);
        }
        key[N - 1] = twist(key[N - 1], key[0], key[M - 1]);
        for (word, &y) in self.words.iter_mut().zip(key.iter()) {
            let y = y ^ (y >> 11);
            let y = y ^ ((y << 7) & 0x9d2c_5680);
            let y = y ^ ((y << 15) & 0xefc6_0000);
            *word = y ^ (y >> 18);
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `reference/metrics/rules.json`, `numpy_RandomState_1234`.
    #[test]
    fn draws_of_seed_1234_are_those_of_numpy() {
        let seeded = || RandomState::new(1234);
        assert_eq!(seeded().choice_without_replacement(100, 10), [40, 35, 81, 61, 98, 68, 85, 27, 39, 42]);
        assert_eq!(seeded().choice(100, 10), [47, 83, 38, 53, 76, 24, 15, 49, 23, 26]);
        assert_eq!(seeded().choice(5000, 8), [2863, 723, 1318, 3276, 664, 279, 1257, 30]);
        assert_eq!(seeded().choice(70000, 8), [58067, 34086, 60620, 32399, 55985, 41239, 9449, 23706]);
        let mut rs = seeded();
        let uniform: [f64; 4] = std::array::from_fn(|_| rs.random_sample());
        assert_eq!(uniform, [0.1915194503788923, 0.6221087710398319, 0.4377277390071145, 0.7853585837137692]);
        let mut rs = seeded();
        assert_eq!([(); 8].map(|()| rs.randint(0, 7)), [3, 6, 5, 4, 4, 0, 1, 1]);
    }

    /// Printed by NumPy 2.4.6.
    #[test]
    fn other_seeds_and_wide_intervals() {
        let mut rs = RandomState::new(5489);
        let words = [3499211612, 581869302, 3890346734, 3586334585, 545404204, 4161255391];
        assert_eq!([(); 6].map(|()| rs.next_u32()), words);
        let mut rs = RandomState::new(u32::MAX);
        assert_eq!([(); 4].map(|()| rs.randint(-5, 1 << 40)), [53956357186, 922432766453, 547627168374, 1042369230950]);
        assert_eq!([(); 2].map(|()| rs.randint(0, 1 << 32)), [627568395, 3003590858]);
        assert_eq!(RandomState::new(12345).permutation(10), [0, 7, 3, 9, 6, 4, 1, 8, 5, 2]);
        // state renewed more than once
        let mut rs = RandomState::new(7);
        let sum: u64 = rs.choice(1000, 5000).iter().map(|&i| i as u64).sum();
        assert_eq!(sum, 2482692);
    }

    #[test]
    fn elements_are_chosen_at_the_same_indices() {
        for n in [1, 2, 3, 1000, 1024, 1025, 70_000] {
            let from: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let (mut one, mut other) = (RandomState::new(1234), RandomState::new(1234));
            for size in [0, 1, 7, 5000] {
                let mut drawn = vec![-1.0; size];
                one.choose(&from, &mut drawn);
                assert_eq!(drawn, other.choice(n, size).into_iter().map(|i| i as f32).collect::<Vec<_>>(), "{size} of {n}");
            }
            assert_eq!(one.next_u32(), other.next_u32(), "{n}");
        }
        let mut drawn = [0.0];
        RandomState::new(0).choose(&[], &mut drawn);
        assert!(drawn[0].is_nan());
    }

    #[test]
    fn empty_intervals_draw_nothing() {
        let mut rs = RandomState::new(0);
        assert!(rs.choice(0, 3).is_empty());
        assert_eq!(rs.choice(1, 3), [0, 0, 0]);
        assert!(rs.permutation(0).is_empty());
        assert_eq!(rs.randint(4, 4), 4);
        assert_eq!(rs.next_u32(), RandomState::new(0).next_u32());
    }
}
