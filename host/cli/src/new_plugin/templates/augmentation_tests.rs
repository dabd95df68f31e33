//! One seed, one sample.

use super::*;

fn sample(seed: u64) -> Result<Vec<f32>> {
    let image = Voxels::new(&[1, 1, 2, 2], vec![0.0, 1.0, 2.0, 4.0])?;
    let labels = Voxels::new(&[1, 1, 2, 2], vec![0; 4])?;
    let mut sample = Sample { image, labels };
    {{Type}}::default().apply(&mut sample, &mut Rng::new(seed))?;
    Ok(sample.image.values().to_vec())
}

#[test]
fn all_voxels_have_the_same_factor_and_a_seed_gives_it_again() -> Result<()> {
    let made = sample(1)?;
    assert!(made[0] == 0.0 && made[2] == 2.0 * made[1] && made[3] == 4.0 * made[1] && (0.9..=1.1).contains(&made[1]));
    assert_eq!(made, sample(1)?);
    assert_ne!(made, sample(2)?);
    Ok(())
}
