//! The stronger augmentation, and interpolation by the nearest voxel.

use super::super::spatial::{Nearest, Spatial, Style, resample, rotation};
use super::super::*;
use super::{likely, noisy, source};

/// A sample whose first channel is its label map.
fn labelled(shape: [usize; 3], seed: u64) -> Sample {
    let mut sample = noisy(shape, seed);
    let mut rng = Stream::new(seed, &[1]);
    sample.seg.mapv_inplace(|_| rng.below(9) as i16);
    let labels = sample.seg.mapv(f32::from);
    sample.data.index_axis_mut(ndarray::Axis(0), 0).assign(&labels.index_axis(ndarray::Axis(0), 0));
    sample
}

fn agrees(sample: &Sample) -> bool {
    sample.seg.index_axis(ndarray::Axis(0), 0).iter().zip(sample.data.index_axis(ndarray::Axis(0), 0)).all(|(&l, &v)| f32::from(l) == v)
}

#[test]
fn the_steps_are_those_of_da5() {
    let spec = AugmentSpec {
        augmentation: Augmentation::Strong { nearest: Nearest::default() },
        patch: vec![8, 12, 12],
        mirror_axes: vec![0, 1, 2],
        use_mask_for_norm: vec![true],
        heads: vec![vec![8, 12, 12], vec![4, 6, 6]],
        ..AugmentSpec::default()
    };
    let pipeline = Pipeline::training(&spec).unwrap();
    let wanted = [
        ("quarter turn", 0.5),
        ("transpose", 0.5),
        ("median filter or gaussian blur", 1.0),
        ("gaussian noise", 0.1),
        ("shift", 0.1),
        ("contrast, clipped or not", 1.0),
        ("low resolution", 0.15),
        ("gamma of the inverted image", 0.1),
        ("gamma of the inverted image", 0.1),
        ("mirror", 1.0),
        ("blank rectangles", 0.4),
        ("brightness gradient", 0.3),
        ("local gamma", 0.3),
        ("sharpen", 0.2),
        ("mask outside", 1.0),
        ("background", 1.0),
    ];
    assert_eq!(pipeline.steps().collect::<Vec<_>>(), wanted);
    // many samples of a noisy image in which nothing may become infinite, and whose targets have the heads' shapes
    let sample = noisy([14, 20, 20], 1);
    for draw in 0..300 {
        let example = pipeline.apply(&source(&sample), &Stream::new(2, &[draw])).unwrap();
        assert!(example.data.iter().all(|v| v.is_finite()), "draw {draw}");
        assert_eq!((example.data.dim(), example.targets[1].dim()), ((2, 8, 12, 12), (1, 4, 6, 6)));
    }
    // all axes differ: nothing to turn
    let uneven = AugmentSpec { patch: vec![8, 10, 12], heads: vec![vec![8, 10, 12]], ..spec };
    assert_eq!(Pipeline::training(&uneven).unwrap().steps().next(), Some(("median filter or gaussian blur", 1.0)));
}

#[test]
fn nearest_takes_voxels_and_linear_does_not() {
    let sample = labelled([12, 12, 12], 3);
    let map = rotation(1, 0.7);
    let both = resample(&source(&sample), [7; 3], &map, Nearest { image: true, labels: true });
    assert!(agrees(&both));
    let values: std::collections::BTreeSet<u32> = sample.data.iter().map(|v| v.to_bits()).chain([0]).collect();
    assert!(both.data.iter().all(|v| values.contains(&v.to_bits())));
    let linear = resample(&source(&sample), [7; 3], &map, Nearest::default());
    let labels = resample(&source(&sample), [7; 3], &map, Nearest { image: false, labels: true });
    assert!(linear.seg != both.seg && labels.seg == both.seg && labels.data == linear.data);
}

#[test]
fn each_axis_has_its_own_scaling_and_half_of_them_a_rotation() {
    let style = Style { p_axis: 0.5, each_axis: true, nearest: Nearest::default() };
    let still = Spatial { patch: [4; 3], planar: false, p_rotation: 0.0, rotation: (0.1, 0.2), p_scaling: 1.0, scaling: (0.7, 1.43), style };
    let mut factors = Vec::new();
    for draw in 0..2000 {
        let map = still.draw(&mut Stream::new(1, &[draw])).unwrap();
        factors.extend((0..3).map(|i| map[i][i]));
        assert!(map[0][0] != map[1][1] && (0..3).all(|i| (0..3).all(|j| i == j || map[i][j] == 0.0)));
    }
    // evenly drawn from 0.7 to 1.43
    assert!(factors.iter().all(|f| (0.7..1.43).contains(f)));
    assert!(likely(factors.iter().filter(|&&f| f < 1.0).count(), factors.len(), 0.3 / 0.73));
    let turning = Spatial { p_rotation: 1.0, p_scaling: 0.0, ..still };
    let unmoved = (0..2000).filter(|&draw| turning.draw(&mut Stream::new(2, &[draw])).unwrap() == rotation(0, 0.0)).count();
    assert!(likely(unmoved, 2000, 0.125), "{unmoved}");
}

#[test]
fn turns_and_transposes_move_image_and_labels_together() {
    let before = labelled([5, 6, 6], 5);
    let sum = before.data.sum();
    let mut turned = std::collections::BTreeSet::new();
    for draw in 0..100 {
        for transform in [&QuarterTurn { axes: vec![1, 2] } as &dyn Transform, &Transpose { axes: vec![1, 2] }] {
            let mut sample = before.clone();
            transform.apply(&mut sample, &mut Stream::new(3, &[draw]));
            assert!(sample.data.dim() == before.data.dim() && agrees(&sample) && (sample.data.sum() - sum).abs() < 1e-2);
            turned.insert(sample.seg.iter().copied().collect::<Vec<_>>());
        }
    }
    assert_eq!(turned.len(), 5, "four turns and one exchange of axes");
}

#[test]
fn rectangles_keep_the_mean_and_change_a_part() {
    let before = noisy([10, 12, 14], 6);
    let transform = BlankRectangles { count: (1, 4), sides: [(1, 3), (2, 4), (3, 4)], p_channel: 1.0 };
    for draw in 0..50 {
        let mut sample = before.clone();
        transform.apply(&mut sample, &mut Stream::new(4, &[draw]));
        for (new, old) in sample.data.outer_iter().zip(before.data.outer_iter()) {
            let changed = new.iter().zip(old).filter(|(a, b)| a != b).count();
            assert!((6..=4 * 3 * 4 * 4).contains(&changed), "{changed}");
            assert!((new.mean().unwrap() - old.mean().unwrap()).abs() < 1e-4);
        }
    }
}

#[test]
fn local_changes_stay_within_their_bounds() {
    let before = noisy([10, 12, 14], 7);
    let channels = |sample: &Sample| sample.data.outer_iter().map(|c| c.iter().copied().collect::<Vec<f32>>()).collect::<Vec<_>>();
    for draw in 0..50 {
        let mut sample = before.clone();
        BrightnessGradient { strength: (1.0, 5.0), p_channel: 1.0 }.apply(&mut sample, &mut Stream::new(5, &[draw]));
        for (new, old) in channels(&sample).iter().zip(&channels(&before)) {
            let change: Vec<f32> = new.iter().zip(old).map(|(a, b)| (a - b).abs()).collect();
            let (least, most) = stats::min_max(&change);
            assert!(least < 1e-3 && (0.999..5.001).contains(&most), "{least} {most}");
        }
        let mut sample = before.clone();
        LocalGamma { ranges: [(0.01, 0.8), (1.5, 4.0)], p_channel: 1.0 }.apply(&mut sample, &mut Stream::new(6, &[draw]));
        for (new, old) in channels(&sample).iter().zip(&channels(&before)) {
            let ((low, high), (from, to)) = (stats::min_max(new), stats::min_max(old));
            assert!(low >= from - 1e-4 && high <= to + 1e-4 && new != old);
        }
    }
}
