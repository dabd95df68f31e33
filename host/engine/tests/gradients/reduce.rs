use crate::common::*;
use plugin_api::prelude::*;

#[test]
fn sums_and_extremes() {
    type Reduce = fn(&Tensor, &[usize], bool) -> Tensor;
    let all: [(&str, Reduce); 4] = [("sum", Tensor::sum_axes), ("mean", Tensor::mean_axes), ("max", Tensor::max_axes), ("min", Tensor::min_axes)];
    let cases: [(&[usize], &[usize]); 6] =
        [(&[7], &[0]), (&[3, 4], &[0]), (&[3, 4], &[1]), (&[2, 3, 2, 2], &[3, 0, 2]), (&[2, 3, 2], &[1]), (&[2, 3], &[])];
    for (name, f) in all {
        for (shape, axes) in cases {
            for keep in [false, true] {
                check(&format!("{name} {shape:?} {axes:?} {keep}"), vec![spread(shape, 1)], move |t| f(&t[0], axes, keep));
            }
        }
    }
}

#[test]
fn shapes_and_values() {
    let x = || values(&[2, 3], &[1.0, 5.0, 5.0, -2.0, 4.0, 0.0]);
    outputs("sum", vec![x()], |t| t[0].sum(), &[1], &[13.0]);
    outputs("mean", vec![x()], |t| t[0].mean_axes(&[0], false), &[3], &[-0.5, 4.5, 2.5]);
    outputs("max", vec![x()], |t| t[0].max_axes(&[1], true), &[2, 1], &[5.0, 4.0]);
    outputs("min", vec![x()], |t| t[0].min(), &[1], &[-2.0]);
    outputs("argmax", vec![x()], |t| t[0].argmax(1).float(), &[2, 1], &[1.0, 1.0]);
    outputs("cumsum", vec![x()], |t| t[0].cumsum(1), &[2, 3], &[1.0, 6.0, 11.0, -2.0, 2.0, 2.0]);
    outputs("cumsum of ints", vec![x()], |t| t[0].cast(DType::Int).cumsum(0).float(), &[2, 3], &[1.0, 5.0, 5.0, -1.0, 9.0, 5.0]);
    outputs("count", vec![x()], |t| t[0].gt_scalar(0.5).float().sum(), &[1], &[4.0]);
    outputs("top", vec![x()], |t| t[0].topk(2, 1).0, &[2, 2], &[5.0, 5.0, 4.0, 0.0]);
    outputs("top's places", vec![spread(&[4], 2)], |t| t[0].gather(0, &t[0].topk(4, 0).1), &[4], &[0.15, 0.05, -0.05, -0.15]);
}

#[test]
fn equal_largest_ones_share_the_gradient() {
    let rig = Rig::new(vec![values(&[2, 2], &[3.0, 3.0, 1.0, 3.0])], vec![], |t| t[0].max());
    let w = output_weights(1)[0] / 3.0;
    assert!(distance(&rig.gradients()[0], &[w, w, 0.0, w]) < 1e-6);
}

#[test]
fn means_under_a_mask() {
    check("mean_where", vec![spread(&[2, 3, 4], 3)], |t| {
        let mask = Tensor::from_f32(&[2, 1, 4], &[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
        t[0].mean_where(Some(&mask))
    });
    outputs("nothing left", vec![spread(&[4], 3)], |t| t[0].mean_where(Some(&t[0].gt_scalar(9.0))), &[1], &[0.0]);
}

#[test]
fn along_an_axis() {
    for (shape, axis) in [(&[6][..], 0), (&[3, 4], 1), (&[3, 4], 0), (&[2, 5, 2], 1)] {
        check(&format!("cumsum {shape:?} {axis}"), vec![spread(shape, 4)], move |t| t[0].cumsum(axis));
        check(&format!("topk {shape:?} {axis}"), vec![spread(shape, 5)], move |t| t[0].topk(2, axis).0);
        check(&format!("argmax {shape:?} {axis}"), vec![spread(shape, 6)], move |t| t[0].gather(axis, &t[0].argmax(axis)));
        for log in [false, true] {
            let f = move |t: &[Tensor]| if log { t[0].log_softmax(axis) } else { t[0].softmax(axis) };
            check(&format!("softmax {shape:?} {axis} {log}"), vec![spread(shape, 7)], f);
        }
    }
}

#[test]
fn softmax_by_hand() {
    let e: Vec<f64> = [0.5f64, -1.0, 2.0].iter().map(|x| x.exp()).collect();
    let sum: f64 = e.iter().sum();
    let p: Vec<f32> = e.iter().map(|e| (e / sum) as f32).collect();
    let log: Vec<f32> = e.iter().map(|e| (e / sum).ln() as f32).collect();
    let x = || values(&[1, 3], &[0.5, -1.0, 2.0]);
    outputs("softmax", vec![x()], |t| t[0].softmax(1), &[1, 3], &p);
    outputs("log-softmax", vec![x()], |t| t[0].log_softmax(1), &[1, 3], &log);
    outputs("far apart", vec![values(&[1, 2], &[1000.0, 0.0])], |t| t[0].log_softmax(1), &[1, 2], &[0.0, -1000.0]);
}

#[test]
fn sums_of_many_values_keep_their_digits() {
    // 2^21 times 0.1: a running sum in f32 would be off by far more than one part in a million
    let (found, _) = Rig::new(vec![], vec![], |_| Tensor::full(&[1 << 21], 0.1).sum()).forward().unwrap();
    let wanted = f64::from(0.1f32) * f64::from(1 << 21);
    assert!((f64::from(found[0]) - wanted).abs() / wanted < 1e-6, "{found:?}, wanted {wanted}");
}
