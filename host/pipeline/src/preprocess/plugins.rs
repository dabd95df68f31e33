//! What plugins do in preprocessing: a preprocessor before, after or instead of the standard steps, and normalization schemes.

use std::collections::BTreeMap;

use ndarray::{Array3, Array4, ArrayRef3, Ix3, Ix4};
use plugin_api::abi::host::{Edited, Named, NewValues, Values, ValuesMut};
use plugin_api::{CaseQuestion, ChannelFacts, PreprocessingPlan, RunAnswer, Spacing};
use registry::{Hook, Kind, Registry};
use serde_json::Map;

use super::{PREPROCESSOR, normalize::SCHEMES};
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::lock::{self, Part};
use crate::plan::{Configuration, Plans};

/// The plugins that a configuration's preprocessing names; the default has none.
#[derive(Debug, Default)]
pub struct Plugins {
    preprocessor: Option<Hook>,
    normalizations: BTreeMap<String, Hook>,
}

/// What a plugin's `run` made of a case; axes are those after the transposition.
pub(super) struct Ran {
    pub(super) data: Array4<f32>,
    pub(super) seg: Option<Array3<i16>>,
    /// The part of the given image that it shows.
    pub(super) crop: [[usize; 2]; 3],
}

impl Plugins {
    /// Loads what `configuration` names and the host does not do itself.
    ///
    /// # Errors
    /// There is no such preprocessor or normalization, or its plugin cannot be loaded; valid names are listed.
    pub fn of(registry: &Registry, plans: &Plans, configuration: &Configuration, dataset: &DatasetJson) -> Result<Self> {
        let json = |error: serde_json::Error| Error::invalid(error.to_string());
        let plan = PreprocessingPlan {
            plans: serde_json::to_value(plans).map_err(json)?,
            configuration: serde_json::to_value(configuration).map_err(json)?,
            dataset: serde_json::to_value(dataset).map_err(json)?,
        };
        let hook = |kind, name: &str, own: &[&str]| -> Result<Option<Hook>> {
            let source = registry.hook(kind, name)?;
            if own.contains(&name) { Ok(None) } else { Ok(Some(source.create(&Map::new(), &plan)?)) }
        };
        let mut plugins = Self { preprocessor: hook(Kind::Preprocessor, &configuration.preprocessor_name, &[PREPROCESSOR])?, ..Self::default() };
        for scheme in &configuration.normalization_schemes {
            if let Some(hook) = hook(Kind::Normalization, scheme, &SCHEMES)? {
                plugins.normalizations.insert(scheme.clone(), hook);
            }
        }
        Ok(plugins)
    }

    fn hooks(&self) -> impl Iterator<Item = &Hook> {
        self.preprocessor.iter().chain(self.normalizations.values())
    }

    /// The components with whose they are.
    pub fn parts(&self) -> Vec<Part<'_>> {
        self.hooks().map(lock::part).collect()
    }

    /// What tells other plugins' arrays from these: id and hash of each file.
    pub(super) fn hashes(&self) -> BTreeMap<String, Option<String>> {
        self.hooks().map(|hook| (hook.from.plugin.clone(), hook.from.sha256.clone())).collect()
    }

    /// Whether it is the host that preprocesses.
    pub(super) fn preprocess(&self) -> bool {
        self.preprocessor.is_some()
    }

    /// Step `before` or `after`: voxels are changed, shapes are not. `current` and `target` are mm.
    pub(super) fn around(&self, step: &str, data: &mut Array4<f32>, seg: Option<&mut Array3<i16>>, [current, target]: [[f64; 3]; 2]) -> Result<()> {
        let Some(hook) = &self.preprocessor else { return Ok(()) };
        let (shape, mut seg) = (data.shape().to_vec(), seg);
        let Some(edited) = edit(hook, step, data, seg.as_deref_mut(), [current, target])? else { return Ok(()) };
        for Named { name, shape: found, values } in edited.arrays {
            match (values, &mut seg) {
                (NewValues::F32(voxels), _) if found == shape => *data = array(hook, step, &found, voxels)?,
                (NewValues::I16(voxels), Some(seg)) if found.get(1..) == shape.get(1..) => **seg = array(hook, step, &found[1..], voxels)?,
                _ => {
                    let what = format!("made an array `{name}` of shape {found:?} of a case of shape {shape:?}; only `run` may change shapes");
                    return Err(hook.fault(step, &what).into());
                }
            }
        }
        Ok(())
    }

    /// Step `run`, if the plugin has it: what it makes takes the place of crop, normalization and resampling.
    pub(super) fn run(&self, data: &mut Array4<f32>, seg: Option<&mut Array3<i16>>, [current, target]: [[f64; 3]; 2]) -> Result<Option<Ran>> {
        let Some(hook) = &self.preprocessor else { return Ok(None) };
        let (given, mut seg) = (data.shape().to_vec(), seg);
        let Some(edited) = edit(hook, "run", data, seg.as_deref_mut(), [current, target])? else { return Ok(None) };
        let fault = |what: String| -> Result<Option<Ran>> { Err(hook.fault("run", &what).into()) };
        let RunAnswer { crop } = hook.read("run", &edited.answer)?;
        if (0..3).any(|axis| crop[axis][0] >= crop[axis][1] || crop[axis][1] > given[axis + 1]) {
            return fault(format!("says that the image shows the part {crop:?}, which is no part of {:?} voxels", &given[1..]));
        }
        let (mut image, mut labels) = (None, None);
        for Named { name, shape, values } in edited.arrays {
            match (values, shape.len()) {
                (NewValues::F32(voxels), 4) => image = Some(array::<_, Ix4>(hook, "run", &shape, voxels)?),
                (NewValues::I16(voxels), 4) if shape[0] == 1 => labels = Some(array::<_, Ix3>(hook, "run", &shape[1..], voxels)?),
                _ => return fault(format!("made an array `{name}` of shape {shape:?}; wanted an image (C, D, H, W) or labels (1, D, H, W)")),
            }
        }
        let image = image.unwrap_or_else(|| data.clone());
        let labels = labels.or_else(|| seg.map(|seg| seg.clone()));
        if image.shape()[0] != given[0] || image.is_empty() {
            return fault(format!("made an image of shape {:?}; wanted {} channels and at least one voxel", image.shape(), given[0]));
        }
        if let Some(labels) = labels.as_ref().filter(|labels| *labels.shape() != image.shape()[1..]) {
            return fault(format!("made labels of shape {:?} for an image of {:?}", labels.shape(), &image.shape()[1..]));
        }
        Ok(Some(Ran { data: image, seg: labels, crop }))
    }

    /// Normalizes a channel by a plugin's scheme; `seg` is negative outside the mask.
    ///
    /// # Errors
    /// There is no such scheme; the plugin fails.
    pub(super) fn normalize(&self, scheme: &str, facts: &ChannelFacts, channel: &mut ArrayRef3<f32>, mask: Option<&Array3<i16>>) -> Result<()> {
        let Some(hook) = self.normalizations.get(scheme) else {
            let known = SCHEMES.join(", ");
            return Err(Error::invalid(format!("there is no normalisation {scheme} (channel {}); there are {known}", facts.index)));
        };
        let shape = channel.shape().to_vec();
        let mask = mask.map(|mask| mask.as_standard_layout());
        let inside = mask.as_ref().and_then(|mask| mask.as_slice());
        let inputs: Vec<Named<Values<'_>>> = inside.map(|inside| Named::new("mask", &shape, Values::I16(inside))).into_iter().collect();
        let call = |voxels: &mut [f32]| hook.edit("normalize", facts, &inputs, &mut [Named::new("channel", &shape, ValuesMut::F32(voxels))]);
        let done = match channel.as_slice_mut() {
            Some(voxels) => call(voxels)?,
            None => {
                let mut copy: Vec<f32> = channel.iter().copied().collect();
                let done = call(&mut copy)?;
                channel.iter_mut().zip(copy).for_each(|(voxel, value)| *voxel = value);
                done
            }
        };
        match done {
            Some(_) => Ok(()),
            None => Err(hook.fault("normalize", "does not know the step, which a normalization is there for").into()),
        }
    }
}

/// Hands the voxels of a case to a plugin; where they are not in C order they are brought into it first.
fn edit(hook: &Hook, step: &str, data: &mut Array4<f32>, seg: Option<&mut Array3<i16>>, [current, target]: [[f64; 3]; 2]) -> Result<Option<Edited>> {
    if !data.is_standard_layout() {
        *data = data.as_standard_layout().into_owned();
    }
    let shape = data.shape().to_vec();
    let mut arrays = vec![Named::new("image", &shape, ValuesMut::F32(data.as_slice_mut().unwrap_or_default()))];
    if let Some(seg) = seg {
        if !seg.is_standard_layout() {
            *seg = seg.as_standard_layout().into_owned();
        }
        let shape = [&[1], seg.shape()].concat();
        arrays.push(Named::new("labels", &shape, ValuesMut::I16(seg.as_slice_mut().unwrap_or_default())));
    }
    let question = CaseQuestion { spacing: Spacing(current), target_spacing: Spacing(target) };
    Ok(hook.edit(step, &question, &[], &mut arrays)?)
}

fn array<T, D: ndarray::Dimension>(hook: &Hook, step: &str, shape: &[usize], voxels: Vec<T>) -> Result<ndarray::Array<T, D>> {
    let made = ndarray::Array::from_shape_vec(shape.to_vec(), voxels).and_then(|array| array.into_dimensionality());
    made.map_err(|error| hook.fault(step, &error.to_string()).into())
}
