//! The gradient of a convolution's weights as products of matrices, one for each line of taps. Their inner length is that of all voxels, and the result is small, so
//! a GPU would have few units at work: the voxels are cut into parts, whose products are added up afterwards.
//!
//! Images and gradients are written onto one padded grid, channels last, where a tap is a distance between rows: that of output voxel q and tap k
//! is row `q + k` of the image. The taps of a line are neighbouring rows. With a stride, the taps that are a multiple of it apart meet the same voxels of the image, which
//! are an image of their own: so are those of each remainder.

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
/// Channels and rows of a part are multiples of this: a tile of tensor cores.
const TILE: usize = 16;

/// For x (B, I, D, H, W) and the gradient g (B, O, D', H', W') of the result, both as factors: the gradient (O, I, kernel), f32. None where it is not the way to go:
/// small images, several groups, dilations.
pub(super) fn weight_grad(x: &Value, g: &Value, kernel: [usize; 3], s: &Conv3, precision: Precision, device: &Device) -> Option<Value> {
    let rows = x.shape()[0] * (0..3).map(|a| x.shape()[a + 2] + 2 * s.padding[a]).product::<usize>();
    let [_, height, width] = sides(g, kernel, s);
    // the last part may go beyond the rows by a tile for each tap, which have to lie in the slice at the end
    if s.groups != 1 || s.dilation != [1; 3] || rows < LEAST || height * width < TILE * kernel[2] {
        return None;
    }
    Some(by_rows(x, g, kernel, s, precision, device))
}

/// The sides of the grid; with one more slice at the end, which the last part may reach into.
fn sides(g: &Value, kernel: [usize; 3], s: &Conv3) -> [usize; 3] {
    std::array::from_fn(|a| g.shape()[a + 2] + kernel[a].div_ceil(s.stride[a]) - 1 + usize::from(a == 0))
}

fn by_rows(x: &Value, g: &Value, kernel: [usize; 3], s: &Conv3, precision: Precision, device: &Device) -> Value {
    let (batch, inputs, outputs) = (x.shape()[0], x.shape()[1], g.shape()[1]);
    let (wide_in, wide_out) = (inputs.next_multiple_of(TILE), outputs.next_multiple_of(TILE));
    let side = sides(g, kernel, s);
    let grid = |v: &Value, channels: usize, [d, h, w]: [usize; 3]| {
        let zeros = Value::zeros(&[batch, side[0], side[1], side[2], channels], precision, device);
        zeros.assign(&[0, d, h, w, 0], &[1; 5], &v.permute(&[0, 2, 3, 4, 1]))
    };
    let gradient = grid(g, wide_out, [0; 3]);
    let of_phase = |phase: [usize; 3]| {
        let (mut picks, mut begin, mut taps) = (vec![(0, batch, 1), (0, inputs, 1)], [0; 3], kernel);
        for a in 0..3 {
            let step = s.stride[a];
            // the voxel of the grid at which the image begins, and the image's voxel there
            begin[a] = s.padding[a].saturating_sub(phase[a]).div_ceil(step);
            taps[a] = (kernel[a] - phase[a]).div_ceil(step);
            let first = phase[a] + step * begin[a] - s.padding[a];
            let room = (side[a] - usize::from(a == 0)).saturating_sub(begin[a]);
            picks.push((first, x.shape()[a + 2].saturating_sub(first).div_ceil(step).min(room), step));
        }
        if picks.iter().any(|pick| pick.1 == 0) {
            return Value::full(&[taps[0], taps[1], wide_out, taps[2], wide_in], 0.0, device);
        }
        of_taps(&gradient, &grid(&x.picked(picks, device), wide_in, begin), side, taps, device)
    };
    let [d, h, w] = kernel;
    let starts: [usize; 3] = std::array::from_fn(|a| s.stride[a].min(kernel[a]));
    let mut whole = Value::full(&[d, h, wide_out, w, wide_in], 0.0, device);
    for phase in (0..starts[0]).flat_map(move |d| (0..starts[1]).flat_map(move |h| (0..starts[2]).map(move |w| [d, h, w]))) {
        whole = whole.assign(&[phase[0], phase[1], 0, phase[2], 0], &[s.stride[0], s.stride[1], 1, s.stride[2], 1], &of_phase(phase));
    }
    whole.slice(2, 0, outputs, 1).slice(4, 0, inputs, 1).permute(&[2, 4, 0, 1, 3])
}

/// Parts of so many rows that are worth it, for a result of that size.
fn most_parts(rows: usize, height: usize, width: usize) -> usize {
    (ENOUGH / (height.div_ceil(64) * width.div_ceil(64))).clamp(1, rows.div_ceil(DEPTH))
}

/// From gradient and image on one grid the sums of products for each tap: (D, H, O, W, I), the kernel's axes between the channels'.
fn of_taps(gradient: &Value, image: &Value, side: [usize; 3], [d, h, w]: [usize; 3], device: &Device) -> Value {
    let channels = |v: &Value| v.shape()[v.rank() - 1];
    let (outputs, inputs, plane) = (channels(gradient), channels(image), side[1] * side[2]);
    let furthest = (d - 1) * plane + (h - 1) * side[2] + w - 1;
    let rows = gradient.shape()[0] * side[0] * plane - plane - furthest;
    let parts = most_parts(rows, outputs, w * inputs).min(plane / (TILE * w)).max(1);
    let length = rows.div_ceil(parts).next_multiple_of(TILE * w);
    let lines = (0..d).flat_map(|d| (0..h).map(move |h| d * plane + h * side[2])).collect();
    let products = Value::rows_products(gradient, image, [parts, length, w], lines, device);
    products.sum_axes_on_device(&[1]).reshape(&[d, h, outputs, w, inputs])
}

/// The weights' gradient (I, O, kernel) of a transposed convolution whose stride is its kernel, from its input (B, I, small) and, as rows, blocks of its result's gradient.
/// None where parts of whole tiles do not make up the rows.
pub(super) fn of_blocks(x: &Value, blocks: &Value, kernel: [usize; 3], device: &Device) -> Option<Value> {
    let (inputs, columns, rows) = (x.shape()[1], blocks.shape()[1], blocks.shape()[0]);
    if !rows.is_multiple_of(TILE) {
        return None;
    }
    let parts = (1..=most_parts(rows, inputs, columns)).rev().find(|parts| (rows / TILE).is_multiple_of(*parts))?;
    let x = x.permute(&[0, 2, 3, 4, 1]).reshape(&[rows, inputs]);
    let products = Value::rows_products(&x, blocks, [parts, rows / parts, 1], vec![0], device);
    let [d, h, w] = kernel;
    Some(products.sum_axes_on_device(&[1]).reshape(&[inputs, d, h, w, columns / (d * h * w)]).permute(&[0, 4, 1, 2, 3]))
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
