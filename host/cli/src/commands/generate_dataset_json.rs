//! `generate_dataset_json`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{
    dataset::{self, DatasetJson, Description},
    paths::Paths,
};
use serde_json::{Map, Value};

/// Write the dataset.json of images and labels that are in place: cases, channels and the files' ending are looked up, and labels where none are named
#[derive(clap::Parser)]
#[command(
    name = "generate_dataset_json",
    after_help = "host generate_dataset_json -d 4 --channels MRI --labels background=0 anterior=1 posterior=2\n\
                  host generate_dataset_json -d 5 --channels FLAIR T1 --labels background=0 whole=1,2 core=2 --regions_class_order 1 2"
)]
pub(crate) struct GenerateDatasetJson {
    /// Dataset, by number or by folder name
    #[arg(short = 'd', value_name = "DATASET")]
    dataset: String,
    /// A name for each channel, from 0000 on; it picks the normalisation: CT, noNorm, rescale_to_0_1, rgb_to_0_1, else z-score
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    channels: Vec<String>,
    /// A label with its value, or a region with its values; `ignore` names the label that is left out
    /// [default: background and label_N for each value N of the label images]
    #[arg(long, value_name = "NAME=VALUE[,VALUE...]", num_args = 1.., value_parser = label, allow_negative_numbers = true)]
    labels: Vec<(String, Vec<i16>)>,
    /// With regions: the value that each of them is written as
    #[arg(long = "regions_class_order", value_name = "VALUE", num_args = 1..)]
    regions_class_order: Vec<i16>,
    /// Ending of all files [default: what the images end in]
    #[arg(long = "file_ending", value_name = "ENDING")]
    file_ending: Option<String>,
    /// nnU-Net's reader by name, where the ending alone does not decide
    #[arg(long = "overwrite_image_reader_writer", value_name = "NAME")]
    reader: Option<String>,
    /// Name of the dataset
    #[arg(long = "dataset_name", value_name = "TEXT")]
    name: Option<String>,
    /// What it shows
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Where it comes from
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Its release
    #[arg(long, value_name = "TEXT")]
    release: Option<String>,
    /// Its license
    #[arg(long, value_name = "TEXT")]
    license: Option<String>,
    /// What to cite
    #[arg(long, value_name = "TEXT")]
    citation: Option<String>,
    /// Who made the dataset of it
    #[arg(long = "converted_by", value_name = "TEXT")]
    converted_by: Option<String>,
    /// Replace the dataset.json that there is
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    processes: ProcessesOption,
}

fn label(text: &str) -> Result<(String, Vec<i16>), String> {
    let values = |list: &str| list.split(',').map(|value| value.trim().parse().ok()).collect::<Option<Vec<i16>>>();
    let parts = text.rsplit_once('=').and_then(|(name, list)| Some((name.trim().to_owned(), values(list)?)));
    parts.filter(|(name, _)| !name.is_empty()).ok_or_else(|| format!("{text:?} is not NAME=VALUE, such as liver=1, or NAME=VALUE,VALUE for a region"))
}

impl Run for GenerateDatasetJson {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let folder = paths.raw()?.join(paths.dataset(&self.dataset)?);
        let file = folder.join("dataset.json");
        if file.exists() && !self.overwrite {
            return Err(Failure::Plain(format!("{} is there; --overwrite replaces it", file.display())));
        }
        let (workers, cases) = (self.processes.get()?, show::Cases::default());
        let dataset = dataset::describe(&folder, &self.told(), workers, &|at| cases.report(at))?;
        dataset.write(&folder)?;
        show::line(&format!("{}: {}", file.display(), said(&dataset)));
        if let Err(error) = dataset.label_manager() {
            show::note(&format!("warning: {error}"));
        }
        show::line(&format!("`host verify -d {}` reads all files and finds what does not fit", self.dataset));
        Ok(())
    }
}

impl GenerateDatasetJson {
    fn told(&self) -> Description {
        let texts = [
            ("name", &self.name),
            ("description", &self.description),
            ("reference", &self.reference),
            ("release", &self.release),
            ("licence", &self.license),
            ("citation", &self.citation),
            ("converted_by", &self.converted_by),
            ("overwrite_image_reader_writer", &self.reader),
        ];
        let more: Map<String, Value> = texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into()))).collect();
        Description {
            channels: self.channels.clone(),
            labels: self.labels.clone(),
            regions_class_order: self.regions_class_order.clone(),
            file_ending: self.file_ending.clone(),
            more,
        }
    }
}

fn said(dataset: &DatasetJson) -> String {
    let labels: Vec<String> = dataset.labels.iter().map(|label| label.name.clone()).collect();
    let ignored = if dataset.ignore.is_some() { ", an ignore label" } else { "" };
    format!(
        "{} cases of {}, channels {}, labels {}{ignored}",
        dataset.num_training,
        dataset.file_ending,
        dataset.channel_names.join(", "),
        labels.join(", ")
    )
}
