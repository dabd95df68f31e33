//! The name that was probably meant.

use std::path::PathBuf;

/// The name with the fewest edits, if they are few for its length; ties go to the first.
pub fn nearest(name: &str, known: &[String]) -> Option<String> {
    let limit = (name.chars().count() / 3).max(2);
    known
        .iter()
        .map(|k| (distance(&name.to_lowercase(), &k.to_lowercase()), k))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, _)| *d <= limit)
        .map(|(_, k)| k.clone())
}

/// Insertions, deletions, substitutions (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, y), (&diagonal, &above)) in b.iter().enumerate().zip(row.iter().zip(&row[1..])) {
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(next[j] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// What follows "no loss is called `focl`".
pub(crate) fn hint(nearest: Option<&str>, known: &[String], refused: &[(PathBuf, String)]) -> String {
    let mut text = String::new();
    for (file, reason) in refused {
        text += &format!("; {} has one and was refused: it {reason}", file.display());
    }
    if let Some(name) = nearest {
        text += &format!("; did you mean `{name}`?");
    }
    match known {
        [] => text += " (there is none at all: `--plugins-dir` names a folder with plugins)",
        known => text += &format!(" (valid: {})", known.join(", ")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, d) in [("", "", 0), ("focal", "focl", 1), ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3)] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }

    #[test]
    fn a_far_name_is_not_suggested() {
        let known = ["focal".to_string(), "dice_ce".to_string()];
        assert_eq!(nearest("Focl", &known).as_deref(), Some("focal"));
        assert_eq!(nearest("hausdorff", &known), None);
    }
}
