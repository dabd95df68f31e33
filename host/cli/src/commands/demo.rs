//! `demo`

use super::Run;
use crate::{
    demo::{self, Page},
    failure::Failure,
    options::{DeviceOption, PluginOptions},
    show,
};
use pipeline::{dataset::images_in, evaluate::Summary, json, paths::quoted, phantom, phantom::PhantomSpec};
use registry::Kind;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// The trainer config that the demo shows unless another is asked for: one of a plugin, not of the host.
const TRAINER: &str = "blob_dice_loss";
/// The configuration that it adds to the plans.
const CONFIGURATION: &str = "3d_demo";
const LABELS: [&str; 2] = ["organ", "lesion"];

/// See it work: makes a small dataset, plans, trains, predicts and scores, in a few minutes on two cores
#[derive(clap::Parser)]
#[command(name = "demo")]
pub(crate) struct Demo {
    /// Folder for everything that is made
    #[arg(long, value_name = "DIR", default_value = "nnunet_demo")]
    folder: PathBuf,
    #[command(flatten)]
    device: DeviceOption,
    /// Trainer config; yours, to see it run
    #[arg(long = "tr", value_name = "NAME", default_value = TRAINER)]
    trainer: String,
    #[command(flatten)]
    plugins: PluginOptions,
    /// Six small cases and two epochs of four iterations: whether it runs, not whether it learns
    #[arg(long)]
    quick: bool,
}

impl Run for Demo {
    fn run(self) -> Result<(), Failure> {
        let start = Instant::now();
        let device = self.device.parse()?;
        let (registry, trainer) = (self.plugins.open()?, &self.trainer);
        if trainer != TRAINER {
            registry.config(trainer)?;
        } else if !registry.names(Kind::Config).iter().any(|name| name == TRAINER) {
            let beside = std::env::current_exe().unwrap_or_default();
            return Err(Failure::Plain(format!(
                "the demo trains with `{TRAINER}` of the plugin blob-dice, which is not there: `cargo build --release` in the source puts it beside \
                 {}, a release has it in `plugins` there",
                beside.display()
            )));
        }
        let tree = Tree::in_folder(&self.folder)?;
        show::line("1. A dataset in nnU-Net's form: an organ (label 1) with lesions (label 2), drawn by a formula.\n");
        let spec = self.spec();
        let raw = phantom::write(&tree.raw, &spec)?;
        show::line(&format!("   {} training and {} test cases in {}\n", spec.cases, spec.test_cases, raw.display()));
        show::line("   The commands find datasets and models by three variables:");
        tree.variables().iter().for_each(|(name, folder)| show::line(&format!("   export {name}={}", quoted(folder))));

        let plugins = self.plugins.flags()?;
        let mut shell = Shell { tree: &tree, commands: vec![] };
        show::line("\n2. Fingerprint, plan, preprocess.");
        shell.host("plan_and_preprocess -d 999 -c 3d_fullres --verify_dataset_integrity")?;

        let plans = tree.preprocessed.join(&spec.dataset).join("nnUNetPlans.json");
        add_configuration(&plans)?;
        show::line(&format!(
            "\n3. Train. {} has a new configuration `{CONFIGURATION}` now: it inherits from 3d_fullres,\n   with a smaller patch and network. Yours would be 3d_fullres, for 1000 epochs.",
            plans.display()
        ));
        let (epochs, iterations, validation) = if self.quick { (2, 4, 1) } else { (4, 40, 4) };
        shell.host(&format!(
            "train 999 {CONFIGURATION} 0 -tr {trainer} --epochs {epochs} --iterations {iterations} --val-iterations {validation} --seed 1 -device {}{plugins}",
            device.name()
        ))?;

        show::line("\n4. Predict the test cases.");
        let (images, truth, predictions) = (raw.join("imagesTs"), raw.join("labelsTs"), tree.folder.join("predictions"));
        let folders = format!("-i {} -o {}", quoted(&images), quoted(&predictions));
        shell.host(&format!("predict {folders} -d 999 -c {CONFIGURATION} -tr {trainer} -f 0 -device {}{plugins}", device.name()))?;

        show::line("\n5. Score them.");
        let dataset = quoted(&predictions.join("dataset.json"));
        shell.host(&format!("evaluate_folder {} {} -djfile {dataset}", quoted(&truth), quoted(&predictions)))?;

        let summary = Summary::read(&predictions.join("summary.json"))?;
        show::line("\n   Dice on the test cases:");
        for (label, name) in (1..).zip(LABELS) {
            let dice = summary.mean.get(&label.to_string()).map_or(f64::NAN, |m| m.dice);
            show::line(&format!("   {name:8} {dice:.3}"));
        }
        let [picture, page] = ["demo.png", "demo.html"].map(|name| tree.folder.join(name));
        draw(&picture, &images, &truth, &predictions)?;
        let seconds = start.elapsed().as_secs_f64();
        let content = Page { labels: &LABELS, summary: &summary, commands: &shell.commands, picture: &picture, seconds };
        demo::write(&page, &content)?;
        show::line(&format!("\n   {} shows them, {} has it all on one page. Done in {seconds:.0} s.", picture.display(), page.display()));
        Ok(())
    }
}

impl Demo {
    fn spec(&self) -> PhantomSpec {
        let small = PhantomSpec { cases: 6, test_cases: 2, shape: vec![24, 28, 26], ..PhantomSpec::default() };
        if self.quick { small } else { PhantomSpec::default() }
    }
}

/// Where everything of the demo lies.
struct Tree {
    folder: PathBuf,
    raw: PathBuf,
    preprocessed: PathBuf,
    results: PathBuf,
}

impl Tree {
    fn in_folder(folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|source| Failure::Io { action: "create", path: folder.into(), source })?;
        let mut entries = std::fs::read_dir(folder).map_err(|source| Failure::Io { action: "list", path: folder.into(), source })?;
        if entries.next().is_some() {
            return Err(Failure::Plain(format!("{} is not empty; name another folder with --folder, or remove it", folder.display())));
        }
        let folder = std::fs::canonicalize(folder).map_err(|source| Failure::Io { action: "find", path: folder.into(), source })?;
        let [raw, preprocessed, results] = ["raw", "preprocessed", "results"].map(|name| folder.join(name));
        Ok(Tree { folder, raw, preprocessed, results })
    }

    fn variables(&self) -> [(&'static str, &Path); 3] {
        [("nnUNet_raw", &self.raw), ("nnUNet_preprocessed", &self.preprocessed), ("nnUNet_results", &self.results)]
    }
}

/// Runs commands of this very executable as a user would.
struct Shell<'a> {
    tree: &'a Tree,
    commands: Vec<String>,
}

impl Shell<'_> {
    /// Shows `host LINE` and runs it.
    fn host(&mut self, line: &str) -> Result<(), Failure> {
        show::line(&format!("\n   $ host {line}\n"));
        self.commands.push(format!("host {line}"));
        let program = std::env::current_exe().map_err(|source| Failure::Io { action: "find", path: "host".into(), source })?;
        let mut command = Command::new(&program);
        command.args(words(line)).envs(self.tree.variables());
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Plain(format!("`host {line}` failed ({status})"))),
            Err(source) => Err(Failure::Io { action: "run", path: program, source }),
        }
    }
}

/// The words of a line whose quotes are those of [`quoted`].
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => open = !open,
            '\\' if !open => word.extend(chars.next()),
            ' ' if !open => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

/// Adds the demo's configuration as a user could with an editor.
fn add_configuration(path: &Path) -> Result<(), Failure> {
    let mut plans: Value = json::read(path)?;
    let mut architecture = plans["configurations"]["3d_fullres"]["architecture"].clone();
    for (key, value) in [
        ("n_stages", json!(3)),
        ("features_per_stage", json!([8, 16, 32])),
        ("kernel_sizes", json!([[3, 3, 3], [3, 3, 3], [3, 3, 3]])),
        ("strides", json!([[1, 1, 1], [2, 2, 2], [2, 2, 2]])),
        ("n_conv_per_stage", json!([2, 2, 2])),
        ("n_conv_per_stage_decoder", json!([2, 2])),
    ] {
        architecture["arch_kwargs"][key] = value;
    }
    plans["configurations"][CONFIGURATION] =
        json!({"inherits_from": "3d_fullres", "patch_size": [32, 32, 32], "batch_size": 2, "architecture": architecture});
    Ok(json::write(path, &plans)?)
}

fn draw(picture: &Path, images: &Path, truth: &Path, predictions: &Path) -> Result<(), Failure> {
    let files: Vec<[PathBuf; 3]> = images_in(images, ".nii.gz")?
        .into_iter()
        .filter_map(|(case, channels)| {
            let name = format!("{case}.nii.gz");
            Some([channels.into_iter().next()?, truth.join(&name), predictions.join(&name)])
        })
        .collect();
    let cases: Vec<[&Path; 3]> = files.iter().map(|case| case.each_ref().map(PathBuf::as_path)).collect();
    Ok(demo::draw(picture, &cases)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_the_words_that_it_was_made_of() {
        let odd = Path::new("/a b/it's");
        assert_eq!(words(&format!("predict -i {} -d 999", quoted(odd))), ["predict", "-i", "/a b/it's", "-d", "999"]);
        assert_eq!(quoted(Path::new("/plain/x-1.nii.gz")), "/plain/x-1.nii.gz");
    }
}
