use crate::common::*;
use plugin_api::prelude::*;

#[test]
fn moved_values() {
    check("reshape", vec![spread(&[2, 6], 1)], |t| t[0].reshape(&[3, -1]));
    check("permute", vec![spread(&[2, 3, 4], 1)], |t| t[0].permute(&[2, 0, 1]));
    check("permute, then sum", vec![spread(&[2, 3, 4], 1)], |t| t[0].permute(&[2, 0, 1]).sum_axes(&[1], false).exp());
    check("slice", vec![spread(&[2, 5], 1)], |t| t[0].slice(1, 1, 4));
    for (start, end, step) in [(0, 7, 2), (1, 7, 3), (1, 6, 4), (2, 3, 5)] {
        check(&format!("slice {start}..{end} by {step}"), vec![spread(&[2, 7, 2], 1)], move |t| t[0].slice_step(1, start, end, step));
    }
    check("concat", vec![spread(&[2, 1, 2], 1), spread(&[2, 3, 2], 2), spread(&[2, 2, 2], 3)], |t| Tensor::concat(&[&t[0], &t[1], &t[2]], 1));
    check("concat with itself", vec![spread(&[3], 1)], |t| Tensor::concat(&[&t[0], &t[0].exp(), &t[0]], 0));
    check("expand", vec![spread(&[2, 1, 3], 1)], |t| t[0].expand(&[4, 2, 5, 3]));
    check("expand a number", vec![spread(&[1], 1)], |t| t[0].expand(&[2, 3]));
    check("flip", vec![spread(&[2, 3, 2], 1)], |t| t[0].flip(&[0, 2]));
    check("squeeze", vec![spread(&[2, 1, 3], 1)], |t| t[0].squeeze(1).unsqueeze(0));
}

#[test]
fn padding() {
    for padding in [Padding::Constant(1.5), Padding::Reflect, Padding::Replicate] {
        check("pad 1D", vec![spread(&[5], 1)], move |t| t[0].pad(&[(2, 4)], padding));
        check("pad 3D", vec![spread(&[2, 1, 3, 2, 3], 1)], move |t| t[0].pad(&[(0, 0), (0, 0), (2, 1), (0, 1), (1, 2)], padding));
    }
    let x = || values(&[3], &[1.0, 2.0, 3.0]);
    outputs("constant", vec![x()], |t| t[0].pad(&[(1, 2)], Padding::Constant(9.0)), &[6], &[9.0, 1.0, 2.0, 3.0, 9.0, 9.0]);
    outputs("reflect", vec![x()], |t| t[0].pad(&[(2, 1)], Padding::Reflect), &[6], &[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    outputs("replicate", vec![x()], |t| t[0].pad(&[(1, 2)], Padding::Replicate), &[6], &[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
}

#[test]
fn values_by_hand() {
    let x = || values(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    outputs("permute", vec![x()], |t| t[0].permute(&[1, 0]), &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    outputs("flip", vec![x()], |t| t[0].flip(&[1]), &[2, 3], &[3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    outputs("slice with step", vec![x()], |t| t[0].slice_step(1, 0, 3, 2), &[2, 2], &[1.0, 3.0, 4.0, 6.0]);
    outputs(
        "concat",
        vec![x(), values(&[2, 1], &[7.0, 8.0])],
        |t| Tensor::concat(&[&t[0], &t[1]], 1),
        &[2, 4],
        &[1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0, 8.0],
    );
    // whole numbers and truth values move as well
    let moved = |t: &Tensor| {
        Tensor::concat(&[&t.permute(&[1, 0]).flip(&[0]).slice(0, 0, 2).reshape(&[-1]), &t.reshape(&[-1]).slice(0, 0, 1).expand(&[2])], 0)
    };
    outputs("ints", vec![x()], move |t| moved(&t[0].cast(DType::Int)).float(), &[6], &[3.0, 6.0, 2.0, 5.0, 1.0, 1.0]);
    outputs("bools", vec![x()], move |t| moved(&t[0].gt_scalar(2.5)).float(), &[6], &[1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    outputs("arange", vec![], |_| Tensor::arange(2, 9, 3).float(), &[3], &[2.0, 5.0, 8.0]);
}

#[test]
fn matrix_products() {
    let shapes: [(&[usize], &[usize]); 5] =
        [(&[2, 3], &[3, 4]), (&[2, 2, 3], &[2, 3, 2]), (&[3, 2], &[2, 2, 3]), (&[2, 1, 2, 3], &[3, 3, 2]), (&[2, 2, 3], &[3, 1])];
    for (a, b) in shapes {
        check(&format!("matmul {a:?} {b:?}"), vec![spread(a, 1), spread(b, 2)], |t| t[0].matmul(&t[1]));
    }
    check("of transposed views", vec![spread(&[3, 2], 1), spread(&[4, 3], 2)], |t| t[0].permute(&[1, 0]).matmul(&t[1].permute(&[1, 0])));
    let x = || values(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    outputs("matmul", vec![x(), x()], |t| t[0].matmul(&t[1]), &[2, 2], &[7.0, 10.0, 15.0, 22.0]);
}
