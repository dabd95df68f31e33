use crate::common::*;
use plugin_api::prelude::*;

struct Case {
    x: &'static [usize],
    weight: &'static [usize],
    stride: &'static [usize],
    padding: &'static [usize],
    dilation: &'static [usize],
    output_padding: &'static [usize],
    groups: usize,
}

impl Case {
    fn settings(&self) -> ConvSettings {
        ConvSettings { stride: self.stride.to_vec(), padding: self.padding.to_vec(), dilation: self.dilation.to_vec(), groups: self.groups }
    }

    fn inputs(&self, channels: usize, bias: bool) -> Vec<Input> {
        let mut inputs = vec![random(self.x, 1, -1.0, 1.0), random(self.weight, 2, -1.0, 1.0)];
        if bias {
            inputs.push(random(&[channels], 3, -1.0, 1.0));
        }
        inputs
    }
}

const fn case(
    x: &'static [usize],
    weight: &'static [usize],
    stride: &'static [usize],
    padding: &'static [usize],
    dilation: &'static [usize],
    output_padding: &'static [usize],
    groups: usize,
) -> Case {
    Case { x, weight, stride, padding, dilation, output_padding, groups }
}

const CONVS: &[Case] = &[
    case(&[2, 2, 6], &[3, 2, 3], &[1], &[1], &[1], &[], 1),
    case(&[1, 2, 9], &[2, 1, 3], &[2], &[2], &[2], &[], 2),
    case(&[2, 3, 5, 4], &[2, 3, 3, 3], &[1, 1], &[1, 1], &[1, 1], &[], 1),
    case(&[1, 2, 6, 7], &[2, 2, 3, 2], &[2, 3], &[1, 0], &[1, 2], &[], 1),
    case(&[1, 4, 4, 4], &[6, 2, 3, 1], &[1, 2], &[1, 0], &[1, 1], &[], 2),
    case(&[1, 2, 3, 3], &[3, 2, 1, 1], &[1, 1], &[0, 0], &[1, 1], &[], 1),
    case(&[1, 1, 4, 4, 4], &[2, 1, 3, 3, 3], &[1, 1, 1], &[1, 1, 1], &[1, 1, 1], &[], 1),
    case(&[1, 2, 5, 4, 5], &[2, 2, 3, 3, 3], &[2, 2, 2], &[1, 1, 1], &[1, 1, 1], &[], 1),
    case(&[2, 2, 3, 4, 5], &[2, 2, 1, 3, 3], &[1, 2, 2], &[0, 1, 1], &[1, 1, 1], &[], 1),
    case(&[1, 4, 3, 3, 3], &[4, 1, 3, 3, 3], &[1, 1, 1], &[2, 1, 0], &[2, 1, 1], &[], 4),
    case(&[1, 17, 2, 2, 2], &[18, 17, 1, 1, 1], &[1, 1, 1], &[0, 0, 0], &[1, 1, 1], &[], 1),
];

const TRANSPOSED: &[Case] = &[
    case(&[2, 2, 4], &[2, 3, 2], &[2], &[0], &[1], &[0], 1),
    case(&[1, 2, 4], &[2, 1, 3], &[2], &[1], &[2], &[1], 2),
    case(&[1, 2, 3, 3], &[2, 2, 2, 2], &[2, 2], &[0, 0], &[1, 1], &[0, 0], 1),
    case(&[2, 4, 2, 3], &[4, 2, 3, 3], &[2, 3], &[1, 0], &[1, 1], &[1, 2], 2),
    case(&[1, 2, 2, 3, 2], &[2, 3, 2, 2, 2], &[2, 2, 2], &[0, 0, 0], &[1, 1, 1], &[0, 0, 0], 1),
    case(&[1, 2, 3, 2, 2], &[2, 2, 1, 2, 2], &[1, 2, 2], &[0, 0, 0], &[1, 1, 1], &[0, 0, 0], 1),
    case(&[1, 2, 2, 2, 2], &[2, 1, 3, 3, 2], &[2, 2, 1], &[1, 1, 0], &[1, 2, 1], &[1, 0, 0], 1),
];

#[test]
fn convolutions() {
    for c in CONVS {
        for bias in [false, true] {
            let s = c.settings();
            check(&format!("conv {:?} {:?} {s:?} {bias}", c.x, c.weight), c.inputs(c.weight[0], bias), move |t| t[0].conv(&t[1], t.get(2), &s));
        }
    }
}

#[test]
fn transposed_convolutions() {
    for c in TRANSPOSED {
        for bias in [false, true] {
            let s = c.settings();
            let inputs = c.inputs(c.weight[1] * c.groups, bias);
            check(&format!("transposed {:?} {:?} {s:?} {bias}", c.x, c.weight), inputs, move |t| {
                t[0].conv_transpose(&t[1], t.get(2), &s, c.output_padding)
            });
        }
    }
}

/// Leading axes of length 1 until there are three.
fn three(v: &[usize], fill: usize) -> [usize; 3] {
    let mut out = [fill; 3];
    out[3 - v.len()..].copy_from_slice(v);
    out
}

/// Calls `f(x index, weight index, small-side output channel, y index)` for every product of a convolution from `big` to `small`.
fn products(c: &Case, x: &[usize], y: &[usize], out: usize, per_group: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
    let (batch, channels) = (x[0], x[1]);
    let (xs, ys, k) = (three(&x[2..], 1), three(&y[2..], 1), three(&c.weight[2..], 1));
    let (stride, padding, dilation) = (three(c.stride, 1), three(c.padding, 0), three(c.dilation, 1));
    let volume = |s: [usize; 3]| s.iter().product::<usize>();
    let flat = |s: [usize; 3], i: [usize; 3]| (i[0] * s[1] + i[1]) * s[2] + i[2];
    let grid = |s: [usize; 3]| (0..volume(s)).map(move |i| [i / (s[1] * s[2]), i / s[2] % s[1], i % s[2]]);
    for b in 0..batch {
        for o in 0..out {
            for i in 0..per_group {
                let from = o / (out / c.groups) * per_group + i;
                for p in grid(ys) {
                    for q in grid(k) {
                        let at: [isize; 3] = std::array::from_fn(|a| (p[a] * stride[a] + q[a] * dilation[a]) as isize - padding[a] as isize);
                        if (0..3).all(|a| at[a] >= 0 && (at[a] as usize) < xs[a]) {
                            let x_at = (b * channels + from) * volume(xs) + flat(xs, at.map(|v| v as usize));
                            f(x_at, (o * per_group + i) * volume(k) + flat(k, q), o, (b * out + o) * volume(ys) + flat(ys, p));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn outputs_against_loops() {
    for c in CONVS {
        let inputs = c.inputs(c.weight[0], true);
        let s = c.settings();
        let (found, shape) = Rig::new(inputs.clone(), vec![], move |t| t[0].conv(&t[1], t.get(2), &s)).forward().unwrap();
        let per_channel: usize = shape[2..].iter().product();
        let mut wanted: Vec<f32> = (0..found.len()).map(|i| inputs[2].1[i / per_channel % shape[1]]).collect();
        products(c, c.x, &shape, c.weight[0], c.weight[1], |x, w, _, y| wanted[y] += inputs[0].1[x] * inputs[1].1[w]);
        assert!(distance(&found, &wanted) < 1e-5, "conv {:?} {:?}", c.x, c.weight);
    }
    for c in TRANSPOSED {
        let inputs = c.inputs(c.weight[1] * c.groups, true);
        let s = c.settings();
        let (found, shape) = Rig::new(inputs.clone(), vec![], move |t| t[0].conv_transpose(&t[1], t.get(2), &s, c.output_padding)).forward().unwrap();
        for (a, n) in shape[2..].iter().enumerate() {
            let wanted = (c.x[a + 2] - 1) * c.stride[a] + c.dilation[a] * (c.weight[a + 2] - 1) + c.output_padding[a] + 1 - 2 * c.padding[a];
            assert_eq!(*n, wanted);
        }
        let per_channel: usize = shape[2..].iter().product();
        let mut wanted: Vec<f32> = (0..found.len()).map(|i| inputs[2].1[i / per_channel % shape[1]]).collect();
        // the other way round: what a convolution of the result would read is written
        products(c, &shape, c.x, c.weight[0], c.weight[1], |y, w, _, x| wanted[y] += inputs[0].1[x] * inputs[1].1[w]);
        assert!(distance(&found, &wanted) < 1e-5, "transposed {:?} {:?}", c.x, c.weight);
    }
}
