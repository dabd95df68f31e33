//! Values picked and put by index.

use super::{Call, reduce::log_softmax};
use crate::values::{Values, each_index};
use plugin_api::{DType, Op};

pub(super) fn run(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    let moved = |i: &[usize], axis: usize, to: f64| {
        let mut at = i.to_vec();
        at[axis] = to as usize;
        at
    };
    match c.op {
        Op::Gather => Values::from_fn(&c.out, x.dtype, |i| x.at(&moved(i, c.n(0), c.inputs[1].at(i)))),
        Op::IndexSelect => Values::from_fn(&c.out, x.dtype, |i| x.at(&moved(i, c.n(0), c.inputs[1].data[i[c.n(0)]]))),
        Op::OneHot => Values::from_fn(&c.out, DType::Float, |i| f64::from(u8::from(x.at(&moved(i, 1, 0.0)) == i[1] as f64))),
        Op::ScatterAdd => {
            let (index, source) = (c.inputs[1], c.inputs[2]);
            let mut out = x.clone();
            each_index(&index.shape, |i| out.data[place(&x.shape, &moved(i, c.n(0), index.at(i)))] += source.at(i));
            out
        }
        Op::ClassSums => class_sums(c),
        _ => {
            let mut out = Values { shape: c.out.clone(), data: vec![0.0; c.out.iter().product()], dtype: x.dtype };
            each_index(&x.shape, |i| out.data[place(&c.out, &[i[0], i[1], c.inputs[1].at(i) as usize])] += x.at(i));
            out
        }
    }
}

fn class_sums(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    let mut out = Values { shape: c.out.clone(), data: vec![0.0; c.out.iter().product()], dtype: x.dtype };
    each_index(&x.shape, |i| {
        let log_p = log_softmax(x, i, 1);
        let mut voxel = i.to_vec();
        voxel[1] = 0;
        let weight = c.inputs.get(2).map_or(1.0, |w| w.at(&voxel));
        let own = f64::from(u8::from(c.inputs[1].at(&voxel) == i[1] as f64));
        for (sum, value) in [own * log_p.exp(), log_p.exp(), own, -own * log_p].into_iter().enumerate() {
            out.data[place(&c.out, &[i[0], i[1], sum])] += weight * value;
        }
    });
    out
}

fn place(shape: &[usize], index: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |p, (&at, &n)| p * n + at)
}
