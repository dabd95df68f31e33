//! An sbatch script: one array of tasks, each a fold of a configuration that goes on where it was stopped.

use crate::failure::Failure;
use pipeline::{memory::gib, paths::quoted};
use std::path::{Path, PathBuf};

/// Seconds before the end of a task's time at which it is told: enough for an iteration and a checkpoint.
const NOTICE: u32 = 120;
/// Where configuration and fold stand in `train DATASET CONFIG FOLD ...`.
const CONFIGURATION: usize = 2;
const FOLD: usize = 3;

/// Weights that a training begins with.
pub(crate) struct Start {
    /// The option of `train` that names them.
    pub(crate) option: Vec<String>,
    /// The models' folders, but for the configuration at the end of their names.
    pub(crate) models: PathBuf,
}

/// What the script says.
pub(crate) struct Array {
    /// This executable.
    pub(crate) program: PathBuf,
    /// nnU-Net's folders.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
    /// `train DATASET CONFIG FOLD ...` of any one task.
    pub(crate) arguments: Vec<String>,
    /// What a fold without a checkpoint is told instead of --c.
    pub(crate) start: Option<Start>,
    /// The job's name.
    pub(crate) name: String,
    pub(crate) configurations: Vec<String>,
    pub(crate) folds: Vec<String>,
    pub(crate) at_once: Option<u32>,
    pub(crate) cpus: u16,
    /// GiB
    pub(crate) memory: u32,
    /// A folder.
    pub(crate) logs: String,
    /// More options of sbatch, with their values.
    pub(crate) options: Vec<(&'static str, String)>,
}

/// GiB for the largest of the trainings, of whose steps these are the bytes. On the processor it is the step with a quarter more for scratch space, and 4 GiB
/// for the cases that are loaded, augmented and validated; with a GPU, which holds the step, it is 16 GiB for these.
pub(crate) fn memory(steps: Vec<u64>, gpu: bool) -> u32 {
    let step = gib(steps.into_iter().max().unwrap_or(0));
    if gpu { 16 } else { (step * 1.25 + 4.0).ceil() as u32 }
}

impl Array {
    /// The text.
    ///
    /// # Errors
    /// A value that a line of options cannot hold.
    pub(crate) fn script(&self) -> Result<String, Failure> {
        let last = (self.configurations.len() * self.folds.len()).saturating_sub(1);
        let limit = self.at_once.map_or(String::new(), |n| format!("%{n}"));
        let mut lines = vec!["#!/bin/bash".to_owned()];
        let own = [
            ("job-name", self.name.clone()),
            ("array", format!("0-{last}{limit}")),
            ("cpus-per-task", self.cpus.to_string()),
            ("mem", format!("{}G", self.memory)),
            ("output", format!("{}/%x_%A_%a.log", self.logs)),
            ("open-mode", "append".to_owned()),
            ("signal", format!("B:TERM@{NOTICE}")),
        ];
        for (name, value) in own.iter().chain(&self.options) {
            if value.is_empty() || value.contains(char::is_whitespace) {
                return Err(Failure::usage(format!("--{name} is {value:?}; sbatch takes a value without spaces")));
            }
            lines.push(format!("#SBATCH --{name}={value}"));
        }
        lines.push("#SBATCH --requeue".into());
        lines.push("set -u\n".into());
        lines.extend(self.variables.iter().map(|(name, folder)| format!("export {name}={}", quoted(folder))));
        lines.push("export RAYON_NUM_THREADS=\"$SLURM_CPUS_PER_TASK\"\n".into());
        let list = |words: &[String]| words.iter().map(|word| quoted(Path::new(word))).collect::<Vec<_>>().join(" ");
        lines.push(format!("configurations=({})\nfolds=({})", list(&self.configurations), list(&self.folds)));
        lines.push("configuration=${configurations[SLURM_ARRAY_TASK_ID / ${#folds[@]}]}\nfold=${folds[SLURM_ARRAY_TASK_ID % ${#folds[@]}]}\n".into());
        let way = match &self.start {
            None => "--c",
            Some(start) => {
                lines.push(format!("# a fold with a checkpoint goes on from it\nway=({})", list(&start.option)));
                let folder = format!("{}\"${{configuration}}/fold_${{fold#fold_}}\"", quoted(&start.models));
                lines.push(format!("for checkpoint in {folder}/checkpoint_{{final,latest,best}}.pth; do"));
                lines.push("    if [ -e \"$checkpoint\" ]; then way=(--c); fi\ndone\n".into());
                "\"${way[@]}\""
            }
        };
        let words = self.arguments.iter().enumerate().map(|(place, word)| match place {
            CONFIGURATION => "\"$configuration\"".to_owned(),
            FOLD => "\"$fold\"".to_owned(),
            _ => quoted(Path::new(word)),
        });
        lines.push(format!("{} {} {way} &", quoted(&self.program), words.collect::<Vec<_>>().join(" ")));
        lines.push(END.trim_end().to_owned());
        Ok(lines.join("\n") + "\n")
    }
}

/// How a task comes to its end.
const END: &str = r#"training=$!

# shortly before the time is over this shell is told; the training saves, and what is left of it goes back into the queue
told=
trap 'told=yes; kill -TERM "$training"' TERM
wait "$training"
code=$?
while [ -n "$told" ]; do # the signal ended the wait, not the training
    wait "$training"
    code=$?
    kill -0 "$training" 2> /dev/null || break
done
task="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
# a task that was cancelled is told too, but is not running any more
if [ -n "$told" ] && [ "$code" -eq 130 ] && scontrol show job "$task" | grep -q 'JobState=RUNNING'; then
    scontrol requeue "$task" && exit 0
fi
exit "$code"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_whole_gibibytes() {
        assert_eq!(memory(vec![1 << 20, 3 << 30], false), 8);
        assert_eq!(memory(vec![3 << 30], true), 16);
        assert_eq!(memory(vec![], false), 4);
    }
}
