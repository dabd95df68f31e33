//! `progress.png`: losses and pseudo Dice, seconds an epoch, learning rate.

use crate::{
    checkpoint::Logging,
    error::{Error, Result},
};
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (1200, 1500);

/// The range of some series, with a little room; something sane for nothing.
fn range(series: &[&[f64]]) -> std::ops::Range<f64> {
    let all = series.iter().flat_map(|s| s.iter().copied()).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let room = ((high - low) * 0.05).max(1e-6);
    low - room..high + room
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn panel(area: &Area<'_>, series: &[(&[f64], RGBColor)]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let epochs = series.iter().map(|(s, _)| s.len()).max().unwrap_or(0).max(2) as f64 - 1.0;
    let values: Vec<&[f64]> = series.iter().map(|(s, _)| *s).collect();
    let mut chart = ChartBuilder::on(area).margin(20).build_cartesian_2d(0.0..epochs, range(&values))?;
    // text needs a font of the system; the grid alone reads well enough
    chart.configure_mesh().x_labels(0).y_labels(0).draw()?;
    for (values, colour) in series {
        let points = values.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(i, &v)| (i as f64, v));
        chart.draw_series(LineSeries::new(points, ShapeStyle::from(colour).stroke_width(3)))?;
    }
    Ok(())
}

/// Draws the curves of all epochs so far and puts the picture in place when it is whole.
pub(crate) fn draw(path: &Path, l: &Logging) -> Result<()> {
    let failed = |e: Box<dyn std::error::Error>| Error::content(path, format!("cannot be drawn: {e}"));
    let mut pixels = vec![255u8; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(|e| failed(Box::new(e)))?;
        let seconds: Vec<f64> = l.epoch_end_timestamps.iter().zip(&l.epoch_start_timestamps).map(|(e, s)| e - s).collect();
        let parts = root.split_evenly((4, 1));
        panel(&parts[0], &[(&l.train_losses, BLUE), (&l.val_losses, RED)]).map_err(failed)?;
        panel(&parts[1], &[(&l.mean_fg_dice, RGBColor(120, 190, 120)), (&l.ema_fg_dice, RGBColor(0, 110, 0))]).map_err(failed)?;
        panel(&parts[2], &[(&seconds, BLACK)]).map_err(failed)?;
        panel(&parts[3], &[(&l.lrs, BLACK)]).map_err(failed)?;
        root.present().map_err(|e| failed(Box::new(e)))?;
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).map_err(|e| failed(Box::new(e)))?;
    Ok(volume::files::atomic::write_bytes(path, &png)?)
}
