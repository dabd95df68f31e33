//! The step on an array.

use super::*;

#[test]
fn the_brightest_are_cut_and_the_others_stay() {
    let mut voxels: Vec<f32> = (0..100).map(|i| i as f32).collect();
    {{Type}} { share: 0.02 }.cut(&mut voxels);
    assert_eq!(voxels[..98], (0..98).map(|i| i as f32).collect::<Vec<_>>());
    assert_eq!(voxels[98..], [97.0, 97.0]);
    {{Type}}::default().cut(&mut []);
}
