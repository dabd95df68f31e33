//! The gradient of a convolution's weights as products of matrices, one for each tap. Their inner length is that of all voxels, and the result is small, so
//! a GPU would have few units at work: the voxels are cut into parts, whose products are added up afterwards.
//!
//! Images and gradients are written onto one padded grid, channels last, where a tap is a distance between rows: that of output voxel q and tap k
//! is row `stride q + k` of the image, and gradients stand at the rows `stride q`, with zeros between them.

use crate::{
    device::{Device, Precision},
    value::{Conv3, Value},
};

/// Rows of the grid from which on this way is the faster one: below, a convolution's own kernel has tiles enough.
const LEAST: usize = 1 << 16;
/// Parts in all, times tiles of 64 x 64 of the result, that are enough for any GPU.
const ENOUGH: usize = 512;
/// Rows of a part at least.
const DEPTH: usize = 512;
/// Channels are padded to multiples of this, so that rows begin where memory is read at once.
const ALIGN: usize = 8;

/// For x (B, I, D, H, W) and the gradient g (B, O, D', H', W') of the result, both as factors: the gradient (O, I, kernel), f32. None where it is not the way to go:
/// small images, several groups, dilations.
pub(super) fn weight_grad(x: &Value, g: &Value, kernel: [usize; 3], s: &Conv3, precision: Precision, device: &Device) -> Option<Value> {
    let side: [usize; 3] = std::array::from_fn(|a| x.shape()[a + 2] + 2 * s.padding[a]);
    let rows = x.shape()[0] * side.iter().product::<usize>();
    if s.groups != 1 || s.dilation != [1; 3] || rows < LEAST {
        return None;
    }
    Some(by_rows(x, g, kernel, s, precision, device))
}

fn by_rows(x: &Value, g: &Value, kernel: [usize; 3], s: &Conv3, precision: Precision, device: &Device) -> Value {
    let (batch, inputs, outputs) = (x.shape()[0], x.shape()[1], g.shape()[1]);
    let (wide_in, wide_out) = (inputs.next_multiple_of(ALIGN), outputs.next_multiple_of(ALIGN));
    // one more slice at the end, which the last part may reach into
    let side: [usize; 3] = std::array::from_fn(|a| x.shape()[a + 2] + 2 * s.padding[a] + usize::from(a == 0));
    let grid = |v: &Value, channels: usize, start: [usize; 3], step: [usize; 3]| {
        let zeros = Value::zeros(&[batch, side[0], side[1], side[2], channels], precision, device);
        let [d, h, w] = start;
        zeros.assign(&[0, d, h, w, 0], &[1, step[0], step[1], step[2], 1], &v.permute(&[0, 2, 3, 4, 1]))
    };
    let (image, gradient) = (grid(x, wide_in, s.padding, [1; 3]), grid(g, wide_out, [0; 3], s.stride));

    let plane = side[1] * side[2];
    let furthest = (kernel[0] - 1) * plane + (kernel[1] - 1) * side[2] + kernel[2] - 1;
    let rows = batch * side[0] * plane - plane - furthest;
    let tiles = wide_out.div_ceil(64) * wide_in.div_ceil(64);
    let parts = (ENOUGH / tiles).clamp(1, rows.div_ceil(DEPTH)).min(plane);
    let length = rows.div_ceil(parts);
    let taps = (0..kernel[0]).flat_map(|d| (0..kernel[1]).flat_map(move |h| (0..kernel[2]).map(move |w| d * plane + h * side[2] + w)));
    let products = Value::rows_products(&gradient, &image, [parts, length], taps.collect(), device);
    let [d, h, w] = kernel;
    let whole = products.sum_axes_on_device(&[1]).reshape(&[d, h, w, wide_out, wide_in]);
    whole.slice(3, 0, outputs, 1).slice(4, 0, inputs, 1).permute(&[3, 4, 0, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    #[test]
    fn products_of_rows_are_burns_gradient() {
        let device = Device::cpu();
        for (kernel, stride, padding, big) in [
            ([3, 3, 3], [1, 1, 1], [1, 1, 1], [12, 20, 19]),
            ([3, 3, 3], [2, 2, 2], [1, 1, 1], [16, 17, 18]),
            ([1, 3, 3], [1, 2, 2], [0, 1, 1], [5, 30, 31]),
            ([2, 2, 2], [2, 2, 2], [0, 0, 0], [14, 16, 18]),
            ([1, 1, 1], [1, 1, 1], [0, 0, 0], [12, 14, 15]),
            ([5, 4, 2], [1, 3, 1], [2, 1, 0], [13, 17, 19]),
            ([1, 3, 3], [1, 1, 1], [0, 1, 1], [1, 60, 50]),
        ] {
            let small: [usize; 3] = std::array::from_fn(|a| (big[a] + 2 * padding[a] - kernel[a]) / stride[a] + 1);
            let x = values(&[2, 3, big[0], big[1], big[2]], 1);
            let g = values(&[2, 10, small[0], small[1], small[2]], 2);
            let w = values(&[10, 3, kernel[0], kernel[1], kernel[2]], 3);
            let s = Conv3 { stride, padding, dilation: [1; 3], output_padding: [0; 3], groups: 1 };
            let ours = by_rows(&x, &g, kernel, &s, Precision::F32, &device);
            let theirs = x.conv3_weight_grad(&w, &g, &s, &device);
            assert_eq!(ours.shape(), theirs.shape());
            let off = crate::selftest::apart(&theirs.to_vec().unwrap(), &ours.to_vec().unwrap());
            assert!(off < 1e-5, "{kernel:?} {stride:?} {padding:?}: off by {off}");
        }
    }
}
