use super::*;
use crate::shape::{broadcast, elementwise::common};

#[test]
fn what_element_wise_operations_take() {
    let x = || float(&[2, 3]);
    good(&[
        (Op::Neg, &[float(&[4])], &[], &[], float(&[4])),
        (Op::Gelu, &[x()], &[], &[], x()),
        (Op::LeakyRelu, &[x()], &[], &[0.01], x()),
        (Op::LeakyRelu, &[x()], &[], &[0.0], x()),
        (Op::Affine, &[x()], &[], &[2.0, 1.0], x()),
        (Op::Clamp, &[x()], &[], &[1e-8, f64::MAX], x()),
        (Op::Detach, &[bool(&[3])], &[], &[], bool(&[3])),
        (Op::Cast, &[bool(&[3])], &[1], &[], int(&[3])),
        (Op::Add, &[float(&[2, 1, 4]), float(&[3, 1])], &[], &[], float(&[2, 3, 4])),
        (Op::Mul, &[int(&[2, 2]), int(&[1])], &[], &[], int(&[2, 2])),
        (Op::Equal, &[bool(&[2]), bool(&[2])], &[], &[], bool(&[2])),
        (Op::Less, &[x(), float(&[3])], &[], &[], bool(&[2, 3])),
        (Op::CompareScalar, &[x()], &[62], &[0.5], bool(&[2, 3])),
        (Op::CompareScalar, &[int(&[5])], &[65], &[-3.0], bool(&[5])),
        (Op::And, &[bool(&[2, 1]), bool(&[3])], &[], &[], bool(&[2, 3])),
        (Op::Not, &[bool(&[2])], &[], &[], bool(&[2])),
        (Op::Where, &[bool(&[4, 1, 1]), x(), float(&[1])], &[], &[], float(&[4, 2, 3])),
    ]);
    bad(&[
        (Op::Exp, &[int(&[4])], &[], &[], "exp: input (4) is Int, wanted Float"),
        (Op::Neg, &[bool(&[4])], &[], &[], "neg: input (4) is Bool, wanted Float"),
        (Op::Exp, &[], &[], &[], "exp: takes 1 tensor, got 0"),
        (Op::Exp, &[x()], &[1], &[], "exp: takes 0 integers, got 1"),
        (Op::Add, &[x()], &[], &[], "add: takes 2 tensors, got 1"),
        (Op::LeakyRelu, &[x()], &[], &[], "leaky relu: takes 1 float, got 0"),
        (Op::LeakyRelu, &[x()], &[], &[f64::NAN], "leaky relu: float 0 is not a number"),
        (Op::LeakyRelu, &[x()], &[], &[-0.1], "leaky relu: slope is -0.1, wanted a finite number from 0 up; write another one with where_or"),
        (Op::LeakyRelu, &[x()], &[], &[f64::INFINITY], "leaky relu: slope is inf, wanted a finite number from 0 up; write another one with where_or"),
        (Op::Affine, &[int(&[2])], &[], &[1.0, 0.0], "affine: input (2) is Int, wanted Float"),
        (Op::Clamp, &[x()], &[], &[2.0, 1.0], "clamp: low 2 is above high 1"),
        (Op::Maximum, &[int(&[2]), int(&[2])], &[], &[], "maximum: input (2) is Int, wanted Float"),
        (Op::Cast, &[x()], &[3], &[], "cast: type 3 does not exist; wanted 0 (Float), 1 (Int) or 2 (Bool)"),
        (Op::Add, &[x(), float(&[4])], &[], &[], "add: (2, 3) and (4) do not broadcast: lengths 3 and 4 meet"),
        (Op::Add, &[float(&[2, 5, 3]), x()], &[], &[], "add: (2, 5, 3) and (2, 3) do not broadcast: lengths 5 and 2 meet"),
        (Op::Add, &[x(), int(&[3])], &[], &[], "add: (2, 3) is Float and (3) is Int; cast one of them"),
        (Op::Div, &[int(&[3]), int(&[3])], &[], &[], "div: input (3) is Int, wanted Float"),
        (Op::Less, &[bool(&[3]), bool(&[3])], &[], &[], "less: input (3) is Bool, wanted Float or Int"),
        (Op::CompareScalar, &[x()], &[66], &[0.0], "compare scalar: 66 is no comparison; wanted 60 to 65"),
        (Op::CompareScalar, &[int(&[2])], &[62], &[0.5], "compare scalar: 0.5 is not a whole number of 32 bits, but (2) is Int"),
        (Op::CompareScalar, &[int(&[2])], &[62], &[f64::INFINITY], "compare scalar: inf is not a whole number of 32 bits, but (2) is Int"),
        (Op::And, &[x(), x()], &[], &[], "and: input (2, 3) is Float, wanted Bool"),
        (Op::Where, &[x(), x(), x()], &[], &[], "where: condition (2, 3) is Float, wanted Bool"),
        (Op::Where, &[bool(&[5]), x(), x()], &[], &[], "where: (5) and (2, 3) do not broadcast: lengths 5 and 3 meet"),
        (Op::Exp, &[float(&[2, 0])], &[], &[], "exp: (2, 0) has no elements"),
        (Op::Exp, &[float(&[])], &[], &[], "exp: () has 0 axes, wanted 1 to 8"),
        (Op::Add, &[float(&[1 << 31, 1]), float(&[1 << 31])], &[], &[], "add: (2147483648, 2147483648) has more elements than can be counted"),
    ]);
}

/// Every shape of up to 3 axes of lengths 1 to 3.
fn shapes() -> Vec<Vec<usize>> {
    let longer = |list: &[Vec<usize>]| list.iter().flat_map(|s| (1..=3).map(move |n| [&s[..], &[n]].concat())).collect::<Vec<_>>();
    let one = longer(&[vec![]]);
    let two = longer(&one);
    let three = longer(&two);
    [one, two, three].concat()
}

/// The smallest box that both fit in, if every cell of it finds an element in both.
fn by_hand(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let pad = |s: &[usize]| [vec![1; rank - s.len()], s.to_vec()].concat();
    let (a, b) = (pad(a), pad(b));
    let out: Vec<usize> = (0..rank).map(|i| a[i].max(b[i])).collect();
    for cell in 0..out.iter().product() {
        let mut rest = cell;
        for i in (0..rank).rev() {
            let at = rest % out[i];
            rest /= out[i];
            let has = |s: &[usize]| s[i] == 1 || at < s[i];
            if !has(&a) || !has(&b) {
                return None;
            }
        }
    }
    Some(out)
}

#[test]
fn broadcasting_is_numpys() {
    let all = shapes();
    assert_eq!(all.len(), 39);
    for a in &all {
        assert_eq!(&broadcast(a, a), a);
        for b in &all {
            let found = common(a, b);
            let sum = infer(Op::Add, &[float(a), float(b)], &[], &[]).ok();
            assert_eq!(sum.map(|s| s[0].shape.clone()), found);
            assert_eq!(found, by_hand(a, b), "{a:?} {b:?}");
            assert_eq!(found, common(b, a), "{a:?} {b:?}");
            for c in &all[..12] {
                let left = found.as_ref().and_then(|ab| common(ab, c));
                let right = common(b, c).and_then(|bc| common(a, &bc));
                assert_eq!(left, right, "{a:?} {b:?} {c:?}");
            }
        }
    }
}
