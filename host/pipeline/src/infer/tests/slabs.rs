//! Slabs and strips against the plain way: the logits of the whole image, resampled class by class.

use crate::dataset::{DatasetJson, LabelManager};
use crate::error::Result;
use crate::infer::layout::{Layout, Window};
use crate::infer::slabs::{Schedule, Target, segment};
use crate::infer::window::Tiles;
use crate::infer::{Predictor, sliding_window};
use ndarray::{Array3, Array4, Axis, Zip};
use proptest::prelude::*;
use serde_json::json;
use volume::resample::{Order, Regrid, ResampleOptions, resample_channel};

/// Logits that depend on the class, the intensity and the place in the tile, and are often close to each other.
struct Waves {
    classes: usize,
    mirror_axes: Vec<usize>,
    phase: f32,
}

impl Predictor for Waves {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        let voxels: usize = shape[2..].iter().product();
        let wave = |class: usize, i: usize, v: f32| ((class * 37 + i * 11) as f32 * 0.1 + self.phase).sin() + v * (class as f32 + self.phase).cos();
        let of = |sample: &[f32]| (0..self.classes).flat_map(|k| (0..voxels).map(|i| wave(k, i, sample[i])).collect::<Vec<_>>()).collect::<Vec<_>>();
        Ok((x.chunks(shape[1] * voxels).flat_map(of).collect(), [&[shape[0], self.classes], &shape[2..]].concat()))
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.mirror_axes.clone()
    }
}

fn labels(classes: usize, regions: bool) -> LabelManager {
    let mut labels = serde_json::Map::from_iter([("background".to_owned(), json!(0))]);
    labels.extend((1..classes + usize::from(regions)).map(|k| (format!("l{k}"), if regions { json!([k, k % classes + 1]) } else { json!(k) })));
    let mut dataset = json!({"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"});
    if regions {
        dataset["regions_class_order"] = (1..=classes).collect();
    }
    serde_json::from_value::<DatasetJson>(dataset).unwrap().label_manager().unwrap()
}

/// By the book: every class of the whole grid, the first of the largest, or the last region above a half.
fn plain(logits: &Array4<f32>, labels: &LabelManager, shape: [usize; 3], spacings: [[f64; 3]; 2], options: &ResampleOptions) -> Array3<i16> {
    let (mut segmentation, mut best) = (Array3::zeros(shape), Array3::from_elem(shape, f32::NEG_INFINITY));
    for (class, logits) in logits.axis_iter(Axis(0)).enumerate() {
        let resampled = resample_channel(&logits, shape, spacings[0], spacings[1], options);
        Zip::from(&mut segmentation).and(&mut best).and(&resampled).for_each(|label, best, &logit| {
            if labels.has_regions() {
                if 1.0 / (1.0 + (-logit).exp()) > 0.5 {
                    *label = labels.regions_class_order()[class];
                }
            } else if logit > *best {
                (*label, *best) = (labels.labels()[class], logit);
            }
        });
    }
    segmentation
}

fn lengths(longest: usize) -> impl Strategy<Value = [usize; 3]> {
    [1..=longest, 1..=longest, 1..=longest]
}

fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![Order::Nearest, Order::Linear, Order::Linear, Order::Cubic])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the sizes, the folds, the spacings, the grids and the number of strips: the same labels, and no larger sums than foretold.
    #[test]
    fn slabs_make_the_labels_of_the_whole(
        image in lengths(24), patch in prop::collection::vec(1..9_usize, 2..=3), step_size in 0.2..=1.0, mirroring: bool, folds in 1..3_usize,
        classes in 2..6_usize, regions: bool, grids in prop::collection::vec(lengths(30), 1..3), order in order(), order_z in order(),
        thick in prop::sample::select(vec![1.0, 1.0, 4.0]), axis in 0..3_usize, strips in 1..6_usize,
    ) {
        let labels = labels(classes, regions);
        let networks: Vec<Waves> =
            (0..folds).map(|fold| Waves { classes, mirror_axes: (0..patch.len()).skip(fold).collect(), phase: fold as f32 }).collect();
        let predictors: Vec<&dyn Predictor> = networks.iter().map(|network| network as &dyn Predictor).collect();
        let window = Window { step_size, mirroring, ..Window::new(&patch) };
        let [d, h, w] = image;
        let x = Array4::from_shape_fn((1, d, h, w), |(_, z, y, x)| ((z * 7 + y * 5 + x * 3) % 11) as f32 / 5.0 - 1.0);
        let options = ResampleOptions { order, order_z, ..ResampleOptions::LABELS };
        let mut spacing = [1.0; 3];
        spacing[axis] = thick;

        let regrids: Vec<Regrid> = grids.iter().map(|&grid| Regrid::new(image, grid, spacing, [1.0; 3], Some(&options))).collect();
        let layout = Layout::new(image, classes, &window).unwrap();
        let schedule = Schedule::new(&layout, &regrids.iter().collect::<Vec<_>>(), strips);
        let mut found: Vec<Array3<i16>> = grids.iter().map(|&grid| Array3::from_elem(grid, -7)).collect();
        let mut targets: Vec<Target<'_>> =
            regrids.into_iter().zip(&mut found).map(|(regrid, labels)| Target { regrid, segmentation: labels.view_mut() }).collect();
        segment(&Tiles::new(&predictors, &x, classes, &window).unwrap(), &schedule, &labels, &mut targets).unwrap();

        let logits = sliding_window(&predictors, &x, classes, &window).unwrap();
        for (found, &grid) in found.iter().zip(&grids) {
            prop_assert_eq!(found, &plain(&logits, &labels, grid, [spacing, [1.0; 3]], &options));
        }
        prop_assert!(schedule.bytes(&layout) <= 4 * (classes * d * h * w) as u64);
    }
}

/// A long image takes the sums of a tile's slices and one that the next block still needs, however long it is.
#[test]
fn sums_do_not_grow_with_the_image() {
    let window = Window::new(&[64, 32, 32]);
    let bytes = |depth: usize, strips: usize| {
        let layout = Layout::new([depth, 80, 80], 118, &window).unwrap();
        let regrid = Regrid::new([depth, 80, 80], [2 * depth, 160, 160], [1.5; 3], [0.75; 3], Some(&ResampleOptions::LABELS));
        Schedule::new(&layout, &[&regrid], strips).bytes(&layout)
    };
    assert_eq!(bytes(400, 1), bytes(4000, 1));
    assert_eq!(bytes(4000, 1), 4 * 118 * 65 * 80 * 80);
    assert_eq!(bytes(400, 4), 4 * 118 * 65 * 22 * 80);
}
