//! `inference_information.json` and `inference_instructions.txt`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::{Contender, Model, Options, previous_stage};
use crate::error::Result;
use crate::paths::quoted;
use crate::postprocess::Determined;

/// What prediction needs to know; keys as nnU-Net sorts them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Information {
    /// The mean foreground Dice of each model and ensemble.
    pub all_results: BTreeMap<String, f64>,
    /// The winner.
    pub best_model_or_ensemble: Best,
    /// The single models.
    pub considered_models: Vec<Considered>,
    /// The dataset's folder name.
    pub dataset_name_or_id: String,
    /// Whether pairs were compared.
    pub ensembling_allowed: bool,
    /// The folds of the cross-validation.
    pub folds: Vec<usize>,
}

/// The winner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Best {
    /// Its `postprocessing.pkl`.
    pub postprocessing_file: PathBuf,
    /// Mean foreground Dice after postprocessing.
    pub result_on_crossval_post_pp: f64,
    /// Mean foreground Dice before it.
    pub result_on_crossval_pre_pp: f64,
    /// One model, or the members of the ensemble.
    pub selected_model_or_models: Vec<Selected>,
    /// Plans of one of them.
    pub some_plans_file: PathBuf,
}

/// A model that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Considered {
    configuration: String,
    plans: String,
    trainer: String,
}

/// A model that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selected {
    /// Its configuration.
    pub configuration: String,
    /// The name of its plans.
    pub plans_identifier: String,
    /// Its trainer config.
    pub trainer: String,
}

impl Information {
    pub(super) fn new(
        dataset: &str,
        options: &Options,
        models: &[Model],
        results: &[(String, f64)],
        best: &Contender,
        postprocessing: &Determined,
    ) -> Self {
        let considered = |m: &Model| Considered { configuration: m.configuration.clone(), plans: m.plans.clone(), trainer: m.trainer.clone() };
        let selected = |m: &Model| Selected { configuration: m.configuration.clone(), plans_identifier: m.plans.clone(), trainer: m.trainer.clone() };
        Self {
            all_results: results.iter().cloned().collect(),
            best_model_or_ensemble: Best {
                postprocessing_file: best.folder.join("postprocessing.pkl"),
                result_on_crossval_post_pp: postprocessing.after.foreground_mean.dice,
                result_on_crossval_pre_pp: best.dice,
                selected_model_or_models: best.members.iter().map(selected).collect(),
                some_plans_file: best.folder.join("plans.json"),
            },
            considered_models: models.iter().map(considered).collect(),
            dataset_name_or_id: dataset.to_owned(),
            ensembling_allowed: options.ensembling,
            folds: options.folds.clone(),
        }
    }

    /// The commands from images to postprocessed segmentations, ready but for the names of the folders.
    ///
    /// # Errors
    /// A member's plans cannot be read.
    pub(super) fn instructions(&self, best: &Contender) -> Result<String> {
        let mut text = String::from("***Run inference like this:***\n\n");
        let several = best.members.len() > 1;
        if several {
            text += "An ensemble of two models did best. Predict with each of them:\n\n";
        }
        let mut outputs = Vec::new();
        for (index, member) in best.members.iter().enumerate() {
            let output = if several { format!("OUTPUT_FOLDER_MODEL_{}", index + 1) } else { "OUTPUT_FOLDER".to_owned() };
            self.predict(&mut text, member, &member.configuration, &output, several)?;
            outputs.push(output);
        }
        if several {
            // writing to a String cannot fail
            let _ = write!(text, "\nThen merge the predictions:\n\nnnUNetv2_ensemble -i {} -o OUTPUT_FOLDER\n", outputs.join(" "));
        }
        let Best { postprocessing_file, some_plans_file, .. } = &self.best_model_or_ensemble;
        let _ = write!(
            text,
            "\n***Once inference is completed, run postprocessing like this:***\n\nnnUNetv2_apply_postprocessing -i OUTPUT_FOLDER -o OUTPUT_FOLDER_PP \
             -pp_pkl_file {} -plans_json {}\n\nIf there are no commands of these names, `host link DIR` makes them; or write `host predict` for nnUNetv2_predict, \
             and so on.\n",
            quoted(postprocessing_file),
            quoted(some_plans_file)
        );
        Ok(text)
    }

    /// The command for one configuration of a member, after those of the stages before it in a cascade.
    fn predict(&self, text: &mut String, member: &Model, configuration: &str, output: &str, probabilities: bool) -> Result<()> {
        let previous = previous_stage(&member.folder, configuration)?;
        let stage_output = format!("{output}_PREV_STAGE");
        if let Some(stage) = &previous {
            self.predict(text, member, stage, &stage_output, false)?;
        }
        let folds = self.folds.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        let (dataset, Model { trainer, plans, .. }) = (&self.dataset_name_or_id, member);
        let _ = write!(text, "nnUNetv2_predict -d {dataset} -i INPUT_FOLDER -o {output} -f {folds} -tr {trainer} -c {configuration} -p {plans}");
        if previous.is_some() {
            let _ = write!(text, " -prev_stage_predictions {stage_output}");
        }
        *text += if probabilities { " --save_probabilities\n" } else { "\n" };
        Ok(())
    }
}
