//! What holds for every network.

use super::Pointwise;
use crate::error::Result;
use crate::infer::{Predictor, Window, gaussian, sliding_window, steps};
use ndarray::{Array4, Axis, s};
use proptest::prelude::*;
use std::cell::RefCell;

fn image(shape: (usize, usize, usize, usize)) -> Array4<f32> {
    let mut state = 7_u32;
    Array4::from_shape_fn(shape, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn predict(predictor: &dyn Predictor, image: &Array4<f32>, window: &Window) -> Array4<f32> {
    sliding_window(&[predictor], image, 2, window).unwrap()
}

fn worst(a: &Array4<f32>, b: &Array4<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Sees where a voxel lies in the tile, so that a view that is turned back wrongly shows; remembers the shapes it was given.
struct Ramp {
    mirror_axes: Vec<usize>,
    shapes: RefCell<Vec<Vec<usize>>>,
}

impl Ramp {
    fn new(mirror_axes: &[usize]) -> Self {
        Self { mirror_axes: mirror_axes.to_vec(), shapes: RefCell::default() }
    }
}

impl Predictor for Ramp {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        self.shapes.borrow_mut().push(shape.to_vec());
        let voxels: usize = shape[2..].iter().product();
        let logits = |sample: &[f32]| {
            let ramp = sample.iter().enumerate().map(|(i, v)| v * (i + 1) as f32 / voxels as f32);
            ramp.chain(sample.iter().map(|v| -v)).collect::<Vec<_>>()
        };
        Ok((x.chunks(voxels).flat_map(logits).collect(), [&[shape[0], 2], &shape[2..]].concat()))
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.mirror_axes.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A network that looks at single voxels gives the same with tiles as without, whatever the sizes: smaller than the patch,
    /// equal, larger, or some of each.
    #[test]
    fn tiles_and_padding_leave_no_trace(
        (d, h, w) in (1..14_usize, 1..14_usize, 1..14_usize), patch in prop::collection::vec(1..9_usize, 2..=3),
        step_size in 0.1..=1.0, gaussian: bool, mirroring: bool,
    ) {
        let axes = (0..patch.len()).collect();
        let window = Window { step_size, gaussian, mirroring, ..Window::new(&patch) };
        let image = image((1, d, h, w));
        let found = predict(&Pointwise { classes: 2, mirror_axes: axes }, &image, &window);
        prop_assert!(worst(&found.slice(s![1..2, .., .., ..]).to_owned(), &image) < 1e-5);
        prop_assert!(found.slice(s![0, .., .., ..]).iter().all(|&v| v == 0.0));
    }

    /// Tiles cover each voxel, begin at 0, end with the image, and are no further apart than asked.
    #[test]
    fn tiles_cover_the_axis(image in 1..400_usize, tile in 1..100_usize, step_size in 0.05..=1.0) {
        let steps = steps(image, tile, step_size);
        prop_assert_eq!(steps[0], 0);
        prop_assert_eq!(steps[steps.len() - 1], image.saturating_sub(tile));
        prop_assert!(steps.windows(2).all(|pair| pair[0] < pair[1] && (pair[1] - pair[0]) as f64 <= (tile as f64 * step_size).max(1.0) + 1.0));
    }
}

/// With every axis mirrored, a mirrored image has mirrored logits. (Sides are odd, so that the tile has a middle.)
#[test]
fn mirroring_makes_the_prediction_symmetric() {
    for (patch, axes) in [(vec![5, 7, 5], vec![0, 1, 2]), (vec![7, 5], vec![0, 1])] {
        let (network, window) = (Ramp::new(&axes), Window::new(&patch));
        let original = image((1, 9, 13, 5));
        let wanted = predict(&network, &original, &window);
        for axis in (4 - patch.len()..4).map(Axis) {
            let mut mirrored = original.clone();
            mirrored.invert_axis(axis);
            let mut found = predict(&network, &mirrored, &window);
            found.invert_axis(axis);
            assert!(worst(&found, &wanted) < 1e-5);
            let plain = Window { mirroring: false, ..window.clone() };
            let mut found = predict(&network, &mirrored, &plain);
            found.invert_axis(axis);
            assert!(worst(&found, &predict(&network, &original, &plain)) > 1e-3, "the network itself is symmetric, so nothing is shown");
        }
    }
}

/// The mean of all views, by the book: each one mirrored, predicted and turned back.
#[test]
fn views_are_turned_back_and_averaged() {
    let image = image((1, 4, 5, 6));
    let plain = Window { mirroring: false, ..Window::new(&[4, 5, 6]) };
    let network = Ramp::new(&[0, 2]);
    let mut wanted = Array4::<f32>::zeros((2, 4, 5, 6));
    for axes in [vec![], vec![1], vec![3], vec![1, 3]] {
        let mut view = image.clone();
        axes.iter().for_each(|&axis| view.invert_axis(Axis(axis)));
        let mut logits = predict(&network, &view, &plain);
        axes.iter().for_each(|&axis| logits.invert_axis(Axis(axis)));
        wanted += &(logits / 4.0);
    }
    let found = predict(&network, &image, &Window { mirroring: true, ..plain });
    assert!(worst(&found, &wanted) < 1e-6);
}

/// Slices are predicted by themselves, as one batch where they are small.
#[test]
fn a_2d_network_sees_slices() {
    let image = image((1, 3, 9, 8));
    let (network, window) = (Ramp::new(&[0, 1]), Window::new(&[6, 8]));
    let found = predict(&network, &image, &window);
    assert_eq!(*network.shapes.borrow(), [[3 * 2 * 4, 1, 6, 8]]);
    for z in 0..3 {
        let slice = predict(&network, &image.slice(s![.., z..z + 1, .., ..]).to_owned(), &window);
        assert_eq!(slice, found.slice(s![.., z..z + 1, .., ..]).to_owned());
    }
}

#[test]
fn folds_are_averaged() {
    struct Constant(f32);
    impl Predictor for Constant {
        fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
            Ok((vec![self.0; x.len()], shape.to_vec()))
        }
        fn mirror_axes(&self) -> Vec<usize> {
            if self.0 > 2.0 { vec![] } else { vec![0, 1, 2] }
        }
    }
    let logits = sliding_window(&[&Constant(1.0), &Constant(2.0), &Constant(6.0)], &image((1, 9, 4, 5)), 1, &Window::new(&[4, 4, 4])).unwrap();
    assert!(logits.iter().all(|v| (v - 3.0).abs() < 1e-5));
}

/// Says that its logits are of the shape that is wanted, and gives one less.
struct Short;

impl Predictor for Short {
    fn logits(&self, _: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        let shape = [&[shape[0], 2], &shape[2..]].concat();
        Ok((vec![0.0; shape.iter().product::<usize>() - 1], shape))
    }

    fn mirror_axes(&self) -> Vec<usize> {
        vec![]
    }
}

#[test]
fn what_cannot_be_predicted_is_refused() {
    let image = image((1, 4, 4, 4));
    let error =
        |predictors: &[&dyn Predictor], classes, window: &Window| sliding_window(predictors, &image, classes, window).unwrap_err().to_string();
    let (network, window) = (Ramp::new(&[0]), Window::new(&[4, 4, 4]));
    assert!(error(&[&network], 3, &window).contains("[2, 2, 4, 4, 4], wanted [2, 3, 4, 4, 4]"));
    assert!(error(&[], 2, &window).contains("0 networks"));
    assert!(error(&[&network], 2, &Window { step_size: 0.0, ..window.clone() }).contains("step size is 0"));
    assert!(error(&[&network], 2, &Window::new(&[4])).contains("[4]"));
    assert!(error(&[&Ramp::new(&[3])], 2, &window).contains("[3]"));
    assert!(error(&[&Ramp::new(&[1, 1])], 2, &window).contains("[1, 1]"));
    assert!(error(&[&Short], 2, &window).contains("wanted [1, 2, 4, 4, 4]"));
    let mut broken = image.clone();
    broken[[0, 1, 2, 3]] = f32::INFINITY;
    assert!(sliding_window(&[&network], &broken, 2, &window).unwrap_err().to_string().contains("infinite"));
}

#[test]
fn the_bell_is_highest_in_the_middle() {
    let weights = gaussian(&[5, 4]);
    assert_eq!(weights[2 * 4 + 2], 1.0);
    assert!(weights.iter().all(|&weight| weight > 0.0 && weight <= 1.0));
    assert_eq!(weights.iter().filter(|&&weight| weight == 1.0).count(), 1);
}
