use crate::common::*;
use engine::Mode;
use plugin_api::prelude::*;

/// Gradient of the sum of dropped-out ones is the mask times the weights; divides the weights out.
fn mask(rig: &Rig, place: u64) -> Vec<f32> {
    let g = rig.step(Mode::Train, place).unwrap().gradients.unwrap().to_vecs().unwrap()[0].clone().unwrap();
    g.iter().zip(output_weights(g.len())).map(|(g, w)| g / w).collect()
}

#[test]
fn dropout() {
    check("dropout", vec![spread(&[2, 3, 4], 1)], |t| t[0].dropout(0.4, false).sin());
    check("dropout of channels", vec![spread(&[2, 5, 2, 2], 1)], |t| t[0].dropout(0.4, true));
    let shape = [4, 50, 10, 10];
    let ones = || vec![values(&shape, &vec![1.0; 20_000])];
    let rig = Rig::new(ones(), vec![], |t| t[0].dropout(0.3, false));
    let first = mask(&rig, 1);
    let zeros = first.iter().filter(|m| **m == 0.0).count();
    // five standard deviations of a binomial around 6000
    assert!((zeros as f64 - 6000.0).abs() < 5.0 * (20_000.0f64 * 0.3 * 0.7).sqrt(), "{zeros} zeros of 20000");
    assert!(first.iter().all(|&m| m == 0.0 || (m - 1.0 / 0.7).abs() < 1e-4));
    assert_eq!(first, mask(&rig, 1), "one place gives one mask");
    assert_ne!(first, mask(&rig, 2), "another place gives another");
    assert_eq!(rig.forward().unwrap().0, vec![1.0; 20_000], "outside training nothing is dropped");
    assert_eq!(rig.step(Mode::Validate, 1).unwrap().logits.unwrap().0, vec![1.0; 20_000]);
    let channels = mask(&Rig::new(ones(), vec![], |t| t[0].dropout(0.3, true)), 1);
    assert!(channels.chunks(100).all(|c| c.iter().all(|m| (m - c[0]).abs() < 1e-4)));
    let zeros = channels.chunks(100).filter(|c| c[0] == 0.0).count();
    assert!((35..=85).contains(&zeros), "{zeros} channels of 200 dropped");
}

#[test]
fn random_tensors() {
    let rig = |normal: bool| {
        Rig::new(vec![], vec![], move |_| if normal { Tensor::rand_normal(&[20_000], 2.0, 3.0) } else { Tensor::rand_uniform(&[20_000], -1.0, 3.0) })
    };
    let (uniform, normal) = (rig(false).forward().unwrap().0, rig(true).forward().unwrap().0);
    let moments = |v: &[f32]| {
        let mean = v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len() as f64;
        (mean, (v.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / v.len() as f64).sqrt())
    };
    assert!(uniform.iter().all(|v| (-1.0..3.0).contains(v)));
    let ((m, _), (n, d)) = (moments(&uniform), moments(&normal));
    assert!((m - 1.0).abs() < 0.05 && (n - 2.0).abs() < 0.1 && (d - 3.0).abs() < 0.1, "{m} {n} {d}");
    assert_eq!(uniform, rig(false).forward().unwrap().0);
    assert_ne!(rig(false).step(Mode::Validate, 1).unwrap().logits, rig(false).step(Mode::Validate, 2).unwrap().logits);
}

#[test]
fn uniform_numbers_stay_below_the_upper_bound() {
    let drawn = |low: f64, high: f64| Rig::new(vec![], vec![], move |_| Tensor::rand_uniform(&[100], low, high)).forward().unwrap().0;
    // neighbours as f32: half of the numbers between them are nearer to the upper one
    assert_eq!(drawn(16_777_215.0, 16_777_216.0), [16_777_215.0; 100]);
    assert_eq!(drawn(0.5, 0.5), [0.5; 100]);
}
