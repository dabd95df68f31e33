use crate::common::*;
use plugin_api::prelude::*;

#[test]
fn one_input() {
    type Unary = fn(&Tensor) -> Tensor;
    let anywhere: [(&str, Unary); 19] = [
        ("neg", |x| -x),
        ("abs", Tensor::abs),
        ("exp", Tensor::exp),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("tanh", Tensor::tanh),
        ("erf", Tensor::erf),
        ("sigmoid", Tensor::sigmoid),
        ("relu", Tensor::relu),
        ("gelu", Tensor::gelu),
        ("silu", Tensor::silu),
        ("softplus", Tensor::softplus),
        ("leaky relu", |x| x.leaky_relu(0.2)),
        ("elu", |x| x.elu(0.7)),
        ("clamp", |x| x.clamp(-0.4, 0.6)),
        ("affine", |x| x.affine(-2.5, 0.75)),
        ("powf 2", |x| x.powf(2.0)),
        ("powf 3", |x| x.powf(3.0)),
        ("powf 1", |x| x.powf(1.0)),
    ];
    for (name, f) in anywhere {
        for shape in [&[15][..], &[3, 5], &[2, 1, 3, 2, 2]] {
            check(name, vec![spread(shape, 1)], move |t| f(&t[0]));
        }
    }
    let above: [(&str, Unary); 6] = [
        ("log", Tensor::log),
        ("sqrt", Tensor::sqrt),
        ("recip", Tensor::recip),
        ("powf 0.7", |x| x.powf(0.7)),
        ("powf -1.5", |x| x.powf(-1.5)),
        ("float", |x| x.float() * x),
    ];
    for (name, f) in above {
        check(name, vec![positive(&[2, 7], 2)], move |t| f(&t[0]));
    }
}

#[test]
fn stepped_operations_stop_the_gradient() {
    type Unary = fn(&Tensor) -> Tensor;
    let stepped: [(&str, Unary); 6] = [
        ("floor", Tensor::floor),
        ("round", Tensor::round),
        ("sign", Tensor::sign),
        ("detach", Tensor::detach),
        ("cast", |x| x.cast(DType::Int).float()),
        ("compare", |x| x.gt_scalar(0.0).float()),
    ];
    for (name, f) in stepped {
        let rig = Rig::new(vec![spread(&[2, 4], 3)], vec![], move |t| f(&t[0]) + 2.0 * &t[0]);
        let wanted: Vec<f32> = output_weights(8).iter().map(|w| 2.0 * w).collect();
        assert!(distance(&rig.gradients()[0], &wanted) < 1e-6, "{name}");
    }
}

#[test]
fn two_inputs_of_one_shape_and_broadcast() {
    type Binary = fn(&Tensor, &Tensor) -> Tensor;
    let all: [(&str, Binary); 5] =
        [("add", |a, b| a + b), ("sub", |a, b| a - b), ("mul", |a, b| a * b), ("maximum", Tensor::maximum), ("minimum", Tensor::minimum)];
    let shapes: [(&[usize], &[usize]); 6] = [
        (&[2, 3], &[2, 3]),
        (&[2, 3, 2], &[3, 1]),
        (&[1], &[4, 2]),
        (&[2, 1, 3], &[1, 4, 1]),
        (&[3], &[2, 2, 3]),
        (&[2, 3, 1, 1, 2], &[1, 3, 2, 2, 1]),
    ];
    for (sa, sb) in shapes {
        for (name, f) in all {
            let mut b = spread(sb, 5);
            b.1.iter_mut().for_each(|v| *v += 0.05);
            check(&format!("{name} {sa:?} {sb:?}"), vec![spread(sa, 4), b], move |t| f(&t[0], &t[1]));
        }
        check(&format!("div {sa:?} {sb:?}"), vec![spread(sa, 4), positive(sb, 5)], |t| &t[0] / &t[1]);
        check(&format!("pow {sa:?} {sb:?}"), vec![positive(sa, 4), spread(sb, 5)], |t| t[0].pow(&t[1]));
    }
    check("one tensor used twice", vec![spread(&[5], 6)], |t| &t[0] * &t[0] + t[0].sin() * &t[0]);
}

#[test]
fn equal_operands_give_the_gradient_to_the_first() {
    let same = || values(&[3], &[1.0, 2.0, 3.0]);
    for larger in [true, false] {
        let rig = Rig::new(vec![same(), same()], vec![], move |t| if larger { t[0].maximum(&t[1]) } else { t[0].minimum(&t[1]) });
        assert_eq!(rig.gradients(), [output_weights(3), vec![0.0; 3]]);
    }
}

#[test]
fn numbers_on_either_side() {
    check("numbers", vec![positive(&[6], 7)], |t| 1.5 - (2.0 + &t[0]) / 3.0 + 2.0 / &t[0] + 0.5 * &t[0]);
}

#[test]
fn a_choice() {
    for (sa, sb) in [(&[2, 3][..], &[2, 3][..]), (&[3], &[2, 1]), (&[1], &[4, 2, 3])] {
        check(&format!("where {sa:?} {sb:?}"), vec![spread(sa, 8), spread(sb, 9)], |t| {
            let condition = Tensor::from_f32(&[2, 3], &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0]).cast(DType::Bool);
            t[0].where_or(&condition, &t[1])
        });
    }
}

#[test]
fn outputs_by_hand() {
    let x = || values(&[7], &[-2.5, -1.0, -0.5, 0.0, 0.5, 1.5, 2.5]);
    outputs("floor", vec![x()], |t| t[0].floor(), &[7], &[-3.0, -1.0, -1.0, 0.0, 0.0, 1.0, 2.0]);
    outputs("round to even", vec![x()], |t| t[0].round(), &[7], &[-2.0, -1.0, -0.0, 0.0, 0.0, 2.0, 2.0]);
    outputs("sign", vec![x()], |t| t[0].sign(), &[7], &[-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]);
    outputs("cast to int", vec![x()], |t| t[0].cast(DType::Int).float(), &[7], &[-2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
    outputs("cast to bool", vec![x()], |t| t[0].cast(DType::Bool).float(), &[7], &[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
    // erf and Gelu by tables (Abramowitz and Stegun 7.1)
    outputs("erf", vec![values(&[3], &[0.5, 1.0, -2.0])], |t| t[0].erf(), &[3], &[0.520_499_9, 0.842_700_8, -0.995_322_3]);
    outputs("gelu", vec![values(&[2], &[1.0, -1.0])], |t| t[0].gelu(), &[2], &[0.841_344_7, -0.158_655_3]);
    outputs("powf of negatives", vec![values(&[3], &[-2.0, 0.0, 3.0])], |t| t[0].powf(2.0), &[3], &[4.0, 0.0, 9.0]);
    outputs("recip", vec![values(&[2], &[4.0, -0.5])], |t| t[0].recip(), &[2], &[0.25, -2.0]);
}

#[test]
fn large_arguments_stay_finite() {
    let x = || values(&[6], &[-1e4, -100.0, -20.0, 20.0, 100.0, 1e4]);
    outputs("softplus", vec![x()], |t| t[0].softplus(), &[6], &[0.0, 0.0, 2.061_153_6e-9, 20.0, 100.0, 1e4]);
    outputs("sigmoid", vec![x()], |t| t[0].sigmoid(), &[6], &[0.0, 0.0, 2.061_153_6e-9, 1.0, 1.0, 1.0]);
    for rig in [
        Rig::new(vec![x()], vec![], |t| t[0].softplus()),
        Rig::new(vec![x()], vec![], |t| t[0].sigmoid()),
        Rig::new(vec![x()], vec![], |t| t[0].silu()),
        Rig::new(vec![x()], vec![], |t| t[0].elu(1.0)),
        Rig::new(vec![x()], vec![], |t| t[0].gelu()),
        Rig::new(vec![x()], vec![], |t| t[0].reshape(&[1, 6]).log_softmax(1)),
    ] {
        assert!(rig.gradients()[0].iter().all(|g| g.is_finite()));
    }
}

#[test]
fn small_tails_keep_their_digits() {
    type Unary = fn(&Tensor) -> Tensor;
    let tails: [(&str, Unary); 2] = [("sigmoid", Tensor::sigmoid), ("softplus", Tensor::softplus)];
    for (name, f) in tails {
        let (found, _) = Rig::new(vec![values(&[2], &[-20.0, -80.0])], vec![], move |t| f(&t[0])).forward().unwrap();
        for (found, wanted) in found.iter().zip([2.061_153_6e-9f32, 1.804_851e-35]) {
            assert!((found / wanted - 1.0).abs() < 1e-5, "{name}: {found:e}, wanted {wanted:e}");
        }
        outputs(name, vec![values(&[2], &[-20.0, -80.0])], move |t| f(&t[0]).log(), &[2], &[-20.0, -80.0]);
    }
}

#[test]
fn a_power_at_zero_has_the_gradient_of_pytorch() {
    let rig = Rig::new(vec![values(&[2], &[0.0, 2.0])], vec![], |t| t[0].powf(2.0) + t[0].powf(1.0) + t[0].powf(0.0));
    let w = output_weights(2);
    assert!(distance(&rig.gradients()[0], &[w[0], 5.0 * w[1]]) < 1e-6);
}

#[test]
fn a_power_of_two_tensors_at_zero_has_the_gradients_of_pytorch() {
    let inputs = vec![values(&[4], &[0.0, 0.0, 0.0, 2.0]), values(&[4], &[2.0, 0.0, 1.0, 3.0])];
    let found = Rig::new(inputs, vec![], |t| t[0].pow(&t[1])).gradients();
    let w = output_weights(4);
    let wanted = [[0.0, 0.0, w[2], 12.0 * w[3]], [0.0, 0.0, 0.0, 8.0 * 2f32.ln() * w[3]]];
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(distance(found, &wanted) < 1e-5, "{found:?}, wanted {wanted:?}");
    }
}

#[test]
fn comparisons_and_logic() {
    type Pair = fn(&Tensor, &Tensor) -> Tensor;
    let a = || values(&[3], &[1.0, 2.0, 3.0]);
    let b = || values(&[1], &[2.0]);
    let pairs: [(Pair, [f32; 3]); 6] = [
        (Tensor::equal, [0.0, 1.0, 0.0]),
        (Tensor::not_equal, [1.0, 0.0, 1.0]),
        (Tensor::greater, [0.0, 0.0, 1.0]),
        (Tensor::greater_equal, [0.0, 1.0, 1.0]),
        (Tensor::less, [1.0, 0.0, 0.0]),
        (Tensor::less_equal, [1.0, 1.0, 0.0]),
    ];
    for (f, wanted) in pairs {
        outputs("float", vec![a(), b()], move |t| f(&t[0], &t[1]).float(), &[3], &wanted);
        outputs("int", vec![a(), b()], move |t| f(&t[0].cast(DType::Int), &t[1].cast(DType::Int)).float(), &[3], &wanted);
    }
    type One = fn(&Tensor) -> Tensor;
    let ones: [(One, [f32; 3]); 6] = [
        (|x| x.eq_scalar(2.0), [0.0, 1.0, 0.0]),
        (|x| x.ne_scalar(2.0), [1.0, 0.0, 1.0]),
        (|x| x.gt_scalar(2.0), [0.0, 0.0, 1.0]),
        (|x| x.ge_scalar(2.0), [0.0, 1.0, 1.0]),
        (|x| x.lt_scalar(2.0), [1.0, 0.0, 0.0]),
        (|x| x.le_scalar(2.0), [1.0, 1.0, 0.0]),
    ];
    for (f, wanted) in ones {
        outputs("float with number", vec![a()], move |t| f(&t[0]).float(), &[3], &wanted);
        outputs("int with number", vec![a()], move |t| f(&t[0].cast(DType::Int)).float(), &[3], &wanted);
    }
    let (p, q) = (|t: &[Tensor]| t[0].gt_scalar(1.5), |t: &[Tensor]| t[0].lt_scalar(2.5));
    outputs("and", vec![a()], move |t| p(t).logical_and(&q(t)).float(), &[3], &[0.0, 1.0, 0.0]);
    outputs("or", vec![a()], move |t| p(t).logical_or(&q(t)).float(), &[3], &[1.0, 1.0, 1.0]);
    outputs("not", vec![a()], move |t| p(t).logical_not().float(), &[3], &[1.0, 0.0, 0.0]);
    outputs("bool equal", vec![a()], move |t| p(t).equal(&q(t)).float(), &[3], &[0.0, 1.0, 0.0]);
    outputs("bool not equal", vec![a()], move |t| p(t).not_equal(&q(t)).float(), &[3], &[1.0, 0.0, 1.0]);
}

#[test]
fn whole_numbers() {
    let a = || values(&[4], &[7.0, -7.0, 6.0, 5.0]);
    let b = || values(&[1], &[2.0]);
    type Pair = fn(&Tensor, &Tensor) -> Tensor;
    let pairs: [(Pair, [f32; 4]); 3] =
        [(|a, b| a + b, [9.0, -5.0, 8.0, 7.0]), (|a, b| a - b, [5.0, -9.0, 4.0, 3.0]), (|a, b| a * b, [14.0, -14.0, 12.0, 10.0])];
    for (f, wanted) in pairs {
        outputs("int", vec![a(), b()], move |t| f(&t[0].cast(DType::Int), &t[1].cast(DType::Int)).float(), &[4], &wanted);
    }
}
