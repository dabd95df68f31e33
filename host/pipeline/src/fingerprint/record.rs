//! What a fingerprint needs of one case, in a small file.

use std::path::{Path, PathBuf};

use volume::crop::crop_to_nonzero;
use volume::files::npz::{Packing, read_npz_array, write_npz};
use volume::files::{ArrayView, Element};
use volume::numpy::RandomState;

use crate::dataset::{Case, DatasetJson, read_labels};
use crate::error::{Error, Result};

/// nnU-Net's seed, the same for each case.
const SEED: u32 = 1234;

/// One case; its foreground voxels stay in the file.
#[derive(Debug)]
pub(super) struct Record {
    /// mm, z, y, x.
    pub(super) spacing: [f64; 3],
    /// Voxels after cropping.
    pub(super) shape: [usize; 3],
    /// Voxels after cropping / voxels before.
    pub(super) relative_size: f64,
    /// Foreground voxels of the case.
    pub(super) voxels: usize,
    path: PathBuf,
    /// Goes on from one channel to the next.
    random: RandomState,
}

impl Record {
    /// The record in `path`, if it was made of the files as they are now, or else a new one.
    pub(super) fn read_or_make(path: &Path, case: &Case, dataset: &DatasetJson, samples: usize) -> Result<Self> {
        let stamp = stamp(case, samples)?;
        match Self::read(path) {
            Ok((found, record)) if found == stamp => Ok(record),
            _ => Self::make(path, case, dataset, samples, &stamp),
        }
    }

    fn read(path: &Path) -> Result<(Vec<u8>, Self)> {
        let numbers = read::<f64>(path, "numbers")?;
        let &[z, y, x, relative_size, depth, height, width, voxels] = numbers.as_slice() else {
            return Err(Error::content(path, format!("`numbers` has {} elements, not 8", numbers.len())));
        };
        let shape = [depth as usize, height as usize, width as usize];
        let record =
            Self { spacing: [z, y, x], shape, relative_size, voxels: voxels as usize, path: path.to_path_buf(), random: RandomState::new(SEED) };
        Ok((read(path, "stamp")?, record))
    }

    fn make(path: &Path, case: &Case, dataset: &DatasetJson, samples: usize, stamp: &[u8]) -> Result<Self> {
        let (image, warnings) = dataset.reader()?.read_channels(&case.images)?;
        warnings.iter().for_each(|warning| tracing::warn!("{}: {warning}", case.name));
        let (seg, _) = read_labels(&case.label, dataset)?;
        let (shape, channels) = (image.data.shape(), dataset.channel_names.len());
        if shape[0] != channels {
            return Err(Error::invalid(format!("the image has {} channel(s) but dataset.json names {channels}", shape[0])));
        }
        if shape[1..] != *seg.shape() {
            return Err(Error::invalid(format!("the label image has the shape {:?} (z, y, x) but the image {:?}", seg.shape(), &shape[1..])));
        }
        let (spacing, before) = (image.spacing(), seg.len());
        let cropped = crop_to_nonzero(image.data, Some(seg));
        let (depth, height, width) = cropped.seg.dim();
        let shape = [depth, height, width];
        let voxels = cropped.seg.iter().filter(|&&label| label > 0).count();

        // all voxels where they are fewer than the draws, else the draws
        let mut values = Vec::with_capacity(channels * voxels.min(samples));
        let mut random = RandomState::new(SEED);
        for channel in cropped.data.outer_iter() {
            let foreground: Vec<f32> = channel.iter().zip(&cropped.seg).filter(|(_, label)| **label > 0).map(|(value, _)| *value).collect();
            if voxels <= samples {
                values.extend(foreground);
            } else {
                let start = values.len();
                values.resize(start + samples, 0.0);
                random.choose(&foreground, values.get_mut(start..).unwrap_or_default());
            }
        }
        let relative_size = cropped.seg.len() as f64 / before as f64;
        let floats = |values: [usize; 3]| values.map(|n| n as f64);
        let numbers = [&spacing[..], &[relative_size], &floats(shape), &[voxels as f64]].concat();
        write_npz(
            path,
            &[
                ("stamp", ArrayView::new(&[stamp.len()], stamp).map_err(|error| error.at(path))?),
                ("numbers", ArrayView::new(&[numbers.len()], &numbers).map_err(|error| error.at(path))?),
                ("values", ArrayView::new(&[values.len()], &values).map_err(|error| error.at(path))?),
            ],
            Packing::Stored,
        )?;
        Ok(Self { spacing, shape, relative_size, voxels, path: path.to_path_buf(), random: RandomState::new(SEED) })
    }

    /// The foreground voxels of the first channel. The record must have been made for at least as many draws.
    pub(super) fn foreground(&self) -> Result<Vec<f32>> {
        let mut values = read::<f32>(&self.path, "values")?;
        values.truncate(self.voxels);
        Ok(values)
    }

    /// Fills `drawn` with foreground voxels of `channel`, drawn with replacement. There must be foreground, and `drawn` must always have
    /// the length that the record was made for.
    ///
    /// nnU-Net draws the channels one after the other, so they must be asked for in order.
    pub(super) fn draw(&mut self, channel: usize, drawn: &mut [f32]) -> Result<()> {
        let stored = self.voxels.min(drawn.len());
        let values = read::<f32>(&self.path, "values")?;
        let foreground = values.get(channel * stored..(channel + 1) * stored).filter(|values| !values.is_empty());
        let foreground = foreground.ok_or_else(|| Error::content(&self.path, format!("no values of channel {channel}; remove the file")))?;
        if self.voxels > drawn.len() {
            drawn.copy_from_slice(foreground);
        } else {
            self.random.choose(foreground, drawn);
        }
        Ok(())
    }
}

/// Names, sizes and times of the case's files.
fn stamp(case: &Case, samples: usize) -> Result<Vec<u8>> {
    let mut stamp = format!("{samples}");
    for path in case.files()? {
        let about = std::fs::metadata(&path).map_err(Error::io("read", &path))?;
        let changed = about.modified().map_err(Error::io("read", &path))?;
        stamp += &format!("\n{} {} {changed:?}", path.display(), about.len());
    }
    Ok(stamp.into_bytes())
}

fn read<T: Element>(path: &Path, name: &str) -> Result<Vec<T>> {
    let array = read_npz_array(path, name)?;
    Ok(array.to_vec().map_err(|error| error.at(path))?)
}
