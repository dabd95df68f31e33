//! Whether a raw dataset is what nnU-Net wants: all that is wrong is told at once, each with its way out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ndarray::ArrayView4;
use volume::image::{Difference, Geometry, Reader, ends_of_i16};

use super::cases::{case_of, missing_channel};
use super::{Case, DatasetJson, LabelManager, read_labels_with, training_cases, values_in};
use crate::error::{Error, Result};
use crate::memory;
use crate::progress::{Report, for_each_case};

/// Names in a list, at most; the rest is counted.
const LISTED: usize = 5;
/// How near to the end of its type a value is taken to be there, as a share of the type's range.
const NEAR: f64 = 1e-3;

/// What an inspection of a raw dataset found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inspection {
    /// Training cases.
    pub cases: usize,
    /// What stands in the way of training.
    pub problems: Vec<String>,
    /// What does not, and may be a mistake all the same.
    pub warnings: Vec<String>,
    /// Files that lie on another grid of the same shape than the first channel of their case.
    pub misplaced: Vec<Misplaced>,
}

/// An image whose voxels fit its case and whose geometry does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Misplaced {
    /// The file.
    pub file: PathBuf,
    /// Whether it is a label image.
    pub is_label: bool,
    /// The first channel of the case.
    pub like: PathBuf,
    /// What differs: found in `file`, wanted as in `like`.
    pub differences: Vec<Difference>,
}

/// Checks the raw dataset in `folder`: `dataset.json`, the number of cases, and of each case its files, labels, shapes, spacings,
/// channels and NaN. The strings are warnings.
///
/// # Errors
/// [`Error::Dataset`] with every problem; each names its case and the way out.
pub fn verify(folder: &Path, workers: usize, report: Report<'_>) -> Result<Vec<String>> {
    let Inspection { problems, warnings, .. } = inspect(folder, workers, report)?;
    if problems.is_empty() { Ok(warnings) } else { Err(Error::Dataset { folder: folder.to_path_buf(), problems }) }
}

/// As [`verify`], with the problems as a part of the result.
///
/// # Errors
/// [`Error::Dataset`] where `dataset.json`, the folders of images or the memory do not allow to look at the cases.
pub fn inspect(folder: &Path, workers: usize, report: Report<'_>) -> Result<Inspection> {
    let failed = |problem: Error| Error::Dataset { folder: folder.to_path_buf(), problems: vec![problem.to_string()] };
    let dataset = DatasetJson::read(folder).map_err(failed)?;
    let labels = dataset.label_manager().map_err(failed)?;
    let reader = dataset.reader().map_err(failed)?;
    let cases = training_cases(folder, &dataset).map_err(failed)?;

    let mut all = Inspection { cases: cases.len(), ..Inspection::default() };
    count(folder, &dataset, &cases, &mut all);
    strangers(folder, &dataset, &cases, &mut all)?;
    let checker = Checker { dataset: &dataset, labels: &labels, reader };
    // the channels of a file, a copy in new axes, and the file; what cannot be read is told with the rest
    let bytes = |case: &Case| case.header(reader).ok().flatten().map_or(0, |header| header.bytes(16));
    let workers = memory::workers(workers, cases.iter().map(|case| (case.name.as_str(), bytes(case)))).map_err(failed)?;
    let checked = for_each_case("verify", &cases, |case| &case.name, workers, report, |case| Ok(checker.check(case)))?;
    let mut present = BTreeSet::new();
    for (case, findings) in cases.iter().zip(checked) {
        all.problems.extend(findings.problems.into_iter().map(|problem| format!("{}: {problem}", case.name)));
        all.warnings.extend(findings.warnings.into_iter().map(|warning| format!("{}: {warning}", case.name)));
        all.misplaced.extend(findings.misplaced);
        present.extend(findings.labels);
    }
    let absent: Vec<i16> = labels.labels().iter().copied().filter(|label| *label != 0 && !present.contains(label)).collect();
    if !present.is_empty() && !absent.is_empty() {
        let what = if absent.len() + 1 == labels.labels().len() {
            "no label image has foreground".to_owned()
        } else {
            format!("no label image holds {absent:?}")
        };
        let text = format!("{what}; annotate it, or take the label out of `labels` in dataset.json");
        if present.iter().any(|label| *label > 0) { all.warnings.push(text) } else { all.problems.push(text) }
    }
    Ok(all)
}

fn count(folder: &Path, dataset: &DatasetJson, cases: &[Case], all: &mut Inspection) {
    let (found, said) = (cases.len(), dataset.num_training);
    let ending = &dataset.file_ending;
    if found == 0 {
        all.problems.push(format!("there are no images imagesTr/CASE_0000{ending}; name them so, or correct `file_ending` in dataset.json"));
    } else if found != said {
        all.problems.push(format!(
            "dataset.json: `numTraining` is {said}, but there are images of {found} cases ending in {ending}; set it to {found}, or add what is missing"
        ));
    }
    if (1..5).contains(&found) && !folder.join(crate::splits::FILE).exists() {
        all.warnings.push(format!("there are {found} cases; five folds need at least 5, so give the folds in splits_final.json or train `all`"));
    }
}

/// Files that belong to no case.
fn strangers(folder: &Path, dataset: &DatasetJson, cases: &[Case], all: &mut Inspection) -> Result<()> {
    if dataset.get("dataset").is_some() {
        return Ok(());
    }
    let ending = &dataset.file_ending;
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let images = names_in(&folder.join("imagesTr"))?;
    let is_image = |name: &String| case_of(name.strip_suffix(ending).unwrap_or(name)).is_some();
    let odd = of_no_case(images, |name| is_image(name));
    if !odd.is_empty() {
        all.warnings.push(format!("imagesTr: {} left out, as {} not named case_0000{ending}; rename or move", listed(&odd), verb(&odd)));
    }
    let labels = names_in(&folder.join("labelsTr"))?;
    let odd = of_no_case(labels, |name| name.strip_suffix(ending).is_some_and(|case| names.contains(case)));
    if !odd.is_empty() {
        all.warnings
            .push(format!("labelsTr: {} left out, as there is no image of such a case; add imagesTr/CASE_0000{ending} or move", listed(&odd)));
    }
    Ok(())
}

fn of_no_case(names: Vec<String>, known: impl Fn(&String) -> bool) -> Vec<String> {
    // what belongs to an image of another ending: a stack's spacing, a header's voxels
    let beside = [".json", ".raw", ".zraw", ".raw.gz"];
    names.into_iter().filter(|name| !name.starts_with('.') && !known(name) && !beside.iter().any(|ending| name.ends_with(ending))).collect()
}

fn verb(names: &[String]) -> &'static str {
    if names.len() == 1 { "it is" } else { "they are" }
}

/// The first names and the number of the others.
fn listed(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    match names.len().saturating_sub(LISTED) {
        0 => format!("{} {verb}", first.join(", ")),
        more => format!("{} and {more} more {verb}", first.join(", ")),
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(Error::io("list", folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// What was found in one case.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
    misplaced: Vec<Misplaced>,
    labels: BTreeSet<i16>,
}

struct Checker<'a> {
    dataset: &'a DatasetJson,
    labels: &'a LabelManager,
    reader: Reader,
}

/// The grid that all files of a case must lie on: that of its first channel.
struct Grid<'a> {
    file: &'a Path,
    shape: [usize; 3],
    geometry: Geometry,
}

impl Checker<'_> {
    fn check(&self, case: &Case) -> Findings {
        let mut findings = Findings::default();
        let grid = self.check_images(case, &mut findings);
        if !case.label.exists() {
            let what = format!("there is no label image {}; add it, or take the images out of imagesTr", case.label.display());
            findings.problems.push(what);
            return findings;
        }
        match read_labels_with(self.reader, &case.label, self.dataset) {
            Err(error) => findings.problems.push(error.to_string()),
            Ok((labels, geometry)) => {
                findings.labels = values_in(&labels);
                findings.problems.extend(self.labels.unnamed(&findings.labels).map(|what| format!("{} {what}", case.label.display())));
                let (depth, height, width) = labels.dim();
                let found = Grid { file: &case.label, shape: [depth, height, width], geometry };
                if let Some(grid) = &grid {
                    compare(&found, grid, true, &mut findings);
                }
            }
        }
        findings
    }

    /// One channel's file after the other; the grid is that of the first that can be read.
    fn check_images<'a>(&self, case: &'a Case, findings: &mut Findings) -> Option<Grid<'a>> {
        if self.dataset.get("dataset").is_none() {
            let missing = missing_channel(&case.name, &case.images, &self.dataset.file_ending);
            findings.problems.extend(missing.map(|missing| format!("{missing}, so add or rename files")));
        }
        let (mut channels, mut grid, mut whole) = (0, None, true);
        for file in &case.images {
            let image = match self.reader.read_image(file) {
                Ok(image) => image,
                Err(error) => {
                    findings.problems.push(error.to_string());
                    whole = false;
                    continue;
                }
            };
            channels += image.data.shape()[0];
            findings.problems.extend(not_finite(file, image.data.view()));
            findings.warnings.extend(overflowed(file, image.data.view()));
            let (_, depth, height, width) = image.data.dim();
            let found = Grid { file, shape: [depth, height, width], geometry: image.geometry };
            match &grid {
                None => grid = Some(found),
                Some(first) => compare(&found, first, false, findings),
            }
        }
        let wanted = self.dataset.channel_names.len();
        if whole && channels != wanted {
            let what = format!("the image has {channels} channel(s) but dataset.json names {wanted}; correct `channel_names`, or the files");
            findings.problems.push(what);
        }
        grid
    }
}

fn not_finite(file: &Path, data: ArrayView4<'_, f32>) -> Option<String> {
    let nans = data.iter().filter(|value| value.is_nan()).count();
    let infinite = data.iter().filter(|value| value.is_infinite()).count();
    let (count, what) = if nans > 0 { (nans, "NaN") } else { (infinite, "infinite") };
    (count > 0).then(|| format!("{count} voxel(s) of the image are {what} ({}); replace them by a number such as 0", file.display()))
}

/// Integers of 16 bits that reach both ends of their type: what was too large came back at the other end.
fn overflowed(file: &Path, data: ArrayView4<'_, f32>) -> Option<String> {
    let (low, high) = data.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    let (low, high) = (f64::from(low), f64::from(high));
    let reaches = |value: f64, end: f64, range: f64| (value - end).abs() <= NEAR * range;
    // both ends are as far from 0, so an image that is not needs no look at its type
    if !reaches(low, -high, high - low) {
        return None;
    }
    let [least, greatest] = ends_of_i16(file).ok()??;
    let range = (greatest - least).abs();
    let both = range > 0.0 && reaches(low, least.min(greatest), range) && reaches(high, greatest.max(least), range);
    both.then(|| {
        format!(
            "{} has values from {low:.3} to {high:.3}, which are both ends of its 16-bit integers, so they probably overflowed; export it anew with \
             more bits (f32) or a larger step",
            file.display()
        )
    })
}

/// Shape and spacing must be the same; another origin or direction is a warning.
fn compare(found: &Grid<'_>, wanted: &Grid<'_>, is_label: bool, findings: &mut Findings) {
    let what = if is_label { "the label image".to_owned() } else { found.file.display().to_string() };
    if found.shape != wanted.shape {
        let (found, wanted) = (found.shape, wanted.shape);
        findings.problems.push(format!("{what} has the shape {found:?} (z, y, x) but the image {wanted:?}; resample it onto the image's grid"));
        return;
    }
    let differences = found.geometry.differences(&wanted.geometry);
    for Difference { property, found, wanted } in &differences {
        let unit = if *property == "spacing" { " mm (z, y, x)" } else { "" };
        let text = format!("{what} has the {property} {found}{unit} but the image {wanted}; `host verify --fix-geometry` gives it the image's");
        if *property == "spacing" { findings.problems.push(text) } else { findings.warnings.push(text) }
    }
    if !differences.is_empty() {
        findings.misplaced.push(Misplaced { file: found.file.to_owned(), is_label, like: wanted.file.to_owned(), differences });
    }
}
