//! A network as a picture: `network_architecture.svg` and `.pdf`, drawn from what a trace names, whoever wrote the network.
//!
//! 1. `layers` folds the operations of a trace into layers: a convolution with its norm and activation is one.
//! 2. `stacks` piles up what follows one another at one resolution; `repeats` folds what comes several times in a row.
//! 3. `sheet` puts each pile in a column (when it runs) and a row (its resolution), so that a U-Net looks like one, and leads the lines.
//! 4. `layout` says where everything lies, by `heights` and `widths`.
//! 5. `svg` and `pdf` write the same `Picture`.

mod font;
mod heights;
mod layers;
mod layout;
mod pdf;
mod picture;
mod repeats;
mod routes;
mod sheet;
mod stacks;
mod svg;
#[cfg(test)]
mod tests;
mod widths;
mod words;

use crate::error::{Error, Result};
use engine::shape::Trace;
use picture::Picture;
use std::path::Path;
use volume::files::atomic::write_bytes;

/// The name of the pictures in a fold's folder, without ending.
pub const NAME: &str = "network_architecture";

/// Draws a traced network into `path`, whose ending (`.svg` or `.pdf`) says how; `title` stands above it.
///
/// # Errors
/// Another ending; the file cannot be written.
pub fn draw(path: &Path, title: &str, trace: &Trace) -> Result<()> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let write: fn(&Picture) -> Vec<u8> = match ending {
        "svg" => |picture| svg::write(picture).into_bytes(),
        "pdf" => pdf::write,
        other => return Err(Error::invalid(format!("{}: a diagram ends in .svg or .pdf, not in {other:?}", path.display()))),
    };
    Ok(write_bytes(path, &write(&picture(title, trace)))?)
}

/// Draws both files into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn draw_both(folder: &Path, title: &str, trace: &Trace) -> Result<()> {
    let picture = picture(title, trace);
    write_bytes(&folder.join(format!("{NAME}.svg")), svg::write(&picture).as_bytes())?;
    Ok(write_bytes(&folder.join(format!("{NAME}.pdf")), &pdf::write(&picture))?)
}

fn picture(title: &str, trace: &Trace) -> Picture {
    let layers = layers::layers(trace);
    let stacks = stacks::stacks(&layers);
    let graph = repeats::fold(layers, stacks);
    let about = format!(
        "input {}, {} parameters, {:.1} GFLOP forward",
        trace.inputs.first().map(|shape| words::size(&shape[1..])).unwrap_or_default(),
        words::count(trace.parameter_count()),
        trace.flops as f64 / 1e9
    );
    layout::layout(&graph, title, &about)
}
