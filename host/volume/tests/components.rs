//! Components against nnU-Net's postprocessing and against a flood fill; hole filling and cropping.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too
mod common;

use common::{Npz, noise, reference};
use ndarray::{Array3, Array4, ArrayD, Axis};
use proptest::prelude::*;
use volume::components::{Connectivity, fill_holes, keep_largest, keep_largest_of, label};
use volume::crop::{OUTSIDE, bounding_box, crop_to_nonzero};

/// 2D arrays become one slice.
fn volume(array: ArrayD<f64>) -> Array3<i16> {
    let array = if array.ndim() == 2 { array.insert_axis(Axis(0)) } else { array };
    array.mapv(|v| v as i16).into_dimensionality().unwrap()
}

#[test]
fn the_largest_component_as_nnunet_keeps_it() {
    let Some(path) = reference("metrics/connected_components.npz") else { return };
    let mut npz = Npz::open(&path);
    let all = [1, 2, 3, 4, 5];
    let mut compared = 0;
    for case in ["0", "1", "2", "3", "tie", "diag"] {
        let input = volume(npz.get(&format!("{case}_in")));
        let kinds: [(&str, &[i16]); 5] = [("1", &[1]), ("2", &[2]), ("fg", &all), ("region12", &[1, 2]), ("region123", &[1, 2, 3])];
        for (kind, labels) in kinds {
            if npz.has(&format!("{case}_keep_{kind}")) {
                let mut found = input.clone();
                keep_largest_of(&mut found, labels);
                assert_eq!(found, volume(npz.get(&format!("{case}_keep_{kind}"))), "{case} {kind}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared} arrays");
}

/// Components by flood fill from each voxel in turn.
fn flood(mask: &Array3<bool>, connectivity: Connectivity) -> (Array3<u32>, Vec<usize>) {
    let mut labels = Array3::zeros(mask.raw_dim());
    let mut sizes = Vec::new();
    let (depth, height, width) = mask.dim();
    for (start, &inside) in mask.indexed_iter() {
        if !inside || labels[start] != 0 {
            continue;
        }
        sizes.push(0);
        labels[start] = sizes.len() as u32;
        let mut open = vec![start];
        while let Some((z, y, x)) = open.pop() {
            *sizes.last_mut().unwrap() += 1;
            for step in 0..27isize {
                let (dz, dy, dx) = (step / 9 - 1, step / 3 % 3 - 1, step % 3 - 1);
                if connectivity == Connectivity::Faces && dz.abs() + dy.abs() + dx.abs() != 1 {
                    continue;
                }
                let (z, y, x) = (z as isize + dz, y as isize + dy, x as isize + dx);
                if z < 0 || y < 0 || x < 0 || z >= depth as isize || y >= height as isize || x >= width as isize {
                    continue;
                }
                let voxel = (z as usize, y as usize, x as usize);
                if mask[voxel] && labels[voxel] == 0 {
                    labels[voxel] = sizes.len() as u32;
                    open.push(voxel);
                }
            }
        }
    }
    (labels, sizes)
}

fn random_mask(shape: (usize, usize, usize), seed: u64, density: f64) -> Array3<bool> {
    let mut next = noise(seed);
    Array3::from_shape_simple_fn(shape, || next() < density)
}

proptest! {
    #[test]
    fn components_equal_a_flood_fill(shape in (1..6usize, 1..9usize, 1..12usize), seed: u64, density in 0.0..1.0) {
        let mask = random_mask(shape, seed, density);
        for connectivity in [Connectivity::Faces, Connectivity::Full] {
            let found = label(&mask, connectivity);
            prop_assert_eq!((found.labels, found.sizes), flood(&mask, connectivity));
        }
    }

    #[test]
    fn holes_are_background_that_a_flood_from_outside_does_not_reach(
        shape in (1..7usize, 1..8usize, 1..9usize), seed: u64, density in 0.3..1.0,
    ) {
        let mask = random_mask(shape, seed, density);
        // one layer of background around it is the outside
        let (depth, height, width) = shape;
        let mut padded = Array3::from_elem((depth + 2, height + 2, width + 2), true);
        let inner = ndarray::s![1..=depth, 1..=height, 1..=width];
        padded.slice_mut(inner).assign(&mask.mapv(|inside| !inside));
        let outside = flood(&padded, Connectivity::Faces).0;
        let wanted = outside.slice(inner).mapv(|component| component != 1);
        let mut filled = mask;
        fill_holes(&mut filled);
        prop_assert_eq!(filled, wanted);
    }

    #[test]
    fn the_box_is_the_smallest(shape in (1..6usize, 1..6usize, 1..6usize), seed: u64, density in 0.0..0.2) {
        let mask = random_mask(shape, seed, density);
        let voxels: Vec<_> = mask.indexed_iter().filter(|(_, inside)| **inside).map(|((z, y, x), _)| [z, y, x]).collect();
        let wanted = (!voxels.is_empty()).then(|| std::array::from_fn(|axis| {
            let along = voxels.iter().map(|voxel| voxel[axis]);
            [along.clone().min().unwrap(), along.max().unwrap() + 1]
        }));
        prop_assert_eq!(bounding_box(&mask), wanted);
    }
}

#[test]
fn all_components_tied_for_largest_stay() {
    let mask = ndarray::arr3(&[[[true, true, false, true, true, false, true]]]);
    let kept = keep_largest(&mask, Connectivity::Full);
    assert_eq!(kept, ndarray::arr3(&[[[true, true, false, true, true, false, false]]]));
    let none = Array3::from_elem((2, 2, 2), false);
    assert_eq!(keep_largest(&none, Connectivity::Full), none);
    assert!(label(&Array3::from_elem((0, 3, 3), true), Connectivity::Full).sizes.is_empty());
}

#[test]
fn a_case_is_cropped_to_what_is_not_zero_in_any_channel() {
    let mut data = Array4::zeros((2, 5, 6, 7));
    data[[0, 1, 2, 3]] = 1.0;
    data[[1, 3, 4, 3]] = f32::NAN;
    let mut seg = Array3::zeros((5, 6, 7));
    seg[[2, 2, 3]] = 2;
    let cropped = crop_to_nonzero(data.clone(), Some(seg));
    assert_eq!(cropped.bbox, [[1, 4], [2, 5], [3, 4]]);
    assert_eq!(cropped.data.dim(), (2, 3, 3, 1));
    assert_eq!(cropped.seg.dim(), (3, 3, 1));
    assert_eq!((cropped.seg[[0, 0, 0]], cropped.seg[[1, 0, 0]], cropped.seg[[0, 1, 0]]), (0, 2, OUTSIDE));
    let unlabelled = crop_to_nonzero(data, None).seg;
    assert_eq!((unlabelled[[0, 0, 0]], unlabelled[[1, 0, 0]]), (0, OUTSIDE));
}

#[test]
fn an_image_without_a_border_is_not_copied() {
    let data = Array4::<f32>::ones((1, 3, 3, 3));
    let place = data.as_ptr();
    let cropped = crop_to_nonzero(data, None);
    assert_eq!((cropped.data.as_ptr(), cropped.bbox), (place, [[0, 3]; 3]));
    let empty = crop_to_nonzero(Array4::zeros((1, 2, 3, 4)), None);
    assert_eq!((empty.bbox, empty.seg), ([[0, 2], [0, 3], [0, 4]], Array3::from_elem((2, 3, 4), OUTSIDE)));
}
