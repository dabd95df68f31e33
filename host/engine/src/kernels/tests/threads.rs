//! The number of threads changes no bit.

use super::Sequence;
use super::conv::shapes;
use crate::kernels::shape::volume;
use crate::kernels::*;

#[test]
fn one_thread_and_three_give_the_same_bits() {
    let results = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut sequence = Sequence(3);
            let mut all: Vec<Vec<f32>> = Vec::new();
            for s in shapes().into_iter().step_by(4) {
                let (x, w, dy) = (sequence.values(s.input_len()), sequence.values(s.weight_len()), sequence.values(s.output_len()));
                all.push(conv_forward(&s, &x, &w, None));
                all.push(conv_input_grad(&s, &dy, &w));
                all.push(conv_weight_grad(&s, &x, &dy));
                all.push(bias_grad(&dy, s.batch, s.output_channels, volume(s.output())));
            }
            let (x, dy) = (sequence.values(2 * 3 * 70_001), sequence.values(2 * 3 * 70_001));
            let (y, stats) = norm_forward(&x, 2, 3, 70_001, 3, None, None, 1e-5);
            let (dx, dscale, dshift) = norm_backward(&x, &stats, &dy, None, 2, 3, 70_001, 3);
            all.push(resize_linear(6, [1, 1, 70_001], [1, 1, 50_000], false, &x));
            all.push(resize_linear_grad(6, [1, 1, 90_000], [1, 1, 70_001], true, &x));
            all.push(leaky_relu_grad(&leaky_relu(&x, 0.01), &dy, 0.01));
            all.extend([y, dx, dscale, dshift, stats.mean, stats.rstd]);
            all
        })
    });
    let bits = |all: &Vec<Vec<f32>>| all.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert!(bits(&results[0]) == bits(&results[1]));
}
