//! The number of threads changes no bit.

use super::Sequence;
use super::conv::{input, shape, shapes};
use crate::{device::Precision, kernels::*};

#[test]
fn one_thread_and_three_give_the_same_bits() {
    [Precision::F32, Precision::Mixed].into_iter().for_each(same_bits);
}

fn same_bits(precision: Precision) {
    let results = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut sequence = Sequence(3);
            let mut all: Vec<Vec<f32>> = Vec::new();
            for s in shapes().into_iter().step_by(4).chain(tiled()) {
                let (x, w, dy) = (sequence.values(s.input_len()), sequence.values(s.weight_len()), sequence.values(s.output_len()));
                all.push(conv_forward(&s, &input(&s, &x), &w, None, false, precision).to_vec());
                all.push(conv_input_grad(&s, &dy, &w, precision).to_vec());
                all.push(conv_weight_grad(&s, &input(&s, &x), &dy, precision).to_vec());
                all.push(bias_grad(&dy, s.output_channels));
            }
            let (x, dy) = (sequence.values(2 * 3 * 70_001), sequence.values(2 * 3 * 70_001));
            let norm = Norm { batch: 2, voxels: 70_001, channels: 3, groups: 3, eps: 1e-5, slope: 0.01 };
            let stats = norm.statistics(&x);
            let y = norm.forward(&x, &stats, None, None);
            let back = norm.backward(&x, &stats, &dy, None, None);
            all.push(resize_linear(6, [1, 1, 70_001], [1, 1, 50_000], false, &x));
            all.push(resize_linear_grad(6, [1, 1, 90_000], [1, 1, 70_001], true, &x));
            all.push(leaky_relu_grad(&leaky_relu(&x, 0.01), &dy, 0.01).to_vec());
            all.extend([y.to_vec(), back.x.to_vec(), back.scale, back.shift, stats.mean, stats.rstd]);
            all
        })
    });
    let bits = |all: &Vec<Vec<f32>>| all.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(bits(&results[0]) == bits(&results[1]));
}

/// Layers that are cut into tiles, in one block of tiles and in many.
fn tiled() -> impl Iterator<Item = ConvShape> {
    let layers = [([32, 32], [9, 22, 13]), ([128, 96], [5, 6, 7]), ([320, 320], [4, 5, 4])];
    layers.into_iter().map(|(channels, input)| shape(channels, input, [3; 3], [1; 3]))
}
