//! Rates by hand.

use super::*;

#[test]
fn the_rate_stays_and_then_falls() -> Result<()> {
    let rate = |epoch| {{Type}}::default().lr(epoch, 100, 0.01);
    assert_eq!((rate(0)?, rate(50)?), (0.01, 0.01));
    assert!((rate(75)? - 0.005).abs() < 1e-12 && rate(99)? > 0.0);
    assert!({{Type}} { constant: 1.0 }.lr(0, 1, 0.01).is_err());
    Ok(())
}
