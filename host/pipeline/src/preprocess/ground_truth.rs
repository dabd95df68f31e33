//! The label images beside the preprocessed cases, for evaluation.

use std::fs;
use std::path::Path;

use crate::dataset::{Case, DatasetJson, copy_labels};
use crate::error::{Error, Result};

/// Where they lie, in the folder of the preprocessed dataset.
pub(super) const FOLDER: &str = "gt_segmentations";

/// Copies the label image of each case to `gt_segmentations/{case}{ending}` in `folder` unless what is there is as new.
///
/// A copy stands alone: a stack has its spacing beside it, too. Where `dataset.json` gave -1 for the ignore label, the copies hold the label that it stands for.
pub(super) fn copy(folder: &Path, cases: &[Case], dataset: &DatasetJson) -> Result<()> {
    let folder = folder.join(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    for case in cases {
        let target = folder.join(format!("{}{}", case.name, dataset.file_ending));
        let changed = |path: &Path| fs::metadata(path).and_then(|about| about.modified());
        let source = changed(&case.label).map_err(Error::io("read", &case.label))?;
        if changed(&target).is_ok_and(|copied| copied >= source) {
            continue;
        }
        copy_labels(&case.label, &target, dataset).map_err(|error| error.in_case(&case.name))?;
    }
    Ok(())
}
