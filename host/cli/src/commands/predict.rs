//! `predict`

use super::Run;
use crate::{
    failure::Failure,
    options::model_folder,
    prediction::{PredictionOptions, Share},
};
use registry::DEFAULT_TRAINER;

/// Segment images with a trained model, named by dataset and configuration
#[derive(clap::Parser)]
#[command(name = "predict")]
pub(crate) struct Predict {
    /// Dataset that the model was trained on, by number or by folder name
    #[arg(short = 'd')]
    dataset: String,
    /// Configuration of the plans
    #[arg(short = 'c', value_name = "CONFIG")]
    configuration: String,
    /// Name of the plans
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    plans: String,
    /// Trainer config
    #[arg(long = "tr", value_name = "NAME", default_value = DEFAULT_TRAINER)]
    trainer: String,
    /// Leave cases alone whose files are there
    #[arg(long = "continue_prediction")]
    continue_prediction: bool,
    /// Number of runs that share the cases
    #[arg(long = "num_parts", value_name = "N", default_value_t = 1)]
    num_parts: usize,
    /// Which of these runs this is, counted from 0
    #[arg(long = "part_id", value_name = "N", default_value_t = 0)]
    part_id: usize,
    #[command(flatten)]
    prediction: PredictionOptions,
}

impl Run for Predict {
    fn run(self) -> Result<(), Failure> {
        if self.part_id >= self.num_parts {
            let (part, parts) = (self.part_id, self.num_parts);
            return Err(Failure::usage(format!("-part_id is {part} of -num_parts {parts}; parts are counted from 0, so it must be less")));
        }
        let share = Share { num_parts: self.num_parts, part_id: self.part_id, continue_prediction: self.continue_prediction };
        self.prediction.predict(|| model_folder(&self.dataset, &self.trainer, &self.plans, &self.configuration), &share)
    }
}
