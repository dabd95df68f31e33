//! Names that an author gives.

use std::str::FromStr;

/// Crates that the new one stands beside or links.
const TAKEN: [&str; 10] = ["plugin-api", "plugin-test", "serde", "serde-json", "abi-stable", "inventory", "core", "alloc", "std", "test"];
/// What no module and no variable can be called (the Rust Reference, "Keywords").
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in let \
    loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe unsized use virtual \
    where while yield";

/// A plugin's name in its three forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// `my-loss`: the crate and its folder.
    pub(crate) krate: String,
    /// `my_loss`: the component.
    pub(crate) snake: String,
    /// `MyLoss`: the type.
    pub(crate) camel: String,
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(['-', '_']).collect();
        let word = |w: &&str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !words.iter().all(word) || !text.starts_with(|c: char| c.is_ascii_lowercase()) || text.len() > 64 {
            return Err("a crate's name is wanted: lower-case letters and digits with single dashes, a letter first, such as my-loss".into());
        }
        if KEYWORDS.split_whitespace().any(|k| k == text) || TAKEN.contains(&words.join("-").as_str()) {
            return Err("the name means something to Rust or is another crate's; take a longer one, such as my-loss".into());
        }
        let camel = words.iter().map(|w| w[..1].to_ascii_uppercase() + &w[1..]).collect();
        Ok(Name { krate: text.into(), snake: words.join("_"), camel })
    }
}

/// The reverse domain name that was given, or one to be replaced before others get the plugin.
///
/// # Errors
/// It is none.
pub(crate) fn id(given: Option<&str>, name: &Name) -> Result<String, String> {
    let Some(id) = given else { return Ok(format!("org.example.{}", name.snake)) };
    let part = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    match id.split('.').count() >= 2 && id.split('.').all(part) {
        true => Ok(id.into()),
        false => Err(format!("the id {id:?} is no reverse domain name; wanted is one such as org.example.{}", name.snake)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_forms() {
        let name: Name = "my-2nd_loss".parse().unwrap();
        assert_eq!((name.krate.as_str(), name.snake.as_str(), name.camel.as_str()), ("my-2nd_loss", "my_2nd_loss", "My2ndLoss"));
        assert_eq!(id(None, &name).unwrap(), "org.example.my_2nd_loss");
        assert_eq!(id(Some("edu.uni.lab-1.x"), &name).unwrap(), "edu.uni.lab-1.x");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "My-loss", "2nd", "-loss", "my--loss", "my loss", "../x", "loss-", "type", "plugin-api", "plugin_api", "serde", "müller"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        let name: Name = "x".parse().unwrap();
        for wrong in ["loss", "a..b", ".a", "a b.c", "a.b\"", ""] {
            assert!(id(Some(wrong), &name).is_err(), "{wrong}");
        }
    }
}
