use super::super::*;
use super::noisy;

fn channel(sample: &Sample, c: usize) -> Vec<f32> {
    sample.data.index_axis(ndarray::Axis(0), c).iter().copied().collect()
}

fn after(transform: &dyn Transform, before: &Sample, draw: u64) -> Sample {
    let mut sample = before.clone();
    transform.apply(&mut sample, &mut Stream::new(11, &[draw]));
    assert_eq!(sample.seg, before.seg);
    sample
}

/// Checks that `factors` fill `low`..`high`, and that half of them lie below 1.
fn fills(factors: &[f64], low: f64, high: f64) {
    assert!(factors.iter().all(|f| (low - 1e-4..high + 1e-4).contains(f)));
    let below = factors.iter().filter(|&&f| f < 1.0).count();
    assert!(super::likely(below, factors.len(), 0.5), "{below} of {}", factors.len());
    let reach = factors.iter().fold((f64::MAX, f64::MIN), |(a, b), &f| (a.min(f), b.max(f)));
    assert!(reach.0 < low + 0.02 && reach.1 > high - 0.02, "{reach:?}");
}

#[test]
fn noise_has_its_sigma_and_is_the_same_for_all_channels() {
    let before = noisy([12, 12, 12], 0);
    let mut sigmas = Vec::new();
    for draw in 0..300 {
        let sample = after(&GaussianNoise { sigma: (0.0, 0.1) }, &before, draw);
        let noise = &sample.data - &before.data;
        let (one, two) = (noise.index_axis(ndarray::Axis(0), 0), noise.index_axis(ndarray::Axis(0), 1));
        assert!(one.iter().zip(two).all(|(a, b)| (a - b).abs() < 1e-6));
        sigmas.push(stats::mean_std(&one.iter().copied().collect::<Vec<_>>()).1);
    }
    let (mean, std) = stats::mean_std(&sigmas.iter().map(|&s| s as f32).collect::<Vec<_>>());
    // U(0, 0.1): mean 0.05, standard deviation 0.0289
    assert!((mean - 0.05).abs() < 0.006 && (std - 0.0289).abs() < 0.003, "{mean} {std}");
    assert!(sigmas.iter().all(|&s| s < 0.106));
}

#[test]
fn brightness_is_one_factor_a_channel() {
    let before = noisy([4, 5, 6], 1);
    let mut factors = Vec::new();
    for draw in 0..1000 {
        let sample = after(&Brightness { range: (0.75, 1.25) }, &before, draw);
        for c in 0..2 {
            let (old, new) = (channel(&before, c), channel(&sample, c));
            let factor = new[0] / old[0];
            assert!(old.iter().zip(&new).all(|(a, b)| (a * factor - b).abs() < 1e-5));
            factors.push(f64::from(factor));
        }
    }
    assert!(factors.chunks(2).all(|pair| pair[0] != pair[1]));
    fills(&factors, 0.75, 1.25);
}

#[test]
fn contrast_is_about_the_mean_within_the_range() {
    let before = noisy([4, 5, 6], 2);
    let mut factors = Vec::new();
    for draw in 0..1000 {
        let sample = after(&Contrast::within((0.75, 1.25)), &before, draw);
        for c in 0..2 {
            let (old, new) = (channel(&before, c), channel(&sample, c));
            let (mean, (low, high)) = (stats::mean(&old) as f32, stats::min_max(&old));
            // The voxel nearest to the mean but one is never clipped.
            let inner =
                (0..old.len()).filter(|&i| (old[i] - mean).abs() > 0.3).min_by(|&a, &b| (old[a] - mean).abs().total_cmp(&(old[b] - mean).abs()));
            let inner = inner.unwrap();
            let factor = (new[inner] - mean) / (old[inner] - mean);
            assert!(old.iter().zip(&new).all(|(a, b)| (((a - mean) * factor + mean).clamp(low, high) - b).abs() < 1e-4));
            factors.push(f64::from(factor));
        }
    }
    fills(&factors, 0.75, 1.25);
}

#[test]
fn gamma_keeps_mean_deviation_and_order() {
    let before = noisy([8, 9, 10], 3);
    for inverted in [false, true] {
        let mut bends = Vec::new();
        for draw in 0..200 {
            let sample = after(&Gamma { range: (0.7, 1.5), inverted }, &before, draw);
            for c in 0..2 {
                let (old, new) = (channel(&before, c), channel(&sample, c));
                let ((m0, s0), (m1, s1)) = (stats::mean_std(&old), stats::mean_std(&new));
                assert!((m0 - m1).abs() < 1e-4 && (s0 - s1).abs() < 1e-4, "{m0} {m1} {s0} {s1}");
                let mut order: Vec<usize> = (0..old.len()).collect();
                order.sort_by(|&a, &b| old[a].total_cmp(&old[b]));
                assert!(order.windows(2).all(|pair| new[pair[0]] <= new[pair[1]] + 1e-5));
                // gamma from how far the median moved within the range
                let t = |v: &[f32]| {
                    let (low, high) = stats::min_max(v);
                    let median = f64::from((v[order[v.len() / 2]] - low) / (high - low));
                    if inverted { 1.0 - median } else { median }
                };
                bends.push(t(&new).ln() / t(&old).ln());
            }
        }
        assert!(bends.iter().all(|b| (0.69..1.51).contains(b)), "{inverted}");
        let below = bends.iter().filter(|&&b| b < 1.0).count();
        assert!(super::likely(below, bends.len(), 0.5), "{below}");
    }
}

#[test]
fn a_constant_image_survives_gamma_and_contrast() {
    let mut before = noisy([3, 4, 5], 4);
    before.data.fill(0.25);
    for transform in [&Gamma { range: (0.7, 1.5), inverted: true } as &dyn Transform, &Contrast::within((0.75, 1.25))] {
        assert!(after(transform, &before, 0).data.iter().all(|v| (v - 0.25).abs() < 1e-5));
    }
}

#[test]
fn blur_and_low_resolution_choose_half_the_channels_and_smooth_them() {
    let before = noisy([6, 7, 8], 5);
    let blur = GaussianBlur { sigma: (0.5, 1.0), p_channel: 0.5, one_sigma: false };
    let low = LowResolution { scale: (0.5, 1.0), p_channel: 0.5, planar: false };
    for transform in [&blur as &dyn Transform, &low] {
        let mut changed = 0;
        for draw in 0..400 {
            let sample = after(transform, &before, draw);
            for c in 0..2 {
                let (old, new) = (channel(&before, c), channel(&sample, c));
                let (old_range, new_range) = (stats::min_max(&old), stats::min_max(&new));
                assert!(new_range.0 >= old_range.0 - 1e-5 && new_range.1 <= old_range.1 + 1e-5);
                changed += usize::from(old != new);
            }
        }
        // A scale close to 1 changes no size: (1 - 0.5 / 8) / 0.5 of the scales do, at most.
        let p = changed as f64 / 800.0;
        assert!((0.42..0.57).contains(&p), "{}: {p}", transform.name());
    }
}

#[test]
fn masking_acts_outside_and_in_the_chosen_channels() {
    let before = noisy([3, 4, 5], 6);
    let mut sample = before.clone();
    MaskOutside { channels: vec![false, true] }.apply(&mut sample, &mut Stream::new(0, &[]));
    for ((c, z, y, x), &v) in sample.data.indexed_iter() {
        assert_eq!(v, if c == 1 && z == 0 { 0.0 } else { before.data[[c, z, y, x]] });
    }
}
