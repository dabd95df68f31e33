//! The adjoint of a convolution, from its small side to the big one: its input's gradient, and what a transposed convolution computes.

use crate::{
    device::{Device, Precision},
    value::{Conv3, Value},
};

/// Every `step`-th voxel of the big side along one axis, from `first` on: they meet the same taps.
#[derive(Clone, Copy)]
struct Phase {
    first: usize,
    step: usize,
    count: usize,
    /// The first tap that they meet, and how many, each `step` further.
    tap: usize,
    taps: usize,
    /// Where in the small side, one voxel a tap, the first of them begins: may lie before it.
    start: isize,
}

/// The phases along one axis of stride `step` and `big` voxels.
fn phases(step: usize, padding: usize, dilation: usize, kernel: usize, big: usize) -> Vec<Phase> {
    let phase = |first: usize| {
        let tap = (first + padding) % step;
        let taps = kernel.saturating_sub(tap).div_ceil(step);
        let last = (first + padding) / step;
        let start = last as isize - (taps.saturating_sub(1) * dilation) as isize;
        Phase { first, step, count: (big - first).div_ceil(step), tap, taps, start }
    };
    (0..step.min(big)).map(phase).collect()
}

/// From `g` (B, O, small) and weights (O, I, kernel) to (B, I, `size`), in f32: without gaps or overlap one matrix product, else for each phase a convolution
/// of stride 1 with the taps that it meets, mirrored. None where there are several groups, or a dilation with a stride.
pub(super) fn adjoint(g: &Value, w: &Value, s: &Conv3, size: [usize; 3], precision: Precision, device: &Device) -> Option<Value> {
    let kernel: [usize; 3] = std::array::from_fn(|a| w.shape()[a + 2]);
    if s.groups != 1 || (0..3).any(|a| s.stride[a] > 1 && s.dilation[a] > 1) {
        return None;
    }
    let small: [usize; 3] = std::array::from_fn(|a| g.shape()[a + 2]);
    if kernel == s.stride && kernel != [1; 3] && (0..3).all(|a| size[a] == small[a] * kernel[a]) {
        return Some(by_product(g, w, small, kernel, precision, device));
    }
    let axes: [Vec<Phase>; 3] = std::array::from_fn(|a| phases(s.stride[a], s.padding[a], s.dilation[a], kernel[a], size[a]));
    // (O, I) become (I, O): outputs gather
    let w = w.permute(&[1, 0, 2, 3, 4]);
    let part = |p: [Phase; 3]| by_phase(g, &w, p, s.dilation, device).product(precision);
    if axes.iter().all(|axis| axis.len() == 1) {
        return Some(part([axes[0][0], axes[1][0], axes[2][0]]));
    }
    // written channels last, as convolutions leave their results
    let mut whole = Value::full(&[g.shape()[0], size[0], size[1], size[2], w.shape()[0]], 0.0, device);
    for &d in &axes[0] {
        for &h in &axes[1] {
            for &v in &axes[2] {
                if [d, h, v].iter().all(|phase| phase.taps > 0) {
                    let part = part([d, h, v]).permute(&[0, 2, 3, 4, 1]);
                    whole = whole.assign(&[0, d.first, h.first, v.first, 0], &[1, d.step, h.step, v.step, 1], &part);
                }
            }
        }
    }
    Some(whole.permute(&[0, 4, 1, 2, 3]))
}

/// Kernel and stride are equal: (B voxels, O) times (O, kernel I), and the kernel's voxels between those of `g`.
fn by_product(g: &Value, w: &Value, small: [usize; 3], kernel: [usize; 3], precision: Precision, device: &Device) -> Value {
    let (batch, from, to) = (g.shape()[0], g.shape()[1], w.shape()[1]);
    let rows = g.permute(&[0, 2, 3, 4, 1]).reshape(&[batch * small.iter().product::<usize>(), from]);
    let columns = w.permute(&[0, 2, 3, 4, 1]).reshape(&[from, kernel.iter().product::<usize>() * to]);
    let [d, h, v] = small;
    rows.matmul(&columns, device).spread(kernel, [batch, to, d * kernel[0], h * kernel[1], v * kernel[2]], device).product(precision)
}

/// The voxels of one phase: `w` is (I, O, kernel).
fn by_phase(g: &Value, w: &Value, phases: [Phase; 3], dilation: [usize; 3], device: &Device) -> Value {
    let mut padding = [0; 3];
    let mut taps = w.clone();
    for (a, p) in phases.iter().enumerate() {
        let small = g.shape()[a + 2] as isize;
        let reach = p.start + (p.count - 1) as isize + ((p.taps - 1) * dilation[a]) as isize + 1;
        padding[a] = (-p.start).max(reach - small).max(0) as usize;
        if w.shape()[a + 2] > 1 {
            taps = taps.slice(a + 2, p.tap, p.tap + (p.taps - 1) * p.step + 1, p.step);
        }
    }
    let s = Conv3 { stride: [1; 3], padding, dilation, output_padding: [0; 3], groups: 1 };
    let y = g.conv3(&taps.flip(&[2, 3, 4]), None, &s, device);
    phases.iter().enumerate().fold(y, |y, (a, p)| {
        let first = (p.start + padding[a] as isize) as usize;
        if y.shape()[a + 2] == p.count { y } else { y.slice(a + 2, first, first + p.count, 1) }
    })
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    /// All strides, paddings and kernels, and sizes that a stride does not divide.
    #[test]
    fn phases_are_burns_gradient() {
        let device = Device::cpu();
        let mut asked = 0;
        for (kernel, stride, padding, dilation) in [
            ([3, 3, 3], [1, 1, 1], [1, 1, 1], [1, 1, 1]),
            ([3, 3, 3], [2, 2, 2], [1, 1, 1], [1, 1, 1]),
            ([1, 3, 3], [1, 2, 2], [0, 1, 1], [1, 1, 1]),
            ([2, 2, 2], [2, 2, 2], [0, 0, 0], [1, 1, 1]),
            ([1, 2, 3], [1, 2, 3], [0, 0, 0], [1, 1, 1]),
            ([1, 1, 1], [2, 2, 2], [0, 0, 0], [1, 1, 1]),
            ([5, 4, 2], [2, 3, 1], [2, 1, 0], [1, 1, 1]),
            ([3, 2, 3], [1, 1, 1], [2, 0, 3], [2, 3, 1]),
            ([3, 3, 3], [1, 1, 2], [0, 4, 2], [3, 1, 1]),
        ] {
            for big in [[8, 9, 10], [7, 6, 11]] {
                let small: [usize; 3] = std::array::from_fn(|a| (big[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) / stride[a] + 1);
                let (g, w) = (values(&[2, 4, small[0], small[1], small[2]], 1), values(&[4, 3, kernel[0], kernel[1], kernel[2]], 2));
                let x = values(&[2, 3, big[0], big[1], big[2]], 3);
                let s = Conv3 { stride, padding, dilation, output_padding: [0; 3], groups: 1 };
                let ours = adjoint(&g, &w, &s, big, Precision::F32, &device).unwrap();
                let theirs = x.conv3_input_grad(&w, &g, &s);
                assert_eq!(ours.shape(), theirs.shape());
                let off = crate::selftest::apart(&theirs.to_vec().unwrap(), &ours.to_vec().unwrap());
                assert!(off < 1e-6, "{kernel:?} {stride:?} {padding:?} {dilation:?} {big:?}: off by {off}");
                asked += 1;
            }
        }
        assert_eq!(asked, 18);
    }

    #[test]
    fn groups_are_left_to_burn() {
        let (g, w) = (values(&[1, 4, 3, 3, 3], 1), values(&[4, 2, 3, 3, 3], 2));
        let s = Conv3 { stride: [1; 3], padding: [1; 3], dilation: [1; 3], output_padding: [0; 3], groups: 2 };
        assert!(adjoint(&g, &w, &s, [3; 3], Precision::F32, &Device::cpu()).is_none());
    }
}
