use super::*;
use crate::shape::flops;

#[test]
fn what_normalisations_and_products_take() {
    let x = || float(&[2, 6, 8, 8]);
    let c = || float(&[6]);
    good(&[
        (Op::InstanceNorm, &[x()], &[], &[1e-5], x()),
        (Op::InstanceNorm, &[x(), c(), c()], &[], &[1e-5], x()),
        (Op::BatchNorm, &[x(), c(), c(), c(), c()], &[], &[1e-5, 0.1], x()),
        (Op::GroupNorm, &[x(), c(), c()], &[3], &[1e-5], x()),
        (Op::LayerNorm, &[x(), float(&[8]), float(&[8])], &[1], &[1e-5], x()),
        (Op::LayerNorm, &[x(), float(&[8, 8]), float(&[8, 8])], &[2], &[1e-5], x()),
        (Op::Dropout, &[x()], &[1], &[0.2], x()),
        (Op::Dropout, &[float(&[5])], &[0], &[0.0], float(&[5])),
        (Op::MatMul, &[float(&[3, 4]), float(&[4, 5])], &[], &[], float(&[3, 5])),
        (Op::MatMul, &[float(&[7, 1, 3, 4]), float(&[2, 4, 5])], &[], &[], float(&[7, 2, 3, 5])),
        (Op::MatMul, &[float(&[2, 9, 4]), float(&[4, 5])], &[], &[], float(&[2, 9, 5])),
    ]);
    bad(&[
        (Op::InstanceNorm, &[x(), c()], &[], &[1e-5], "instance norm: takes 1 or 3 tensors, got 2"),
        (Op::InstanceNorm, &[float(&[2, 6])], &[], &[1e-5], "instance norm: input (2, 6) has 2 axes, wanted (B, C, 1 to 3 spatial axes)"),
        (Op::InstanceNorm, &[x(), c(), float(&[5])], &[], &[1e-5], "instance norm: shift has shape (5), wanted (6)"),
        (Op::InstanceNorm, &[x(), int(&[6]), c()], &[], &[1e-5], "instance norm: scale (6) is Int, wanted Float"),
        (Op::InstanceNorm, &[x()], &[], &[-1.0], "instance norm: eps is -1, wanted a finite number of at least 0"),
        (Op::BatchNorm, &[x(), c(), c()], &[], &[1e-5, 0.1], "batch norm: takes 5 tensors, got 3"),
        (Op::BatchNorm, &[x(), c(), c(), c(), float(&[1])], &[], &[1e-5, 0.1], "batch norm: running variance has shape (1), wanted (6)"),
        (Op::BatchNorm, &[x(), c(), c(), c(), c()], &[], &[1e-5, 1.1], "batch norm: momentum is 1.1, wanted 0 to 1"),
        (Op::GroupNorm, &[x()], &[4], &[1e-5], "group norm: input (2, 6, 8, 8) has 6 channels, which 4 groups do not divide"),
        (Op::GroupNorm, &[x()], &[0], &[1e-5], "group norm: groups is 0, wanted at least 1"),
        (Op::LayerNorm, &[x()], &[5], &[1e-5], "layer norm: (2, 6, 8, 8) has 4 axes, fewer than 5"),
        (Op::LayerNorm, &[x(), c(), c()], &[1], &[1e-5], "layer norm: scale has shape (6), wanted (8)"),
        (Op::Dropout, &[x()], &[1], &[1.0], "dropout: p is 1, wanted 0 <= p < 1"),
        (Op::Dropout, &[x()], &[2], &[0.5], "dropout: whole channels is 2, wanted 0 or 1"),
        (Op::Dropout, &[float(&[5])], &[1], &[0.5], "dropout: input (5) has 1 axis, wanted (B, C, 1 to 3 spatial axes)"),
        (Op::MatMul, &[float(&[3, 4]), float(&[5, 4])], &[], &[], "mat mul: (3, 4) by (5, 4): 4 columns meet 5 rows"),
        (Op::MatMul, &[float(&[4]), float(&[4, 5])], &[], &[], "mat mul: (4) by (4, 5): both need at least 2 axes"),
        (Op::MatMul, &[float(&[2, 3, 4]), float(&[3, 4, 5])], &[], &[], "mat mul: (2, 3, 4) by (3, 4, 5): the leading axes do not broadcast"),
    ]);
}

#[test]
fn flops_count_a_multiply_add_as_two() {
    let count = |op: Op, inputs: &[Info], ints: &[i64]| flops(op, inputs, &infer(op, inputs, ints, &[]).unwrap(), ints);
    // 2 * 5 * 36 outputs of 3 * 9 taps, and a bias each
    let conv = [float(&[2, 3, 8, 8]), float(&[5, 3, 3, 3]), float(&[5])];
    assert_eq!(count(Op::Conv, &conv, &[2, 1, 1, 0, 0, 1, 1, 1]), 2 * 360 * 27 + 360);
    // with 3 groups a filter sees one channel
    let grouped = [float(&[2, 3, 8, 8]), float(&[6, 1, 3, 3])];
    assert_eq!(count(Op::Conv, &grouped, &[2, 1, 1, 0, 0, 1, 1, 3]), 2 * (2 * 6 * 36) * 9);
    // each of 2 * 4 * 64 inputs goes to 3 channels at 8 places
    let up = [float(&[2, 4, 4, 4, 4]), float(&[4, 3, 2, 2, 2])];
    assert_eq!(count(Op::ConvTranspose, &up, &[3, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]), 2 * (2 * 4 * 64) * 24);
    assert_eq!(count(Op::MatMul, &[float(&[7, 3, 4]), float(&[4, 5])], &[]), 2 * 7 * 3 * 5 * 4);
    assert_eq!(count(Op::MaxPool, &[float(&[1, 1, 4, 4])], &[2, 2, 2, 2, 2, 0, 0, 0]), 4 * 4);
    assert_eq!(count(Op::Resize, &[float(&[1, 2, 4, 4])], &[2, 8, 8, 2, 0]), 128 * 2 * 4);
    assert_eq!(count(Op::Resize, &[float(&[1, 2, 4, 4])], &[2, 8, 8, 0, 0]), 0);
    assert_eq!(count(Op::Add, &[float(&[3, 1]), float(&[4])], &[]), 12);
    assert_eq!(count(Op::Sum, &[float(&[3, 4])], &[0]), 12);
    assert_eq!(count(Op::Softmax, &[float(&[3, 4])], &[1]), 48);
    assert_eq!(count(Op::Reshape, &[float(&[3, 4])], &[-1]), 0);
}
