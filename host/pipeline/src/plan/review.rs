//! What someone who edited plans should know before the next step.

use super::{Configuration, Plans, legacy};
use plugin_api::NetworkSpec;
use registry::nearest;
use serde_json::{Map, Value};
use std::fmt;

/// Something about plans that wants a second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The configuration, or none for the plans as a whole.
    pub configuration: Option<String>,
    /// Nothing can be trained so.
    pub fatal: bool,
    /// What is found, and the way out.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.fatal { "error" } else { "warning" };
        match &self.configuration {
            Some(name) => write!(f, "{kind}: {name}: {}", self.text),
            None => write!(f, "{kind}: {}", self.text),
        }
    }
}

/// Everything about `plans` that cannot be followed or has no effect, in the order of the file.
///
/// Keys that nobody knows are named with the nearest that exists; each configuration is resolved, its lists are counted and its patch is held
/// against the strides. Networks are not built: [`stages`](super::stages) does that.
pub fn review(plans: &Plans) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |configuration: Option<&str>, fatal, text| remarks.push(Remark { configuration: configuration.map(str::to_owned), fatal, text });
    let known = keys_of(plans, &plans.rest);
    plans.rest.keys().for_each(|key| say(None, false, unknown(key, &known)));
    for (name, own) in &plans.configurations {
        let configuration = match plans.configuration(name) {
            Ok(configuration) => configuration,
            Err(error) => {
                say(Some(name), true, error.to_string());
                continue;
            }
        };
        for key in strangers(own, &configuration) {
            say(Some(name), false, key);
        }
        for text in unfit(&configuration) {
            say(Some(name), true, text);
        }
    }
    remarks
}

/// Says of each key of a configuration that nothing reads it.
fn strangers(own: &Value, configuration: &Configuration) -> Vec<String> {
    let mut known = keys_of(configuration, &configuration.rest);
    known.extend(legacy::KEYS.iter().chain(&["inherits_from", "next_stage", "previous_stage"]).map(|key| (*key).to_owned()));
    let network = keys_of(&configuration.architecture, &Map::new());
    let all = |value: &Value| value.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>();
    let of = |keys: Vec<String>, known: &[String]| keys.into_iter().filter(|key| !known.contains(key)).map(|key| unknown(&key, known)).collect();
    let mut found: Vec<String> = of(all(own), &known);
    found.extend::<Vec<String>>(of(all(&own["architecture"]), &network));
    found
}

/// What keeps a network of this configuration from being built or trained; only plans that name stages are asked.
fn unfit(configuration: &Configuration) -> Vec<String> {
    let spec = configuration.network_spec(1, 2, true);
    if spec.arch_kwargs.get("n_stages").is_none() {
        return Vec::new();
    }
    match spec.stages() {
        Err(error) => vec![error.message().to_owned()],
        Ok(_) => patch_fault(&spec).into_iter().collect(),
    }
}

/// What went wrong when a network was tried on shapes, and the patch's part in it, if it has one.
pub(crate) fn explained(error: &impl fmt::Display, spec: &NetworkSpec) -> String {
    patch_fault(spec).map_or_else(|| error.to_string(), |fault| format!("{error}; {fault}"))
}

/// Says which axis of the patch the strides do not divide and which lengths they do, or that too little is left at the bottleneck; none
/// where the patch fits, or where the plan has no strides.
fn patch_fault(spec: &NetworkSpec) -> Option<String> {
    let stages = spec.stages().ok()?;
    let divisor = |axis: usize| stages.iter().map(|stage| stage.stride[axis]).product::<usize>().max(1);
    let patch = &spec.patch_size;
    let wrong: Vec<String> = (0..spec.dims())
        .filter(|&axis| !patch[axis].is_multiple_of(divisor(axis)))
        .map(|axis| {
            let (size, divisor) = (patch[axis], divisor(axis));
            let below = size / divisor * divisor;
            let wanted = if below == 0 { format!("{divisor}") } else { format!("{below} or {}", below + divisor) };
            format!("axis {axis} is {size}, wanted a multiple of {divisor} ({wanted})")
        })
        .collect();
    if !wrong.is_empty() {
        let way_out = "or take strides out of the architecture (`host plans show` lists them)";
        return Some(format!("`patch_size` {patch:?} does not fit the strides: {}; {way_out}", wrong.join(", ")));
    }
    let deepest: Vec<usize> = (0..spec.dims()).map(|axis| patch[axis] / divisor(axis)).collect();
    (stages.len() > 1 && deepest.iter().all(|&n| n == 1)).then(|| {
        format!("`patch_size` {patch:?} leaves a single voxel at the bottleneck, which cannot be normalised; make it larger or the network one stage shallower")
    })
}

fn unknown(key: &str, known: &[String]) -> String {
    let hint = nearest(key, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!("`{key}` is no key of plans and has no effect{hint}")
}

/// The keys that `value` is written with, without those it only passes on.
fn keys_of(value: &impl serde::Serialize, rest: &Map<String, Value>) -> Vec<String> {
    let all = serde_json::to_value(value).ok().and_then(|value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()));
    all.unwrap_or_default().into_iter().filter(|key| !rest.contains_key(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plans(edit: impl FnOnce(&mut Value)) -> Plans {
        let mut configuration = json!({
            "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": [40, 56, 40], "spacing": [1, 1, 1],
            "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false], "resampling_fn_data": "", "resampling_fn_seg": "",
            "resampling_fn_probabilities": "", "batch_dice": false,
            "architecture": {"network_class_name": "PlainConvUNet", "_kw_requires_import": [], "arch_kwargs": {
                "n_stages": 4, "features_per_stage": [32, 64, 128, 256], "kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
                "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]], "n_conv_per_stage": [2, 2, 2, 2], "n_conv_per_stage_decoder": [2, 2, 2]
            }}
        });
        edit(&mut configuration);
        serde_json::from_value(json!({
            "dataset_name": "Dataset001_A", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1, 1, 1],
            "original_median_shape_after_transp": [1, 1, 1], "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2], "configurations": {"3d_fullres": configuration}, "foreground_intensity_properties_per_channel": {}
        }))
        .unwrap()
    }

    fn said(edit: impl FnOnce(&mut Value)) -> String {
        review(&plans(edit)).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn plans_as_they_were_made_need_no_remark() {
        assert_eq!(said(|_| ()), "");
    }

    #[test]
    fn the_axis_and_the_divisor_are_named() {
        let text = said(|c| c["patch_size"] = json!([40, 57, 4]));
        for part in ["error: 3d_fullres", "axis 1 is 57, wanted a multiple of 8 (56 or 64)", "axis 2 is 4, wanted a multiple of 8 (8)"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(said(|c| c["patch_size"] = json!([8, 8, 8])).contains("a single voxel at the bottleneck"));
    }

    #[test]
    fn a_strange_key_is_named_with_its_neighbour() {
        let text = said(|c| {
            c["patchsize"] = json!([8, 8, 8]);
            c["architecture"]["arch_kwarg"] = json!({});
        });
        assert!(text.contains("warning: 3d_fullres: `patchsize` is no key of plans and has no effect; did you mean `patch_size`?"), "{text}");
        assert!(text.contains("`arch_kwarg` is no key of plans and has no effect; did you mean `arch_kwargs`?"), "{text}");
        assert!(
            said(|c| c["UNet_base_num_features"] = json!(32)).contains("contradict") || said(|c| c["UNet_base_num_features"] = json!(32)).is_empty()
        );
    }

    #[test]
    fn lists_are_counted() {
        let text = said(|c| c["architecture"]["arch_kwargs"]["strides"] = json!([[1, 1, 1], [2, 2, 2]]));
        assert!(text.contains("arch_kwargs.strides"), "{text}");
        assert!(said(|c| c["batch_size"] = json!(0)).contains("`batch_size` is 0"));
        assert!(said(|c| c["inherits_from"] = json!("3d_fulres")).contains("there is no such configuration"));
    }
}
