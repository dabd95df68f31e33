//! What a GPU computes in bf16, beside the same in f32 from the same rounded numbers. Software GPUs have no bf16: these ask an NVIDIA GPU alone.

use super::{channels_last, drawn, gpu};
use crate::random::Random;
use crate::selftest::apart;
use crate::value::{Conv3, Value};
use crate::{Precision, device::Device};

fn nvidia() -> Option<Device> {
    gpu().filter(|device| device.name().starts_with("cuda"))
}

/// bf16 in, bf16 out, and gradients too: the same as f32 from the same rounded numbers, but for the rounding of what is written.
#[test]
fn norms_keep_bf16() {
    let Some(device) = nvidia() else { return };
    let mut random = Random::new(6, &[]);
    let shape = [2, 24, 9, 10, 11];
    let [x, seed] = [(); 2].map(|()| channels_last(&drawn(&mut random, &shape), &shape, &device).factor(Precision::Mixed));
    let affine = [(); 2].map(|()| Value::from_f32(drawn(&mut random, &[24]), &[24], &device));
    let run = |x: Value, seed: &Value| {
        let stats = x.norm_statistics(24, 1e-5);
        let y = x.norm(&stats, [&affine[0], &affine[1]], 0.01);
        let (dx, dscale, dshift) = x.norm_grad(&stats, [&affine[0], &affine[1]], seed, 0.01);
        [y, dx, dscale, dshift].map(|value| (value.narrow().is_some(), value.to_vec().unwrap()))
    };
    let [x, seed] = [x, seed].map(|value| value.product(Precision::Mixed));
    let wide = |value: &Value| Value::from_f32(value.to_vec().unwrap(), value.shape(), &device);
    let (narrow, beside) = (run(x.clone(), &seed), run(wide(&x), &wide(&seed)));
    for (i, ((kept, narrow), (_, wide))) in narrow.into_iter().zip(beside).enumerate() {
        assert_eq!(kept, i < 2, "result {i}");
        let off = apart(&wide, &narrow);
        assert!(off < if kept { 4e-3 } else { 2e-5 }, "result {i} is off by {off}");
    }
}

/// Numbers that bf16 has: on the processor in f32, and on a GPU as factors.
fn rounded(random: &mut Random, shape: &[usize], device: &Device) -> [Value; 2] {
    let data: Vec<f32> = drawn(random, shape).into_iter().map(|value| half::bf16::from_f32(value).to_f32()).collect();
    [Value::from_f32(data.clone(), shape, &Device::cpu()), Value::from_f32(data, shape, device).factor(Precision::Mixed)]
}

/// Tiles of all kinds: few and many voxels, outputs and channels that fill none; what is written is rounded to bf16.
#[test]
fn convolutions_in_bf16_are_the_processors() {
    let Some(device) = nvidia() else { return };
    let mut random = Random::new(10, &[]);
    for (inputs, outputs, space, kernel, stride) in [
        (32, 32, [24, 40, 28], [3, 3, 3], 1),
        (64, 64, [20, 25, 31], [3, 3, 3], 1),
        (32, 64, [16, 20, 14], [3, 3, 3], 2),
        (320, 320, [4, 5, 4], [3, 3, 3], 1),
        (48, 96, [12, 20, 20], [3, 3, 3], 1),
        (8, 40, [16, 20, 20], [3, 3, 3], 1),
        (32, 5, [16, 40, 40], [1, 1, 1], 1),
        (80, 16, [1, 60, 50], [1, 3, 3], 1),
        (24, 136, [1, 90, 80], [1, 3, 3], 1),
        (4, 32, [16, 20, 20], [3, 3, 3], 1),
    ] {
        let (of_x, of_w) = ([2, inputs, space[0], space[1], space[2]], [outputs, inputs, kernel[0], kernel[1], kernel[2]]);
        let [x, w] = [&of_x, &of_w].map(|shape| rounded(&mut random, shape, &device));
        let s = Conv3 { stride: [stride; 3], padding: kernel.map(|n| n / 2), dilation: [1; 3], output_padding: [0; 3], groups: 1 };
        let here = x[0].conv3(&w[0], None, &s, &Device::cpu()).to_vec().unwrap();
        let there = x[1].conv3(&w[1], None, &s, &device).product(Precision::Mixed).to_vec().unwrap();
        let off = apart(&here, &there);
        assert!(off < 4e-3, "{inputs} to {outputs}, {space:?}, {kernel:?}, stride {stride}: off by {off}");
    }
}

/// Lengths that no step divides, lines that reach the last row, and tiles of both widths.
#[test]
fn products_of_rows_in_bf16_are_the_processors() {
    let Some(device) = nvidia() else { return };
    let mut random = Random::new(11, &[]);
    let nine = vec![0, 11, 22, 330, 341, 352, 660, 671, 988];
    for (wide, channels, cut, firsts) in [
        (3, [32, 32], [5, 600], nine.clone()),
        (3, [64, 96], [5, 600], nine.clone()),
        (3, [16, 32], [7, 144], nine.clone()),
        (2, [32, 16], [3, 1000], vec![0, 170, 998]),
        (1, [48, 16], [10, 400], vec![0]),
        (3, [16, 16], [4, 48], vec![5, 0]),
    ] {
        let [left, right] = channels.map(|n| rounded(&mut random, &[4000, n], &device));
        let run = |i: usize, device: &Device| {
            let products = Value::rows_products(&left[i], &right[i], [cut[0], cut[1], wide], firsts.clone(), device);
            products.sum_axes_on_device(&[1]).to_vec().unwrap()
        };
        let off = apart(&run(0, &Device::cpu()), &run(1, &device));
        assert!(off < 1e-5, "{wide} rows of {channels:?}, parts {cut:?}: off by {off}");
    }
}
