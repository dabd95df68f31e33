//! `evaluate_simple`

use super::{
    Run,
    evaluate_folder::{EvaluateOptions, Folders, show_scores},
};
use crate::{failure::Failure, show};
use pipeline::evaluate;

/// Score predictions against references by a list of labels
#[derive(clap::Parser)]
#[command(name = "evaluate_simple")]
pub(crate) struct EvaluateSimple {
    #[command(flatten)]
    folders: Folders,
    /// Labels to score
    #[arg(short = 'l', value_name = "LABEL", num_args = 1.., required = true, allow_negative_numbers = true)]
    labels: Vec<i16>,
    /// Label of voxels that do not count
    #[arg(long = "il", value_name = "LABEL", allow_negative_numbers = true)]
    ignore: Option<i16>,
    #[command(flatten)]
    options: EvaluateOptions,
}

impl Run for EvaluateSimple {
    fn run(self) -> Result<(), Failure> {
        let cases = show::Cases::default();
        let Folders { references, predictions } = &self.folders;
        let options = self.options.get()?;
        show_scores(&evaluate::evaluate_simple(references, predictions, &self.labels, self.ignore, &options, &|at| cases.report(at))?);
        Ok(())
    }
}
