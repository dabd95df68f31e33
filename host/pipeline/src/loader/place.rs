//! Where in a case a window is cut.

use super::Locations;
use crate::augment::Stream;
use crate::error::{Error, Result};
use volume::files::properties::ClassKey;

/// nnU-Net's rule for the place of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// D, H, W of the window (the initial patch) in voxels.
    pub window: [usize; 3],
    /// D, H, W of the patch that will be cut out of its middle.
    pub patch: [usize; 3],
}

impl Place {
    /// For each axis the first and the last voxel at which a window may start, in an image of `shape`. A window reaches
    /// so far beyond the image that the patch in its middle sees every border.
    pub fn limits(&self, shape: [usize; 3]) -> [(isize, isize); 3] {
        std::array::from_fn(|axis| {
            let (image, window, patch) = (shape[axis] as isize, self.window[axis] as isize, self.patch[axis] as isize);
            let need = (window - patch).max(window - image);
            // Rounded up on both sides, as Python's `-need // 2` and `need // 2 + need % 2` are.
            let beyond = need.div_euclid(2) + need.rem_euclid(2);
            (-beyond, image + beyond - window)
        })
    }

    /// Anywhere within the limits.
    pub fn random(&self, shape: [usize; 3], rng: &mut Stream) -> [isize; 3] {
        self.limits(shape).map(|(low, high)| rng.between(low, high))
    }

    /// With `voxel` (z, y, x) in the middle, but not before the lower limit.
    pub fn around(&self, shape: [usize; 3], voxel: [usize; 3]) -> [isize; 3] {
        let limits = self.limits(shape);
        std::array::from_fn(|axis| (voxel[axis] as isize - (self.window[axis] / 2) as isize).max(limits[axis].0))
    }

    /// Around a voxel of a class: of each class that the case shows with equal probability. With `annotated` any
    /// annotated voxel will do. A case that has no such voxel gets a random place.
    ///
    /// # Errors
    /// A location lies outside the image.
    pub fn showing(&self, shape: [usize; 3], locations: &Locations, annotated: bool, rng: &mut Stream) -> Result<[isize; 3]> {
        // The key of all labels is the one that holds the background.
        let all = |key: &ClassKey| matches!(key, ClassKey::Region(labels) if labels.contains(&0));
        let present = || locations.iter().filter(|(_, voxels)| !voxels.is_empty());
        let mut candidates: Vec<_> = present().filter(|(key, _)| all(key) == annotated).collect();
        if candidates.is_empty() && !annotated {
            candidates = present().collect();
        }
        let Some((key, voxels)) = candidates.get(rng.below(candidates.len())) else { return Ok(self.random(shape, rng)) };
        let Some(&[_, at @ ..]) = voxels.get(rng.below(voxels.len())) else { return Ok(self.random(shape, rng)) };
        let voxel = at.map(|v| usize::try_from(v).unwrap_or(usize::MAX));
        if voxel.iter().zip(shape).any(|(&v, side)| v >= side) {
            let found = format!("class_locations of {key:?} name voxel {at:?}, outside the image of {shape:?} voxels");
            return Err(Error::invalid(format!("{found}; preprocess again")));
        }
        Ok(self.around(shape, voxel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn triple(range: std::ops::Range<usize>) -> impl Strategy<Value = [usize; 3]> {
        [range.clone(), range.clone(), range]
    }

    proptest! {
        #[test]
        fn limits_follow_the_rule(shape in triple(1..60), patch in triple(1..40), more in triple(0..30)) {
            let place = Place { patch, window: [0, 1, 2].map(|i| patch[i] + more[i]) };
            for (axis, (low, high)) in place.limits(shape).into_iter().enumerate() {
                let (window, image, patch) = (place.window[axis] as isize, shape[axis] as isize, patch[axis] as isize);
                prop_assert!(low <= high && low <= 0, "{low} {high}");
                if image >= patch {
                    // The patch in the window's middle reaches each border, and at most one voxel of rounding beyond.
                    let margin = window - patch;
                    prop_assert_eq!(low, -(margin + 1).div_euclid(2));
                    prop_assert_eq!(high + window - image, (margin + 1).div_euclid(2));
                } else {
                    // The image is in the window's middle, off by one half voxel at most.
                    prop_assert_eq!((low, high), ((image - window).div_euclid(2), -(window - image).div_euclid(2)));
                }
            }
        }

        #[test]
        fn a_chosen_voxel_is_in_the_window(shape in triple(1..60), patch in triple(1..40), more in triple(0..30),
            part in [0.0..1.0f64, 0.0..1.0, 0.0..1.0])
        {
            let place = Place { patch, window: [0, 1, 2].map(|i| patch[i] + more[i]) };
            let voxel = [0, 1, 2].map(|i| (part[i] * shape[i] as f64) as usize);
            let start = place.around(shape, voxel);
            for axis in 0..3 {
                let inside = voxel[axis] as isize - start[axis];
                prop_assert!((0..place.window[axis] as isize).contains(&inside), "{start:?}");
                // In the middle, unless the lower limit forbids it.
                let middle = (place.window[axis] / 2) as isize;
                prop_assert!(inside == middle || (inside < middle && start[axis] == place.limits(shape)[axis].0));
            }
        }

        #[test]
        fn random_places_are_within_the_limits(shape in triple(1..60), patch in triple(1..40), more in triple(0..30), seed: u64) {
            let place = Place { patch, window: [0, 1, 2].map(|i| patch[i] + more[i]) };
            let start = place.random(shape, &mut Stream::new(seed, &[]));
            for (at, (low, high)) in start.into_iter().zip(place.limits(shape)) {
                prop_assert!(low <= at && at <= high);
            }
        }
    }

    #[test]
    fn limits_of_a_hippocampus_patch() {
        let place = Place { patch: [40, 56, 40], window: [73, 80, 64] };
        // need 38 (73 - 35), 29 (80 - 51), 29 (64 - 35)
        assert_eq!(place.limits([35, 51, 35]), [(-19, -19), (-15, -14), (-15, -14)]);
    }

    #[test]
    fn slices_of_a_2d_configuration_are_equally_likely() {
        let place = Place { patch: [1, 8, 8], window: [1, 10, 10] };
        let mut rng = Stream::new(0, &[]);
        let mut counts = [0usize; 5];
        (0..5000).for_each(|_| counts[place.random([5, 20, 20], &mut rng)[0] as usize] += 1);
        assert!(counts.iter().all(|c| c.abs_diff(1000) < 150), "{counts:?}");
        assert_eq!(place.around([5, 20, 20], [3, 10, 10]), [3, 5, 5]);
    }

    #[test]
    fn classes_are_equally_likely_and_all_labels_stand_in() {
        let place = Place { patch: [1; 3], window: [1; 3] };
        let label = |l, voxels: Vec<[i64; 4]>| (ClassKey::Label(l), voxels);
        let all = (ClassKey::Region(vec![-1, 0, 1, 2, 3]), vec![[0, 9, 9, 9]]);
        let locations = vec![label(1, vec![[0, 1, 1, 1]; 50]), label(2, vec![[0, 2, 2, 2]]), label(3, vec![]), all.clone()];
        let mut rng = Stream::new(0, &[]);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..2000 {
            *counts.entry(place.showing([10; 3], &locations, false, &mut rng).unwrap()).or_insert(0usize) += 1;
        }
        assert_eq!(counts.len(), 2);
        assert!(counts[&[1; 3]].abs_diff(1000) < 120, "{counts:?}");
        assert_eq!(place.showing([10; 3], &locations, true, &mut rng).unwrap(), [9; 3]);
        assert_eq!(place.showing([10; 3], &vec![label(1, vec![]), all], false, &mut rng).unwrap(), [9; 3]);
        assert!(place.showing([10; 3], &vec![label(1, vec![])], false, &mut rng).is_ok());
        assert!(place.showing([2; 3], &vec![label(1, vec![[0, 1, 2, 1]])], false, &mut rng).is_err());
    }
}
