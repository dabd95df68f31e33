//! The step that the planner answers.

use super::*;

#[test]
fn thick_slices_become_thinner_and_nothing_else_changes() -> Result<()> {
    let of = |spacing| {{Type}}::default().target_spacing(&SpacingQuestion::default(), Spacing(spacing));
    assert_eq!(of([5.0, 0.8, 0.8])?, Spacing([1.6, 0.8, 0.8]));
    assert_eq!(of([1.0, 0.8, 0.8])?, Spacing([1.0, 0.8, 0.8]));
    assert_eq!(of([999.0, 1.0, 1.0])?, Spacing([999.0, 1.0, 1.0]));
    Ok(())
}
