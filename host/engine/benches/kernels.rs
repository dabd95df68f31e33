//! Times the kernels on layers of typical networks: best of several runs, ms and, for convolutions, GFLOP/s (padded taps counted) as a part of what a large
//! f32 matrix product reaches, which is timed first, as is the memory's bandwidth.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

use engine::Precision::{self, F32, Mixed};
use engine::kernels::{Cells, ConvShape, Norm, conv_forward, conv_input_grad, conv_transpose_forward, conv_weight_grad, leaky_relu, leaky_relu_grad};

fn main() {
    let cube = [3, 3, 3];
    let peak = product();
    println!("{} threads: f32 matrix product {peak:.0} GFLOP/s; memory {:.1} GB/s", rayon::current_num_threads(), bandwidth());
    let layer = |name: &str, input_channels, output_channels, input, kernel, stride, precision| {
        layer(name, &padded(input_channels, output_channels, input, kernel, stride), precision, peak);
    };
    for precision in [F32, Mixed] {
        println!("{:28} {:>9} {:>16} {:>16} {:>16}", format!("batch 2, {precision:?}"), "GFLOP", "forward", "input gradient", "weight gradient");
        layer("32->32 3x3x3", 32, 32, [40, 56, 40], cube, [1; 3], precision);
        layer("64->64 3x3x3", 64, 64, [20, 28, 20], cube, [1; 3], precision);
        layer("128->128 3x3x3", 128, 128, [10, 14, 10], cube, [1; 3], precision);
        layer("256->256 3x3x3", 256, 256, [5, 7, 5], cube, [1; 3], precision);
        layer("320->320 3x3x3", 320, 320, [5, 7, 5], cube, [1; 3], precision);
        layer("1->32 3x3x3", 1, 32, [40, 56, 40], cube, [1; 3], precision);
        layer("33->20 3x3x3", 33, 20, [40, 56, 40], cube, [1; 3], precision);
        layer("32->64 3x3x3 stride 2", 32, 64, [40, 56, 40], cube, [2; 3], precision);
        layer("32->64 3x3x3 stride 1,2,2", 32, 64, [40, 56, 40], cube, [1, 2, 2], precision);
        layer("32->32 1x3x3", 32, 32, [20, 80, 80], [1, 3, 3], [1; 3], precision);
        layer("32->32 3x3 2D", 32, 32, [1, 256, 256], [1, 3, 3], [1; 3], precision);
        layer("32->3 1x1x1", 32, 3, [40, 56, 40], [1; 3], [1; 3], precision);
        layer("64->32 1x1x1", 64, 32, [40, 56, 40], [1; 3], [1; 3], precision);
        layer("32<-64 2x2x2 transposed", 32, 64, [40, 56, 40], [2; 3], [2; 3], precision);
    }
    passes("32, 40x56x40", 32, 40 * 56 * 40);
}

/// Instance norm and leaky ReLU.
fn passes(name: &str, channels: usize, voxels: usize) {
    let (x, dy) = (noise(2 * channels * voxels), noise(2 * channels * voxels));
    let (scale, shift) = (noise(channels), noise(channels));
    let norm = Norm { batch: 2, voxels, channels, groups: channels, eps: 1e-5, slope: 0.01 };
    let stats = norm.statistics(&x);
    let times = [
        time(|| norm.forward(&x, &norm.statistics(&x), Some(&scale), Some(&shift))),
        time(|| norm.backward(&x, &stats, &dy, Some(&scale), Some(&shift))),
        time(|| leaky_relu(&x, 0.01)),
        time(|| leaky_relu_grad(&x, &dy, 0.01)),
    ];
    let [norm, norm_back, relu, relu_back] = times;
    println!("{name}: instance norm and leaky ReLU {norm:.2}, backward {norm_back:.2}; leaky ReLU alone {relu:.2}, backward {relu_back:.2} ms");
}

fn padded(input_channels: usize, output_channels: usize, input: [usize; 3], kernel: [usize; 3], stride: [usize; 3]) -> ConvShape {
    let padding = kernel.map(|k| (k - 1) / 2);
    ConvShape { batch: 2, input_channels, output_channels, input, kernel, stride, padding, dilation: [1; 3], groups: 1 }
}

fn layer(name: &str, s: &ConvShape, precision: Precision, peak: f64) {
    let ConvShape { input_channels, output_channels, input, kernel, .. } = *s;
    let (voxels, taps) = (s.output().iter().product::<usize>(), kernel.iter().product::<usize>());
    let x = noise(2 * input_channels * input.iter().product::<usize>());
    let input = [Cells::whole(&x, input_channels)];
    let w = noise(input_channels * output_channels * taps);
    let dy = noise(2 * output_channels * voxels);
    let gflop = 4e-9 * (input_channels * output_channels * voxels * taps) as f64;
    let transposed = name.ends_with("transposed");
    let times = [
        time(|| if transposed { conv_transpose_forward(s, &dy, &w, None, precision) } else { conv_forward(s, &input, &w, None, true, precision) }),
        time(|| if transposed { conv_forward(s, &input, &w, None, false, precision) } else { conv_input_grad(s, &dy, &w, precision) }),
        time(|| conv_weight_grad(s, &input, &dy, precision)),
    ];
    let figures = times.map(|ms| format!("{ms:8.2} ({:4.0} %)", gflop / ms * 1e5 / peak)).join(" ");
    println!("{name:28} {gflop:9.2} {figures}");
}

/// GFLOP/s of a matrix product whose factors fit the caches badly: what arithmetic in f32 reaches on this machine.
fn product() -> f64 {
    const N: usize = 2048;
    let device = burn::tensor::Device::flex();
    let [a, b] = [0, 1]
        .map(|shift| burn::tensor::Tensor::<2>::from_data(burn::tensor::TensorData::new(noise(N * N + shift)[shift..].to_vec(), [N, N]), &device));
    2e-6 * (N * N * N) as f64 / time(|| a.clone().matmul(b.clone()).into_data())
}

/// GB/s to memory and from it, of sums of two arrays far larger than the caches, written to a third (McCalpin's STREAM; what is read before it is written counts not).
fn bandwidth() -> f64 {
    const N: usize = 1 << 25;
    let (a, b, mut c) = (noise(N), noise(N), noise(N));
    let add = |((c, a), b): ((&mut [f32], &[f32]), &[f32])| c.iter_mut().zip(a.iter().zip(b)).for_each(|(c, (a, b))| *c = a + 0.5 * b);
    12e-6 * N as f64 / time(|| c.par_chunks_mut(1 << 16).zip(a.par_chunks(1 << 16)).zip(b.par_chunks(1 << 16)).for_each(add))
}

/// Best of at least five runs and half a second, in ms.
fn time<R>(mut f: impl FnMut() -> R) -> f64 {
    let (begin, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 5 || begin.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        black_box(f());
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        runs += 1;
    }
    best
}

fn noise(len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| i.wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5).collect()
}
