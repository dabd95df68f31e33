use crate::common::*;
use plugin_api::prelude::*;

type Windows = (&'static [usize], &'static [usize], &'static [usize], &'static [usize], bool);

/// x, kernel, stride, padding, ceil
const WINDOWS: &[Windows] = &[
    (&[2, 2, 8], &[2], &[2], &[0], false),
    (&[1, 2, 7], &[3], &[2], &[1], true),
    (&[1, 1, 6, 5], &[2, 2], &[2, 2], &[0, 0], true),
    (&[1, 2, 5, 5], &[3, 2], &[2, 1], &[1, 1], false),
    (&[1, 1, 4, 4, 4], &[2, 2, 2], &[2, 2, 2], &[0, 0, 0], false),
    (&[1, 2, 3, 5, 4], &[1, 3, 2], &[1, 2, 3], &[0, 1, 1], true),
];

#[test]
fn windows() {
    for &(x, kernel, stride, padding, ceil) in WINDOWS {
        let name = format!("{x:?} {kernel:?} {stride:?} {padding:?} {ceil}");
        check(&format!("max pool {name}"), vec![spread(x, 1)], move |t| t[0].max_pool(kernel, stride, padding, ceil));
        for count in [false, true] {
            check(&format!("mean pool {name} {count}"), vec![spread(x, 1)], move |t| t[0].avg_pool(kernel, stride, padding, ceil, count));
        }
    }
}

#[test]
fn adaptive() {
    for (x, size) in [(&[1, 2, 7][..], &[3][..]), (&[2, 1, 5, 4], &[2, 3]), (&[1, 1, 3, 4, 5], &[2, 4, 1]), (&[1, 2, 2, 3], &[3, 3])] {
        check(&format!("adaptive mean {x:?} {size:?}"), vec![spread(x, 2)], move |t| t[0].adaptive_avg_pool(size));
        check(&format!("adaptive max {x:?} {size:?}"), vec![spread(x, 2)], move |t| t[0].adaptive_max_pool(size));
    }
}

#[test]
fn resizing() {
    for how in [Resize::Nearest, Resize::NearestExact, Resize::Linear, Resize::LinearAligned] {
        for (x, size) in [(&[1, 2, 5][..], &[8][..]), (&[2, 1, 4, 3], &[3, 7]), (&[1, 1, 2, 3, 4], &[4, 3, 7]), (&[1, 1, 1, 4], &[3, 1])] {
            check(&format!("{how:?} {x:?} {size:?}"), vec![spread(x, 3)], move |t| t[0].resize(size, how));
        }
    }
}

#[test]
fn values_by_hand() {
    let x = || values(&[1, 1, 5], &[1.0, 4.0, 2.0, 3.0, 0.0]);
    outputs("max", vec![x()], |t| t[0].max_pool(&[2], &[2], &[0], false), &[1, 1, 2], &[4.0, 3.0]);
    outputs("max, ceil", vec![x()], |t| t[0].max_pool(&[2], &[2], &[0], true), &[1, 1, 3], &[4.0, 3.0, 0.0]);
    outputs("mean, padding counted", vec![x()], |t| t[0].avg_pool(&[3], &[2], &[1], false, true), &[1, 1, 3], &[5.0 / 3.0, 3.0, 1.0]);
    outputs("mean, padding not counted", vec![x()], |t| t[0].avg_pool(&[3], &[2], &[1], false, false), &[1, 1, 3], &[2.5, 3.0, 1.5]);
    outputs("mean, ceil", vec![x()], |t| t[0].avg_pool(&[2], &[2], &[0], true, true), &[1, 1, 3], &[2.5, 2.5, 0.0]);
    outputs("adaptive mean", vec![x()], |t| t[0].adaptive_avg_pool(&[2]), &[1, 1, 2], &[7.0 / 3.0, 5.0 / 3.0]);
    let two = || values(&[1, 1, 2], &[0.0, 1.0]);
    outputs("linear", vec![two()], |t| t[0].resize(&[4], Resize::Linear), &[1, 1, 4], &[0.0, 0.25, 0.75, 1.0]);
    outputs("linear, aligned", vec![two()], |t| t[0].resize(&[4], Resize::LinearAligned), &[1, 1, 4], &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    outputs("nearest", vec![x()], |t| t[0].resize(&[3], Resize::Nearest), &[1, 1, 3], &[1.0, 4.0, 3.0]);
    outputs("nearest exact", vec![x()], |t| t[0].resize(&[3], Resize::NearestExact), &[1, 1, 3], &[1.0, 2.0, 0.0]);
}
