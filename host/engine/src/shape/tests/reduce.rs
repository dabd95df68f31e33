use super::*;

#[test]
fn what_reductions_take() {
    let x = || float(&[2, 3, 4]);
    good(&[
        (Op::Sum, &[x()], &[0], &[], float(&[1])),
        (Op::Sum, &[x()], &[1], &[], float(&[1])),
        (Op::Mean, &[x()], &[0, 1], &[], float(&[2, 4])),
        (Op::Mean, &[x()], &[1, 2, 0], &[], float(&[1, 3, 1])),
        (Op::Max, &[float(&[5, 2])], &[0, 0, 1], &[], float(&[1])),
        (Op::ArgMax, &[x()], &[1], &[], int(&[2, 1, 4])),
        (Op::CumSum, &[int(&[5])], &[0], &[], int(&[5])),
        (Op::Softmax, &[x()], &[1], &[], x()),
        (Op::LogSoftmax, &[x()], &[2], &[], x()),
    ]);
    assert_eq!(infer(Op::TopK, &[x()], &[2, 2], &[]), Ok(vec![float(&[2, 3, 2]), int(&[2, 3, 2])]));
    bad(&[
        (Op::Sum, &[x()], &[], &[], "sum: takes the integers [keep (0/1), axes...], got none"),
        (Op::Sum, &[x()], &[2], &[], "sum: keep is 2, wanted 0 or 1"),
        (Op::Sum, &[x()], &[0, 3], &[], "sum: axis 3 of (2, 3, 4) does not exist; it has 3 axes"),
        (Op::Sum, &[x()], &[0, -1], &[], "sum: axis -1 of (2, 3, 4) does not exist; it has 3 axes"),
        (Op::Sum, &[x()], &[0, 1, 1], &[], "sum: axis 1 is named twice"),
        (Op::Mean, &[int(&[2])], &[0], &[], "mean: input (2) is Int, wanted Float"),
        (Op::Sum, &[bool(&[2])], &[0], &[], "sum: input (2) is Bool, wanted Float"),
        (Op::TopK, &[x()], &[5, 2], &[], "top k: k is 5, but axis 2 of (2, 3, 4) has 4"),
        (Op::TopK, &[x()], &[0, 2], &[], "top k: k is 0, wanted at least 1"),
        (Op::ArgMax, &[x()], &[3], &[], "arg max: axis 3 of (2, 3, 4) does not exist; it has 3 axes"),
        (Op::Softmax, &[int(&[2])], &[0], &[], "softmax: input (2) is Int, wanted Float"),
        (Op::CumSum, &[float(&[2])], &[1], &[], "cum sum: axis 1 of (2) does not exist; it has 1 axis"),
    ]);
}
