use super::*;

#[test]
fn what_convolutions_take() {
    let x = || float(&[2, 4, 16, 16, 16]);
    let w = || float(&[8, 4, 3, 3, 3]);
    let same = [3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    good(&[
        (Op::Conv, &[x(), w()], &same, &[], float(&[2, 8, 16, 16, 16])),
        (Op::Conv, &[x(), w(), float(&[8])], &[3, 1, 2, 4, 1, 1, 1, 1, 1, 1, 1], &[], float(&[2, 8, 16, 8, 4])),
        (Op::Conv, &[x(), float(&[8, 2, 3, 3, 3])], &[3, 1, 1, 1, 0, 0, 0, 2, 2, 2, 2], &[], float(&[2, 8, 12, 12, 12])),
        (Op::Conv, &[float(&[1, 1, 9]), float(&[1, 1, 9])], &[1, 5, 0, 1, 1], &[], float(&[1, 1, 1])),
        (Op::ConvTranspose, &[float(&[2, 8, 4, 4]), float(&[8, 3, 2, 2])], &[2, 2, 2, 0, 0, 0, 0, 1, 1, 1], &[], float(&[2, 3, 8, 8])),
        (Op::ConvTranspose, &[float(&[2, 8, 4]), float(&[8, 3, 3])], &[1, 2, 1, 1, 1, 4], &[], float(&[2, 12, 8])),
    ]);
    bad(&[
        (
            Op::Conv,
            &[float(&[2, 3, 40, 56, 40]), float(&[32, 4, 3, 3, 3])],
            &same,
            &[],
            "conv: input (2, 3, 40, 56, 40) has 3 channels, weight (32, 4, 3, 3, 3) with 1 group wants 4",
        ),
        (
            Op::Conv,
            &[x(), float(&[6, 1, 3, 3, 3])],
            &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4],
            &[],
            "conv: weight (6, 1, 3, 3, 3) has 6 outputs, which 4 groups do not divide",
        ),
        (Op::Conv, &[x(), w(), float(&[4])], &same, &[], "conv: bias has shape (4), wanted (8)"),
        (Op::Conv, &[x(), float(&[8, 4, 3, 3])], &same, &[], "conv: weight (8, 4, 3, 3) has 4 axes, wanted 5"),
        (Op::Conv, &[float(&[2, 4, 16, 16]), w()], &same, &[], "conv: input (2, 4, 16, 16) has 2 spatial axes, the integers are for 3"),
        (Op::Conv, &[x(), w()], &[3, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[], "conv: stride is 0, wanted at least 1"),
        (Op::Conv, &[x(), w()], &[3, 1, 1, 1, -1, 1, 1, 1, 1, 1, 1], &[], "conv: padding is -1, wanted at least 0"),
        (Op::Conv, &[x(), w()], &[3, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1], &[], "conv: dilation is 0, wanted at least 1"),
        (Op::Conv, &[x(), w()], &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0], &[], "conv: groups is 0, wanted at least 1"),
        (Op::Conv, &[x(), w()], &[3, 1, 1], &[], "conv: takes 11 integers, got 3"),
        (Op::Conv, &[x(), w()], &[4, 1, 1], &[], "conv: 4 spatial axes, wanted 1 to 3"),
        (Op::Conv, &[x(), w()], &[], &[], "conv: takes the number of spatial axes first, got no integers"),
        (Op::Conv, &[x()], &same, &[], "conv: takes 2 or 3 tensors, got 1"),
        (
            Op::Conv,
            &[float(&[1, 1, 2, 9]), float(&[1, 1, 3, 3])],
            &[2, 1, 1, 0, 0, 1, 1, 1],
            &[],
            "conv: input (1, 1, 2, 9) is too small at axis 2 for weight (1, 1, 3, 3)",
        ),
        (
            Op::ConvTranspose,
            &[float(&[2, 4, 4]), float(&[8, 3, 3])],
            &[1, 2, 1, 1, 1, 1],
            &[],
            "conv transpose: input (2, 4, 4) has 4 channels, weight (8, 3, 3) with 1 group wants 8",
        ),
        (
            Op::ConvTranspose,
            &[float(&[2, 8, 4]), float(&[8, 3, 3])],
            &[1, 2, 1, 2, 1, 1],
            &[],
            "conv transpose: output padding 2 at axis 2 must be below stride 2 or dilation 1",
        ),
        (
            Op::ConvTranspose,
            &[float(&[2, 8, 1]), float(&[8, 3, 2])],
            &[1, 2, 1, 0, 1, 1],
            &[],
            "conv transpose: input (2, 8, 1) is too small at axis 2 for weight (8, 3, 2)",
        ),
    ]);
}

#[test]
fn what_pooling_and_resizing_take() {
    let x = || float(&[2, 4, 7, 7]);
    good(&[
        (Op::MaxPool, &[x()], &[2, 2, 2, 2, 2, 0, 0, 0], &[], float(&[2, 4, 3, 3])),
        (Op::MaxPool, &[x()], &[2, 2, 2, 2, 2, 0, 0, 1], &[], float(&[2, 4, 4, 4])),
        (Op::AvgPool, &[x()], &[2, 3, 3, 2, 2, 1, 1, 0, 1], &[], float(&[2, 4, 4, 4])),
        (Op::AdaptiveAvgPool, &[x()], &[2, 1, 9], &[], float(&[2, 4, 1, 9])),
        (Op::AdaptiveMaxPool, &[x()], &[2, 3, 3], &[], float(&[2, 4, 3, 3])),
        (Op::Resize, &[x()], &[2, 14, 3, 2, 1], &[], float(&[2, 4, 14, 3])),
        (Op::Resize, &[x()], &[2, 14, 3, 0, 0], &[], float(&[2, 4, 14, 3])),
    ]);
    bad(&[
        (Op::MaxPool, &[x()], &[2, 8, 8, 1, 1, 0, 0, 0], &[], "max pool: input (2, 4, 7, 7) is too small at axis 2 for kernel [8, 8]"),
        (Op::MaxPool, &[x()], &[2, 2, 2, 2, 2, 2, 0, 0], &[], "max pool: padding 2 at axis 2 is more than half the kernel 2"),
        (Op::MaxPool, &[x()], &[2, 2, 0, 2, 2, 0, 0, 0], &[], "max pool: kernel is 0, wanted at least 1"),
        (Op::MaxPool, &[x()], &[2, 2, 2, 2, 2, 0, 0, 2], &[], "max pool: ceil is 2, wanted 0 or 1"),
        (Op::AvgPool, &[x()], &[2, 2, 2, 2, 2, 0, 0, 0], &[], "avg pool: takes 9 integers, got 8"),
        (Op::MaxPool, &[int(&[2, 4, 7])], &[1, 2, 2, 0, 0], &[], "max pool: input (2, 4, 7) is Int, wanted Float"),
        (Op::AdaptiveAvgPool, &[x()], &[2, 0, 1], &[], "adaptive avg pool: size is 0, wanted at least 1"),
        (Op::Resize, &[x()], &[2, 4, 4, 3, 0], &[], "resize: mode 3 does not exist; wanted 0 (nearest), 1 (nearest exact) or 2 (linear)"),
        (Op::Resize, &[x()], &[2, 4, 4, 0, 1], &[], "resize: corners are aligned in linear mode only"),
        (Op::Resize, &[x()], &[3, 4, 4, 4, 0, 0], &[], "resize: input (2, 4, 7, 7) has 2 spatial axes, the integers are for 3"),
    ]);
}

/// Lengths counted window by window.
#[test]
fn lengths_are_those_of_counted_windows() {
    let length = |op: Op, inputs: &[Info], ints: &[i64]| infer(op, inputs, ints, &[]).map_or(0, |out| out[0].shape[2]);
    for (size, kernel, stride) in (1..=9).flat_map(|n| (1..=4).flat_map(move |k| (1..=4).map(move |s| (n, k, s)))) {
        let x = float(&[1, 1, size]);
        let (s, k) = (stride as i64, kernel as i64);
        for (padding, dilation) in (0..=2).flat_map(|p| (1..=3).map(move |d| (p, d))) {
            let (p, d) = (padding as i64, dilation as i64);
            let reach = dilation * (kernel - 1) + 1;
            let fitting = (0..20).filter(|i| i * stride + reach <= size + 2 * padding).count();
            let w = float(&[1, 1, kernel]);
            assert_eq!(length(Op::Conv, &[x.clone(), w.clone()], &[1, s, p, d, 1]), fitting, "conv {size} {kernel} {stride} {padding} {dilation}");
            for more in 0..stride.max(dilation) {
                let reached = (0..size).flat_map(|i| (0..kernel).map(move |t| i * stride + t * dilation)).max().unwrap();
                let wanted = (reached + 1 + more).saturating_sub(2 * padding);
                let ints = [1, s, p, more as i64, d, 1];
                assert_eq!(length(Op::ConvTranspose, &[x.clone(), w.clone()], &ints), wanted, "{size} {kernel} {stride} {padding} {dilation} {more}");
            }
        }
        for padding in 0..=kernel / 2 {
            let padded = size + 2 * padding;
            let fitting = (0..20).filter(|i| i * stride + kernel <= padded).count();
            let p = padding as i64;
            assert_eq!(length(Op::MaxPool, std::slice::from_ref(&x), &[1, k, s, p, 0]), fitting, "pool {size} {kernel} {stride} {padding}");
            // rounded up: one more as long as the end is not reached and it would start before the high padding
            let mut windows = usize::from(kernel <= padded);
            while windows > 0 && (windows - 1) * stride + kernel < padded && windows * stride < size + padding {
                windows += 1;
            }
            assert_eq!(length(Op::MaxPool, std::slice::from_ref(&x), &[1, k, s, p, 1]), windows, "ceil {size} {kernel} {stride} {padding}");
        }
    }
}
