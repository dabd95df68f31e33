//! What a training tells of its epochs: `metrics.csv`, read while it grows.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A row of `metrics.csv`; what was not measured is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 0.
    pub epoch: usize,
    /// The learning rate.
    pub learning_rate: Option<f64>,
    /// Mean loss of the training batches.
    pub train_loss: Option<f64>,
    /// Mean loss of the validation batches.
    pub val_loss: Option<f64>,
    /// Mean pseudo Dice of the foreground.
    pub mean_fg_dice: Option<f64>,
    /// Its exponential moving average.
    pub ema_fg_dice: Option<f64>,
    /// How long it took, s.
    pub seconds: Option<f64>,
}

/// The epochs that the fold in `folder` has behind it; none where it has no `metrics.csv` yet.
///
/// # Errors
/// The file is not one that a training writes.
pub fn epochs(folder: &Path) -> Result<Vec<Epoch>> {
    let path = folder.join("metrics.csv");
    if !path.is_file() {
        return Ok(vec![]);
    }
    let wrong = |error: csv::Error| Error::content(&path, error.to_string());
    let mut table = csv::Reader::from_path(&path).map_err(wrong)?;
    table.deserialize().collect::<std::result::Result<_, _>>().map_err(wrong)
}

/// Seconds of a usual epoch: the median of the last ten.
pub fn usual_seconds(epochs: &[Epoch]) -> Option<f64> {
    let mut last: Vec<f64> = epochs.iter().rev().filter_map(|epoch| epoch.seconds).take(10).collect();
    last.sort_by(f64::total_cmp);
    last.get(last.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_holes_and_more_columns() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(epochs(dir.path()).unwrap(), []);
        let text = "epoch,learning_rate,train_loss,val_loss,mean_fg_dice,ema_fg_dice,seconds,dice_1,dice_2\n\
                    0,0.01,-0.5,-0.25,0.25,0.25,1.5,0.5,0\n1,0.005,-0.75,,,0.25,2,,\n";
        std::fs::write(dir.path().join("metrics.csv"), text).unwrap();
        let read = epochs(dir.path()).unwrap();
        assert_eq!((read.len(), read[0].val_loss, read[1].val_loss, read[1].epoch), (2, Some(-0.25), None, 1));
        assert_eq!(usual_seconds(&read), Some(2.0));
        assert_eq!(usual_seconds(&[]), None);
        std::fs::write(dir.path().join("metrics.csv"), "epoch\nmany\n").unwrap();
        assert!(epochs(dir.path()).unwrap_err().to_string().contains("metrics.csv"));
    }
}
