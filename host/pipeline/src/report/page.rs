//! The page.

use super::{
    curves::{self, MEAN, TRAINING, VALIDATION},
    gather::{Case, Fold, Gathered},
    planes::{COLOURS, Plane, Views},
};
use crate::error::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::result::Result as StdResult;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn page(of: &Gathered, views: &[(&Case, StdResult<Views, String>)]) -> Result<Markup> {
    let curves = of.folds.iter().map(fold_curves).collect::<Result<Vec<_>>>()?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (of.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (of.title) }
                nav { a href="#cases" { "Cases" } a href="#pictures" { "Pictures" } a href="#curves" { "Curves" } a href="#plan" { "Plan" } a href="#made" { "Made by" } }
                (scores(of))
                h2 id="cases" { "Dice of each case, the worst first" }
                (table(of))
                h2 id="pictures" { "The worst cases" }
                p { span.key style=(colour(0)) { "truth" } span.key style=(colour(1)) { "prediction" } span.key style=(colour(2)) { "both outlines" } }
                @if views.is_empty() { p { "No case was scored." } }
                @for (case, view) in views { (picture(of, case, view)) }
                h2 id="curves" { "Training" }
                @if of.folds.is_empty() { p { "There is no checkpoint here, so no curves are known." } }
                @for (fold, curves) in of.folds.iter().zip(&curves) { h3 { (fold.name) } (curves) }
                h2 id="plan" { "Plan and fingerprint" }
                (plan(of))
                h2 id="made" { "Made by" }
                (made_by(of))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    })
}

fn colour(which: usize) -> String {
    let [r, g, b] = COLOURS[which];
    format!("background:#{r:02x}{g:02x}{b:02x}")
}

fn number(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.3}") }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let known: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
    if known.is_empty() { f64::NAN } else { known.iter().sum::<f64>() / known.len() as f64 }
}

fn scores(of: &Gathered) -> Markup {
    html! {
        p { (of.cases.len()) " scored cases" @if !of.folds.is_empty() { " of " (of.folds.len()) " fold(s)" } ". Mean Dice over cases:" }
        table {
            tr { @for (_, name) in &of.structures { th { (name) } } th { "mean" } }
            tr {
                @for i in 0..of.structures.len() { td { (number(mean(of.cases.iter().map(|case| case.dice[i])))) } }
                td { b { (number(mean((0..of.structures.len()).map(|i| mean(of.cases.iter().map(|case| case.dice[i])))))) } }
            }
        }
    }
}

fn table(of: &Gathered) -> Markup {
    html! {
        input #filter type="search" placeholder="find a case";
        table #scores {
            thead { tr { th { "case" } th { "fold" } @for (_, name) in &of.structures { th { (name) } } th { "mean" } } }
            tbody {
                @for case in &of.cases {
                    tr {
                        td { (case.name) }
                        td { (case.fold) }
                        @for dice in case.dice.iter().chain([&case.mean]) { td style=(shade(*dice)) { (number(*dice)) } }
                    }
                }
            }
        }
    }
}

/// From red for 0 to white for 1.
fn shade(dice: f64) -> String {
    if dice.is_nan() { String::new() } else { format!("background:hsl(0 90% {:.0}%)", 65.0 + 35.0 * dice.clamp(0.0, 1.0)) }
}

fn picture(of: &Gathered, case: &Case, view: &StdResult<Views, String>) -> Markup {
    let dice = of.structures.iter().zip(&case.dice).map(|((_, name), dice)| format!("{name} {}", number(*dice))).collect::<Vec<_>>().join(", ");
    html! {
        section.case {
            h3 { (case.name) small { " " (dice) } }
            @match view {
                Err(error) => p.missing { "cannot be shown: " (error) },
                Ok(views) => {
                    @if !views.with_image { p.missing { "its image was not found, so the outlines are on black; name the folder of images with -i" } }
                    div.planes { @for plane in &views.planes { (one_plane(plane)) } }
                }
            }
        }
    }
}

fn one_plane(plane: &Plane) -> Markup {
    let (width, height) = (plane.width, plane.height);
    let data = BASE64_STANDARD.encode(&plane.png);
    let style = format!("width:{width}px;height:{height}px;background-image:url(data:image/png;base64,{data})");
    html! {
        figure {
            div.slice data-height=(height) style=(style) {}
            figcaption {
                (plane.name) " " output { (plane.first + 1) } "/" (plane.slices)
                input type="range" min="0" max=(plane.slices - 1) value=(plane.first) aria-label=(plane.name);
            }
        }
    }
}

fn fold_curves(fold: &Fold) -> Result<Markup> {
    let l = &fold.checkpoint.logging;
    let seconds: Vec<f64> = l.epoch_end_timestamps.iter().zip(&l.epoch_start_timestamps).map(|(end, start)| end - start).collect();
    let classes: Vec<String> = (1..=l.dice_per_class_or_region.first().map_or(0, Vec::len)).map(|class| format!("class {class}")).collect();
    let per_class: Vec<Vec<f64>> =
        (0..classes.len()).map(|class| l.dice_per_class_or_region.iter().map(|d| d.get(class).copied().unwrap_or(f64::NAN)).collect()).collect();
    let mut dice: Vec<curves::Curve<'_>> = vec![("mean", TRAINING, &l.mean_fg_dice), ("running mean", MEAN, &l.ema_fg_dice)];
    dice.extend(classes.iter().zip(&per_class).enumerate().map(|(i, (name, values))| {
        let [r, g, b] = crate::overlay::COLOURS[i % crate::overlay::COLOURS.len()];
        (name.as_str(), plotters::style::RGBColor(r, g, b), values.as_slice())
    }));
    let charts = [
        curves::chart("loss", &[("training", TRAINING, &l.train_losses), ("validation", VALIDATION, &l.val_losses)])?,
        curves::chart("pseudo Dice", &dice)?,
        curves::chart("seconds an epoch", &[("seconds", TRAINING, &seconds)])?,
        curves::chart("learning rate", &[("learning rate", TRAINING, &l.lrs)])?,
    ];
    let hours = seconds.iter().sum::<f64>() / 3600.0;
    let each = mean(seconds.iter().copied());
    Ok(html! {
        p { (seconds.len()) " epochs, " (format!("{hours:.1}")) " h, " (format!("{each:.1}")) " s an epoch; best running mean of the pseudo Dice " (number(fold.checkpoint.best_ema.unwrap_or(f64::NAN))) }
        div.charts { @for chart in &charts { (PreEscaped(chart)) } }
    })
}

fn plan(of: &Gathered) -> Markup {
    let Some((name, configuration)) = &of.configuration else { return html! { p { "There are no plans here." } } };
    let text = |numbers: &[f64]| numbers.iter().map(|n| format!("{n:.3}")).collect::<Vec<_>>().join(" x ");
    let network = serde_json::to_string_pretty(&configuration.architecture).unwrap_or_default();
    let fingerprint =
        of.fingerprint.as_ref().map(|f| serde_json::to_string_pretty(&f["foreground_intensity_properties_per_channel"]).unwrap_or_default());
    let cases = of.fingerprint.as_ref().and_then(|f| f["spacings"].as_array().map(Vec::len));
    html! {
        table {
            tr { th { "configuration" } td { (name) } }
            @if let Some(plans) = &of.plans { tr { th { "plans" } td { (plans.plans_name) " by " (plans.experiment_planner_used) } } tr { th { "median shape, spacing" } td { (format!("{:?}", plans.original_median_shape_after_transp)) " voxels, " (text(&plans.original_median_spacing_after_transp)) " mm" } } }
            @if let Some(cases) = cases { tr { th { "cases in the fingerprint" } td { (cases) } } }
            tr { th { "patch, batch" } td { (format!("{:?}", configuration.patch_size)) ", " (configuration.batch_size) } }
            tr { th { "spacing" } td { (text(&configuration.spacing)) " mm" } }
            tr { th { "normalisation" } td { (configuration.normalization_schemes.join(", ")) } }
        }
        details { summary { "network" } pre { (network) } }
        @if let Some(fingerprint) = fingerprint { details { summary { "intensities of the foreground" } pre { (fingerprint) } } }
    }
}

fn made_by(of: &Gathered) -> Markup {
    html! {
        @for fold in &of.folds {
            @let host = &fold.checkpoint.host;
            p {
                (fold.name) ": trainer " (fold.checkpoint.trainer_name) ", "
                @if host.host_version.is_empty() { "trained by Python's nnU-Net" } @else { "host " (host.host_version) ", seed " (host.seed) ", " (host.num_epochs) " epochs of " (host.iterations_per_epoch) " iterations" }
                " on " (fold.checkpoint.device)
            }
            @if host.plugins.is_empty() { p { "All components were the host's own." } } @else {
                ul { @for from in &host.plugins { li { (from.plugin) " " (from.version) ": " (from.components.join(", ")) ", sha256 " code { (from.sha256) } } } }
            }
        }
        @if of.folds.is_empty() { p { "Nothing is known of what made these predictions." } }
    }
}
