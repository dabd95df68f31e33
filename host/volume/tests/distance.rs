//! The distance transform against brute force.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too
mod common;

use common::noise;
use ndarray::Array3;
use proptest::prelude::*;
use volume::distance::{NOWHERE, distance, nearest};

proptest! {
    #[test]
    fn the_nearest_voxel_is_the_nearest(
        shape in (1..5usize, 1..8usize, 1..10usize),
        seed: u64,
        density in 0.0..0.3,
        spacing in [0.2..5.0, 0.2..5.0, 0.2..5.0],
    ) {
        let mut next = noise(seed);
        let mask = Array3::from_shape_simple_fn(shape, || next() < density);
        let found = nearest(&mask, spacing);
        let squared = |a: (usize, usize, usize), b: (usize, usize, usize)| {
            let along = |i: usize, j: usize, step: f64| (i.abs_diff(j) as f64 * step).powi(2);
            along(a.0, b.0, spacing[0]) + along(a.1, b.1, spacing[1]) + along(a.2, b.2, spacing[2])
        };
        let voxels: Vec<_> = mask.indexed_iter().filter(|(_, inside)| **inside).map(|(voxel, _)| voxel).collect();
        let (_, height, width) = shape;
        for (voxel, &index) in found.index.indexed_iter() {
            let least = voxels.iter().map(|&other| squared(voxel, other)).fold(f64::INFINITY, f64::min);
            if least.is_infinite() {
                prop_assert_eq!((index, found.squared[voxel]), (NOWHERE, f64::INFINITY));
                continue;
            }
            let index = index as usize;
            let named = (index / (height * width), index / width % height, index % width);
            prop_assert!(mask[named]);
            prop_assert!((squared(voxel, named) - least).abs() <= 1e-9 * least);
            prop_assert!((found.squared[voxel] - least).abs() <= 1e-9 * least);
        }
    }
}

#[test]
fn distances_are_in_millimetres() {
    let mut mask = Array3::from_elem((3, 1, 4), false);
    mask[[0, 0, 0]] = true;
    let found = distance(&mask, [2.0, 1.0, 1.5]);
    assert_eq!((found[[0, 0, 0]], found[[2, 0, 0]], found[[2, 0, 2]]), (0.0, 4.0, 5.0));
    assert!(distance(&Array3::from_elem((2, 2, 2), false), [1.0; 3]).iter().all(|d| d.is_infinite()));
}
