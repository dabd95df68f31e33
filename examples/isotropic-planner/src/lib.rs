//! Isotropic voxels, and smaller patches: two planners with one step each.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

plugin!("org.example.isotropic_planner");

/// Cubes as fine as the finest axis of the median spacing.
#[derive(Default, Deserialize)]
struct IsotropicPlanner {}

impl Planner for IsotropicPlanner {
    fn target_spacing(&self, _: &SpacingQuestion, host: Spacing) -> Result<Spacing> {
        Ok(Spacing::isotropic(host.min()))
    }
}

/// Three quarters of the host's patch.
#[derive(Default, Deserialize)]
struct SmallPatchPlanner {}

impl Planner for SmallPatchPlanner {
    fn patch_size(&self, _: &PatchQuestion, host: Vec<usize>) -> Result<Vec<usize>> {
        Ok(host.iter().map(|n| halvable((n * 3 / 4).max(1))).collect())
    }
}

/// The longest edge up to `n` that is 4 to 7 times a power of two. A network halves an edge as long as it is at least 8, so it divides such
/// an edge without a rest, however often that is.
fn halvable(n: usize) -> usize {
    let power = n.ilog2().saturating_sub(2);
    n >> power << power
}

register_planner!("IsotropicPlanner", IsotropicPlanner, "the default planner with cubes as fine as the finest axis");
register_planner!("SmallPatchPlanner", SmallPatchPlanner, "the default planner with patches of three quarters of the edge");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubes_of_the_finest_axis() {
        let planned = IsotropicPlanner {}.target_spacing(&SpacingQuestion::default(), Spacing([3.0, 0.7, 0.8])).unwrap();
        assert_eq!(planned, Spacing([0.7; 3]));
    }

    #[test]
    fn an_edge_can_be_halved_until_it_is_short() {
        let planned = SmallPatchPlanner {}.patch_size(&PatchQuestion::default(), vec![20, 256, 224]).unwrap();
        assert_eq!(planned, [14, 192, 160]);
        for n in 1..1000 {
            let (mut edge, start) = (halvable(n), n);
            assert!(edge <= start && 5 * edge > 4 * start, "{start}");
            while edge >= 8 {
                assert_eq!(edge % 2, 0, "{start}");
                edge /= 2;
            }
        }
    }
}
