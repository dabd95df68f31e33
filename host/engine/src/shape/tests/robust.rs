//! Whatever is asked, the answer is a sentence or a tensor that can exist.

use super::*;
use crate::shape::{check::check_shape, flops};
use proptest::prelude::*;

fn info() -> impl Strategy<Value = Info> {
    let length = prop_oneof![12 => 1usize..5, 1 => Just(0), 1 => Just(usize::MAX), 1 => Just(1 << 31)];
    let dtype = prop_oneof![3 => Just(DType::Float), 1 => Just(DType::Int), 1 => Just(DType::Bool)];
    (prop::collection::vec(length, 0..7), dtype).prop_map(|(shape, dtype)| Info { shape, dtype })
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![20 => -1i64..6, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![6 => 0.0..1.0, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => -3.0..3.0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_impossible_gets_past(
        op in prop::sample::select(Op::ALL),
        mut inputs in prop::collection::vec(info(), 0..4),
        alike in any::<bool>(),
        ints in prop::collection::vec(integer(), 0..12),
        floats in prop::collection::vec(number(), 0..3),
    ) {
        if alike && let Some(first) = inputs.first().cloned() {
            inputs.iter_mut().for_each(|i| *i = first.clone());
        }
        match infer(op, &inputs, &ints, &floats) {
            Ok(outputs) => {
                prop_assert!(!outputs.is_empty());
                for out in &outputs {
                    prop_assert_eq!(check_shape(&out.shape), Ok(()));
                }
                flops(op, &inputs, &outputs, &ints);
            }
            Err(e) => prop_assert_eq!(e.kind(), ErrorKind::Invalid, "{}", e),
        }
    }

    /// Pads, strides and dilations of any size.
    #[test]
    fn windows_do_not_overflow(ints in prop::collection::vec(prop_oneof![3 => 0i64..4, 1 => Just(i64::MAX), 1 => 1i64 << 40..1 << 62], 9), size in 1usize..9) {
        let x = Info::new(&[1, 1, size], DType::Float);
        for op in [Op::Conv, Op::ConvTranspose, Op::MaxPool, Op::AvgPool, Op::AdaptiveAvgPool, Op::Resize] {
            for inputs in [vec![x.clone()], vec![x.clone(), x.clone()]] {
                for n in 1..9 {
                    let ints = [&[1], &ints[..n]].concat();
                    if let Ok(out) = infer(op, &inputs, &ints, &[]) {
                        prop_assert_eq!(check_shape(&out[0].shape), Ok(()));
                    }
                }
            }
        }
    }
}

/// No operation of the table is left out.
#[test]
fn every_operation_is_known() {
    for &op in Op::ALL {
        if let Err(e) = infer(op, &[], &[], &[]) {
            assert_eq!(e.kind(), ErrorKind::Invalid, "{op:?}");
        }
    }
}
