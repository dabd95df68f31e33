//! Resampling against nnU-Net's own, and what must hold for any image.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too
mod common;

use common::{Npz, json, lengths, noise, numbers, own_reference, reference};
use ndarray::{Array3, Array4, Axis, Ix4, s};
use proptest::prelude::*;
use volume::resample::{Block, Order, Regrid, ResampleOptions, compute_new_shape, resample_channel, resample_data, resample_seg};

fn options(order: u64, order_z: u64) -> ResampleOptions {
    let number = |order| Order::from_number(order).unwrap();
    ResampleOptions { order: number(order), order_z: number(order_z), ..ResampleOptions::IMAGE }
}

#[test]
fn images_as_nnunet_resamples_them() {
    let Some(folder) = reference("preproc/resample") else { return };
    let mut npz = Npz::open(&folder.join("resample_cases.npz"));
    for case in json(&folder.join("resample_cases.json")).as_array().unwrap() {
        let i = &case["i"];
        let (from, to) = (numbers(&case["spacing_in"]), numbers(&case["spacing_out"]));
        let shape = lengths(&case["shape_out"]);
        let input: Array4<f32> = npz.get(&format!("{i}_x")).mapv(|v| v as f32).into_dimensionality::<Ix4>().unwrap();
        assert_eq!(options(3, 0).separate_axis(from, to), case["axis"].as_u64().map(|axis| axis as usize), "case {i}");
        assert_eq!(compute_new_shape(lengths(&case["shape_in"]), from, to), lengths(&case["new_shape_from_spacing"]));
        for (order, order_z) in [(3, 0), (3, 1), (1, 0), (1, 1), (0, 0), (0, 1)] {
            let wanted = npz.get(&format!("{i}_x_o{order}_oz{order_z}"));
            let found = resample_data(&input, shape, from, to, &options(order, order_z));
            assert_eq!(found.shape(), wanted.shape());
            let worst = found.iter().zip(&wanted).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            let tolerance = if order == 3 { 1e-4 } else { 1e-5 };
            println!("case {i} order {order} order_z {order_z}: {worst:.1e}");
            assert!(worst <= tolerance, "case {i} order {order} order_z {order_z}: {worst} > {tolerance}");
        }
    }
}

#[test]
fn labels_as_nnunet_resamples_them() {
    let Some(folder) = reference("preproc/resample") else { return };
    let mut npz = Npz::open(&folder.join("resample_cases.npz"));
    for case in json(&folder.join("resample_cases.json")).as_array().unwrap() {
        let i = &case["i"];
        let (from, to) = (numbers(&case["spacing_in"]), numbers(&case["spacing_out"]));
        for (kind, order) in [("g", 1), ("sm", 1), ("g", 0), ("sm", 0)] {
            let input = npz.get(&format!("{i}_{kind}")).mapv(|v| v as i16).into_dimensionality::<Ix4>().unwrap();
            let wanted = npz.get(&format!("{i}_{kind}_o{order}_oz0"));
            let seg = input.index_axis(Axis(0), 0);
            let found = resample_seg(&seg, lengths(&case["shape_out"]), from, to, &options(order, 0));
            let wanted = wanted.index_axis(Axis(0), 0).mapv(|label| label as i16);
            assert_eq!(found.view().into_dyn(), wanted, "case {i} {kind} order {order}");
        }
    }
}

#[test]
fn images_and_labels_as_torch_resamples_them() {
    let mut npz = Npz::open(&own_reference("torch_resampling.npz"));
    let mut compared = 0;
    for i in (0..).take_while(|i| npz.has(&format!("{i}_grids"))).collect::<Vec<_>>() {
        let grids = npz.get(&format!("{i}_grids"));
        let row = |row: usize| -> [f64; 3] { std::array::from_fn(|axis| grids[[row, axis]]) };
        let (from, to, shape) = (row(0), row(1), row(2).map(|n| n as usize));
        let image: Array4<f32> = npz.get(&format!("{i}_x")).mapv(|v| v as f32).into_dimensionality().unwrap();
        let labels = npz.get(&format!("{i}_g")).mapv(|v| v as i16).into_dimensionality::<Ix4>().unwrap();
        for (name, force_separate_z) in [("together", Some(false)), ("separate", None)] {
            let options = ResampleOptions { force_separate_z, ..ResampleOptions::TORCH };
            let found = resample_data(&image, shape, from, to, &options);
            let wanted = npz.get(&format!("{i}_x_{name}"));
            let worst = found.iter().zip(&wanted).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(found.shape() == wanted.shape() && worst <= 1e-5, "case {i} {name}: {worst}");
            let found = resample_seg(&labels.index_axis(Axis(0), 0), shape, from, to, &options);
            let wanted = npz.get(&format!("{i}_g_{name}"));
            let differing = found.iter().zip(wanted.index_axis(Axis(0), 0)).filter(|(a, b)| f64::from(**a) != **b).count();
            assert_eq!(differing, 0, "case {i} {name}: labels differ");
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}

#[test]
fn new_shapes_and_separate_axes_as_nnunet_has_them() {
    let Some(path) = reference("preproc/resample/compute_new_shape.json") else { return };
    let cases = json(&path);
    for case in cases.as_array().unwrap() {
        let (from, to) = (numbers(&case["old"]), numbers(&case["new"]));
        assert_eq!(compute_new_shape(lengths(&case["shape"]), from, to), lengths(&case["new_shape"]), "{case}");
        let axis = options(3, 0).separate_axis(from, to);
        let wanted = case["sepz"][1].as_u64().map(|axis| axis as usize);
        assert_eq!((axis.is_some(), axis), (case["sepz"][0].as_bool().unwrap(), wanted), "{case}");
    }
}

#[test]
fn the_same_shape_is_left_alone() {
    let mut next = noise(1);
    let image = Array4::from_shape_simple_fn((2, 3, 4, 5), || next() as f32);
    assert_eq!(resample_data(&image, [3, 4, 5], [1.0; 3], [2.0; 3], &ResampleOptions::IMAGE), image);
}

#[test]
fn a_cubic_spline_keeps_constants_and_stays_in_range() {
    let mut next = noise(2);
    for (old, new) in [([1, 1, 1], [3, 4, 5]), ([2, 9, 33], [7, 4, 50]), ([5, 6, 7], [1, 1, 1])] {
        let constant = Array3::from_elem(old, 7.5f32);
        let resampled = resample_channel(&constant, new, [1.0; 3], [1.0; 3], &ResampleOptions::IMAGE);
        assert!(resampled.iter().all(|&v| v == 7.5), "{old:?} to {new:?}");
        let random = Array3::from_shape_simple_fn(old, || next() as f32);
        let (low, high) = random.iter().fold((2f32, -1f32), |(l, h), &v| (l.min(v), h.max(v)));
        let resampled = resample_channel(&random, new, [1.0; 3], [1.0; 3], &ResampleOptions::IMAGE);
        assert!(resampled.iter().all(|v| (low..=high).contains(v)), "{old:?} to {new:?}");
    }
}

#[test]
fn a_cubic_spline_goes_through_a_refined_grid() {
    // with 3 new samples a voxel, the middle one lies on the old
    let mut next = noise(3);
    let image = Array3::from_shape_simple_fn((4, 5, 6), || next() as f32);
    let fine = resample_channel(&image, [12, 15, 18], [1.0; 3], [1.0; 3], &ResampleOptions::IMAGE);
    for ((z, y, x), &value) in image.indexed_iter() {
        let found = fine[[3 * z + 1, 3 * y + 1, 3 * x + 1]];
        assert!((found - value).abs() < 1e-6, "{found} {value}");
    }
}

#[test]
fn a_voted_label_has_the_largest_interpolated_map() {
    let mut next = noise(4);
    let seg = Array3::from_shape_simple_fn((6, 7, 8), || (next() * 5.0) as i16 - 1);
    let (new, spacing) = ([9, 5, 11], [1.0; 3]);
    let voted = resample_seg(&seg, new, spacing, spacing, &ResampleOptions::LABELS);
    let maps = [-1, 0, 1, 2, 3].map(|label| {
        let map = seg.mapv(|other| f32::from(u8::from(other == label)));
        (label, resample_channel(&map, new, spacing, spacing, &ResampleOptions::LABELS))
    });
    for (voxel, &voted) in voted.indexed_iter() {
        let most = maps.iter().map(|(_, map)| map[voxel]).fold(0.0, f32::max);
        let of_voted = maps.iter().find(|(label, _)| *label == voted).unwrap().1[voxel];
        assert!(of_voted >= most - 1e-6, "label {voted} with {of_voted} at {voxel:?}, where another has {most}");
    }
}

#[test]
fn cubic_labels_are_labels_of_the_input() {
    let seg = Array3::from_shape_fn((4, 4, 4), |(z, y, _)| if z + y > 3 { 9 } else { -1 });
    let resampled = resample_seg(&seg, [8, 8, 8], [1.0; 3], [0.5; 3], &options(3, 0));
    assert!(resampled.iter().all(|&label| label == 9 || label == -1));
    assert_eq!(resampled.iter().filter(|&&label| label == 9).count(), 8 * resampled.index_axis(Axis(2), 0).iter().filter(|&&l| l == 9).count());
}

#[test]
fn an_empty_image_becomes_zeros() {
    let empty = Array4::<f32>::zeros((1, 0, 3, 3));
    assert_eq!(resample_data(&empty, [2, 3, 3], [1.0; 3], [1.0; 3], &ResampleOptions::IMAGE), Array4::<f32>::zeros((1, 2, 3, 3)));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let mut next = noise(5);
    let image = Array3::from_shape_simple_fn((20, 21, 40), || next() as f32);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| resample_channel(&image, [31, 17, 44], [1.0; 3], [1.0; 3], &ResampleOptions::IMAGE))
    };
    assert_eq!(on(1), on(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A block comes out as it does of the whole volume, bit by bit, from no more than its source.
    #[test]
    fn blocks_are_parts_of_the_whole(
        old in [1..14_usize, 1..14_usize, 1..14_usize], new in [1..20_usize, 1..20_usize, 1..20_usize], order in 0..3_usize, order_z in 0..3_usize,
        thick in 0..4_usize, corners in [0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0], seed: u64,
    ) {
        let mut noise = noise(seed);
        let volume = Array3::from_shape_simple_fn(old, || noise() as f32 - 0.5);
        let mut spacing = [1.0; 3];
        if thick < 3 {
            spacing[thick] = 5.0;
        }
        let orders = [Order::Nearest, Order::Linear, Order::Cubic];
        let options = ResampleOptions { order: orders[order], order_z: orders[order_z], ..ResampleOptions::IMAGE };
        let regrid = Regrid::new(old, new, spacing, [1.0; 3], Some(&options));
        let whole = resample_channel(&volume, new, spacing, [1.0; 3], &options);
        prop_assert_eq!(regrid.new_shape(), new);
        let block: Block = std::array::from_fn(|axis| {
            let at = |share: f64| (share * new[axis] as f64) as usize;
            let (a, b) = (at(corners[2 * axis]), at(corners[2 * axis + 1]));
            a.min(b)..a.max(b) + 1
        });
        let source = regrid.source(&block);
        let [z, y, x] = source.clone();
        let part = volume.slice(s![z, y, x]);
        let found = regrid.resample(&part, source.clone().map(|side| side.start), &block);
        let [z, y, x] = block.clone();
        let wanted = whole.slice(s![z, y, x]);
        prop_assert!(found.shape() == wanted.shape() && found.iter().zip(&wanted).all(|(a, b)| a.to_bits() == b.to_bits()));
        for axis in 0..3 {
            for known in 0..=old[axis] {
                let complete = regrid.complete(axis, known);
                let end = |k: usize| {
                    let mut block = regrid.whole();
                    block[axis] = k..k + 1;
                    regrid.source(&block)[axis].end
                };
                prop_assert!(complete == 0 || end(complete - 1) <= known);
                prop_assert!(complete == new[axis] || end(complete) > known);
            }
        }
    }
}
