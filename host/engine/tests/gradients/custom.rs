use crate::common::*;
use plugin_api::prelude::*;

/// `a b^2` with its own way back, which may be told to be wrong.
struct Product {
    wrong: bool,
}

impl CustomOp for Product {
    fn name(&self) -> &str {
        "product"
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        if inputs[0] != inputs[1] {
            bail!("product takes equal shapes, got {:?} and {:?}", inputs[0], inputs[1]);
        }
        Ok(inputs[0].to_vec())
    }

    fn forward(&self, inputs: &[Array<'_>], out: ArrayMut<'_>) -> Result<()> {
        for (o, (a, b)) in out.data.iter_mut().zip(inputs[0].data.iter().zip(inputs[1].data)) {
            *o = a * b * b;
        }
        Ok(())
    }

    fn backward(&self, inputs: &[Array<'_>], _: Array<'_>, g: Array<'_>, grads: &mut [ArrayMut<'_>]) -> Result<()> {
        for i in 0..g.data.len() {
            let (a, b) = (inputs[0].data[i], inputs[1].data[i]);
            grads[0].data[i] += g.data[i] * b * b;
            grads[1].data[i] += g.data[i] * a * b * if self.wrong { 3.0 } else { 2.0 };
        }
        Ok(())
    }
}

#[test]
fn an_operation_of_the_plugin_s_own() {
    check("custom", vec![spread(&[2, 3], 1), spread(&[2, 3], 2)], |t| Tensor::custom(Product { wrong: false }, &[&t[0], &t[1].sin()]).exp());
    check("custom on views", vec![spread(&[2, 3], 1), spread(&[3, 2], 2)], |t| {
        Tensor::custom(Product { wrong: false }, &[&t[0].permute(&[1, 0]), &t[1]])
    });
}

#[test]
fn a_wrong_way_back_is_seen_by_these_tests() {
    let mut rig = Rig::new(vec![positive(&[2], 1), positive(&[2], 2)], vec![], |t| Tensor::custom(Product { wrong: true }, &[&t[0], &t[1]]));
    let (tape, wanted) = (rig.gradients(), rig.differences());
    assert!(distance(&tape[0], &wanted[0]) < 1e-3 && distance(&tape[1], &wanted[1]) > 1e-2);
}

#[test]
fn its_own_error_reaches_the_user() {
    let error = Rig::new(vec![spread(&[2], 1), spread(&[3], 2)], vec![], |t| Tensor::custom(Product { wrong: false }, &[&t[0], &t[1]]))
        .forward()
        .unwrap_err()
        .to_string();
    assert!(error.contains("product takes equal shapes, got [2] and [3]") && error.contains("custom.rs:"), "{error}");
}
