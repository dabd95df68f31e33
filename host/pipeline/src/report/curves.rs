//! Curves as SVG.

use crate::error::{Error, Result};
use plotters::prelude::*;

/// A curve: its name, its colour and a value an epoch.
pub(super) type Curve<'a> = (&'a str, RGBColor, &'a [f64]);

pub(super) const TRAINING: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
pub(super) const VALIDATION: RGBColor = RGBColor(0xd6, 0x27, 0x28);
pub(super) const MEAN: RGBColor = RGBColor(0x2c, 0xa0, 0x2c);
const SIZE: (u32, u32) = (520, 260);

/// One chart of curves over the epochs, as the text of an `svg` element.
pub(super) fn chart(title: &str, curves: &[Curve<'_>]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, curves).map_err(|error| Error::invalid(format!("the chart {title} cannot be drawn: {error}")))?;
    // the page is HTML: a declaration of XML has no place in it
    Ok(text.find("<svg").map_or(String::new(), |start| text[start..].to_owned()))
}

fn draw(text: &mut String, title: &str, curves: &[Curve<'_>]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let values = || curves.iter().flat_map(|(.., values)| values.iter().copied()).filter(|v| v.is_finite());
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let room = ((high - low) * 0.05).max(1e-6);
    let epochs = curves.iter().map(|(.., values)| values.len()).max().unwrap_or(0).max(2) as f64 - 1.0;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..epochs, low - room..high + room)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("epoch").label_style(("sans-serif", 12)).draw()?;
    for (name, colour, values) in curves {
        let points = values.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(i, &v)| (i as f64, v));
        let colour = *colour;
        let line = chart.draw_series(LineSeries::new(points, ShapeStyle::from(colour).stroke_width(2)))?;
        line.label(*name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], ShapeStyle::from(colour).stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2)).label_font(("sans-serif", 12)).draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_names_its_curves() {
        let svg = chart("loss", &[("training", TRAINING, &[1.0, 0.5, f64::NAN]), ("validation", VALIDATION, &[])]).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for part in ["loss", "training", "validation", "epoch", "polyline"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert!(chart("nothing", &[]).unwrap().starts_with("<svg"));
    }
}
