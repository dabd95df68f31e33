//! `summary.json`, made again from the segmentations that it scores.

use std::path::Path;

use super::desk::Desk;
use super::files::Use;
use super::tolerance;
use crate::error::{Error, Result};
use crate::evaluate::{Pair, Structure, Summary, evaluate_structures};

/// How close the scores must be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Segmentations {
    /// They are nnU-Net's own: every number is exact.
    Theirs,
    /// They are ours: the mean Dice alone is compared.
    Ours,
}

/// Compares the summary in the file `name` with one of `predictions` (folder) against `references` (folder). Its keys say what is
/// scored; `ignore` is left out.
pub(super) fn compare(
    desk: &mut Desk<'_>,
    name: &str,
    predictions: &Path,
    references: &Path,
    ignore: Option<i16>,
    whose: Segmentations,
) -> Result<()> {
    let theirs: Summary = desk.json(name, Use::Compared)?;
    let structures = theirs
        .mean
        .keys()
        .map(|key| structure(key).ok_or_else(|| Error::invalid(format!("{name}: {key:?} is no label and no region such as (1, 2)"))));
    let structures = structures.collect::<Result<Vec<_>>>()?;
    let file_of = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
    let pairs: Vec<Pair> = (theirs.metric_per_case.iter())
        .map(|case| Pair {
            name: file_of(&case.prediction_file),
            prediction: predictions.join(file_of(&case.prediction_file)),
            reference: references.join(file_of(&case.reference_file)),
        })
        .collect();
    let ours = evaluate_structures(&pairs, &structures, ignore, desk.options.num_processes, desk.report())?;
    if whose == Segmentations::Ours {
        for (key, theirs) in &theirs.mean {
            let ours = ours.mean.get(key).map_or(f64::NAN, |metrics| metrics.dice);
            desk.number(&format!("{name}: mean Dice of {key} with our segmentations"), ours, theirs.dice, tolerance::DICE);
        }
        return Ok(());
    }
    for (case, (ours, theirs)) in pairs.iter().zip(ours.metric_per_case.iter().zip(&theirs.metric_per_case)) {
        desk.exact(&format!("{name}: {}", case.name), &ours.metrics, &theirs.metrics);
    }
    desk.exact(&format!("{name}: mean"), &ours.mean, &theirs.mean);
    let what = format!("{name}: foreground_mean");
    if theirs.foreground_mean.dice.is_nan() && !ours.foreground_mean.dice.is_nan() {
        desk.not_compared(&what, "nnU-Net's is NaN where a structure is in no case; ours is the mean of the others");
        return Ok(());
    }
    desk.exact(&what, &ours.foreground_mean, &theirs.foreground_mean);
    Ok(())
}

/// `1`, `(1, 2)` or `(1,)`.
fn structure(key: &str) -> Option<Structure> {
    let Some(labels) = key.strip_prefix('(').and_then(|key| key.strip_suffix(')')) else { return key.parse().ok().map(Structure::Label) };
    let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty()).map(|label| label.parse().ok());
    labels.collect::<Option<Vec<i16>>>().filter(|labels| !labels.is_empty()).map(Structure::Region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_their_labels() {
        for structure_ in [Structure::Label(3), Structure::Region(vec![1, 2]), Structure::Region(vec![1])] {
            assert_eq!(structure(&structure_.key()), Some(structure_));
        }
        assert!(structure("(a)").is_none() && structure("()").is_none());
    }
}
