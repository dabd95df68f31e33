use super::super::spatial::{Matrix, Nearest, Spatial, Style, crop, resample, rotation};
use super::super::*;
use super::{likely, noisy, source};
use std::f64::consts::PI;

const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

fn times(matrix: Matrix, factor: f64) -> Matrix {
    matrix.map(|row| row.map(|v| v * factor))
}

#[test]
fn a_quarter_turn_moves_voxels_exactly() {
    let sample = noisy([7, 7, 7], 0);
    for axis in 0..3 {
        let turned = resample(&source(&sample), [7; 3], &rotation(axis, PI / 2.0), Nearest::default());
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        for ((c, z, y, x), &value) in turned.data.indexed_iter() {
            let to = [z, y, x];
            let mut from = to;
            (from[a], from[b]) = (6 - to[b], to[a]);
            assert_eq!(value, sample.data[[c, from[0], from[1], from[2]]]);
            assert_eq!(turned.seg[[0, z, y, x]], sample.seg[[0, from[0], from[1], from[2]]]);
        }
        let mut four = sample.clone();
        for _ in 0..4 {
            four = resample(&source(&four), [7; 3], &rotation(axis, PI / 2.0), Nearest::default());
        }
        assert_eq!(four, sample);
    }
}

#[test]
fn without_rotation_and_scaling_the_middle_is_cut_out() {
    let sample = noisy([9, 10, 11], 1);
    let cut = crop(&source(&sample), [5, 4, 3]);
    assert_eq!(cut, resample(&source(&sample), [5, 4, 3], &IDENTITY, Nearest::default()));
    assert_eq!(cut.data, sample.data.slice(ndarray::s![.., 2..7, 3..7, 4..7]));
    assert_eq!(cut.seg, sample.seg.slice(ndarray::s![.., 2..7, 3..7, 4..7]));
    assert_eq!(crop(&source(&sample), [9, 10, 11]), sample);
}

#[test]
fn outside_the_image_and_the_window_there_is_nothing() {
    let mut sample = noisy([8, 8, 8], 2);
    sample.data.mapv_inplace(|v| v.abs() + 1.0);
    sample.seg.fill(1);
    let mut window = source(&sample);
    (window.start, window.size) = ([-3, 2, 5], [8, 4, 8]);
    let cut = crop(&window, [8, 4, 8]);
    for ((c, z, y, x), &value) in cut.data.indexed_iter() {
        let inside = z >= 3 && x < 3;
        assert_eq!(value, if inside { sample.data[[c, z - 3, y + 2, x + 5]] } else { 0.0 });
        assert_eq!(cut.seg[[0, z, y, x]], if inside { 1 } else { -1 });
    }
    assert_eq!(crop(&window, [8, 4, 8]), resample(&window, [8, 4, 8], &IDENTITY, Nearest::default()));
    // The window ends at y = 2 and y = 6, although the image goes on.
    let wide = resample(&window, [8, 8, 8], &IDENTITY, Nearest::default());
    assert!((0..8).all(|y| (wide.seg[[0, 4, y, 1]] == 1) == (2..6).contains(&y)));
    // A window beside the image.
    window.start = [20, -30, 0];
    for nothing in [crop(&window, [4; 3]), resample(&window, [4; 3], &rotation(0, 0.3), Nearest::default())] {
        assert!(nothing.data.iter().all(|&v| v == 0.0) && nothing.seg.iter().all(|&l| l == -1));
    }
}

#[test]
fn a_linear_image_stays_linear_under_any_map() {
    let plane = |z: f64, y: f64, x: f64| (0.3 * z - 0.7 * y + 0.2 * x + 1.0) as f32;
    let mut sample = noisy([21, 23, 25], 3);
    sample.data = ndarray::Array4::from_shape_fn((1, 21, 23, 25), |(_, z, y, x)| plane(z as f64, y as f64, x as f64));
    let spatial = Spatial {
        patch: [9, 10, 11],
        planar: false,
        p_rotation: 1.0,
        rotation: (-0.5, 0.5),
        p_scaling: 1.0,
        scaling: (0.7, 1.2),
        style: Style::default(),
    };
    for draw in 0..20 {
        let m = spatial.draw(&mut Stream::new(4, &[draw])).unwrap();
        let out = resample(&source(&sample), spatial.patch, &m, Nearest::default());
        for ((_, z, y, x), &value) in out.data.indexed_iter() {
            let p = [z as f64 - 4.0, y as f64 - 4.5, x as f64 - 5.0];
            let q: Vec<f64> = (0..3).map(|i| m[i][0] * p[0] + m[i][1] * p[1] + m[i][2] * p[2]).collect();
            let wanted = plane(q[0] + 10.0, q[1] + 11.0, q[2] + 12.0);
            assert!((value - wanted).abs() < 1e-4, "{value} {wanted}");
        }
    }
}

#[test]
fn labels_are_the_argmax_of_interpolated_masks() {
    let mut sample = noisy([12, 12, 12], 5);
    let mut rng = Stream::new(6, &[]);
    sample.seg.mapv_inplace(|_| rng.below(4) as i16 - 1);
    // One image channel for each label but -1, whose weight is what is left.
    sample.data = ndarray::Array4::from_shape_fn((3, 12, 12, 12), |(c, z, y, x)| f32::from(sample.seg[[0, z, y, x]] == c as i16));
    let matrix = times(rotation(0, 0.4), 1.3);
    let out = resample(&source(&sample), [12; 3], &matrix, Nearest::default());
    let mut seen = [0usize; 4];
    for ((_, z, y, x), &label) in out.seg.indexed_iter() {
        let weights: Vec<f32> = (0..3).map(|c| out.data[[c, z, y, x]]).collect();
        let all = [1.0 - weights.iter().sum::<f32>(), weights[0], weights[1], weights[2]];
        let most = all.into_iter().fold(0.0, f32::max);
        assert!(all[(label + 1) as usize] >= most - 1e-5, "{label} {all:?}");
        seen[(label + 1) as usize] += 1;
    }
    assert!(seen.iter().all(|&n| n > 50), "{seen:?}");
}

#[test]
fn planar_maps_keep_slices_apart() {
    let mut sample = noisy([5, 20, 20], 7);
    sample.data = ndarray::Array4::from_shape_fn((1, 5, 20, 20), |(_, z, _, _)| z as f32 + 1.0);
    sample.seg = ndarray::Array4::from_shape_fn((1, 5, 20, 20), |(_, z, _, _)| z as i16);
    let spatial = Spatial {
        patch: [5, 8, 8],
        planar: true,
        p_rotation: 1.0,
        rotation: (-PI, PI),
        p_scaling: 1.0,
        scaling: (0.7, 1.4),
        style: Style::default(),
    };
    for draw in 0..20 {
        let out = spatial.sample(&source(&sample), &mut Stream::new(8, &[draw]));
        assert!(out.data.indexed_iter().all(|((_, z, _, _), v)| (v - z as f32 - 1.0).abs() < 1e-6));
        assert!(out.seg.indexed_iter().all(|((_, z, _, _), &l)| l == z as i16));
    }
}

#[test]
fn rotation_and_scaling_are_drawn_as_specified() {
    for planar in [false, true] {
        let limit = PI / 6.0;
        let spatial = Spatial {
            patch: [4; 3],
            planar,
            p_rotation: 0.2,
            rotation: (-limit, limit),
            p_scaling: 0.2,
            scaling: (0.7, 1.4),
            style: Style::default(),
        };
        let n = 20_000;
        let (mut scales, mut angles, mut none) = (Vec::new(), Vec::new(), 0);
        for draw in 0..n {
            let Some(m) = spatial.draw(&mut Stream::new(9, &[draw])) else {
                none += 1;
                continue;
            };
            // Rotations keep the length of a row, so that of the last one is the factor.
            let scale = m[2].iter().map(|v| v * v).sum::<f64>().sqrt();
            if (scale - 1.0).abs() > 1e-9 {
                scales.push(scale);
            }
            if m[1][2].abs() > 1e-12 {
                angles.push((m[2][1] / scale).asin());
            }
            assert!(!planar || m[0] == [1.0, 0.0, 0.0]);
        }
        let n = n as usize;
        assert!(likely(none, n, 0.64) && likely(scales.len(), n, 0.2) && likely(angles.len(), n, 0.2));
        assert!(scales.iter().all(|s| (0.7..1.4).contains(s)));
        assert!(likely(scales.iter().filter(|&&s| s < 1.0).count(), scales.len(), 0.5));
        if planar {
            assert!(angles.iter().all(|a| a.abs() <= limit));
            assert!(angles.iter().any(|a| a.abs() > 0.95 * limit));
        }
    }
}
