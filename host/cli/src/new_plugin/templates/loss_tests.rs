//! What the loss must do, on numbers that can be checked by hand.

use plugin_api::{Result, json};
use plugin_test::{TestLoss, Values, labels};

/// One image of four voxels, two classes: (B, C, W).
fn logits(foreground: [f64; 4]) -> Values {
    Values::new(&[1, 2, 4], [[0.0; 4], foreground].concat())
}

#[test]
fn the_squared_error_is_added_with_its_weight() -> Result<()> {
    let of = |weight: f64| TestLoss::new("{{name}}", json!({"weight": weight}), &labels(2))?.value(&logits([0.0; 4]), &[vec![0, 1, 1, 0]]);
    // probabilities of one half are off by one half, in each channel
    assert!((of(2.0)? - of(0.0)? - 2.0 * 0.25).abs() < 1e-9);
    Ok(())
}

#[test]
fn a_better_prediction_has_a_lower_loss() -> Result<()> {
    let loss = TestLoss::new("{{name}}", json!({}), &labels(2))?;
    let target = [vec![0, 1, 1, 0]];
    let (good, bad) = (logits([-4.0, 4.0, 4.0, -4.0]), logits([4.0, -4.0, -4.0, 4.0]));
    assert!(loss.value(&good, &target)? < loss.value(&bad, &target)?);
    // downhill is towards the foreground where it is wanted, and away from it elsewhere
    let slope = loss.gradient(&logits([0.0; 4]), &target)?;
    assert!(slope.data[5] < 0.0 && slope.data[6] < 0.0 && slope.data[4] > 0.0 && slope.data[7] > 0.0);
    Ok(())
}
