//! Where two plans differ.

use serde_json::Value;
use std::fmt;

/// One key that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The keys that lead to it, joined by dots.
    pub key: String,
    /// What the first file has; none where it has no such key.
    pub first: Option<Value>,
    /// What the second file has.
    pub second: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match (&self.first, &self.second) {
            (Some(first), Some(second)) => write!(f, "~ {key}: {first} -> {second}"),
            (Some(first), None) => write!(f, "- {key}: {first}"),
            (None, Some(second)) => write!(f, "+ {key}: {second}"),
            (None, None) => write!(f, "  {key}"),
        }
    }
}

/// The keys that differ, in the order of the first file, then those that only the second has. Lists are compared whole; 2 and 2.0 are equal.
pub fn difference(first: &Value, second: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", first, second, &mut found);
    found
}

fn walk(at: &str, first: &Value, second: &Value, found: &mut Vec<Difference>) {
    let (Value::Object(one), Value::Object(other)) = (first, second) else {
        if !equal(first, second) {
            found.push(Difference { key: at.to_owned(), first: Some(first.clone()), second: Some(second.clone()) });
        }
        return;
    };
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    for (key, value) in one {
        match other.get(key) {
            Some(there) => walk(&below(key), value, there, found),
            None => found.push(Difference { key: below(key), first: Some(value.clone()), second: None }),
        }
    }
    let news = other.iter().filter(|(key, _)| !one.contains_key(*key));
    found.extend(news.map(|(key, value)| Difference { key: below(key), first: None, second: Some(value.clone()) }));
}

fn equal(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        _ => first == second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_difference() {
        let first = json!({"a": {"size": [1, 2], "same": 2, "old": null}, "b": 1});
        let second = json!({"a": {"size": [1, 3], "same": 2.0, "new": "x"}, "b": 1});
        let lines: Vec<String> = difference(&first, &second).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["~ a.size: [1,2] -> [1,3]", "- a.old: null", "+ a.new: \"x\""]);
        assert_eq!(difference(&first, &first), []);
    }
}
