//! `status`

use super::Run;
use crate::{
    failure::Failure,
    monitor::{epoch, minute, worker},
    show,
};
use pipeline::{
    paths::Paths,
    status::{self, FoldStatus, ModelStatus},
};

/// Say how far each fold of each trained model is, and what to type to go on
#[derive(clap::Parser)]
#[command(
    name = "status",
    after_help = "Examples:\n  host status\n  host status 4 12\n  host status --json | jq '.[].folds[] | select(.state == \"stopped\").command'"
)]
pub(crate) struct Status {
    /// Datasets, by number or by folder name [default: all in nnUNet_results]
    #[arg(value_name = "DATASET")]
    datasets: Vec<String>,
    /// The same as JSON
    #[arg(long)]
    json: bool,
}

impl Run for Status {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let datasets: Vec<String> = self.datasets.iter().map(|dataset| paths.dataset(dataset)).collect::<Result<_, _>>()?;
        let models = status::models(&paths, &datasets)?;
        if self.json {
            show::line(&serde_json::to_string_pretty(&models).map_err(|error| Failure::Plain(error.to_string()))?);
        } else if models.is_empty() {
            let whose = if datasets.is_empty() { String::new() } else { format!(" of {}", datasets.join(", ")) };
            show::line(&format!("no model{whose} in {}; `host train` makes one", paths.results()?.display()));
        } else {
            show::line(&models.iter().map(table).collect::<Vec<_>>().join("\n\n"));
        }
        Ok(())
    }
}

fn table(model: &ModelStatus) -> String {
    let mut rows = vec![["fold", "state", "epoch", "pseudo Dice", "EMA", "validation Dice", "last change"].map(str::to_owned)];
    rows.extend(model.folds.iter().map(row));
    let rows = show::columns(&rows, &[show::Side::Left, show::Side::Right]);
    let mut text = format!("{}  {} {} {}\n{rows}", model.dataset, model.trainer, model.plans, model.configuration);
    let mut note = |line: String| text.push_str(&format!("\n{line}"));
    for fold in &model.folds {
        if let Some(process) = &fold.process {
            note(format!("  fold {} is worked on by {}", fold.fold, worker(process)));
        }
        if let Some(problem) = &fold.problem {
            note(format!("  fold {}: {problem}", fold.fold));
        }
    }
    let commands: Vec<&String> = model.folds.iter().filter_map(|fold| fold.command.as_ref()).collect();
    if !commands.is_empty() {
        note("  to go on:".into());
        commands.iter().for_each(|command| note(format!("    {command}")));
    }
    text
}

fn row(fold: &FoldStatus) -> [String; 7] {
    let dice = |dice: Option<f64>| dice.map_or_else(|| "-".to_owned(), |dice| format!("{dice:.4}"));
    [
        fold.fold.clone(),
        fold.state.name().to_owned(),
        epoch(fold),
        dice(fold.pseudo_dice),
        dice(fold.ema_pseudo_dice),
        dice(fold.validation_dice),
        fold.last_change.as_deref().map_or_else(|| "-".to_owned(), minute),
    ]
}
