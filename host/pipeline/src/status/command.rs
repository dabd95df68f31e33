//! The command that takes a fold further.

use crate::paths::quoted;
use serde_json::Value;
use std::path::Path;

/// Where the number of the fold stands in `train DATASET CONFIG FOLD ...`.
const FOLD: usize = 3;

/// What the command has to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the start.
    Begin,
    /// From the latest checkpoint.
    GoOn,
    /// Only the final validation.
    Validate,
}

/// The arguments that `debug.json` keeps of a training; none where another program wrote it.
pub(super) fn kept(debug: &Value) -> Option<Vec<String>> {
    let words = debug.get("command")?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    (words.len() > FOLD).then_some(words)
}

/// The arguments of a training of which nothing is known but what its folders' names say.
pub(super) fn plain(dataset: &str, trainer: &str, plans: &str, configuration: &str) -> Vec<String> {
    ["train", dataset, configuration, "0", "-tr", trainer, "-p", plans].map(str::to_owned).to_vec()
}

/// The line for a shell.
pub(super) fn line(words: &[String], fold: &str, way: Way) -> String {
    let mut line = "host".to_owned();
    let mut words = words.iter().enumerate();
    while let Some((place, word)) = words.next() {
        if way != Way::Begin && word == "--pretrained_weights" {
            words.next(); // they are in the checkpoint's weights by now
            continue;
        }
        // `all` alone would mean five folds
        let fold = if fold == "all" { "fold_all" } else { fold };
        line.push(' ');
        line.push_str(&if place == FOLD { fold.to_owned() } else { quoted(Path::new(word)) });
    }
    line.push_str(match way {
        Way::Begin => "",
        Way::GoOn => " --c",
        Way::Validate => " --val",
    });
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_training_of_another_fold_and_its_continuation() {
        let debug = json!({"command": ["train", "4", "2d", "0", "--epochs", "2", "--pretrained_weights", "a b.pth", "--npz"]});
        let words = kept(&debug).unwrap();
        assert_eq!(line(&words, "3", Way::Begin), "host train 4 2d 3 --epochs 2 --pretrained_weights 'a b.pth' --npz");
        assert_eq!(line(&words, "0", Way::GoOn), "host train 4 2d 0 --epochs 2 --npz --c");
        assert_eq!(line(&words, "all", Way::Validate), "host train 4 2d fold_all --epochs 2 --npz --val");
        assert_eq!(kept(&json!({"num_epochs": "1000"})), None);
        assert_eq!(line(&plain("Dataset004_A", "x", "y", "2d"), "1", Way::GoOn), "host train Dataset004_A 2d 1 -tr x -p y --c");
    }
}
