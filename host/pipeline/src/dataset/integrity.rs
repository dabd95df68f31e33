//! Whether a raw dataset is what nnU-Net wants: all that is wrong is told at once.

use std::collections::BTreeSet;
use std::path::Path;

use volume::image::{Geometry, read_channels};

use super::{Case, DatasetJson, LabelManager, read_labels, training_cases};
use crate::error::{Error, Result};
use crate::progress::{Report, for_each_case};

/// What was found in one case.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// Checks the raw dataset in `folder`: `dataset.json`, the number of cases, and of each case its files, labels, shapes, spacings,
/// channels and NaN. The strings are warnings: position or orientation of image and labels differ.
///
/// # Errors
/// [`Error::Dataset`] with every problem; each names its case.
pub fn verify(folder: &Path, workers: usize, report: Report<'_>) -> Result<Vec<String>> {
    let failed = |problems| Error::Dataset { folder: folder.to_path_buf(), problems };
    let dataset = DatasetJson::read(folder).map_err(|error| failed(vec![error.to_string()]))?;
    let labels = dataset.label_manager().map_err(|error| failed(vec![error.to_string()]))?;
    let cases = training_cases(folder, &dataset).map_err(|error| failed(vec![error.to_string()]))?;

    let mut all = Findings::default();
    if cases.len() != dataset.num_training {
        let (found, said) = (cases.len(), dataset.num_training);
        all.problems.push(format!("dataset.json: `numTraining` is {said}, but there are images of {found} cases ending in {}", dataset.file_ending));
    }
    let checked = for_each_case("verify", &cases, |case| &case.name, workers, report, |case| Ok(check(case, &dataset, &labels)))?;
    for (case, findings) in cases.iter().zip(checked) {
        all.problems.extend(findings.problems.into_iter().map(|problem| format!("{}: {problem}", case.name)));
        all.warnings.extend(findings.warnings.into_iter().map(|warning| format!("{}: {warning}", case.name)));
    }
    if all.problems.is_empty() { Ok(all.warnings) } else { Err(failed(all.problems)) }
}

fn check(case: &Case, dataset: &DatasetJson, labels: &LabelManager) -> Findings {
    let mut findings = Findings::default();
    let image = match read_channels(&case.images) {
        Ok((image, warnings)) => {
            findings.warnings.extend(warnings);
            Some(image)
        }
        Err(error) => {
            findings.problems.push(error.to_string());
            None
        }
    };
    if let Some(image) = &image {
        let (found, wanted) = (image.data.shape()[0], dataset.channel_names.len());
        if found != wanted {
            findings.problems.push(format!("the image has {found} channel(s) but dataset.json names {wanted}"));
        }
        let nans = image.data.iter().filter(|value| value.is_nan()).count();
        if nans > 0 {
            findings.problems.push(format!("{nans} voxel(s) of the image are NaN"));
        }
    }
    if !case.label.exists() {
        findings.problems.push(format!("there is no label image {}", case.label.display()));
        return findings;
    }
    let (seg, geometry) = match read_labels(&case.label, dataset) {
        Ok(read) => read,
        Err(error) => {
            findings.problems.push(error.to_string());
            return findings;
        }
    };
    let found: BTreeSet<i16> = seg.iter().copied().collect();
    let unexpected: Vec<i16> = found.into_iter().filter(|label| !labels.labels().contains(label) && Some(*label) != labels.ignore()).collect();
    if !unexpected.is_empty() {
        findings.problems.push(format!("{} holds labels {unexpected:?}, which dataset.json does not name", case.label.display()));
    }
    if let Some(image) = &image {
        let (found, wanted) = (seg.shape(), &image.data.shape()[1..]);
        if found != wanted {
            findings.problems.push(format!("the label image has the shape {found:?} (z, y, x) but the image {wanted:?}"));
        }
        compare(&image.geometry, &geometry, &mut findings);
    }
    findings
}

fn compare(image: &Geometry, labels: &Geometry, findings: &mut Findings) {
    if !close(&labels.spacing, &image.spacing) {
        findings.problems.push(format!("the label image has the spacing {:?} mm (z, y, x) but the image {:?}", labels.spacing, image.spacing));
    }
    if !close(&labels.origin, &image.origin) {
        findings.warnings.push(format!("the label image has its origin at {:?} but the image at {:?}", labels.origin, image.origin));
    }
    if !close(labels.direction.as_flattened(), image.direction.as_flattened()) {
        findings.warnings.push(format!("the label image has the direction {:?} but the image {:?}", labels.direction, image.direction));
    }
}

/// As NumPy's `allclose`.
fn close(found: &[f64], wanted: &[f64]) -> bool {
    found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-8 + 1e-5 * b.abs())
}
