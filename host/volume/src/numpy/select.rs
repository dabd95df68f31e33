//! Elements of a sorted list without sorting it: the list is counted by the upper and then by the lower half of its numbers' bits.

use rayon::prelude::*;

/// Values of 16 bits.
const BINS: usize = 1 << 16;
/// Elements that a thread counts at a time.
const CHUNK: usize = 1 << 20;

/// The elements of `x` at `places` (from 0) of its sorted order. `None` where `x` holds a NaN or has no such place.
///
/// Two passes; beside `x`, memory holds a few megabytes a thread.
pub(super) fn at_places(x: &[f32], places: &[usize]) -> Option<Vec<f32>> {
    if places.iter().any(|&place| place >= x.len()) || x.par_iter().any(|v| v.is_nan()) {
        return None;
    }
    let upper = count(x, |key| Some((key >> 16) as usize), BINS);
    let found: Vec<(usize, usize)> = places.iter().map(|&place| bin(&upper, place)).collect();
    let mut wanted: Vec<usize> = found.iter().map(|&(upper, _)| upper).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let lower =
        count(x, |key| wanted.binary_search(&((key >> 16) as usize)).ok().map(|slot| slot * BINS + (key & 0xffff) as usize), wanted.len() * BINS);
    let value = |&(upper, rest): &(usize, usize)| {
        let slot = wanted.binary_search(&upper).ok()?;
        let (lower, _) = bin(&lower[slot * BINS..(slot + 1) * BINS], rest);
        Some(from_key(((upper << 16) | lower) as u32))
    };
    found.iter().map(value).collect()
}

/// How many of `x` fall into each of `bins`, by their keys; `None` falls into none.
fn count(x: &[f32], bin: impl Fn(u32) -> Option<usize> + Sync, bins: usize) -> Vec<u32> {
    let counted = x.par_chunks(CHUNK).fold(
        || vec![0_u32; bins],
        |mut counts, chunk| {
            chunk.iter().filter_map(|&v| bin(key(v))).for_each(|bin| counts[bin] += 1);
            counts
        },
    );
    let sum = |mut a: Vec<u32>, b: Vec<u32>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    counted.reduce(|| vec![0; bins], sum)
}

/// The bin that holds the element at `place`, and its place in there.
fn bin(counts: &[u32], mut place: usize) -> (usize, usize) {
    for (bin, &count) in counts.iter().enumerate() {
        match place.checked_sub(count as usize) {
            Some(rest) => place = rest,
            None => return (bin, place),
        }
    }
    (counts.len() - 1, 0)
}

/// Whole numbers in the order of the floats.
fn key(v: f32) -> u32 {
    let bits = v.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_those_of_the_sorted_list(
            x in prop::collection::vec(prop_oneof![-1e3f32..1e3, prop::num::f32::NORMAL, Just(7.0), Just(f32::INFINITY)], 1..400),
            places in prop::collection::vec(any::<prop::sample::Index>(), 1..7),
        ) {
            let mut sorted = x.clone();
            sorted.sort_by(f32::total_cmp);
            let places: Vec<usize> = places.iter().map(|place| place.index(x.len())).collect();
            let wanted: Vec<f32> = places.iter().map(|&place| sorted[place]).collect();
            prop_assert_eq!(at_places(&x, &places), Some(wanted));
            prop_assert_eq!(at_places(&x, &[x.len()]), None);
        }
    }
}
