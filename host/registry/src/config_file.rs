//! A trainer config that is a file: `long_blob.toml` or `long_blob.json` in a plugin folder is the config `long_blob`.

use crate::{
    Candidate, Judgement, Kind, Metadata, Offer, State,
    admit::distrust,
    scan::{read, real_file, sha256},
    suggest,
};
use plugin_api::{TrainerConfig, abi::ABI_VERSION};
use std::{ffi::OsStr, path::Path};

/// Whether a file of this name is one. An author's own `Cargo.toml` is none.
pub(crate) fn is_one(file: &Path) -> bool {
    matches!(file.extension().and_then(OsStr::to_str), Some("toml" | "json")) && file.file_name() != Some(OsStr::new("Cargo.toml"))
}

/// Reads the file and asks who can write it. It runs nothing, so it is not pinned: an edit is an edit.
pub(crate) fn judge_candidate(candidate: &Candidate) -> (Judgement, Option<TrainerConfig>) {
    let refused = |file: &Path, sha256, reason| Judgement { file: file.to_path_buf(), sha256, metadata: None, state: State::Refused(reason) };
    let (real, bytes) = match real_file(&candidate.path).and_then(|real| Ok((read(&real)?, real))) {
        Ok((bytes, real)) => (real, bytes),
        Err(reason) => return (refused(&candidate.path, None, reason), None),
    };
    let hash = sha256(&bytes);
    let parsed = distrust(&candidate.path, &real, candidate.place.origin).map_or_else(|| parse(&real, &bytes), Err);
    match parsed {
        Err(reason) => (refused(&real, Some(hash), reason), None),
        Ok((name, config)) => {
            let offer = Offer { kind: Kind::Config.to_string(), name, description: config.description.clone().unwrap_or_default() };
            let file = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let metadata = Metadata { id: file.clone(), name: file, api: ABI_VERSION.into(), components: vec![offer], ..Metadata::default() };
            (Judgement { file: real, sha256: Some(hash), metadata: Some(metadata), state: State::Ready }, Some(config))
        }
    }
}

/// The config and its name; a sentence without its subject if the file holds none.
fn parse(file: &Path, bytes: &[u8]) -> Result<(String, TrainerConfig), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("is not text: byte {} is not UTF-8", e.valid_up_to()))?;
    let config = match file.extension().and_then(OsStr::to_str) {
        Some("json") => serde_json::from_str(text).map_err(|e| {
            let words = e.to_string();
            (words.split(" at line ").next().unwrap_or(&words).to_string(), (e.line(), e.column()))
        }),
        _ => toml::from_str(text).map_err(|e| (e.message().to_string(), place(text, e.span().map_or(0, |span| span.start)))),
    };
    let mut config: TrainerConfig =
        config.map_err(|(words, (line, column))| format!("is no trainer config: line {line}, column {column}: {}", explained(&words)))?;
    let stem = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = config.name.take().unwrap_or_else(stem);
    // a results folder has it in its name
    match name.is_empty() || name.contains("__") || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-+.".contains(c)) {
        true => Err(format!("has the name `{name}`; a config's name is of letters, digits, `-`, `+`, `.` and single `_`")),
        false => Ok((name, config)),
    }
}

/// Line and column of a byte, counted from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// serde's sentence; where a field does not exist, with the one that was probably meant instead of all that there are.
fn explained(words: &str) -> String {
    let names: Vec<String> = words.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    match names.split_first() {
        Some((wrong, known)) if words.starts_with("unknown field") => match suggest::nearest(wrong, known) {
            Some(near) => format!("there is no field `{wrong}`; did you mean `{near}`?"),
            None => format!("there is no field `{wrong}` (fields: {})", known.join(", ")),
        },
        _ => words.trim_end().replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str, text: &str) -> Result<(String, TrainerConfig), String> {
        parse(Path::new(name), text.as_bytes())
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "extends = \"blob_dice_loss\"\nnum_epochs = 2000\nmirror_axes = [0, 1]\nloss = { name = \"blob\", blob_weight = 2.0 }\n";
        let json = r#"{"extends": "blob_dice_loss", "num_epochs": 2000, "mirror_axes": [0, 1], "loss": {"name": "blob", "blob_weight": 2.0}}"#;
        let (name, config) = parsed("long_blob.toml", toml).unwrap();
        assert_eq!((name.as_str(), config.num_epochs), ("long_blob", Some(2000)));
        assert_eq!(config.loss.as_ref().unwrap().settings["blob_weight"], 2.0);
        assert_eq!(parsed("long_blob.json", json).unwrap(), (name, config));
    }

    #[test]
    fn the_guides_five_fields_are_a_config() {
        let text = "name = \"my_custom\"\ndescription = \"Custom\"\nnetwork_builder = \"my_net\"\nloss_fn = \"my_loss\"\nnum_epochs = 500\n";
        let (name, config) = parsed("any.toml", text).unwrap();
        assert_eq!((name.as_str(), config.num_epochs, config.description.as_deref()), ("my_custom", Some(500), Some("Custom")));
        assert_eq!((config.architecture.unwrap().name.as_str(), config.loss.unwrap().name.as_str()), ("my_net", "my_loss"));
    }

    #[test]
    fn each_fault_has_its_place() {
        for (name, text, wanted) in [
            ("a.toml", "num_epochs = 5\nnum_epoch = 3\n", "line 2, column 1: there is no field `num_epoch`; did you mean `num_epochs`?"),
            ("a.toml", "num_epochs = \"many\"\n", "line 1, column 14: invalid type: string \"many\""),
            ("a.toml", "loss = 3\n", "line 1, column 8: a component is a name or an object with settings"),
            ("a.toml", "x = [\n", "line 1, column 6: unclosed array"),
            ("a.toml", "wibble = 1\n", "there is no field `wibble` (fields: name, "),
            ("a.toml", "num_epochs = 1\nnum_epochs = 2\n", "line 2, column 1: duplicate key"),
            ("a.json", "{\n  \"batchsize\": 2}", "line 2, column 13: there is no field `batchsize`; did you mean `batch_size`?"),
            ("a.json", "[1", "line 1, column 2: invalid type"),
            ("a__b.toml", "", "the name `a__b`"),
            ("a.toml", "name = \"../up\"", "the name `../up`"),
        ] {
            let fault = parsed(name, text).unwrap_err();
            assert!(fault.contains(wanted), "{text:?}: {fault}");
        }
        assert!(parse(Path::new("a.toml"), b"x = \"\xff\"").unwrap_err().contains("byte 5 is not UTF-8"));
    }
}
