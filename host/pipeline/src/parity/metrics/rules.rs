//! Rules that are numbers: weights of heads, learning rates, oversampling, patches, splits, random draws, tiles.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use volume::numpy::RandomState;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use super::FOLDER;
use crate::augment::{Stream, Wishes, rules};
use crate::error::{Error, Result};
use crate::infer::steps;
use crate::loader::Oversample;
use crate::splits::Splits;
use crate::train::{deep_supervision_weights, poly_lr};

pub(super) fn compare(desk: &mut Desk<'_>) -> Result<()> {
    let file = format!("{FOLDER}/rules.json");
    let all: Map<String, Value> = desk.json(&file, Use::Compared)?;
    for (rule, theirs) in &all {
        let what = format!("{file}: {rule}");
        desk.attempt(&what, |desk| match rule.as_str() {
            "deep_supervision_weights" => each(desk, &what, theirs, heads),
            "polylr" => each(desk, &what, theirs, learning_rates),
            "oversample_last_XX_percent" => each(desk, &what, theirs, oversampled),
            "initial_patch_size" => patches(desk, &what, theirs),
            "crossval_splits" => each(desk, &what, theirs, folds),
            "sliding_window_steps" => tiles(desk, &what, theirs),
            name => match name.strip_prefix("numpy_RandomState_").and_then(|seed| seed.parse().ok()) {
                Some(seed) => each(desk, &what, theirs, |_, name, _| draws(seed, name)),
                None => {
                    desk.fell_short(&what, "the rule was not understood, so nothing was compared with it");
                    Ok(())
                }
            },
        });
    }
    Ok(())
}

/// What we make of an entry; none where its name was not understood.
type Made = Option<Value>;

fn each(desk: &mut Desk<'_>, what: &str, theirs: &Value, ours: impl Fn(&mut Desk<'_>, &str, &Value) -> Made) -> Result<()> {
    for (name, theirs) in theirs.as_object().into_iter().flatten() {
        let what = format!("{what}, {name}");
        // a text is nnU-Net's word that it has no answer
        if let Some(text) = theirs.as_str() {
            desk.not_compared(&what, &format!("nnU-Net has no number there, but {text:?}"));
            continue;
        }
        match ours(desk, name, theirs) {
            Some(ours) => desk.tree(&what, &ours, theirs, tolerance::RULES),
            None => desk.fell_short(&what, "the entry was not understood, so nothing was compared with it"),
        }
    }
    Ok(())
}

fn heads(_: &mut Desk<'_>, name: &str, _: &Value) -> Made {
    Some(json!(deep_supervision_weights(name.parse().ok()?)))
}

/// `init0.01_max1000`: the learning rates at the epochs that are the keys.
fn learning_rates(_: &mut Desk<'_>, name: &str, theirs: &Value) -> Made {
    let (initial, epochs) = name.strip_prefix("init")?.split_once("_max")?;
    let (initial, epochs): (f64, usize) = (initial.parse().ok()?, epochs.parse().ok()?);
    let rate = |epoch: &String| Some((epoch.clone(), json!(poly_lr(initial, epoch.parse().ok()?, epochs))));
    theirs.as_object()?.keys().map(rate).collect::<Option<Map<_, _>>>().map(Value::from)
}

/// `bs2_p0.33`: which samples of a batch must show foreground.
fn oversampled(_: &mut Desk<'_>, name: &str, _: &Value) -> Made {
    let (size, share) = name.strip_prefix("bs")?.split_once("_p")?;
    let (size, share): (usize, f64) = (size.parse().ok()?, share.parse().ok()?);
    // which ones is no matter of chance there
    let mut unused = Stream::new(0, &[]);
    Some(json!((0..size).map(|place| Oversample::Last(share).forced(place, size, &mut unused)).collect::<Vec<_>>()))
}

/// Splits of so many cases, `case_000` and so on.
fn folds(_: &mut Desk<'_>, name: &str, _: &Value) -> Made {
    let count: usize = name.parse().ok()?;
    let cases: Vec<String> = (0..count).map(|case| format!("case_{case:03}")).collect();
    serde_json::to_value(Splits::create(&cases).ok()?).ok()
}

/// `choice_100_10_noreplace`, `uniform4`, `randint_0_7_8`.
fn draws(seed: u32, name: &str) -> Made {
    let mut random = RandomState::new(seed);
    if let Some(count) = name.strip_prefix("uniform") {
        return Some(json!((0..count.parse().ok()?).map(|_: usize| random.random_sample()).collect::<Vec<f64>>()));
    }
    match name.split('_').collect::<Vec<_>>().as_slice() {
        ["choice", n, count, "replace"] => Some(json!(random.choice(n.parse().ok()?, count.parse().ok()?))),
        ["choice", n, count, "noreplace"] => Some(json!(random.choice_without_replacement(n.parse().ok()?, count.parse().ok()?))),
        ["randint", low, high, count] => {
            let (low, high) = (low.parse().ok()?, high.parse().ok()?);
            Some(json!((0..count.parse().ok()?).map(|_: usize| random.randint(low, high)).collect::<Vec<i64>>()))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Patch {
    patch: Vec<usize>,
}

/// What augmentation makes of a patch.
fn patches(desk: &mut Desk<'_>, what: &str, theirs: &Value) -> Result<()> {
    for theirs in theirs.as_array().into_iter().flatten() {
        let patch = parsed::<Patch>(what, theirs)?.patch;
        let found = rules(&patch, &Wishes::default());
        let ours = json!({
            "patch": patch,
            "rotation": found.rotation,
            "do_dummy_2d": found.dummy_2d,
            "initial_patch_size": found.initial_patch,
            "mirror_axes": found.mirror_axes,
        });
        desk.tree(&format!("{what}, {patch:?}"), &ours, theirs, tolerance::RULES);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Tiles {
    image: Vec<usize>,
    tile: Vec<usize>,
    step: f64,
    steps: Vec<Vec<usize>>,
}

fn tiles(desk: &mut Desk<'_>, what: &str, theirs: &Value) -> Result<()> {
    for theirs in theirs.as_array().into_iter().flatten() {
        let Tiles { image, tile, step, steps: theirs } = parsed(what, theirs)?;
        let ours: Vec<_> = image.iter().zip(&tile).map(|(&image, &tile)| steps(image, tile, step)).collect();
        desk.exact(&format!("{what}, image {image:?}, tile {tile:?}, step {step}"), &ours, &theirs);
    }
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(what: &str, value: &Value) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|error| Error::invalid(format!("{what}: {value} cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_was_drawn() {
        assert_eq!(draws(1234, "randint_0_7_8"), Some(json!([3, 6, 5, 4, 4, 0, 1, 1])));
        assert_eq!(draws(1234, "choice_100_3_noreplace"), Some(json!([40, 35, 81])));
        assert!(draws(1, "normal_3").is_none() && draws(1, "choice_1_2_3_4").is_none());
    }
}
