//! Numbers by hand.

use super::*;

#[test]
fn the_median_is_0_and_the_quartiles_are_1_apart() -> Result<()> {
    let mut voxels = vec![0.0, 1.0, 2.0, 3.0, 4.0];
    let mut channel = Channel { shape: [1, 1, 5], voxels: &mut voxels };
    {{Type}}::default().normalize(&mut channel, None, &ChannelFacts::default())?;
    assert_eq!(voxels, [-1.0, -0.5, 0.0, 0.5, 1.0]);
    Ok(())
}
