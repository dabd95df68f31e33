//! Labels, regions, and the way from logits to a segmentation.

use std::collections::BTreeSet;

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis, Zip};

use super::DatasetJson;
use crate::error::{Error, Result};

/// What turns logits into probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// Labels exclude each other: softmax over the channels.
    Softmax,
    /// Regions overlap: a sigmoid for each.
    Sigmoid,
}

/// The labels of a dataset, and what the channels of a network's output stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelManager {
    all: Vec<i16>,
    regions: Option<Regions>,
    ignore: Option<i16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Regions {
    foreground: Vec<Vec<i16>>,
    class_order: Vec<i16>,
}

impl LabelManager {
    /// The labels of `dataset`. They are regions as soon as one entry has several values.
    ///
    /// # Errors
    /// No background; labels that are not 0, 1, 2, ...; an ignore label that is not the highest + 1; a `regions_class_order` that
    /// is missing, of another length than the foreground regions, or names a value that is no label.
    pub fn new(dataset: &DatasetJson) -> Result<Self> {
        let mut all: Vec<i16> = dataset.labels.iter().flat_map(|label| label.values.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        if !dataset.labels.iter().any(|label| label.name == "background" && label.values == [0]) {
            return Err(Error::invalid("dataset.json: `labels` has no entry \"background\": 0"));
        }
        if all.iter().enumerate().any(|(i, &label)| usize::try_from(label) != Ok(i)) {
            return Err(Error::invalid(format!("dataset.json: the labels are {all:?}; they must be 0, 1, 2, ... without a gap")));
        }
        let above = all.last().map_or(0, |highest| highest.saturating_add(1));
        if let Some(ignore) = dataset.ignore.filter(|&ignore| ignore != above) {
            return Err(Error::invalid(format!("dataset.json: the label `ignore` is {ignore}; it must be {above} (the highest label + 1) or -1")));
        }
        let regions = match dataset.labels.iter().any(|label| label.values.len() > 1) {
            true => Some(Regions::new(dataset, &all)?),
            false => None,
        };
        Ok(Self { all, regions, ignore: dataset.ignore })
    }

    /// All labels, ascending, background included, `ignore` left out.
    pub fn labels(&self) -> &[i16] {
        &self.all
    }

    /// All labels but the background.
    pub fn foreground_labels(&self) -> &[i16] {
        self.all.get(1..).unwrap_or_default()
    }

    /// Whether the network tells regions, which may overlap.
    pub fn has_regions(&self) -> bool {
        self.regions.is_some()
    }

    /// The regions but the background, each with its labels, in the order of the file; none without regions.
    pub fn foreground_regions(&self) -> &[Vec<i16>] {
        self.regions.as_ref().map_or(&[], |regions| &regions.foreground)
    }

    /// The label that each foreground region has in a segmentation; empty without regions.
    pub fn regions_class_order(&self) -> &[i16] {
        self.regions.as_ref().map_or(&[], |regions| &regions.class_order)
    }

    /// The label of voxels that are left out of loss and metrics.
    pub fn ignore(&self) -> Option<i16> {
        self.ignore
    }

    /// What is wrong with a label image that holds the labels `found`, if they are not all named.
    pub fn unnamed(&self, found: &BTreeSet<i16>) -> Option<String> {
        let unnamed: Vec<i16> = found.iter().filter(|label| !self.all.contains(label) && Some(**label) != self.ignore).copied().collect();
        (!unnamed.is_empty()).then(|| format!("holds labels {unnamed:?}, which dataset.json does not name; name them there, or correct the image"))
    }

    /// Channels of the network's output: a label each with the background, or a foreground region each.
    pub fn num_outputs(&self) -> usize {
        self.regions.as_ref().map_or(self.all.len(), |regions| regions.foreground.len())
    }

    /// How logits become probabilities.
    pub fn nonlinearity(&self) -> Nonlinearity {
        if self.has_regions() { Nonlinearity::Sigmoid } else { Nonlinearity::Softmax }
    }

    /// Turns logits (C, ...) into probabilities in place.
    pub fn to_probabilities<D: Dimension + RemoveAxis>(&self, logits: &mut ArrayRef<f32, D>) {
        match self.nonlinearity() {
            Nonlinearity::Sigmoid => logits.par_mapv_inplace(sigmoid),
            Nonlinearity::Softmax => Zip::from(logits.lanes_mut(Axis(0))).par_for_each(|mut lane| {
                let highest = lane.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
                lane.mapv_inplace(|x| (x - highest).exp());
                let sum = lane.sum();
                lane.mapv_inplace(|x| x / sum);
            }),
        }
    }

    /// The segmentation that logits (C, ...) stand for: the label with the largest logit, or each region whose sigmoid exceeds 1/2.
    pub fn decode_logits<D: Dimension + RemoveAxis>(&self, logits: &ArrayRef<f32, D>) -> Array<i16, D::Smaller> {
        self.decode(logits, |logit| sigmoid(logit) > 0.5)
    }

    /// As [`LabelManager::decode_logits`], of probabilities (C, ...).
    pub fn decode_probabilities<D: Dimension + RemoveAxis>(&self, probabilities: &ArrayRef<f32, D>) -> Array<i16, D::Smaller> {
        self.decode(probabilities, |probability| probability > 0.5)
    }

    fn decode<D: Dimension + RemoveAxis>(&self, scores: &ArrayRef<f32, D>, inside: impl Fn(f32) -> bool + Sync) -> Array<i16, D::Smaller> {
        Zip::from(scores.lanes(Axis(0))).par_map_collect(|lane| match &self.regions {
            Some(regions) => {
                let hits = lane.iter().zip(&regions.class_order).filter(|(score, _)| inside(**score));
                hits.last().map_or(0, |(_, &label)| label)
            }
            None => {
                let mut best = (0, f32::NEG_INFINITY);
                for (&score, &label) in lane.iter().zip(&self.all) {
                    if score > best.1 {
                        best = (label, score);
                    }
                }
                best.0
            }
        })
    }
}

impl Regions {
    fn new(dataset: &DatasetJson, all: &[i16]) -> Result<Self> {
        let foreground: Vec<Vec<i16>> =
            dataset.labels.iter().filter(|label| label.values.iter().any(|&value| value != 0)).map(|label| label.values.clone()).collect();
        let Some(class_order) = dataset.regions_class_order.clone() else {
            return Err(Error::invalid(
                "dataset.json: labels that are lists make regions, which need `regions_class_order`: a label for each foreground region",
            ));
        };
        if class_order.len() != foreground.len() {
            return Err(Error::invalid(format!(
                "dataset.json: `regions_class_order` {class_order:?} has {} labels for {} foreground regions",
                class_order.len(),
                foreground.len()
            )));
        }
        match class_order.iter().find(|label| !all.contains(label)) {
            Some(label) => Err(Error::invalid(format!("dataset.json: `regions_class_order` holds {label}, which is no label; labels are {all:?}"))),
            None => Ok(Self { foreground, class_order }),
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
