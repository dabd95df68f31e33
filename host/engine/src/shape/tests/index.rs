use super::*;

#[test]
fn what_indices_take() {
    let x = || float(&[2, 3, 4]);
    good(&[
        (Op::Gather, &[x(), int(&[2, 1, 4])], &[1], &[], float(&[2, 1, 4])),
        (Op::Gather, &[x(), int(&[2, 3, 9])], &[2], &[], float(&[2, 3, 9])),
        (Op::ScatterAdd, &[x(), int(&[2, 9, 4]), float(&[2, 9, 4])], &[1], &[], x()),
        (Op::Gather, &[bool(&[5]), int(&[2])], &[0], &[], bool(&[2])),
        (Op::IndexSelect, &[bool(&[2, 3]), int(&[5])], &[1], &[], bool(&[2, 5])),
        (Op::SegmentSum, &[x(), int(&[2, 1, 4])], &[7], &[], float(&[2, 3, 7])),
        (Op::SegmentSum, &[float(&[2, 3, 4, 5, 6]), int(&[2, 3, 4, 5, 6])], &[1], &[], float(&[2, 3, 1])),
        (Op::OneHot, &[int(&[2, 1, 4, 4])], &[5], &[], float(&[2, 5, 4, 4])),
        (Op::ClassSums, &[x(), int(&[2, 1, 4])], &[], &[], float(&[2, 3, 4])),
        (Op::ClassSums, &[float(&[2, 3, 5, 6, 7]), int(&[2, 1, 5, 6, 7]), float(&[2, 1, 5, 6, 7])], &[], &[], float(&[2, 3, 4])),
    ]);
    bad(&[
        (Op::Gather, &[x(), int(&[2, 1, 5])], &[1], &[], "gather: along axis 1: input (2, 3, 4) and index (2, 1, 5) differ in axis 2"),
        (Op::Gather, &[x(), int(&[2, 1])], &[1], &[], "gather: input (2, 3, 4) and index (2, 1) differ in their number of axes"),
        (Op::Gather, &[x(), float(&[2, 1, 4])], &[1], &[], "gather: index (2, 1, 4) is Float, wanted Int"),
        (Op::Gather, &[x(), int(&[2, 1, 4])], &[3], &[], "gather: axis 3 of (2, 3, 4) does not exist; it has 3 axes"),
        (Op::ScatterAdd, &[x(), int(&[2, 9, 4]), float(&[2, 8, 4])], &[1], &[], "scatter add: source has shape (2, 8, 4), wanted (2, 9, 4)"),
        (
            Op::ScatterAdd,
            &[x(), int(&[2, 9, 4]), int(&[2, 9, 4])],
            &[1],
            &[],
            "scatter add: (2, 3, 4) is Float and (2, 9, 4) is Int; cast one of them",
        ),
        (Op::ScatterAdd, &[int(&[4]), int(&[4]), int(&[4])], &[0], &[], "scatter add: input (4) is Int, wanted Float"),
        (Op::IndexSelect, &[x(), int(&[2, 2])], &[1], &[], "index select: index (2, 2) has 2 axes, wanted 1"),
        (Op::SegmentSum, &[x(), int(&[2, 2, 4])], &[7], &[], "segment sum: ids have shape (2, 2, 4), wanted (2, 1 or 3, 4)"),
        (Op::SegmentSum, &[x(), int(&[2, 1, 4])], &[0], &[], "segment sum: k is 0, wanted at least 1"),
        (Op::SegmentSum, &[float(&[2, 3]), int(&[2, 1])], &[2], &[], "segment sum: input (2, 3) has 2 axes, wanted (B, C, 1 to 3 spatial axes)"),
        (Op::OneHot, &[int(&[2, 2, 4])], &[5], &[], "one hot: labels (2, 2, 4) have 2 channels, wanted 1"),
        (Op::OneHot, &[float(&[2, 1, 4])], &[5], &[], "one hot: labels (2, 1, 4) is Float, wanted Int"),
        (Op::OneHot, &[int(&[2, 1, 4])], &[0], &[], "one hot: the number of classes is 0, wanted at least 1"),
        (Op::ClassSums, &[x(), int(&[2, 3, 4])], &[], &[], "class sums: labels has shape (2, 3, 4), wanted (2, 1, 4)"),
        (Op::ClassSums, &[x(), float(&[2, 1, 4])], &[], &[], "class sums: labels (2, 1, 4) is Float, wanted Int"),
        (Op::ClassSums, &[x(), int(&[2, 1, 4]), float(&[2, 1, 5])], &[], &[], "class sums: weights has shape (2, 1, 5), wanted (2, 1, 4)"),
        (Op::ClassSums, &[x()], &[], &[], "class sums: takes 2 or 3 tensors, got 1"),
        (Op::ClassSums, &[x(), int(&[2, 1, 4])], &[3], &[], "class sums: takes 0 integers, got 1"),
    ]);
}
