//! The epochs of a training.

use super::{
    Iteration, Observer, benchmark, curves,
    events::Events,
    job::Job,
    journal::{Journal, now},
    metrics,
    pseudo_dice::{PseudoDice, nanmean, running_mean, stands_still},
    run::{Outcome, Run},
    settings::Settings,
};
use crate::{
    augment::{AugmentSpec, Pipeline},
    error::{Error, Result},
    loader::{Loader, LoaderSpec, Prepare, worker_threads},
    progress::duration,
};
use engine::Mode;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use volume::files::atomic;

/// Random numbers of the validation batches come from another seed than those of the training.
const VALIDATION_SEED: u64 = 0x5651_4c44;

/// Whoever cannot send a signal puts this file into the fold's folder; the epoch is finished first.
const STOP_FILE: &str = "stop";

/// Iterations after which the log says how long it will take ...
const SOON: usize = 6;
/// ... if there are so many at least.
const MANY: usize = 20;

/// The part of an epoch's time that waiting for batches may take before the log says what to do.
const SLOW_LOADER: f64 = 0.2;

/// The time of the first iterations of a run.
#[derive(Default)]
struct Pace {
    seen: usize,
    /// When the first was done, which is slower than the others.
    first: f64,
}

impl Pace {
    /// Called after each iteration; says once how long an epoch and all of them will take.
    fn tell(&mut self, run: &Run<'_>, journal: &mut Journal<'_>) -> Result<()> {
        self.seen += 1;
        if self.seen == 1 {
            self.first = now();
        }
        let Settings { epochs, iterations, validation_iterations, .. } = run.settings;
        if self.seen != SOON || iterations < MANY {
            return Ok(());
        }
        let each = (now() - self.first) / (SOON - 1) as f64;
        // a validation iteration has no backward, which takes two thirds
        let epoch = each * (iterations as f64 + validation_iterations as f64 / 3.0);
        let time = |seconds: f64| duration(Duration::from_secs_f64(seconds.max(0.0)));
        let left = epochs - run.epoch;
        journal.line(&format!("an epoch will take about {}, the {left} that are left about {}", time(epoch), time(epoch * left as f64)))
    }
}

/// How an epoch of so many seconds was shared between waiting for batches and computing.
fn share(waited: f64, seconds: f64) -> String {
    let part = waited / seconds.max(1e-3);
    let slow = if part > SLOW_LOADER { "; the loader is slow: more threads (nnUNet_n_proc_DA) or a faster disk may help" } else { "" };
    format!("waited {waited:.2} s of it for batches ({:.0} %){slow}", part * 100.0)
}

impl Run<'_> {
    pub(super) fn loader(&self, job: &Job<'_>, training: bool) -> Result<Loader> {
        let (configuration, labels) = (&job.configuration, &job.labels);
        let rules = &self.settings.rules;
        let spec = AugmentSpec {
            patch: configuration.patch_size.clone(),
            augmentation: self.settings.augmentation,
            rotation: rules.rotation,
            dummy_2d: rules.dummy_2d,
            mirror_axes: self.settings.mirror_axes.clone(),
            use_mask_for_norm: configuration.use_mask_for_norm.clone(),
            cascade_labels: configuration.previous_stage.as_ref().map(|_| labels.foreground_labels().to_vec()),
            regions: labels.has_regions().then(|| labels.foreground_regions().to_vec()),
            ignore_label: labels.ignore(),
            heads: self.parts.heads.clone(),
        };
        let augmented = training && !self.settings.plain_data;
        let pipeline = if augmented { Pipeline::training(&spec)? } else { Pipeline::validation(&spec)? };
        let pipeline = pipeline.with(self.settings.plugged.clone().filter(|_| training));
        let threads = worker_threads(self.options.devices.count())?;
        let loss = self.parts.loss.clone();
        let prepare: Prepare = Arc::new(move |shape, labels| loss.prepare(shape, labels));
        let loader = LoaderSpec {
            batch_size: self.settings.batch_size,
            initial_patch: if augmented { rules.initial_patch.clone() } else { configuration.patch_size.clone() },
            oversample: self.settings.oversample,
            ignore: labels.ignore().is_some(),
            seed: if training { self.seed } else { self.seed ^ VALIDATION_SEED },
            workers: if training { threads } else { threads / 2 },
            augment: Arc::new(pipeline),
            prepare: Some(prepare),
        };
        let keys = if training { &job.split.train } else { &job.split.val };
        if self.settings.synthetic_data {
            let stages = configuration.previous_stage.as_ref().map_or(0, |_| labels.foreground_labels().len());
            let channels = self.parts.trace.inputs.first().map_or(1, |input| input[1] - stages);
            return Loader::synthetic(&loader, channels, labels.labels().len());
        }
        Loader::new(job.cases.clone(), keys.clone(), loader)
    }

    fn at(&self, done: usize, loss: f32) -> Iteration {
        Iteration {
            epoch: self.epoch,
            epochs: self.settings.epochs,
            done,
            total: self.settings.iterations + self.settings.validation_iterations,
            loss,
            dice: self.logging.mean_fg_dice.last().copied(),
        }
    }

    /// All epochs that are left. Something comes back where the run was asked to stop.
    pub(super) fn epochs(&mut self, job: &Job<'_>, observer: &dyn Observer, journal: &mut Journal<'_>) -> Result<Option<Outcome>> {
        let mut training = self.loader(job, true)?;
        let validates = !self.options.no_checkpoints && self.settings.validation_iterations > 0;
        let mut validation = if validates { Some(self.loader(job, false)?) } else { None };
        let mut pace = Pace::default();
        while self.epoch < self.settings.epochs && !self.patience_is_over() {
            let start = now();
            let lr = self.settings.lr(self.epoch)?;
            journal.line("")?;
            journal.line(&format!("Epoch {}", self.epoch))?;
            journal.line(&format!("Current learning rate: {lr:.5}"))?;
            let mut batches = training.epoch_from(self.epoch as u64, self.iteration as u64, self.settings.iterations as u64);
            let mut ready = batches.next().map(|batch| batch.and_then(|batch| self.ready(batch)));
            while let Some(batch) = ready {
                let updating = batch.and_then(|batch| self.update(batch, lr, self.epoch, self.iteration)).map_err(|error| self.rescued(error))?;
                // goes to the device while that computes
                ready = batches.next().map(|batch| batch.and_then(|batch| self.ready(batch)));
                let loss = self.updated(updating).map_err(|error| self.rescued(error))?;
                self.losses.push(loss);
                self.iteration += 1;
                observer.iteration(self.at(self.iteration, loss));
                pace.tell(self, journal)?;
                if self.options.stop.load(Ordering::Relaxed) && self.iteration < self.settings.iterations {
                    return self.stop(journal).map(Some);
                }
            }
            let (val_loss, dice) = match &mut validation {
                Some(loader) => self.validation_epoch(loader, observer).map_err(|error| self.rescued(error))?,
                None => (f64::NAN, vec![]),
            };
            let waited = training.waited() + validation.as_mut().map_or(Duration::ZERO, Loader::waited);
            self.end_epoch(start, waited, lr, val_loss, dice, journal)?;
            if self.asked_to_stop()? && self.epoch < self.settings.epochs {
                return self.stop(journal).map(Some);
            }
        }
        let early = self.patience_is_over();
        if let (true, Some(epochs)) = (early, self.options.patience) {
            journal.line(&format!("the EMA of the pseudo Dice did not rise for {epochs} epochs; training ends after {}", self.epoch))?;
        }
        if self.settings.benchmark {
            benchmark::write(&self.folder.join("benchmark_result.json"), &self.logging, &self.options.devices)?;
        } else if early || !self.folder.join("checkpoint_final.pth").exists() || self.logging.lrs.len() == self.settings.epochs {
            self.save("checkpoint_final.pth")?;
            atomic::remove(&self.folder.join("checkpoint_latest.pth"))?;
        }
        journal.line("Training done.")?;
        Ok(None)
    }

    /// Whether the last `patience` epochs brought no better running mean of the pseudo Dice than those before them.
    fn patience_is_over(&self) -> bool {
        self.options.patience.is_some_and(|epochs| stands_still(&self.logging.ema_fg_dice, epochs))
    }

    /// A signal came, or there is a file called `stop` in the fold's folder; the file is taken away.
    fn asked_to_stop(&self) -> Result<bool> {
        let file = self.folder.join(STOP_FILE);
        if file.exists() {
            std::fs::remove_file(&file).map_err(Error::io("remove", &file))?;
            return Ok(true);
        }
        Ok(self.options.stop.load(Ordering::Relaxed))
    }

    fn stop(&self, journal: &mut Journal<'_>) -> Result<Outcome> {
        if self.keeps_checkpoints() {
            self.save("checkpoint_latest.pth")?;
        }
        let how = self.way_on();
        journal.line(&format!("stopped at epoch {}, iteration {}; {how}", self.epoch, self.iteration))?;
        Ok(Outcome::Stopped { epoch: self.epoch, iteration: self.iteration, how })
    }

    fn validation_epoch(&self, loader: &mut Loader, observer: &dyn Observer) -> Result<(f64, Vec<f64>)> {
        let mut dice = PseudoDice::default();
        let mut losses = Vec::new();
        for (i, batch) in loader.epoch(self.epoch as u64, self.settings.validation_iterations as u64).enumerate() {
            let batch = batch?;
            let step = self.step(Mode::Validate, &batch, self.epoch, self.settings.iterations + i)?;
            if let (Some((logits, _)), Some(target)) = (&step.logits, batch.targets.first()) {
                dice.add(&self.parts.task, logits, &target.labels, batch.shape[0]);
            }
            losses.push(f64::from(step.loss));
            observer.iteration(self.at(self.settings.iterations + i + 1, step.loss));
        }
        Ok((losses.iter().sum::<f64>() / losses.len() as f64, dice.per_class()))
    }

    fn end_epoch(&mut self, start: f64, waited: Duration, lr: f64, val_loss: f64, dice: Vec<f64>, journal: &mut Journal<'_>) -> Result<()> {
        let train_loss = self.losses.iter().map(|&l| f64::from(l)).sum::<f64>() / self.losses.len().max(1) as f64;
        let mean = nanmean(&dice);
        let ema = running_mean(self.logging.ema_fg_dice.last().copied(), mean);
        let l = &mut self.logging;
        l.mean_fg_dice.push(mean);
        l.ema_fg_dice.push(ema);
        l.dice_per_class_or_region.push(dice.clone());
        l.train_losses.push(train_loss);
        l.val_losses.push(val_loss);
        l.lrs.push(lr);
        l.epoch_start_timestamps.push(start);
        l.epoch_end_timestamps.push(now());
        journal.line(&format!("train_loss {train_loss:.4}"))?;
        journal.line(&format!("val_loss {val_loss:.4}"))?;
        journal.line(&format!("Pseudo dice [{}]", dice.iter().map(|d| format!("{d:.4}")).collect::<Vec<_>>().join(", ")))?;
        let seconds = now() - start;
        journal.line(&format!("Epoch time: {seconds:.2} s"))?;
        journal.line(&share(waited.as_secs_f64(), seconds))?;
        self.record()?;
        self.epoch += 1;
        (self.iteration, self.losses) = (0, vec![]);
        if self.keeps_checkpoints() {
            if self.best_ema.is_none_or(|best| ema > best) && !ema.is_nan() {
                self.best_ema = Some(ema);
                journal.line(&format!("Yayy! New best EMA pseudo Dice: {ema:.4}"))?;
                self.save("checkpoint_best.pth")?;
            }
            if self.epoch.is_multiple_of(self.settings.save_every) && self.epoch < self.settings.epochs {
                self.save("checkpoint_latest.pth")?;
            }
        }
        curves::draw(&self.folder.join("progress.png"), &self.logging)
    }

    /// The epoch that ended, for spreadsheets and for TensorBoard.
    fn record(&mut self) -> Result<()> {
        metrics::write(&self.folder.join("metrics.csv"), &self.logging)?;
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(Events::create(&self.folder, now())?),
        };
        events.epoch(now(), self.epoch, &metrics::scalars(&self.logging, self.epoch))
    }
}
