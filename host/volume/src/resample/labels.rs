//! Labels to another grid: the interpolated 0/1 map with the largest value wins.

use super::{Order, Tie, axis};
use ndarray::{Array3, ArrayRef3, Axis, Zip};
use std::collections::BTreeSet;

/// Two old samples and their weights.
type Pair = [(usize, f64); 2];

/// Resamples all axes of `seg` (z, y, x) with one order.
pub(super) fn resize(seg: &ArrayRef3<i16>, new_shape: [usize; 3], order: Order, tie: Tie) -> Array3<i16> {
    if seg.shape() == new_shape {
        seg.to_owned()
    } else if order == Order::Cubic {
        by_label(seg, new_shape, order)
    } else {
        by_vote(seg, new_shape, order, tie)
    }
}

/// Each new voxel asks the eight old ones about it; their labels share out the weights. The sum of a label's weights is what
/// interpolating its 0/1 map gives, so the time does not depend on the number of labels.
fn by_vote(seg: &ArrayRef3<i16>, new_shape: [usize; 3], order: Order, tie: Tie) -> Array3<i16> {
    let seg = seg.as_standard_layout();
    let pairs = |axis: usize| pairs(seg.shape()[axis], new_shape[axis], order);
    let (zs, ys, xs) = (pairs(0), pairs(1), pairs(2));
    let mut resampled = Array3::zeros(new_shape);
    Zip::from(resampled.axis_iter_mut(Axis(0))).and(&zs).par_for_each(|mut plane, z| {
        for (mut row, y) in plane.outer_iter_mut().zip(&ys) {
            let rows = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| (seg.slice(ndarray::s![z[i].0, y[j].0, ..]), z[i].1 * y[j].1));
            for (voxel, x) in row.iter_mut().zip(&xs) {
                let votes: [(i16, f64); 8] = std::array::from_fn(|n| {
                    let ((line, weight), (at, x_weight)) = (&rows[n / 2], x[n % 2]);
                    (line[at], weight * x_weight)
                });
                let nearest = 4 * nearer(z) + 2 * nearer(y) + nearer(x);
                *voxel = winner(&votes, votes[nearest].0, tie);
            }
        }
    });
    resampled
}

/// The label with the most weight; `tie` says which of several.
fn winner(votes: &[(i16, f64); 8], nearest: i16, tie: Tie) -> i16 {
    if votes.iter().all(|&(label, _)| label == nearest) {
        return nearest;
    }
    let weight = |label: i16| votes.iter().filter(|vote| vote.0 == label).map(|vote| vote.1).sum::<f64>();
    let mut best = (nearest, weight(nearest));
    for &(label, _) in votes {
        let weight = weight(label);
        if weight > best.1 || (weight == best.1 && label < best.0 && (tie == Tie::Smallest || best.0 != nearest)) {
            best = (label, weight);
        }
    }
    best.0
}

/// Taps as pairs of samples inside the axis; the second weighs nothing for [`Order::Nearest`].
fn pairs(old: usize, new: usize, order: Order) -> Vec<Pair> {
    axis::taps(old, new, order)
        .into_iter()
        .map(|taps| {
            let first = taps.first.unsigned_abs();
            [(first, taps.weights[0]), ((first + 1).min(old - 1), taps.weights[1])]
        })
        .collect()
}

/// Which sample of a pair is nearer, the second at half way.
fn nearer(pair: &Pair) -> usize {
    usize::from(pair[1].1 >= pair[0].1)
}

/// Interpolates the map of one label after the other.
fn by_label(seg: &ArrayRef3<i16>, new_shape: [usize; 3], order: Order) -> Array3<i16> {
    let labels: BTreeSet<i16> = seg.iter().copied().collect();
    let mut resampled = Array3::zeros(new_shape);
    let mut best = Array3::from_elem(new_shape, f32::NEG_INFINITY);
    for label in labels {
        let mut map = seg.mapv(|other| f32::from(u8::from(other == label)));
        for (axis, &length) in new_shape.iter().enumerate().filter(|&(axis, &length)| seg.shape()[axis] != length) {
            map = axis::resize(map.view(), axis, &axis::taps(seg.shape()[axis], length, order), 0, order);
        }
        Zip::from(&mut resampled).and(&mut best).and(&map).par_for_each(|winner, best, &value| {
            let value = value.clamp(0.0, 1.0);
            if value > *best {
                (*winner, *best) = (label, value);
            }
        });
    }
    resampled
}
