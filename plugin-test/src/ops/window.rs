//! Windows over the spatial axes: convolution, pooling, resizing.

use super::Call;
use crate::values::{Values, each_index};
use plugin_api::Op;

impl Call<'_> {
    /// The `part`-th list of one integer an axis.
    fn axes(&self, part: usize) -> &[i64] {
        let n = self.n(0);
        &self.ints[1 + part * n..1 + (part + 1) * n]
    }
}

pub(super) fn run(c: &Call<'_>) -> Values {
    match c.op {
        Op::Conv => conv(c),
        Op::ConvTranspose => conv_transpose(c),
        Op::MaxPool | Op::AvgPool => pool(c),
        Op::AdaptiveAvgPool | Op::AdaptiveMaxPool => adaptive(c),
        _ => resize(c),
    }
}

fn bias(c: &Call<'_>, channel: usize) -> f64 {
    c.inputs.get(2).map_or(0.0, |b| b.data[channel])
}

fn conv(c: &Call<'_>) -> Values {
    let (x, w) = (c.inputs[0], c.inputs[1]);
    let (stride, padding, dilation) = (c.axes(0), c.axes(1), c.axes(2));
    let (inputs, outputs) = (w.shape[1], w.shape[0]);
    let groups = x.shape[1] / inputs;
    Values::from_fn(&c.out, x.dtype, |o| {
        let (mut sum, first) = (bias(c, o[1]), o[1] / (outputs / groups) * inputs);
        each_index(&w.shape[1..], |k| {
            let mut at = vec![o[0], first + k[0]];
            for a in 0..stride.len() {
                let place = o[2 + a] as i64 * stride[a] - padding[a] + k[1 + a] as i64 * dilation[a];
                match usize::try_from(place) {
                    Ok(place) if place < x.shape[2 + a] => at.push(place),
                    _ => return,
                }
            }
            sum += x.at(&at) * w.at(&[&[o[1]], k].concat());
        });
        sum
    })
}

fn conv_transpose(c: &Call<'_>) -> Values {
    let (x, w) = (c.inputs[0], c.inputs[1]);
    let (stride, padding, dilation) = (c.axes(0), c.axes(1), c.axes(3));
    let (per_group, groups) = (w.shape[1], c.out[1] / w.shape[1]);
    let inputs = x.shape[1] / groups;
    let mut out = Values::from_fn(&c.out, x.dtype, |o| bias(c, o[1]));
    each_index(&x.shape, |i| {
        let group = i[1] / inputs;
        each_index(&w.shape[1..], |k| {
            let mut place = i[0] * c.out[1] + group * per_group + k[0];
            for a in 0..stride.len() {
                let at = i[2 + a] as i64 * stride[a] - padding[a] + k[1 + a] as i64 * dilation[a];
                match usize::try_from(at) {
                    Ok(at) if at < c.out[2 + a] => place = place * c.out[2 + a] + at,
                    _ => return,
                }
            }
            out.data[place] += x.at(i) * w.at(&[&[i[1]], k].concat());
        });
    });
    out
}

fn pool(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    let (kernel, stride, padding) = (c.axes(0), c.axes(1), c.axes(2));
    let sizes: Vec<usize> = kernel.iter().map(|&k| k as usize).collect();
    let count_padding = c.op == Op::AvgPool && c.ints.last() == Some(&1);
    Values::from_fn(&c.out, x.dtype, |o| {
        let (mut largest, mut sum, mut count) = (f64::NEG_INFINITY, 0.0, 0.0);
        each_index(&sizes, |k| {
            let mut at = vec![o[0], o[1]];
            let mut padded = true;
            for a in 0..k.len() {
                let place = o[2 + a] as i64 * stride[a] - padding[a] + k[a] as i64;
                padded &= place < x.shape[2 + a] as i64 + padding[a];
                at.extend(usize::try_from(place).ok().filter(|&p| p < x.shape[2 + a]));
            }
            let inside = at.len() == o.len();
            if inside {
                largest = largest.max(x.at(&at));
                sum += x.at(&at);
            }
            if inside || count_padding && padded {
                count += 1.0;
            }
        });
        if c.op == Op::MaxPool { largest } else { sum / count }
    })
}

fn adaptive(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    Values::from_fn(&c.out, x.dtype, |o| {
        let bounds = |a: usize| (o[a] * x.shape[a] / c.out[a], ((o[a] + 1) * x.shape[a]).div_ceil(c.out[a]));
        let sizes: Vec<usize> = (2..o.len()).map(|a| bounds(a).1 - bounds(a).0).collect();
        let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
        each_index(&sizes, |k| {
            let at: Vec<usize> = o[..2].iter().copied().chain(k.iter().enumerate().map(|(a, &k)| bounds(2 + a).0 + k)).collect();
            largest = largest.max(x.at(&at));
            sum += x.at(&at);
        });
        if c.op == Op::AdaptiveMaxPool { largest } else { sum / sizes.iter().product::<usize>() as f64 }
    })
}

/// What a place along one axis is made of: two sources, and the share of the second.
fn sources(at: usize, n: usize, out: usize, mode: i64, aligned: bool) -> (usize, usize, f64) {
    let scale = n as f64 / out as f64;
    let last = n - 1;
    match mode {
        0 => ((((at as f64) * scale) as usize).min(last), 0, 0.0),
        1 => ((((at as f64 + 0.5) * scale) as usize).min(last), 0, 0.0),
        _ => {
            let place = match aligned {
                true if out == 1 => 0.0,
                true => at as f64 * last as f64 / (out - 1) as f64,
                false => ((at as f64 + 0.5) * scale - 0.5).max(0.0),
            };
            let low = (place as usize).min(last);
            (low, (low + 1).min(last), place - low as f64)
        }
    }
}

fn resize(c: &Call<'_>) -> Values {
    let (x, n) = (c.inputs[0], c.n(0));
    let (mode, aligned) = (c.ints[1 + n], c.ints[2 + n] == 1);
    Values::from_fn(&c.out, x.dtype, |o| {
        let parts: Vec<(usize, usize, f64)> = (2..o.len()).map(|a| sources(o[a], x.shape[a], c.out[a], mode, aligned)).collect();
        let mut sum = 0.0;
        each_index(&vec![2; n], |corner| {
            let share: f64 = corner.iter().zip(&parts).map(|(&k, p)| if k == 0 { 1.0 - p.2 } else { p.2 }).product();
            let at = corner.iter().zip(&parts).map(|(&k, p)| if k == 0 { p.0 } else { p.1 });
            if share != 0.0 {
                sum += share * x.at(&o[..2].iter().copied().chain(at).collect::<Vec<_>>());
            }
        });
        sum
    })
}
