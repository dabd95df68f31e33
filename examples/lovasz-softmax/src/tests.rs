use super::*;
use plugin_test::{TestLoss, Values, backward_error, labels};

/// `1 - IoU` of channel 1 and the Lovász term of certain predictions, which must be equal at the corners of the cube.
#[test]
fn certain_predictions_have_one_minus_their_iou() -> Result<()> {
    let y = [1.0, 1.0, 0.0, 0.0, 1.0];
    for (predicted, iou) in [([1.0, 1.0, 0.0, 0.0, 1.0], 1.0), ([1.0, 0.0, 1.0, 0.0, 1.0], 0.5), ([0.0; 5], 0.0), ([1.0; 5], 0.6)] {
        let arrays = [&predicted, &y].map(|data| Array { shape: vec![1, 1, 5], data });
        let mut out = [0.0];
        Lovasz.forward(&arrays, ArrayMut { shape: vec![1, 1], data: &mut out })?;
        assert!((out[0] - (1.0 - iou)).abs() < 1e-6, "{predicted:?}: {}", out[0]);
    }
    Ok(())
}

#[test]
fn the_backward_is_that_of_the_forward() -> Result<()> {
    let p = Values::new(&[2, 1, 4], vec![0.91, 0.32, 0.15, 0.62, 0.43, 0.07, 0.74, 0.56]);
    let y = Values::new(&[2, 1, 4], vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let error = backward_error(&With(y), &[p])?;
    assert!(error < 1e-3, "{error}");
    Ok(())
}

/// The operation with its annotation fixed, which has no gradient.
struct With(Values);

impl With {
    fn both<'a>(inputs: &[Array<'a>], y: &'a [f32]) -> [Array<'a>; 2] {
        [inputs[0].data, y].map(|data| Array { shape: inputs[0].shape.clone(), data })
    }

    fn single(&self) -> Vec<f32> {
        self.0.data.iter().map(|&v| v as f32).collect()
    }
}

impl CustomOp for With {
    fn name(&self) -> &str {
        "lovasz of a fixed annotation"
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        Lovasz.out_shape(&[inputs[0], &self.0.shape])
    }

    fn forward(&self, inputs: &[Array<'_>], out: ArrayMut<'_>) -> Result<()> {
        Lovasz.forward(&Self::both(inputs, &self.single()), out)
    }

    fn backward(&self, inputs: &[Array<'_>], out: Array<'_>, out_grad: Array<'_>, grads: &mut [ArrayMut<'_>]) -> Result<()> {
        Lovasz.backward(&Self::both(inputs, &self.single()), out, out_grad, grads)
    }
}

#[test]
fn absent_classes_are_left_to_the_cross_entropy() -> Result<()> {
    let logits = Values::new(&[1, 3, 4], vec![0.4, 0.1, -0.3, 0.2, 0.0, 1.0, 0.5, -1.0, 0.3, -0.2, 0.7, 0.6]);
    let of = |settings| TestLoss::new("lovasz_softmax", settings, &labels(3))?.value(&logits, &[vec![0, 1, 1, 0]]);
    let term = of(json!({"ce_weight": 0.0}))?;
    assert!(term > 0.0 && term < 1.0, "{term}");
    assert!((of(json!({}))? - term - of(json!({"lovasz_weight": 0.0}))?).abs() < 1e-9);
    Ok(())
}
