//! A drawing as PDF: one page, in a font that every reader has.

use super::{
    font,
    picture::{Anchor, Area, Colour, FAINT, INK, Item, Picture, SKIP, Text},
};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

/// A page's side may have so many points.
const LARGEST: f64 = 14_400.0;
const REGULAR: Name<'static> = Name(b"R");
const BOLD: Name<'static> = Name(b"B");

/// The file.
pub(super) fn write(picture: &Picture) -> Vec<u8> {
    let scale = (LARGEST / picture.width.max(picture.height)).min(1.0);
    let mut content = Content::new();
    content.transform([scale as f32, 0.0, 0.0, scale as f32, 0.0, 0.0]);
    let page = Page { height: picture.height };
    picture.items.iter().for_each(|item| page.part(&mut content, item));

    let [catalog, pages, sheet, regular, bold, drawn, about] = [1, 2, 3, 4, 5, 6, 7].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.document_info(about).title(TextStr(&picture.title));
    pdf.pages(pages).kids([sheet]).count(1);
    let mut one = pdf.page(sheet);
    one.media_box(Rect::new(0.0, 0.0, (picture.width * scale) as f32, (picture.height * scale) as f32)).parent(pages).contents(drawn);
    one.resources().fonts().pair(REGULAR, regular).pair(BOLD, bold);
    one.finish();
    for (font, name) in [(regular, Name(b"Helvetica")), (bold, Name(b"Helvetica-Bold"))] {
        pdf.type1_font(font).base_font(name).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.stream(drawn, &content.finish());
    pdf.finish()
}

/// In PDF, y grows upwards.
struct Page {
    height: f64,
}

impl Page {
    fn at(&self, [x, y]: [f64; 2]) -> (f32, f32) {
        (x as f32, (self.height - y) as f32)
    }

    fn part(&self, content: &mut Content, item: &Item) {
        match item {
            Item::Layer { area, fill, lines, .. } => {
                self.rectangle(content, area, *fill, INK);
                lines.iter().for_each(|line| self.text(content, line));
            }
            Item::Frame(area) => {
                content.set_dash_pattern([3.0, 2.0], 0.0);
                self.rectangle(content, area, [244, 244, 246], FAINT);
                content.set_dash_pattern([], 0.0);
            }
            Item::Edge { points, skip } => self.edge(content, points, if *skip { SKIP } else { FAINT }),
            Item::Text(line) => self.text(content, line),
        }
    }

    fn rectangle(&self, content: &mut Content, area: &Area, fill: Colour, line: Colour) {
        let (x, y) = self.at([area.x, area.y + area.height]);
        set_fill(content, fill);
        set_stroke(content, line);
        content.set_line_width(0.8).rect(x, y, area.width as f32, area.height as f32).fill_nonzero_and_stroke();
    }

    fn edge(&self, content: &mut Content, points: &[[f64; 2]], colour: Colour) {
        let [.., before, end] = points else { return };
        set_stroke(content, colour);
        content.set_line_width(1.1);
        for (number, &point) in points.iter().enumerate() {
            let (x, y) = self.at(point);
            if number == 0 {
                content.move_to(x, y)
            } else {
                content.line_to(x, y)
            };
        }
        content.stroke();
        // an arrow of 6 points along the last part
        let (dx, dy) = (end[0] - before[0], end[1] - before[1]);
        let length = dx.hypot(dy).max(1e-6);
        let (dx, dy) = (6.0 * dx / length, 6.0 * dy / length);
        set_fill(content, colour);
        let corners = [[end[0], end[1]], [end[0] - dx - dy / 2.0, end[1] - dy + dx / 2.0], [end[0] - dx + dy / 2.0, end[1] - dy - dx / 2.0]];
        let [(ax, ay), (bx, by), (cx, cy)] = corners.map(|corner| self.at(corner));
        content.move_to(ax, ay).line_to(bx, by).line_to(cx, cy).close_path().fill_nonzero();
    }

    fn text(&self, content: &mut Content, line: &Text) {
        let width = font::width(&line.text, line.size, line.bold);
        let left = match line.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
        };
        let (x, y) = self.at([line.at[0] - left, line.at[1]]);
        // the font's encoding has Latin-1's letters in their places
        let letters: Vec<u8> = line.text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        set_fill(content, line.colour);
        content.begin_text().set_font(if line.bold { BOLD } else { REGULAR }, line.size as f32).next_line(x, y).show(Str(&letters)).end_text();
    }
}

fn parts(colour: Colour) -> [f32; 3] {
    colour.map(|part| f32::from(part) / 255.0)
}

fn set_fill(content: &mut Content, colour: Colour) {
    let [red, green, blue] = parts(colour);
    content.set_fill_rgb(red, green, blue);
}

fn set_stroke(content: &mut Content, colour: Colour) {
    let [red, green, blue] = parts(colour);
    content.set_stroke_rgb(red, green, blue);
}
