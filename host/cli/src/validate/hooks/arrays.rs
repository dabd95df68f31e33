//! Checks of normalizations, augmentations and learning-rate schedules.

use super::{Image, SHAPES, hook};
use crate::validate::{Failed, Found, Target, calls, fail, pass};
use plugin_api::{
    ApplyQuestion, ChannelFacts, Intensities, LrQuestion,
    abi::host::{Named, Values, ValuesMut},
    json,
};
use registry::Kind;

/// A channel (D, H, W) after normalization. The mask, if any, is negative where the channel is 0.
fn normalized(on: &Target, mut voxels: Vec<f32>, shape: &[usize], masked: bool) -> Result<Vec<f32>, Failed> {
    let hook = hook(on, Kind::Normalization, &json!({}))?;
    let intensities = Intensities { max: 300.0, mean: 120.0, median: 118.0, min: 1.0, percentile_00_5: 20.0, percentile_99_5: 220.0, std: 40.0 };
    let facts = ChannelFacts { index: 0, name: "CT".into(), intensities: Some(intensities) };
    let mask: Vec<i16> = voxels.iter().map(|v| if *v == 0.0 { -1 } else { 0 }).collect();
    let inputs = if masked { vec![Named::new("mask", shape, Values::I16(&mask))] } else { vec![] };
    hook.edit("normalize", &facts, &inputs, &mut [Named::new("channel", shape, ValuesMut::F32(&mut voxels))])?;
    Ok(voxels)
}

pub(in crate::validate) fn normalization_finite(on: &Target) -> Found {
    for shape in SHAPES {
        let (spatial, n) = (&shape[1..], shape[1] * shape[2] * shape[3]);
        let image = Image::of(shape, on.seed).voxels[..n].to_vec();
        for (voxels, which) in [(image, "noise"), (vec![7.0; n], "one value"), (vec![0.0; n], "zeros")] {
            for masked in [false, true] {
                let given = voxels.clone();
                let made = normalized(on, voxels.clone(), spatial, masked)?;
                let case = format!("a channel {spatial:?} of {which}{}", if masked { " with a mask" } else { "" });
                if let Some(value) = made.iter().find(|v| !v.is_finite()) {
                    return fail(format!("{case}: a voxel became {value}"));
                }
                if masked && given.iter().zip(&made).any(|(g, m)| *g == 0.0 && *m != 0.0) {
                    return fail(format!("{case}: voxels outside the mask were changed"));
                }
            }
        }
    }
    pass("")
}

pub(in crate::validate) fn normalization_deterministic(on: &Target) -> Found {
    let image = Image::of(SHAPES[0], on.seed).voxels;
    calls::same(|| normalized(on, image.clone(), &SHAPES[0][1..], true).map_err(|e| e.to_string()))
}

/// A sample after augmentation by this seed.
fn augmented(on: &Target, shape: [usize; 4], seed: u64) -> Result<Image, Failed> {
    let hook = hook(on, Kind::Augmentation, &json!({}))?;
    let mut image = Image::of(shape, on.seed);
    let Image { shape, voxels, label_shape, labels } = &mut image;
    let mut arrays = [Named::new("image", shape, ValuesMut::F32(voxels)), Named::new("labels", label_shape, ValuesMut::I16(labels))];
    let edited = hook.edit("apply", &ApplyQuestion { seed }, &[], &mut arrays)?;
    image.replace(edited.unwrap_or_default());
    Ok(image)
}

pub(in crate::validate) fn augmentation_runs(on: &Target) -> Found {
    for shape in SHAPES {
        let before = Image::of(shape, on.seed);
        for seed in 0..16 {
            if let Some(fault) = augmented(on, shape, seed)?.fault(&before, true) {
                return fail(format!("{fault} (a sample of {shape:?}, seed {seed})"));
            }
        }
    }
    pass("")
}

pub(in crate::validate) fn augmentation_deterministic(on: &Target) -> Found {
    calls::same(|| (0..8).map(|seed| augmented(on, SHAPES[0], seed).map_err(|e| e.to_string())).collect::<Result<Vec<_>, _>>())
}

pub(in crate::validate) fn augmentation_memory(on: &Target) -> Found {
    calls::memory(|| augmented(on, SHAPES[0], 1).map(drop))
}

pub(in crate::validate) fn schedule(on: &Target) -> Found {
    let hook = hook(on, Kind::LrSchedule, &json!({}))?;
    let lr = |epoch: usize, epochs: usize, initial: f64| -> Result<f64, Failed> {
        let question = LrQuestion { epoch, epochs, initial };
        hook.ask("lr", &question)?.ok_or_else(|| "it does not answer for the learning rate".into())
    };
    for (epochs, initial) in [(1, 0.01), (2, 0.01), (1000, 0.01), (250, 1e-4)] {
        let mut highest = 0f64;
        for epoch in 0..epochs {
            let rate = lr(epoch, epochs, initial)?;
            if !rate.is_finite() || rate < 0.0 {
                return fail(format!("the learning rate of epoch {epoch} of {epochs} is {rate}, from {initial}"));
            }
            if rate.to_bits() != lr(epoch, epochs, initial)?.to_bits() {
                return fail(format!("the learning rate of epoch {epoch} of {epochs} is another one when asked again, so a resumed run differs"));
            }
            highest = highest.max(rate);
        }
        if highest == 0.0 {
            return fail(format!("the learning rate is 0 in each of {epochs} epochs"));
        }
    }
    pass("1 to 1000 epochs")
}
