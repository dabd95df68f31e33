//! `metrics.csv`: a row an epoch, for spreadsheets and scripts.

use crate::{
    checkpoint::Logging,
    error::{Error, Result},
};
use std::path::Path;

/// The curves of one epoch by name, in the order of the columns; what was not measured is NaN.
pub(super) fn scalars(l: &Logging, epoch: usize) -> Vec<(String, f64)> {
    let at = |series: &[f64]| series.get(epoch).copied().unwrap_or(f64::NAN);
    let mut all: Vec<(String, f64)> = [
        ("learning_rate", at(&l.lrs)),
        ("train_loss", at(&l.train_losses)),
        ("val_loss", at(&l.val_losses)),
        ("mean_fg_dice", at(&l.mean_fg_dice)),
        ("ema_fg_dice", at(&l.ema_fg_dice)),
        ("seconds", at(&l.epoch_end_timestamps) - at(&l.epoch_start_timestamps)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let classes = l.dice_per_class_or_region.get(epoch).into_iter().flatten();
    all.extend(classes.enumerate().map(|(class, &dice)| (format!("dice_{}", class + 1), dice)));
    all
}

/// Writes the table of all epochs so far; what is NaN stays empty.
pub(super) fn write(path: &Path, l: &Logging) -> Result<()> {
    let wrong = |error: csv::Error| Error::content(path, error.to_string());
    let classes = l.dice_per_class_or_region.iter().map(Vec::len).max().unwrap_or(0);
    let mut names: Vec<String> = scalars(&Logging::default(), 0).into_iter().map(|(name, _)| name).collect();
    names.extend((1..=classes).map(|class| format!("dice_{class}")));
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(std::iter::once("epoch").chain(names.iter().map(String::as_str))).map_err(wrong)?;
    for epoch in 0..l.lrs.len() {
        let row = scalars(l, epoch);
        let cell = |name: &String| row.iter().find(|(n, v)| n == name && v.is_finite()).map_or(String::new(), |(_, v)| v.to_string());
        table.write_record(std::iter::once(epoch.to_string()).chain(names.iter().map(cell))).map_err(wrong)?;
    }
    let bytes = table.into_inner().map_err(|error| Error::content(path, error.to_string()))?;
    Ok(volume::files::atomic::write_bytes(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_an_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let l = Logging {
            mean_fg_dice: vec![0.25, f64::NAN],
            ema_fg_dice: vec![0.25, 0.25],
            dice_per_class_or_region: vec![vec![0.5, 0.0], vec![]],
            train_losses: vec![-0.5, -0.75],
            val_losses: vec![-0.25, f64::NAN],
            lrs: vec![0.01, 0.005],
            epoch_start_timestamps: vec![10.0, 12.0],
            epoch_end_timestamps: vec![11.5, 14.0],
        };
        write(&path, &l).unwrap();
        let wanted = "epoch,learning_rate,train_loss,val_loss,mean_fg_dice,ema_fg_dice,seconds,dice_1,dice_2\n\
                      0,0.01,-0.5,-0.25,0.25,0.25,1.5,0.5,0\n\
                      1,0.005,-0.75,,,0.25,2,,\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
    }
}
