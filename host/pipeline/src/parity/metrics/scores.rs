//! Scores: folders with `ref`, `pred` and `summary_*.json`.

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::summaries::{self, Segmentations};
use super::FOLDER;
use crate::error::Result;

/// A summary whose name ends in `ignore3` leaves label 3 out.
pub(super) fn compare(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let folder = format!("{FOLDER}/{folder}");
    let names: Vec<String> = desk.files.names_in(&folder).into_iter().filter(|name| name.starts_with("summary") && name.ends_with(".json")).collect();
    for name in names {
        let ignore = name.trim_end_matches(".json").rsplit_once("ignore").and_then(|(_, label)| label.parse().ok());
        let (predictions, references) = (desk.files.path(&format!("{folder}/pred")), desk.files.path(&format!("{folder}/ref")));
        let file = format!("{folder}/{name}");
        desk.attempt(&file, |desk| summaries::compare(desk, &file, &predictions, &references, ignore, Segmentations::Theirs));
        ["pred", "ref"].iter().for_each(|part| desk.files.note_below(&format!("{folder}/{part}"), Use::Input));
    }
    Ok(())
}
