//! The records of a plugin: `key=value\0` in a section of their own.

use plugin_api::abi::meta::FORMAT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One component that a file says it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offer {
    /// `architecture`, `loss`, `planner` and so on, or a kind that this host does not know.
    pub kind: String,
    /// The name that plans and flags use.
    pub name: String,
    /// One line.
    pub description: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Reverse domain name of the plugin.
    pub id: String,
    /// The crate's name.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// The crate's authors.
    pub author: String,
    /// SPDX expression, or empty.
    pub license: String,
    /// One line.
    pub description: String,
    /// Where the author keeps it; empty where the crate does not say.
    #[serde(default)]
    pub repository: String,
    /// The version of the wall that it was built against.
    pub api: String,
    /// What it has, sorted by kind and name.
    pub components: Vec<Offer>,
}

const LONGEST_SECTION: usize = 1 << 20;

impl Metadata {
    /// Reads a section. The records may lie in any order, with zeros between them.
    ///
    /// # Errors
    /// The records are not text, not of this format, incomplete or contradictory; a sentence without its subject.
    pub(crate) fn parse(section: &[u8]) -> Result<Self, String> {
        if section.len() > LONGEST_SECTION {
            return Err(format!("has {} bytes of plugin records, and {LONGEST_SECTION} are allowed", section.len()));
        }
        let (mut fields, mut components) = (BTreeMap::new(), Vec::new());
        for record in section.split(|&b| b == 0).filter(|r| !r.is_empty()) {
            let text = std::str::from_utf8(record).ok().filter(|t| !t.chars().any(char::is_control));
            let text = text.ok_or_else(|| format!("has damaged plugin records: {:?} is not a line of text", String::from_utf8_lossy(record)))?;
            let (key, value) = text.split_once('=').ok_or_else(|| format!("has damaged plugin records: {text:?} is not `key=value`"))?;
            if key == "component" {
                components.push(Offer::parse(value)?);
            } else if fields.insert(key, value).is_some() {
                return Err(format!("has damaged plugin records: `{key}` stands there twice (is `plugin!` called twice?)"));
            }
        }
        components.sort();
        if let Some(pair) = components.windows(2).find(|w| (&w[0].kind, &w[0].name) == (&w[1].kind, &w[1].name)) {
            return Err(format!("has the {} `{}` twice", pair[0].kind, pair[0].name));
        }
        let (key, version) = FORMAT.split_once('=').unwrap_or((FORMAT, ""));
        match fields.get(key) {
            Some(&v) if v == version => {}
            Some(v) => return Err(format!("has plugin records of format {v}, and this host reads format {version}")),
            None => return Err("has damaged plugin records: none says that this is a plugin (is `plugin!` missing?)".into()),
        }
        let field = |key: &str| fields.get(key).map(|v| v.to_string()).ok_or_else(|| format!("has damaged plugin records: `{key}` is missing"));
        let needed = |key: &str| field(key).and_then(|v| if v.is_empty() { Err(format!("has plugin records with an empty `{key}`")) } else { Ok(v) });
        Ok(Metadata {
            id: needed("id")?,
            name: needed("name")?,
            version: needed("version")?,
            author: field("author")?.replace(':', ", "), // Cargo's separator
            license: field("license")?,
            description: field("description")?,
            repository: field("repository").unwrap_or_default(), // plugins of the first release candidates do not have it
            api: needed("api")?,
            components,
        })
    }
}

impl Offer {
    /// `kind:name:description`
    fn parse(value: &str) -> Result<Self, String> {
        let mut parts = value.splitn(3, ':').map(str::to_string);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(name), Some(description)) if !kind.is_empty() && !name.is_empty() => Ok(Offer { kind, name, description }),
            _ => Err(format!("has damaged plugin records: {value:?} is not `kind:name:description`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "component=loss:focal:a: b\0nnu-plugin=1\0\0\0api=1.2.0\0id=org.x\0name=x\0version=1\0author=\0license=\0description=\0";

    #[test]
    fn records_come_in_any_order() {
        let m = Metadata::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!((m.id.as_str(), m.api.as_str()), ("org.x", "1.2.0"));
        assert_eq!(m.components, [Offer { kind: "loss".into(), name: "focal".into(), description: "a: b".into() }]);
    }

    #[test]
    fn each_fault_is_named() {
        for (from, to, wanted) in [
            ("nnu-plugin=1", "nnu-plugin=9", "format 9"),
            ("nnu-plugin=1\0", "", "is `plugin!` missing?"),
            ("id=org.x", "id=", "empty `id`"),
            ("id=org.x\0", "", "`id` is missing"),
            ("name=x", "name", "not `key=value`"),
            ("name=x", "name=\u{1b}[2Jx", "not a line of text"),
            ("loss:focal:a: b", "loss:focal", "kind:name:description"),
            ("api=1.2.0\0", "api=1.2.0\0api=1.2.0\0", "`api` stands there twice"),
            ("nnu-plugin", "component=loss:focal:other\0nnu-plugin", "the loss `focal` twice"),
        ] {
            let e = Metadata::parse(WHOLE.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(e.contains(wanted), "{from:?} -> {to:?}: {e}");
        }
        assert!(Metadata::parse(&[0xff, 0xfe, 0]).unwrap_err().contains("not a line of text"));
        assert!(Metadata::parse(&vec![0; LONGEST_SECTION + 1]).unwrap_err().contains("are allowed"));
    }
}
