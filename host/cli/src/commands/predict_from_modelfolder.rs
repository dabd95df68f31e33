//! `predict_from_modelfolder`

use super::Run;
use crate::{
    failure::Failure,
    prediction::{PredictionOptions, Share},
};
use std::path::PathBuf;

/// Segment images with a trained model, named by its folder
#[derive(clap::Parser)]
#[command(name = "predict_from_modelfolder")]
pub(crate) struct PredictFromModelfolder {
    /// Model folder, with plans.json, dataset.json and fold_X
    #[arg(short = 'm', value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    prediction: PredictionOptions,
    /// Leave cases alone whose files are there
    #[arg(short = 'c', long = "continue_prediction", visible_alias = "c")]
    continue_prediction: bool,
}

impl Run for PredictFromModelfolder {
    fn run(self) -> Result<(), Failure> {
        let share = Share { num_parts: 1, part_id: 0, continue_prediction: self.continue_prediction };
        self.prediction.predict(|| Ok(self.model), &share)
    }
}
