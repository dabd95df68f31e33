//! One configuration of a plan, resolved.

use crate::dataset::{DatasetJson, LabelManager};
use plugin_api::NetworkSpec;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A configuration: how its cases are preprocessed, and what is trained on them. Axes are those after the transposition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The folder of its preprocessed cases.
    pub data_identifier: String,
    /// Who preprocesses.
    pub preprocessor_name: String,
    /// Samples a batch.
    pub batch_size: usize,
    /// Voxels, two or three axes.
    pub patch_size: Vec<usize>,
    /// Median shape after resampling; a median between two may end in a half.
    #[serde(default)]
    pub median_image_size_in_voxels: Vec<f64>,
    /// Voxel spacing, mm; two axes where the slices keep the spacing between them.
    pub spacing: Vec<f64>,
    /// The normalisation of each channel.
    pub normalization_schemes: Vec<String>,
    /// Whether only voxels inside the nonzero mask are normalised, a channel each.
    pub use_mask_for_norm: Vec<bool>,
    /// How images are resampled.
    pub resampling_fn_data: String,
    /// How labels are resampled.
    pub resampling_fn_seg: String,
    /// Settings for images.
    #[serde(default)]
    pub resampling_fn_data_kwargs: Map<String, Value>,
    /// Settings for labels.
    #[serde(default)]
    pub resampling_fn_seg_kwargs: Map<String, Value>,
    /// How logits are resampled.
    pub resampling_fn_probabilities: String,
    /// Settings for logits.
    #[serde(default)]
    pub resampling_fn_probabilities_kwargs: Map<String, Value>,
    /// The network.
    pub architecture: ArchitecturePlan,
    /// Whether Dice is taken over the whole batch.
    pub batch_dice: bool,
    /// Configurations of a cascade that need this one's predictions.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub next_stage: Vec<String>,
    /// The configuration of a cascade whose predictions this one needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_stage: Option<String>,
    /// Keys that are not known here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The network of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArchitecturePlan {
    /// nnU-Net's class, or the name of a plugin's architecture.
    pub network_class_name: String,
    /// Its settings.
    pub arch_kwargs: Value,
    /// Settings that are names of Python classes.
    #[serde(rename = "_kw_requires_import", default)]
    pub kw_requires_import: Vec<String>,
}

impl Configuration {
    /// Axes of the network: 2 or 3.
    pub fn dims(&self) -> usize {
        self.patch_size.len()
    }

    /// The network for the images and labels of a dataset.
    pub fn network_of(&self, dataset: &DatasetJson, labels: &LabelManager, deep_supervision: bool) -> NetworkSpec {
        self.network_spec(self.input_channels(dataset, labels), labels.num_outputs(), deep_supervision)
    }

    /// Channels of the network's input: the image's, and one a foreground label of the previous stage.
    pub fn input_channels(&self, dataset: &DatasetJson, labels: &LabelManager) -> usize {
        let previous = if self.previous_stage.is_some() { labels.foreground_labels().len() } else { 0 };
        dataset.channel_names.len() + previous
    }

    /// The network for images of `input_channels` (with the one-hot channels of a previous stage) and logits of `num_classes`.
    pub fn network_spec(&self, input_channels: usize, num_classes: usize, deep_supervision: bool) -> NetworkSpec {
        NetworkSpec {
            input_channels,
            num_classes,
            patch_size: self.patch_size.clone(),
            deep_supervision,
            network_class_name: self.architecture.network_class_name.clone(),
            arch_kwargs: self.architecture.arch_kwargs.clone(),
        }
    }

    /// The spacing that a case is resampled to, mm: the plan's, in 2D with the case's own between slices. `current` is the case's.
    pub fn target_spacing(&self, current: [f64; 3]) -> [f64; 3] {
        match *self.spacing.as_slice() {
            [z, y, x] => [z, y, x],
            [y, x] => [current[0], y, x],
            _ => current,
        }
    }

    /// What types cannot say.
    pub(super) fn check(self, name: &str) -> Result<Self, String> {
        let dims = self.patch_size.len();
        if !matches!(dims, 2 | 3) || self.patch_size.contains(&0) {
            return Err(format!("`patch_size` is {:?}; it needs two or three axes above 0", self.patch_size));
        }
        if self.spacing.len() != dims || self.spacing.iter().any(|&s| s.is_nan() || s <= 0.0) {
            return Err(format!("`spacing` is {:?} mm; it needs as many axes above 0 as `patch_size` {:?}", self.spacing, self.patch_size));
        }
        if self.batch_size == 0 {
            return Err("`batch_size` is 0; it must be at least 1".to_owned());
        }
        if self.normalization_schemes.len() != self.use_mask_for_norm.len() {
            let (schemes, masks) = (self.normalization_schemes.len(), self.use_mask_for_norm.len());
            return Err(format!("`normalization_schemes` is for {schemes} channels but `use_mask_for_norm` for {masks}"));
        }
        let plain_name = |s: &str| !s.is_empty() && !s.starts_with('.') && !s.contains(['/', '\\']);
        if !plain_name(&self.data_identifier) || !plain_name(name) {
            return Err(format!("`data_identifier` is {:?}; it must be a folder's name without slashes", self.data_identifier));
        }
        Ok(self)
    }
}

/// A name or a list of names.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Many(Vec<String>),
        None(()),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::Many(names) => names,
        Names::None(()) => Vec::new(),
    })
}
