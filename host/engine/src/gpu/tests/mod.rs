//! The kernels of a GPU against the processor's, forward and back, on shapes of all kinds and both orders of memory. Without a GPU, a software one too,
//! there is nothing to ask: `tests/gpu/software.sh` sees to one.

mod bf16;
mod tiles;

use crate::kernels::Sgd;
use crate::ops::{self, Context};
use crate::random::Random;
use crate::selftest::apart;
use crate::{Precision, device::Device, value::Value};
use plugin_api::Op;
use std::cell::RefCell;

fn gpu() -> Option<Device> {
    let found = ["cuda", "wgpu"].into_iter().find_map(|name| Device::parse(name).ok());
    if found.is_none() {
        println!("skipped: there is no GPU here");
    }
    found.map(|device| device.with_precision(Precision::F32))
}

/// One whose products are f32: tensor cores round what they multiply to TF32, by 5e-4, which norms and activations behind a product make more of.
fn exact() -> Option<Device> {
    gpu().filter(|device| device.name() == "wgpu")
}

fn drawn(random: &mut Random, shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product()).map(|_| random.normal() as f32).collect()
}

/// A value whose channels are neighbours in memory, as convolutions leave it.
fn channels_last(data: &[f32], shape: &[usize], device: &Device) -> Value {
    let n = shape.len();
    let last: Vec<usize> = [0].into_iter().chain(2..n).chain([1]).collect();
    let first: Vec<usize> = [0, n - 1].into_iter().chain(1..n - 1).collect();
    let moved = Value::from_f32(data.to_vec(), shape, &Device::cpu()).permute(&last);
    Value::from_f32(moved.to_vec().unwrap(), moved.shape(), device).permute(&first)
}

/// An operation on inputs, with a leaky ReLU behind it where there is a slope, and its way back, in both orders of memory.
fn agree(op: Op, inputs: &[(Vec<f32>, Vec<usize>)], ints: &[i64], floats: &[f64], slope: Option<f64>, device: &Device) {
    let run = |device: &Device, last: bool| -> Vec<Vec<f32>> {
        let put = |(data, shape): &(Vec<f32>, Vec<usize>)| match last && shape.len() > 2 {
            true => channels_last(data, shape, device),
            false => Value::from_f32(data.clone(), shape, device),
        };
        let values: Vec<Value> = inputs.iter().map(put).collect();
        let random = RefCell::new(Random::new(1, &[]));
        let cx = Context { device, training: true, random: &random };
        let mut out = ops::run(op, &values, ints, floats, &cx).unwrap();
        let mut y = out.values.remove(0);
        let mut act = slope.map(|slope| ops::run(Op::LeakyRelu, std::slice::from_ref(&y), &[], &[slope], &cx).unwrap());
        if let Some(act) = &mut act {
            y = act.values.remove(0);
        }
        let seed = drawn(&mut Random::new(7, &[]), y.shape());
        let mut g = put(&(seed, y.shape().to_vec()));
        if let Some(back) = act.and_then(|act| act.back) {
            g = back(&g, &[true]).unwrap().remove(0).unwrap();
        }
        let gradients = out.back.unwrap()(&g, &vec![true; inputs.len()]).unwrap();
        [y].into_iter().chain(gradients.into_iter().flatten()).map(|value| value.to_vec().unwrap()).collect()
    };
    let here = run(&Device::cpu(), false);
    for last in [false, true] {
        for (i, (here, there)) in here.iter().zip(run(device, last)).enumerate() {
            let off = apart(here, &there);
            assert!(off < 2e-5, "{} of {:?} with {ints:?}, channels last {last}: result {i} is off by {off}", op.name(), inputs[0].1);
        }
    }
}

fn among(random: &mut Random, most: usize) -> usize {
    1 + (random.uniform() * most as f64) as usize % most
}

#[test]
fn windows_and_blends_of_all_kinds() {
    let Some(device) = gpu() else { return };
    let mut random = Random::new(3, &[]);
    for case in 0..24 {
        let n = 1 + case % 3;
        let space: Vec<usize> = (0..n).map(|_| among(&mut random, 9) + 3).collect();
        let shape: Vec<usize> = [among(&mut random, 2), among(&mut random, 5)].into_iter().chain(space.iter().copied()).collect();
        let x = vec![(drawn(&mut random, &shape), shape)];
        let kernel: Vec<usize> = (0..n).map(|_| among(&mut random, 3)).collect();
        let mut ints = vec![n as i64];
        ints.extend(kernel.iter().map(|&k| k as i64));
        ints.extend((0..n).map(|_| among(&mut random, 3) as i64));
        ints.extend(kernel.iter().map(|&k| (k / 2) as i64));
        ints.push(case as i64 / 3 % 2);
        agree(Op::MaxPool, &x, &ints, &[], None, &device);
        ints.push(case as i64 / 6 % 2);
        agree(Op::AvgPool, &x, &ints, &[], None, &device);
        let mut sizes = vec![n as i64];
        sizes.extend((0..n).map(|_| among(&mut random, 6) as i64));
        for op in [Op::AdaptiveAvgPool, Op::AdaptiveMaxPool] {
            agree(op, &x, &sizes, &[], None, &device);
        }
        for (mode, aligned) in [(0, 0), (1, 0), (2, 0), (2, 1)] {
            let to: Vec<i64> = [n as i64].into_iter().chain(space.iter().map(|_| among(&mut random, 20) as i64)).chain([mode, aligned]).collect();
            agree(Op::Resize, &x, &to, &[], None, &device);
        }
    }
}

/// Few and many channels, voxels of one part and of several, a mean far from 0.
#[test]
fn norms_with_their_activation() {
    let Some(device) = gpu() else { return };
    let mut random = Random::new(4, &[]);
    for (shape, groups) in [
        (vec![2, 8, 5, 6, 7], 4),
        (vec![1, 1, 3, 1, 2], 1),
        (vec![2, 40, 9, 11], 5),
        (vec![1, 6, 40, 40, 24], 2),
        (vec![2, 33, 30, 31], 11),
        (vec![3, 64, 17], 1),
    ] {
        let far: Vec<f32> = drawn(&mut random, &shape).into_iter().map(|v| 3.0 * v + 40.0).collect();
        let channel = [shape[1]];
        let affine = [drawn(&mut random, &channel), drawn(&mut random, &channel)].map(|v| (v, channel.to_vec()));
        let all: Vec<_> = [(far, shape.clone())].into_iter().chain(affine).collect();
        for slope in [None, Some(0.01)] {
            agree(Op::InstanceNorm, &all, &[], &[1e-5], slope, &device);
            agree(Op::GroupNorm, &all, &[groups], &[1e-5], slope, &device);
            agree(Op::InstanceNorm, &all[..1], &[], &[1e-5], slope, &device);
        }
    }
}

/// Few and many segments, ids a channel and shared by all, one part and several.
#[test]
fn sums_of_segments_and_classes() {
    let Some(device) = gpu() else { return };
    let mut random = Random::new(10, &[]);
    for (shape, ids, k) in [
        (vec![2, 3, 40, 30, 20], 1, 7),
        (vec![1, 2, 9, 11], 2, 700),
        (vec![3, 2, 5], 1, 1),
        (vec![2, 5, 70, 100], 5, 256),
        (vec![1, 60, 12, 12, 12], 1, 3),
    ] {
        let space = &shape[2..];
        let of = |channels: usize| [&[shape[0], channels], space].concat();
        let mut below =
            |channels: usize, k: usize| -> Vec<i32> { (0..of(channels).iter().product()).map(|_| among(&mut random, k) as i32 - 1).collect() };
        let (segments, labels) = (below(ids, k), below(1, shape[1]));
        let x = drawn(&mut random, &shape);
        let weights: Vec<f32> = drawn(&mut random, &of(1)).into_iter().map(f32::abs).collect();
        let run = |device: &Device, last: bool| -> Vec<Vec<f32>> {
            let x = if last { channels_last(&x, &shape, device) } else { Value::from_f32(x.clone(), &shape, device) };
            let segments = Value::from_i32(segments.clone(), &of(ids), device);
            let (labels, weights) = (Value::from_i32(labels.clone(), &of(1), device), Value::from_f32(weights.clone(), &of(1), device));
            let streams = RefCell::new(Random::new(1, &[]));
            let cx = Context { device, training: true, random: &streams };
            let asked = [
                (Op::SegmentSum, vec![x.clone(), segments], vec![k as i64]),
                (Op::ClassSums, vec![x.clone(), labels.clone()], vec![]),
                (Op::ClassSums, vec![x, labels, weights], vec![]),
            ];
            let answers = asked.into_iter().map(|(op, inputs, ints)| {
                let mut out = ops::run(op, &inputs, &ints, &[], &cx).unwrap();
                let y = out.values.remove(0);
                let g = Value::from_f32(drawn(&mut Random::new(7, &[]), y.shape()), y.shape(), device);
                let dx = out.back.unwrap()(&g, &vec![true; inputs.len()]).unwrap().swap_remove(0).unwrap();
                [y.to_vec().unwrap(), dx.to_vec().unwrap()]
            });
            answers.flatten().collect()
        };
        let here = run(&Device::cpu(), false);
        for last in [false, true] {
            for (i, (here, there)) in here.iter().zip(run(&device, last)).enumerate() {
                let off = apart(here, &there);
                assert!(off < 2e-5, "result {i} of {shape:?} with {k} segments, channels last {last}: off by {off}");
            }
        }
    }
}

/// Parts of a larger tensor's channels, which lie apart in memory.
#[test]
fn parts_of_channels() {
    let Some(device) = gpu() else { return };
    let mut random = Random::new(12, &[]);
    let (of_whole, of_x) = ([2, 24, 4, 6, 8], [2, 8, 4, 6, 8]);
    let (whole, x, scale) = (drawn(&mut random, &of_whole), drawn(&mut random, &of_x), drawn(&mut random, &[8]));
    let run = |device: &Device| -> Vec<Vec<f32>> {
        let whole = channels_last(&whole, &of_whole, device);
        let [first, second, third] = [0, 8, 16].map(|from| whole.slice(1, from, from + 8, 1));
        let streams = RefCell::new(Random::new(1, &[]));
        let cx = Context { device, training: true, random: &streams };
        let scale = Value::from_f32(scale.clone(), &[8], device);
        let mut values = vec![third.gathered([2, 2, 2], device)];
        for (x, g) in [(&channels_last(&x, &of_x, device), &second), (&first, &third)] {
            for (op, inputs, ints, floats) in [
                (Op::InstanceNorm, vec![x.clone(), scale.clone(), scale.clone()], vec![], vec![1e-5]),
                (Op::AvgPool, vec![x.clone()], vec![3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 0, 1], vec![]),
            ] {
                let mut out = ops::run(op, &inputs, &ints, &floats, &cx).unwrap();
                values.push(out.values.remove(0));
                values.extend(out.back.unwrap()(g, &vec![true; inputs.len()]).unwrap().into_iter().flatten());
            }
        }
        values.iter().map(|value| value.to_vec().unwrap()).collect()
    };
    for (i, (here, there)) in run(&Device::cpu()).iter().zip(run(&device)).enumerate() {
        let off = apart(here, &there);
        assert!(off < 2e-5, "result {i} is off by {off}");
    }
}

/// Sums do not depend on which unit was first.
#[test]
fn twice_the_same_bits() {
    let Some(device) = gpu() else { return };
    let shape = [2, 5, 30, 20, 20];
    let data = drawn(&mut Random::new(5, &[]), &shape);
    let run = || {
        let (x, g) = (Value::from_f32(data.clone(), &shape, &device), Value::from_f32(data.iter().map(|v| v * v).collect(), &shape, &device));
        let (scale, shift) = (Value::full(&[5], 1.5, &device), Value::full(&[5], 0.1, &device));
        let stats = x.norm_statistics(5, 1e-5);
        let (dx, dscale, dshift) = x.norm_grad(&stats, [&scale, &shift], &g, 0.01);
        [stats, dx, dscale, dshift].map(|value| value.to_vec().unwrap())
    };
    assert_eq!(run(), run());
}

/// More than any GPU has: the error says how much, and the device goes on.
#[test]
fn missing_memory_is_an_error_that_says_how_much() {
    let Some(device) = gpu() else { return };
    let error = Value::full(&[1 << 19, 1 << 19], 0.0, &device).to_vec().unwrap_err().to_string();
    assert!(error.starts_with("the device has no 1024.00 GiB of memory left that were asked for"), "{error}");
    assert_eq!(Value::full(&[3], 2.0, &device).to_vec().unwrap(), [2.0; 3]);
}

/// Operations behind each other, as a U-Net has them: what one leaves in memory the next one takes, there and back.
#[test]
fn a_small_u_net() {
    let Some(device) = exact() else { return };
    let mut random = Random::new(6, &[]);
    let shapes: [&[usize]; 13] = [
        &[2, 3, 16, 16, 16],
        &[8, 3, 3, 3, 3],
        &[8],
        &[8],
        &[8],
        &[16, 8, 3, 3, 3],
        &[16],
        &[16],
        &[16],
        &[16, 8, 2, 2, 2],
        &[8],
        &[4, 16, 3, 3, 3],
        &[4],
    ];
    let inputs: Vec<(Vec<f32>, Vec<usize>)> =
        shapes.iter().map(|shape| (drawn(&mut random, shape).into_iter().map(|v| 0.3 * v).collect(), shape.to_vec())).collect();
    let run = |device: &Device| -> Vec<(&str, Vec<f32>)> {
        let v: Vec<Value> = inputs.iter().map(|(data, shape)| Value::from_f32(data.clone(), shape, device)).collect();
        let random = RefCell::new(Random::new(1, &[]));
        let cx = Context { device, training: true, random: &random };
        let op = |op: Op, inputs: &[&Value], ints: &[i64], floats: &[f64]| {
            let inputs: Vec<Value> = inputs.iter().map(|&v| v.clone()).collect();
            let mut out = ops::run(op, &inputs, ints, floats, &cx).unwrap();
            (out.values.remove(0), out.back.unwrap())
        };
        let (one, two) = ([3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
        let (a, a_back) = op(Op::Conv, &[&v[0], &v[1], &v[2]], &one, &[]);
        let (b, b_back) = op(Op::InstanceNorm, &[&a, &v[3], &v[4]], &[], &[1e-5]);
        let (c, c_back) = op(Op::LeakyRelu, &[&b], &[], &[0.01]);
        let (d, d_back) = op(Op::Conv, &[&c, &v[5], &v[6]], &two, &[]);
        let (e, e_back) = op(Op::InstanceNorm, &[&d, &v[7], &v[8]], &[], &[1e-5]);
        let (f, f_back) = op(Op::LeakyRelu, &[&e], &[], &[0.01]);
        let (h, h_back) = op(Op::ConvTranspose, &[&f, &v[9], &v[10]], &[3, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1], &[]);
        let (i, i_back) = op(Op::Concat, &[&h, &c], &[1], &[]);
        let (y, y_back) = op(Op::Conv, &[&i, &v[11], &v[12]], &one, &[]);
        let g = Value::from_f32(drawn(&mut Random::new(9, &[]), y.shape()), y.shape(), device);
        let take = |parts: Vec<Option<Value>>| -> Vec<Value> { parts.into_iter().flatten().collect() };
        let gy = take(y_back(&g, &[true; 3]).unwrap());
        let gi = take(i_back(&gy[0], &[true; 2]).unwrap());
        let gh = take(h_back(&gi[0], &[true; 3]).unwrap());
        let gf = take(f_back(&gh[0], &[true]).unwrap());
        let ge = take(e_back(&gf[0], &[true; 3]).unwrap());
        let gd = take(d_back(&ge[0], &[true; 3]).unwrap());
        let gc = take(c_back(&gd[0].add(&gi[1]), &[true]).unwrap());
        let gb = take(b_back(&gc[0], &[true; 3]).unwrap());
        let ga = take(a_back(&gb[0], &[true; 3]).unwrap());
        let named = [
            ("y", &y),
            ("concat 0", &gi[0]),
            ("concat 1", &gi[1]),
            ("last weight", &gy[1]),
            ("transposed", &gh[0]),
            ("transposed weight", &gh[1]),
            ("transposed bias", &gh[2]),
            ("norm 2", &ge[0]),
            ("scale 2", &ge[1]),
            ("shift 2", &ge[2]),
            ("strided", &gd[0]),
            ("strided weight", &gd[1]),
            ("norm 1", &gb[0]),
            ("scale 1", &gb[1]),
            ("shift 1", &gb[2]),
            ("first", &ga[0]),
            ("first weight", &ga[1]),
        ];
        let mut all: Vec<_> = named.into_iter().map(|(name, value)| (name, value.to_vec().unwrap())).collect();
        // behind a norm a bias has no gradient: what is there is rounding, held against that of the weights
        for (name, bias, weight) in [("strided bias", &gd[2], &gd[1]), ("first bias", &ga[2], &ga[1])] {
            let mut values = bias.to_vec().unwrap();
            values.push(weight.to_vec().unwrap().iter().fold(0.0, |most: f32, v| most.max(v.abs())));
            all.push((name, values));
        }
        all
    };
    let off: Vec<_> = run(&Device::cpu()).iter().zip(run(&device)).map(|((name, here), (_, there))| (*name, apart(here, &there))).collect();
    assert!(off.iter().all(|(_, off)| *off < 1e-4), "{off:#?}");
}

/// A step is the processor's, and a sum of squares that is not finite changes nothing.
#[test]
fn steps_of_sgd_are_the_processors() {
    let Some(device) = gpu() else { return };
    let mut random = Random::new(8, &[]);
    let shape = [5, 3, 7, 11];
    let [w, g, momentum] = [(); 3].map(|()| drawn(&mut random, &shape));
    let put = |data: &[f32]| Value::from_f32(data.to_vec(), &shape, &device);
    for (clip, nesterov) in [(3.0, true), (f32::INFINITY, false)] {
        let squares = g.iter().map(|v| v * v).sum::<f32>();
        let sgd = Sgd { factor: 1.0, lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.01 };
        let there = |squares: f32| {
            let squares = Value::from_f32(vec![squares], &[1], &device);
            let (w, momentum) = put(&w).sgd(&put(&g), &put(&momentum), &squares, sgd, clip);
            [w, momentum].map(|value| value.to_vec().unwrap())
        };
        let (new, buffer) = Sgd { factor: (clip / squares.sqrt()).min(1.0), ..sgd }.step(&w, &g, Some(&momentum));
        let [found, kept] = there(squares);
        assert!(apart(&new, &found) < 1e-6 && apart(&buffer, &kept) < 1e-6, "clip {clip}, nesterov {nesterov}");
        for squares in [f32::NAN, f32::INFINITY] {
            assert_eq!(there(squares), [w.clone(), momentum.clone()], "{squares}");
        }
    }
}

/// Parts of rows that lie apart in memory, and a matrix that begins amid another's row.
#[test]
fn products_of_rows_are_the_processors() {
    let Some(device) = exact() else { return };
    let mut random = Random::new(9, &[]);
    for (wide, channels) in [(3, [8, 16]), (1, [16, 8]), (2, [32, 24])] {
        let [left, right] = channels.map(|n| (drawn(&mut random, &[4000, n]), vec![4000, n]));
        let run = |device: &Device| {
            let [left, right] = [&left, &right].map(|(data, shape)| Value::from_f32(data.clone(), shape, device));
            Value::rows_products(&left, &right, [5, 600, wide], vec![0, 3, 170], device)
        };
        let (here, there) = (run(&Device::cpu()), run(&device));
        assert_eq!(here.shape(), there.shape());
        let off = apart(&here.to_vec().unwrap(), &there.to_vec().unwrap());
        assert!(off < 1e-5, "{wide} rows of {channels:?}: off by {off}");
    }
}
