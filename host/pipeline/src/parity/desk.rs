//! Where a section does its work: it takes files, compares, and leaves rows.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::arrays::Arrays;
use super::files::{Files, Use};
use super::tree;
use super::{Options, Row, tolerance};
use crate::error::{Error, Result};
use crate::json;
use crate::progress::{Progress, Report};

/// The folder's files, the settings, and the rows so far.
pub(super) struct Desk<'a> {
    pub(super) files: Files,
    pub(super) options: &'a Options<'a>,
    pub(super) rows: Vec<Row>,
    pub(super) not_compared: Vec<String>,
    report: Report<'a>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(files: Files, options: &'a Options<'a>, report: Report<'a>) -> Self {
        Self { files, options, rows: Vec::new(), not_compared: Vec::new(), report }
    }

    /// Who is told how far a long step is.
    pub(super) fn report(&self) -> Report<'a> {
        self.report
    }

    /// Does `work` for each of `items`. What fails becomes a row that fell short, and the next item has its turn.
    pub(super) fn each(&mut self, step: &str, items: &[String], mut work: impl FnMut(&mut Self, &str) -> Result<()>) {
        let step = format!("parity {step}");
        for (index, item) in items.iter().enumerate() {
            self.attempt(item, |desk| work(desk, item));
            (self.report)(Progress { step: &step, done: index + 1, total: items.len(), case: item });
        }
    }

    /// Does `work`; a failure is a row about `what`.
    pub(super) fn attempt(&mut self, what: &str, work: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = work(self) {
            self.fell_short(what, &error.to_string());
        }
    }

    /// The JSON file `name`.
    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str, for_what: Use) -> Result<T> {
        json::read(&self.take(name, for_what)?)
    }

    /// The arrays of the npz file `name`.
    pub(super) fn arrays(&mut self, name: &str, for_what: Use) -> Result<Arrays> {
        Arrays::read(&self.take(name, for_what)?)
    }

    /// Where the file `name` is; from now on it has been understood.
    pub(super) fn take(&mut self, name: &str, for_what: Use) -> Result<PathBuf> {
        let path = self.files.path(name);
        if !self.files.has(name) {
            return Err(Error::content(&path, "the file is missing, so there is nothing to compare"));
        }
        self.files.note(name, for_what);
        Ok(path)
    }

    /// The folder of a dataset with raw images: `local` itself where they lie in it, else below the data folders.
    pub(super) fn raw(&self, local: &str, dataset: &str) -> Option<PathBuf> {
        let has_images = |folder: &Path| {
            folder.join("imagesTr").is_dir() || json::read::<Value>(&folder.join("dataset.json")).is_ok_and(|d| d["dataset"].is_object())
        };
        let own = self.files.path(local);
        std::iter::once(own).chain(self.options.data.iter().map(|data| data.join(dataset))).find(|folder| has_images(folder))
    }

    /// The folder of the dataset whose number is `id`, below the data folders.
    pub(super) fn raw_by_id(&self, id: u32) -> Option<PathBuf> {
        let folders = self.options.data.iter().filter_map(|data| std::fs::read_dir(data).ok()).flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> =
            folders.filter(|path| path.file_name().and_then(|name| name.to_str()).and_then(crate::paths::dataset_id) == Some(id)).collect();
        found.sort();
        found.into_iter().next()
    }

    /// Something that cannot be compared, and why.
    pub(super) fn not_compared(&mut self, what: &str, why: &str) {
        self.not_compared.push(format!("{what}: {why}"));
    }

    /// As [`Desk::not_compared`], for want of the raw images of `dataset`.
    pub(super) fn no_images(&mut self, what: &str, dataset: &str) {
        self.not_compared(what, &format!("the raw images of {dataset} are not there; name the folder that holds {dataset} with --data"));
    }

    /// A row that fell short without a number.
    pub(super) fn fell_short(&mut self, what: &str, why: &str) {
        self.rows.push(Row::new(what.to_owned(), why.into(), Value::Null, f64::NAN, tolerance::EXACT));
    }

    /// Two numbers.
    pub(super) fn number(&mut self, what: &str, ours: f64, theirs: f64, tolerance: f64) {
        let difference = if ours == theirs || ours.is_nan() && theirs.is_nan() { 0.0 } else { (ours - theirs).abs() };
        self.rows.push(Row::new(what.to_owned(), shown(ours), shown(theirs), difference, tolerance));
    }

    /// Two numbers whose distance counts relative to theirs, where that is above 1.
    pub(super) fn relative(&mut self, what: &str, ours: f64, theirs: f64, tolerance: f64) {
        let difference = (ours - theirs).abs() / theirs.abs().max(1.0);
        self.rows.push(Row::new(what.to_owned(), shown(ours), shown(theirs), difference, tolerance));
    }

    /// Two lists of numbers: the largest distance, and the values there.
    pub(super) fn floats(&mut self, what: &str, ours: &[f32], theirs: &[f32], tolerance: f64) {
        if self.same_length(what, ours.len(), theirs.len(), tolerance) {
            self.rows.push(farthest(what, ours, theirs, tolerance));
        }
    }

    /// Two lists of labels: the share of the voxels that differ.
    pub(super) fn voxels(&mut self, what: &str, ours: &[i16], theirs: &[i16], tolerance: f64) {
        if self.same_length(what, ours.len(), theirs.len(), tolerance) {
            let differing = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
            let total = theirs.len();
            let equal = format!("{} of {total} voxels equal", total - differing);
            let difference = differing as f64 / total.max(1) as f64;
            self.rows.push(Row::new(what.to_owned(), equal.into(), format!("{total} voxels").into(), difference, tolerance));
        }
    }

    fn same_length(&mut self, what: &str, ours: usize, theirs: usize, tolerance: f64) -> bool {
        if ours != theirs {
            self.rows.push(Row::new(what.to_owned(), format!("{ours} values").into(), format!("{theirs} values").into(), f64::NAN, tolerance));
        }
        ours == theirs
    }

    /// Two shapes.
    pub(super) fn shape(&mut self, what: &str, ours: &[usize], theirs: &[usize]) -> bool {
        if ours != theirs {
            self.exact(&format!("{what}, shape"), ours, theirs);
        }
        ours == theirs
    }

    /// Two values that must be the same.
    pub(super) fn exact<A: Serialize + ?Sized, B: Serialize + ?Sized>(&mut self, what: &str, ours: &A, theirs: &B) {
        self.tree(what, ours, theirs, tolerance::EXACT);
    }

    /// Two JSON objects: a row for each key of theirs, and one for the keys and their order.
    pub(super) fn each_key(&mut self, what: &str, ours: &impl Serialize, theirs: &Value, tolerance: f64) -> Result<()> {
        let ours = serde_json::to_value(ours).map_err(|error| Error::invalid(error.to_string()))?;
        for (key, theirs) in theirs.as_object().into_iter().flatten() {
            self.tree(&format!("{what}: {key}"), &ours[key], theirs, tolerance);
        }
        let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
        self.exact(&format!("{what}: keys"), &keys(&ours), &keys(theirs));
        Ok(())
    }

    /// Two JSON values: the same structure, keys in the same order, whole numbers and texts equal, real ones within `tolerance`.
    pub(super) fn tree<A: Serialize + ?Sized, B: Serialize + ?Sized>(&mut self, what: &str, ours: &A, theirs: &B, tolerance: f64) {
        match (serde_json::to_value(ours), serde_json::to_value(theirs)) {
            (Ok(ours), Ok(theirs)) => self.rows.push(tree::compare(what, &ours, &theirs, tolerance)),
            (Err(error), _) | (_, Err(error)) => self.fell_short(what, &error.to_string()),
        }
    }
}

/// The row of the place where two lists of the same length are farthest apart.
pub(super) fn farthest(what: &str, ours: &[f32], theirs: &[f32], tolerance: f64) -> Row {
    let distance = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { f64::from((a - b).abs()) };
    let mut worst = (0, 0.0);
    for (index, pair) in ours.iter().zip(theirs).enumerate() {
        let found = distance(pair);
        if found > worst.1 || found.is_nan() {
            worst = (index, found);
            if found.is_nan() {
                break;
            }
        }
    }
    let at = |list: &[f32]| list.get(worst.0).map_or(Value::Null, |v| shown(f64::from(*v)));
    Row::new(what.to_owned(), at(ours), at(theirs), worst.1, tolerance)
}

/// A number as a report has it: JSON knows no NaN.
pub(super) fn shown(number: f64) -> Value {
    if number.is_finite() { Value::from(number) } else { Value::from(number.to_string()) }
}
