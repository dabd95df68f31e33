//! The final validation.

use super::{Observer, job::Job, journal::Journal, model::forward_bytes, run::Run};
use crate::{checkpoint, error::Result, infer, progress::Progress};
use engine::Group;

/// The network on all devices of the training.
struct Shared<'a> {
    group: &'a Group,
    mirror_axes: Vec<usize>,
    /// As [`infer::Predictor::bytes`] has it.
    bytes: u64,
}

impl infer::Predictor for Shared<'_> {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        Ok(self.group.predict(x, shape)?)
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.mirror_axes.clone()
    }

    fn on_device(&self) -> Option<&engine::Model> {
        Some(self.group.lead()).filter(|model| self.group.count() == 1 && !model.device().is_cpu())
    }

    fn devices(&self) -> usize {
        self.group.count()
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Run<'_> {
    /// Predicts and scores the fold's validation cases with the final (or the best) weights.
    pub(super) fn validate(&mut self, job: &Job<'_>, observer: &dyn Observer, journal: &mut Journal<'_>) -> Result<Option<f64>> {
        if self.options.validate_best {
            let best = self.folder.join("checkpoint_best.pth");
            let weights: Vec<_> = checkpoint::read(&best)?.weights.into_iter().map(|w| (w.name, w.shape, w.data)).collect();
            self.parts.group.change(|model| model.load(&weights))?;
        }
        let network = Shared {
            group: &self.parts.group,
            mirror_axes: self.settings.inference_mirror_axes.clone(),
            bytes: forward_bytes(&self.parts.trace, self.options.devices.lead()),
        };
        let configuration = job.plans.configuration(&self.options.configuration)?;
        let model = infer::LoadedModel {
            plugins: None,
            plans: &job.plans,
            configuration: &configuration,
            dataset: &job.dataset,
            predictors: &[&network as &dyn infer::Predictor],
        };
        let (next, without) = job.next_stages();
        for warning in without {
            journal.line(&format!("warning: {warning}"))?;
        }
        let next: Vec<infer::NextStage<'_>> = next
            .iter()
            .map(|(name, configuration)| infer::NextStage { configuration, output: job.model_folder.join("predicted_next_stage").join(name) })
            .collect();
        let options = infer::ValidationOptions {
            cases: &job.split.val,
            preprocessed: &job.preprocessed,
            previous: job.previous.as_deref(),
            output: &self.folder.join("validation"),
            save_probabilities: self.options.save_probabilities,
            next_stages: &next,
            num_processes: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let report = |p: Progress<'_>| observer.validated(p.done, p.total);
        let summary = infer::validate(&model, &options, &report)?;
        let dice = summary.foreground_mean.dice;
        journal.line("Validation complete")?;
        journal.line(&format!("Mean Validation Dice: {dice:.4}"))?;
        Ok(Some(dice))
    }
}
