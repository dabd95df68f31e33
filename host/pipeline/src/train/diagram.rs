//! `network_architecture.pdf`: the parts of the network from left to right, the finer the resolution the higher, and what hands a tensor to what.

use super::run::Run;
use crate::error::Result;
use engine::shape::{Part, Trace};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};
use std::path::Path;
use volume::files::atomic::write_bytes;

// in points
const BOX: [f32; 2] = [104.0, 40.0];
const GAP: [f32; 2] = [16.0, 28.0];
const MARGIN: f32 = 24.0;
const TITLE: f32 = 30.0;
const FONT: Name<'_> = Name(b"F");

pub(super) fn write(path: &Path, run: &Run<'_>) -> Result<()> {
    let (name, trace) = (&run.parts.architecture_name, &run.parts.trace);
    let input = trace.inputs.first().map(|shape| text_of(shape)).unwrap_or_default();
    let (parameters, gflop) = (trace.parameter_count(), trace.flops as f64 / 1e9);
    let title = format!("{name} of {}: input {input}, {parameters} parameters, {gflop:.1} GFLOP a sample", run.parts.architecture_from.who());
    Ok(write_bytes(path, &draw(&title, trace))?)
}

fn draw(title: &str, trace: &Trace) -> Vec<u8> {
    let parts = trace.parts();
    let finest = parts.iter().map(edge).max().unwrap_or(1);
    let level = |part: &Part| (finest as f32 / edge(part) as f32).log2().round();
    let deepest = parts.iter().map(level).fold(0.0, f32::max);
    let width = 2.0 * MARGIN + parts.len() as f32 * (BOX[0] + GAP[0]);
    let height = 2.0 * MARGIN + TITLE + (deepest + 1.0) * (BOX[1] + GAP[1]);
    // the lower left corner of each part's box
    let places: Vec<[f32; 2]> = (parts.iter().enumerate())
        .map(|(i, part)| [MARGIN + i as f32 * (BOX[0] + GAP[0]), height - MARGIN - TITLE - (level(part) + 1.0) * (BOX[1] + GAP[1])])
        .collect();

    let mut page = Content::new();
    write_line(&mut page, title, 11.0, [MARGIN, height - MARGIN]);
    page.set_line_width(0.8).set_stroke_gray(0.55);
    for (from, to) in trace.part_links() {
        let ([x, y], [to_x, to_y]) = (places[from], places[to]);
        page.move_to(x + BOX[0], y + BOX[1] / 2.0).line_to(to_x, to_y + BOX[1] / 2.0).stroke();
    }
    page.set_stroke_gray(0.2);
    for (part, [x, y]) in parts.iter().zip(places) {
        page.set_fill_gray(0.94).rect(x, y, BOX[0], BOX[1]).fill_nonzero_and_stroke().set_fill_gray(0.0);
        let lines = [part.name.clone(), text_of(&part.output), format!("{} parameters", part.parameters)];
        for (line, down) in lines.iter().zip([12.0, 23.0, 34.0]) {
            write_line(&mut page, line, 8.0, [x + 4.0, y + BOX[1] - down]);
        }
    }
    document(page, [width, height])
}

/// Voxels along the last axis of what a part makes.
fn edge(part: &Part) -> usize {
    part.output.get(2..).and_then(<[usize]>::last).copied().unwrap_or(1).max(1)
}

/// (C, spatial...) of a shape with a batch in front.
fn text_of(shape: &[usize]) -> String {
    shape.iter().skip(1).map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

fn write_line(page: &mut Content, text: &str, size: f32, [x, y]: [f32; 2]) {
    page.begin_text().set_font(FONT, size).next_line(x, y).show(Str(text.as_bytes())).end_text();
}

/// A document of one page, its text in a font that every reader has.
fn document(content: Content, [width, height]: [f32; 2]) -> Vec<u8> {
    let [catalog, tree, page, font, stream] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids([page]).count(1);
    let mut only = pdf.page(page);
    only.media_box(Rect::new(0.0, 0.0, width, height)).parent(tree).contents(stream);
    only.resources().fonts().pair(FONT, font);
    only.finish();
    pdf.type1_font(font).base_font(Name(b"Helvetica"));
    pdf.stream(stream, &content.finish());
    pdf.finish()
}
