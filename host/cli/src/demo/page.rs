//! A page that needs no other file.

use super::picture::{PREDICTION, TRUTH};
use crate::failure::Failure;
use base64::{Engine, prelude::BASE64_STANDARD};
use pipeline::evaluate::Summary;
use std::{fmt::Write, fs, path::Path};
use volume::files::atomic::write_bytes;

/// What the page tells.
pub(crate) struct Page<'a> {
    /// Names of the labels, from 1.
    pub(crate) labels: &'a [&'a str],
    /// The scores of the test cases.
    pub(crate) summary: &'a Summary,
    /// The commands that were run, in order.
    pub(crate) commands: &'a [String],
    /// A PNG.
    pub(crate) picture: &'a Path,
    /// How long it all took, seconds.
    pub(crate) seconds: f64,
}

/// Writes the page to `path`.
pub(crate) fn write(path: &Path, page: &Page<'_>) -> Result<(), Failure> {
    let picture = fs::read(page.picture).map_err(|source| Failure::Io { action: "read", path: page.picture.into(), source })?;
    let mut rows = String::new();
    for (label, name) in (1..).zip(page.labels) {
        if let Some(m) = page.summary.mean.get(&label.to_string()) {
            // writing to a string does not fail
            let _ = writeln!(rows, "<tr><td>{}</td><td>{:.3}</td><td>{:.3}</td></tr>", escaped(name), m.dice, m.iou);
        }
    }
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>nnU-Net host: demo</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}img{{max-width:100%}}\
         td,th{{padding:.2em 1em;text-align:left;border-bottom:1px solid #ccc}}pre{{background:#f4f4f4;padding:1em;overflow:auto}}</style></head>\n\
         <body><h1>A phantom, segmented</h1>\n\
         <p>Test cases that the training did not see, each at the slice with most lesion: \
         <b style=\"color:{}\">truth</b> and <b style=\"color:{}\">prediction</b>.</p>\n\
         <img alt=\"slices with outlines\" src=\"data:image/png;base64,{}\">\n\
         <table><tr><th>structure</th><th>Dice</th><th>IoU</th></tr>\n{rows}</table>\n\
         <p>{} test cases, {:.0} s in all. These commands did it:</p>\n<pre>{}</pre></body></html>\n",
        colour(TRUTH),
        colour(PREDICTION),
        BASE64_STANDARD.encode(&picture),
        page.summary.metric_per_case.len(),
        page.seconds,
        escaped(&page.commands.join("\n")),
    );
    Ok(write_bytes(path, text.as_bytes()).map_err(pipeline::error::Error::from)?)
}

fn colour([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
