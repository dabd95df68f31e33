//! Two JSON values side by side.

use serde_json::Value;

use super::Row;
use super::desk::shown;
use super::tolerance;

/// What was found on the walk.
#[derive(Default)]
struct Walk {
    values: usize,
    /// The first place that differs in kind, key or exact value: its path, and both sides.
    mismatch: Option<(String, String, String)>,
    mismatches: usize,
    /// The real numbers that are farthest apart.
    worst: Option<(String, f64, f64, f64)>,
}

/// The row of two values: texts, whole numbers, keys and their order must be the same; real numbers within `tolerance`, relative to
/// theirs where that is above 1.
pub(super) fn compare(what: &str, ours: &Value, theirs: &Value, tolerance: f64) -> Row {
    let mut walk = Walk::default();
    walk.step("", ours, theirs);
    if let Some((place, ours, theirs)) = walk.mismatch {
        let place = |side: String| Value::from(if place.is_empty() { side } else { format!("{place}: {side}") });
        return Row::new(what.to_owned(), place(ours), place(theirs), walk.mismatches as f64, tolerance::EXACT);
    }
    match walk.worst {
        Some((place, ours, theirs, difference)) if difference > 0.0 => Row::new(
            format!("{what}{}", if place.is_empty() { place } else { format!(", {place}") }),
            shown(ours),
            shown(theirs),
            difference,
            tolerance,
        ),
        _ if walk.values <= 8 => Row::new(what.to_owned(), ours.clone(), theirs.clone(), 0.0, tolerance),
        _ => {
            let equal = Value::from(format!("{} values", walk.values));
            Row::new(what.to_owned(), equal.clone(), equal, 0.0, tolerance)
        }
    }
}

impl Walk {
    fn differs(&mut self, place: &str, ours: impl ToString, theirs: impl ToString) {
        self.mismatches += 1;
        self.mismatch.get_or_insert_with(|| (place.to_owned(), ours.to_string(), theirs.to_string()));
    }

    fn step(&mut self, place: &str, ours: &Value, theirs: &Value) {
        match (ours, theirs) {
            (Value::Object(a), Value::Object(b)) => {
                if !a.keys().eq(b.keys()) {
                    let keys =
                        |map: &serde_json::Map<String, Value>| format!("keys {}", map.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
                    return self.differs(place, keys(a), keys(b));
                }
                for ((key, a), b) in a.iter().zip(b.values()) {
                    self.step(&if place.is_empty() { key.clone() } else { format!("{place}.{key}") }, a, b);
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                if a.len() != b.len() {
                    return self.differs(place, format!("{} entries", a.len()), format!("{} entries", b.len()));
                }
                a.iter().zip(b).enumerate().for_each(|(index, (a, b))| self.step(&format!("{place}[{index}]"), a, b));
            }
            (Value::Number(a), Value::Number(b)) if b.is_f64() => {
                self.values += 1;
                let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
                let difference = if a == b { 0.0 } else { (a - b).abs() / b.abs().max(1.0) };
                if self.worst.as_ref().is_none_or(|(.., worst)| difference > *worst) {
                    self.worst = Some((place.to_owned(), a, b, difference));
                }
            }
            _ => {
                self.values += 1;
                if ours != theirs {
                    self.differs(place, ours, theirs);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use serde_json::json;

    #[test]
    fn real_numbers_have_a_tolerance_and_nothing_else() {
        let theirs = json!({"a": [1, 2.0, "x", null], "b": {"c": 1000.0}});
        let row = |ours: Value| compare("what", &ours, &theirs, 1e-9);
        assert_eq!(row(theirs.clone()).verdict, Verdict::Pass);
        let near = row(json!({"a": [1, 2.0, "x", null], "b": {"c": 1000.0000005}}));
        assert_eq!((near.what.as_str(), near.verdict), ("what, b.c", Verdict::Pass));
        for other in [
            json!({"b": {"c": 1000.0}, "a": [1, 2.0, "x", null]}),
            json!({"a": [2, 2.0, "x", null], "b": {"c": 1000.0}}),
            json!({"a": [1, 2.0, "y", null], "b": {"c": 1000.0}}),
            json!({"a": [1, 2.0, "x"], "b": {"c": 1000.0}}),
            json!({"a": [1, 2.0, "x", null], "b": {"c": 1000.00001}}),
        ] {
            assert_eq!(row(other.clone()).verdict, Verdict::Fail, "{other}");
        }
        assert_eq!(row(json!({"a": [3, 2.0, "x", 1], "b": {"c": 1.0}})).ours, "a[0]: 3");
    }
}
