//! Which places of a row are free. A place that comes back joins its neighbours.

use std::collections::BTreeMap;

/// Lengths of what is free by where it begins, no two of them neighbours.
pub(super) struct Places(BTreeMap<usize, usize>);

impl Places {
    pub(super) fn new(length: usize) -> Self {
        Self([(0, length)].into())
    }

    /// The first place with room, so that what lies behind stays whole.
    pub(super) fn take(&mut self, length: usize) -> Option<usize> {
        let (&first, &free) = self.0.iter().find(|&(_, &free)| free >= length)?;
        self.0.remove(&first);
        if free > length {
            self.0.insert(first + length, free - length);
        }
        Some(first)
    }

    pub(super) fn give(&mut self, first: usize, length: usize) {
        let length = length + self.0.remove(&(first + length)).unwrap_or(0);
        match self.0.range_mut(..first).next_back() {
            Some((&before, free)) if before + *free == first => *free += length,
            _ => drop(self.0.insert(first, length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is lent never overlaps, what is free and lent is the whole row, and when all came back it is one piece.
        #[test]
        fn places_are_lent_once(asked in proptest::collection::vec((1usize..50, 0usize..8), 1..200)) {
            let mut places = Places::new(1000);
            let mut lent: Vec<(usize, usize)> = Vec::new();
            for (length, which) in asked {
                match places.take(length) {
                    Some(first) => lent.push((first, length)),
                    None => prop_assert!(places.0.values().all(|&free| free < length)),
                }
                if which < lent.len() {
                    let (first, length) = lent.swap_remove(which);
                    places.give(first, length);
                }
                let mut all: Vec<(usize, usize)> = lent.iter().copied().chain(places.0.iter().map(|(&first, &free)| (first, free))).collect();
                all.sort_unstable();
                let end = all.iter().try_fold(0, |end, &(first, length)| (first == end).then_some(end + length));
                prop_assert_eq!(end, Some(1000));
            }
            for (first, length) in lent {
                places.give(first, length);
            }
            prop_assert_eq!(places.0.into_iter().collect::<Vec<_>>(), [(0, 1000)]);
        }
    }

    #[test]
    fn the_first_place_with_room_is_taken() {
        let mut places = Places::new(100);
        assert_eq!([10, 20, 10].map(|length| places.take(length)), [Some(0), Some(10), Some(30)]);
        places.give(10, 20);
        assert_eq!([25, 15, 5].map(|length| places.take(length)), [Some(40), Some(10), Some(25)]);
        assert_eq!(places.take(36), None);
    }
}
