use crate::common::*;
use plugin_api::{Op, prelude::*};

#[test]
fn gather_and_scatter() {
    check("gather axis 0", vec![spread(&[5], 1)], |t| t[0].gather(0, &Tensor::from_i32(&[4], &[1, 4, 1, 0])));
    let index = || Tensor::from_i32(&[2, 2, 3], &[2, 0, 1, 1, 1, 2, 0, 0, 0, 3, 2, 3]);
    check("gather axis 1", vec![spread(&[2, 4, 3], 1)], move |t| t[0].gather(1, &index()));
    check("scatter-add axis 1", vec![spread(&[2, 4, 3], 1), spread(&[2, 2, 3], 2)], move |t| t[0].scatter_add(1, &index(), &t[1]));
    check("scatter-add axis 0", vec![spread(&[3], 1), spread(&[5], 2)], |t| {
        t[0].scatter_add(0, &Tensor::from_i32(&[5], &[2, 2, 0, 2, 1]), &t[1]).exp()
    });
    for axis in 0..3 {
        check("index-select", vec![spread(&[3, 3, 3], 1)], move |t| t[0].index_select(axis, &Tensor::from_i32(&[4], &[2, 0, 2, 2])));
    }
    let x = || values(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    outputs("gather", vec![x()], |t| t[0].gather(1, &Tensor::from_i32(&[2, 2], &[2, 0, 1, 1])), &[2, 2], &[3.0, 1.0, 5.0, 5.0]);
    outputs(
        "scatter-add",
        vec![x()],
        |t| t[0].scatter_add(1, &Tensor::from_i32(&[2, 2], &[0, 0, 2, 1]), &Tensor::full(&[2, 2], 10.0)),
        &[2, 3],
        &[21.0, 2.0, 3.0, 4.0, 15.0, 16.0],
    );
    outputs("index-select", vec![x()], |t| t[0].index_select(1, &Tensor::from_i32(&[2], &[2, 0])), &[2, 2], &[3.0, 1.0, 6.0, 4.0]);
}

#[test]
fn segments() {
    let shared = || Tensor::from_i32(&[2, 1, 2, 3], &[0, 1, 1, 3, 0, 1, 2, 2, 0, 0, 3, 3]);
    check("segment-sum, ids shared by the channels", vec![spread(&[2, 3, 2, 3], 1)], move |t| t[0].segment_sum(&shared(), 4));
    let own = || Tensor::from_i32(&[1, 2, 4], &[0, 1, 1, 0, 2, 2, 0, 1]);
    check("segment-sum, ids a channel", vec![spread(&[1, 2, 4], 1)], move |t| t[0].segment_sum(&own(), 3).sin());
    outputs(
        "segment-sum",
        vec![values(&[1, 2, 4], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])],
        move |t| t[0].segment_sum(&own(), 3),
        &[1, 2, 3],
        &[5.0, 5.0, 0.0, 7.0, 8.0, 11.0],
    );
}

#[test]
fn labels_in_one_hot() {
    let labels = || Tensor::from_i32(&[2, 1, 2], &[0, 2, 1, 2]);
    outputs("one-hot", vec![], move |_| labels().one_hot(3), &[2, 3, 2], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    check("one-hot", vec![spread(&[2, 3, 2], 1)], move |t| &t[0] * labels().one_hot(3));
}

#[test]
fn sums_of_classes() {
    let labels = || Tensor::from_i32(&[2, 1, 2, 3], &[0, 2, 1, 2, 2, 0, 1, 1, 0, 2, 0, 1]);
    let weights = || Tensor::from_f32(&[2, 1, 2, 3], &[1.0, 0.5, 0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 3.0, 1.0]);
    let sums = |x: &Tensor, more: &[&Tensor]| Tensor::apply(Op::ClassSums, &[&[x], more].concat(), &[], &[]);
    check("class-sums", vec![spread(&[2, 3, 2, 3], 1)], move |t| sums(&t[0], &[&labels()]));
    check("class-sums, weighted", vec![spread(&[2, 3, 2, 3], 1)], move |t| sums(&t[0], &[&labels(), &weights()]).sin());
    // three and a quarter, one and a half
    let x = values(&[1, 2, 2], &[3f32.ln(), 0.0, 0.0, 0.0]);
    let two = || Tensor::from_i32(&[1, 1, 2], &[0, 1]);
    let wanted = [0.75, 1.25, 1.0, -(0.75f32.ln()), 0.5, 0.75, 1.0, 2f32.ln()];
    outputs("class-sums", vec![x], move |t| sums(&t[0], &[&two()]), &[1, 2, 4], &wanted);
}

#[test]
fn weights_with_a_small_total_make_a_mean_too() {
    let rig = Rig::new(vec![spread(&[1, 2, 3], 1)], vec![], |t| {
        let labels = Tensor::from_i32(&[1, 1, 3], &[0, 1, 1]);
        let valid = |total: f32| Tensor::from_f32(&[1, 1, 3], &[0.25 * total, 0.25 * total, 0.5 * total]);
        let mean = |total: f32| losses::cross_entropy(&t[0], &labels, Some(&valid(total)));
        let alike = losses::weighted_cross_entropy(&t[0], &labels, &[1.0, 1.0], Some(&valid(0.2)));
        Tensor::concat(&[&mean(4.0), &mean(0.2), &alike, &mean(0.0)], 0)
    });
    rig.agrees_with_the_plain_host("mean");
    let found = rig.forward().unwrap().0;
    assert!(found[0] > 0.1 && distance(&found, &[found[0], found[0], found[0], 0.0]) < 1e-5, "{found:?}");
}

#[test]
fn an_index_outside_is_refused() {
    type Indexed = fn(&Tensor) -> Tensor;
    let cases: [(Indexed, &str); 7] = [
        (|x| x.gather(0, &Tensor::from_i32(&[1, 2], &[0, 2])), "gather: index 2 is outside 0..2"),
        (|x| x.gather(0, &Tensor::from_i32(&[1, 2], &[0, -1])), "gather: index -1 is outside 0..2"),
        (|x| x.index_select(1, &Tensor::from_i32(&[1], &[5])), "index-select: index 5 is outside 0..2"),
        (|x| x.scatter_add(0, &Tensor::from_i32(&[1, 2], &[7, 0]), &Tensor::zeros(&[1, 2])), "scatter-add: index 7 is outside 0..2"),
        (|x| x.reshape(&[1, 1, 4]).segment_sum(&Tensor::from_i32(&[1, 1, 4], &[0, 1, 2, 3]), 3), "segment-sum: index 3 is outside 0..3"),
        (|_| Tensor::from_i32(&[1, 1, 1], &[4]).one_hot(3), "one-hot: index 4 is outside 0..3"),
        (|x| losses::cross_entropy(&x.reshape(&[1, 2, 2]), &Tensor::from_i32(&[1, 1, 2], &[0, 2]), None), "class-sums: index 2 is outside 0..2"),
    ];
    for (f, wanted) in cases {
        let error = Rig::new(vec![spread(&[2, 2], 1)], vec![], move |t| f(&t[0])).forward().unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(error.contains("gradients/index.rs:"), "{error}");
    }
}
