//! Variables that are true or false.

use crate::error::{Error, Result};

const TRUE: [&str; 6] = ["true", "1", "t", "yes", "y", "on"];
const FALSE: [&str; 6] = ["false", "0", "f", "no", "n", "off"];

/// What the variable says; nothing where it is unset or empty.
///
/// # Errors
/// Its value is neither.
pub fn read(variable: &str) -> Result<Option<bool>> {
    match std::env::var(variable) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        value => parse(variable, &value.unwrap_or_else(|error| error.to_string())),
    }
}

fn parse(variable: &str, value: &str) -> Result<Option<bool>> {
    let word = value.trim().to_lowercase();
    match word.as_str() {
        "" => Ok(None),
        word if TRUE.contains(&word) => Ok(Some(true)),
        word if FALSE.contains(&word) => Ok(Some(false)),
        _ => Err(Error::invalid(format!("{variable} is {value:?}; it must be one of {} or {}", TRUE.join(", "), FALSE.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_case() {
        for (word, meaning) in
            [("TRUE", true), ("1", true), (" t ", true), ("Yes", true), ("false", false), ("0", false), ("F", false), ("no", false)]
        {
            assert_eq!(parse("x", word).unwrap(), Some(meaning), "{word}");
        }
        assert_eq!(parse("x", "").unwrap(), None);
        assert!(parse("nnUNet_verbose", "maybe").unwrap_err().to_string().starts_with("nnUNet_verbose is \"maybe\"; it must be one of true, 1, "));
    }
}
