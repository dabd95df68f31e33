//! Checks of preprocessors.

use super::{Image, SHAPES, hook};
use crate::validate::{Failed, Found, Target, calls, fail, pass};
use plugin_api::{
    CaseQuestion, PreprocessingPlan, RunAnswer, Spacing,
    abi::host::{Named, ValuesMut},
    json,
};
use registry::{Hook, Kind};

fn plan(shape: [usize; 4]) -> PreprocessingPlan {
    let dims = if shape[1] == 1 { 2 } else { 3 };
    let channels: Vec<usize> = (0..shape[0]).collect();
    let spacing = [1.0, 0.8, 0.8];
    PreprocessingPlan {
        plans: json!({"transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "configurations": {}}),
        configuration: json!({
            "data_identifier": "validator", "patch_size": vec![16; dims], "batch_size": 2, "spacing": spacing[3 - dims..],
            "normalization_schemes": vec!["ZScoreNormalization"; shape[0]], "use_mask_for_norm": vec![false; shape[0]],
        }),
        dataset: json!({
            "channel_names": channels.iter().map(|c| (c.to_string(), format!("channel {c}"))).collect::<std::collections::BTreeMap<_, _>>(),
            "labels": {"background": 0, "organ": 1, "lesion": 2}, "numTraining": 10, "file_ending": ".nii.gz",
        }),
    }
}

/// One step on an image, which is changed; the answer of `run`, if it took the case over.
fn step(hook: &Hook, step: &str, image: &mut Image, with_labels: bool) -> Result<Option<RunAnswer>, Failed> {
    let question = CaseQuestion { spacing: Spacing([3.0, 0.8, 0.8]), target_spacing: Spacing([1.0, 0.8, 0.8]) };
    let mut arrays = vec![Named::new("image", &image.shape, ValuesMut::F32(&mut image.voxels))];
    if with_labels {
        arrays.push(Named::new("labels", &image.label_shape, ValuesMut::I16(&mut image.labels)));
    }
    let Some(edited) = hook.edit(step, &question, &[], &mut arrays)? else { return Ok(None) };
    let answer = (!edited.answer.is_empty()).then(|| hook.read(step, &edited.answer)).transpose()?;
    image.replace(edited);
    Ok(answer)
}

/// The case after `before`, `run` and `after`, or what is wrong with a step.
fn case(on: &Target, shape: [usize; 4], with_labels: bool) -> Result<Result<Image, String>, Failed> {
    let hook = hook(on, Kind::Preprocessor, &plan(shape))?;
    let mut image = Image::of(shape, on.seed);
    for name in ["before", "run", "after"] {
        let before = image.clone();
        let answer = step(&hook, name, &mut image, with_labels)?;
        if !with_labels {
            // nobody had labels to thin out
            image.label_shape = [&[1], image.shape.get(1..).unwrap_or_default()].concat();
        }
        if let Some(fault) = image.fault(&before, name != "run") {
            return Ok(Err(format!("{name}: {fault}")));
        }
        if let Some(RunAnswer { crop }) = answer
            && let Some(axis) = (0..3).find(|&a| crop[a][0] >= crop[a][1] || crop[a][1] > before.shape[1 + a])
        {
            return Ok(Err(format!("run: the crop {:?} of axis {axis} is not within its {} voxels", crop[axis], before.shape[1 + axis])));
        }
    }
    Ok(Ok(image))
}

pub(in crate::validate) fn runs(on: &Target) -> Found {
    for shape in SHAPES {
        let (with, without) = (case(on, shape, true)?, case(on, shape, false)?);
        let (with, without) = match (with, without) {
            (Err(fault), _) => return fail(format!("{fault} (an image of {shape:?})")),
            (_, Err(fault)) => return fail(format!("{fault} (an image of {shape:?} without labels, as in prediction)")),
            (Ok(with), Ok(without)) => (with, without),
        };
        if with.voxels != without.voxels || with.shape != without.shape {
            return fail(format!("an image of {shape:?} comes out differently with labels, as in training, and without, as in prediction"));
        }
    }
    pass("")
}

pub(in crate::validate) fn deterministic(on: &Target) -> Found {
    calls::same(|| SHAPES.map(|shape| case(on, shape, true).map_err(|e| e.to_string())).into_iter().collect::<Result<Vec<_>, _>>())
}

pub(in crate::validate) fn threads(on: &Target) -> Found {
    calls::threads(|| case(on, SHAPES[0], true).map(drop))
}

pub(in crate::validate) fn memory(on: &Target) -> Found {
    calls::memory(|| case(on, SHAPES[0], true).map(drop))
}
