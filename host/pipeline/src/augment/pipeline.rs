//! The steps in nnU-Net's order.

use super::sample::contiguous;
use super::spatial::{Spatial, Style};
use super::spec::volume_shape;
use super::{
    AugmentSpec, Augmentation, Background, Brightness, Contrast, Gamma, GaussianBlur, GaussianNoise, LowResolution, MaskOutside, Mirror, Plugged,
    PreviousStage, RandomMorphology, Regions, RemoveComponent, Sample, Source, Stream, Transform, targets,
};
use crate::error::{Error, Result};
use ndarray::Array4;
use plugin_api::Place;
use std::sync::Arc;

/// A patch as the network gets it; all arrays are in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// (C, D, H, W)
    pub data: Array4<f32>,
    /// For each head, finest first: (1, D, H, W) labels, or (R, D, H, W) of 0 and 1 for regions, with one more channel
    /// that is 1 where a voxel is ignored.
    pub targets: Vec<Array4<i16>>,
}

/// All steps between a preprocessed case and the network.
pub struct Pipeline {
    spatial: Spatial,
    steps: Vec<Step>,
    /// Steps before the conversions that every sample needs.
    augmenting: usize,
    plugin: Option<Arc<Plugged>>,
    heads: Vec<[usize; 3]>,
    cascaded: bool,
    is_2d: bool,
}

struct Step {
    probability: f64,
    transform: Box<dyn Transform>,
}

impl Pipeline {
    /// nnU-Net's augmentation, or the stronger one, as `spec` says.
    ///
    /// # Errors
    /// The settings do not fit together.
    pub fn training(spec: &AugmentSpec) -> Result<Self> {
        let nearest = match spec.augmentation {
            Augmentation::Strong { nearest } => return Self::strong(spec, nearest),
            Augmentation::Standard { nearest } => nearest,
        };
        let planar = spec.is_2d() || spec.dummy_2d;
        let style = Style { nearest, ..Style::default() };
        let spatial = |patch| Spatial { patch, planar, p_rotation: 0.2, rotation: spec.rotation, p_scaling: 0.2, scaling: (0.7, 1.4), style };
        let mut pipeline = Self::empty(spec, spatial)?;
        pipeline.add(0.1, GaussianNoise { sigma: (0.0, 0.1) });
        pipeline.add(0.2, GaussianBlur { sigma: (0.5, 1.0), p_channel: 0.5, one_sigma: false });
        pipeline.add(0.15, Brightness { range: (0.75, 1.25) });
        pipeline.add(0.15, Contrast::within((0.75, 1.25)));
        pipeline.add(0.25, LowResolution { scale: (0.5, 1.0), p_channel: 0.5, planar });
        pipeline.add(0.1, Gamma { range: (0.7, 1.5), inverted: true });
        pipeline.add(0.3, Gamma { range: (0.7, 1.5), inverted: false });
        pipeline.mirror(spec);
        pipeline.mask(spec);
        pipeline.convert(spec, true);
        Ok(pipeline)
    }

    /// Mirroring, if there are axes for it.
    pub(super) fn mirror(&mut self, spec: &AugmentSpec) {
        if !spec.mirror_axes.is_empty() {
            let axes = spec.mirror_axes.iter().map(|axis| axis + 3 - spec.patch.len()).collect();
            self.add(1.0, Mirror { axes });
        }
    }

    /// Zeros outside the mask, where a channel was normalised within it.
    pub(super) fn mask(&mut self, spec: &AugmentSpec) {
        if spec.use_mask_for_norm.contains(&true) {
            self.add(1.0, MaskOutside { channels: spec.use_mask_for_norm.clone() });
        }
    }

    /// No augmentation: the middle of the window, and the conversions without which a network cannot use it.
    ///
    /// # Errors
    /// The settings do not fit together.
    pub fn validation(spec: &AugmentSpec) -> Result<Self> {
        let mut pipeline = Self::empty(spec, Spatial::crop)?;
        pipeline.convert(spec, false);
        Ok(pipeline)
    }

    pub(super) fn empty(spec: &AugmentSpec, spatial: impl FnOnce([usize; 3]) -> Spatial) -> Result<Self> {
        spec.check()?;
        let patch = volume_shape(&spec.patch).ok_or_else(|| Error::invalid(format!("patch {:?}", spec.patch)))?;
        let heads = spec.heads.iter().filter_map(|head| volume_shape(head)).collect();
        let (cascaded, is_2d) = (spec.cascade_labels.is_some(), spec.is_2d());
        Ok(Self { spatial: spatial(patch), steps: Vec::new(), augmenting: 0, plugin: None, heads, cascaded, is_2d })
    }

    /// What training and validation have in common; `faults` makes the previous stage's segmentation worse.
    pub(super) fn convert(&mut self, spec: &AugmentSpec, faults: bool) {
        self.augmenting = self.steps.len();
        self.add(1.0, Background);
        if let Some(labels) = &spec.cascade_labels {
            self.add(1.0, PreviousStage { labels: labels.clone() });
            if faults {
                let channels = labels.len();
                self.add(0.4, RandomMorphology { channels, p_channel: 0.5, radius: (1, 8) });
                self.add(0.2, RemoveComponent { channels, p_channel: 0.5, largest: 0.15 });
            }
        }
        if let Some(regions) = &spec.regions {
            self.add(1.0, Regions { regions: regions.clone(), ignore: spec.ignore_label });
        }
    }

    /// Appends a step that happens with `probability`.
    pub fn add(&mut self, probability: f64, transform: impl Transform + 'static) {
        self.steps.push(Step { probability, transform: Box::new(transform) });
    }

    /// Adds a plugin's step, at the place that it wants.
    #[must_use]
    pub fn with(mut self, plugin: Option<Arc<Plugged>>) -> Self {
        self.plugin = plugin;
        self
    }

    /// Each step after the spatial one and its probability, in order.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.steps.iter().map(|step| (step.transform.name(), step.probability))
    }

    /// D, H, W of the patch in voxels; D = 1 for 2D networks.
    pub fn patch(&self) -> [usize; 3] {
        self.spatial.patch
    }

    /// Whether the network is 2D.
    pub fn is_2d(&self) -> bool {
        self.is_2d
    }

    /// Label maps that a source must have: the segmentation, and for a cascade the previous stage's.
    pub fn label_maps(&self) -> usize {
        1 + usize::from(self.cascaded)
    }

    /// The example that `source` gives with the random numbers of `rng`. A source needs [`Pipeline::label_maps`] label
    /// maps and one `use_mask_for_norm` for each channel.
    ///
    /// # Errors
    /// A plugin's step fails.
    pub fn apply(&self, source: &Source<'_>, rng: &Stream) -> Result<Example> {
        let mut sample = self.spatial.sample(source, &mut rng.fork(0));
        let plug = |place, sample: &mut Sample| match &self.plugin {
            // numbers of its own: the standard steps draw theirs as without it
            Some(plugin) => plugin.apply(place, sample, &mut rng.fork(u64::MAX)),
            None => Ok(()),
        };
        plug(Place::Before, &mut sample)?;
        for (number, step) in (1..).zip(&self.steps) {
            if number == self.augmenting as u64 + 1 {
                plug(Place::After, &mut sample)?;
            }
            let mut rng = rng.fork(number);
            if rng.chance(step.probability) {
                step.transform.apply(&mut sample, &mut rng);
            }
        }
        // What follows, and whoever stacks examples, takes elements in C order.
        contiguous(&mut sample.data);
        contiguous(&mut sample.seg);
        let coarser = self.heads.iter().skip(1).map(|&shape| targets::resize(&sample.seg, shape)).collect::<Vec<_>>();
        let finest = self.heads.first().filter(|&&shape| shape != sample.spatial()).map(|&shape| targets::resize(&sample.seg, shape));
        let targets = std::iter::once(finest.unwrap_or(sample.seg)).chain(coarser).collect();
        Ok(Example { data: sample.data, targets })
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps: Vec<_> = self.steps().collect();
        f.debug_struct("Pipeline").field("spatial", &self.spatial).field("steps", &steps).field("heads", &self.heads).finish()
    }
}
