//! Shapes, names, and a run on values.

use plugin_api::{Result, json};
use plugin_test::{TestNetwork, Values, plan};

#[test]
fn one_head_a_resolution_in_3d_2d_and_for_thick_slices() -> Result<()> {
    let cubes = plan(&[16, 16, 16], &[&[1, 1, 1], &[2, 2, 2], &[2, 2, 2]]);
    let flat = plan(&[32, 24], &[&[1, 1], &[2, 2], &[2, 2]]);
    let thick = plan(&[6, 32, 40], &[&[1, 1, 1], &[1, 2, 2], &[2, 2, 2]]);
    let heads = |spec| TestNetwork::on_shapes("{{name}}", json!({}), spec)?.head_shapes(2);
    assert_eq!(heads(&cubes)?, [vec![2, 3, 16, 16, 16], vec![2, 3, 8, 8, 8]]);
    assert_eq!(heads(&flat)?, [vec![2, 3, 32, 24], vec![2, 3, 16, 12]]);
    assert_eq!(heads(&thick)?, [vec![2, 3, 6, 32, 40], vec![2, 3, 6, 16, 20]]);
    Ok(())
}

#[test]
fn every_parameter_takes_part_and_the_logits_are_finite() -> Result<()> {
    let network = TestNetwork::on_values("{{name}}", json!({}), &plan(&[8, 8], &[&[1, 1], &[2, 2]]))?;
    let heads = network.forward(&Values::noise(&[1, 2, 8, 8], 1))?;
    assert!(heads.iter().all(|h| h.data.iter().all(|v| v.is_finite())));
    assert_eq!(network.bench().unused(), Vec::<String>::new());
    Ok(())
}
