//! A drawing as SVG.

use super::picture::{Anchor, Area, Colour, FAINT, INK, Item, Picture, SKIP, Text};
use maud::{Markup, PreEscaped, html};

/// The file.
pub(super) fn write(picture: &Picture) -> String {
    let (width, height) = (number(picture.width), number(picture.height));
    let drawn = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}"))
            font-family="Helvetica, Arial, sans-serif" {
            title { (picture.title) }
            defs {
                (arrow("flow", FAINT))
                (arrow("skip", SKIP))
            }
            rect width="100%" height="100%" fill="white" {}
            @for item in &picture.items { (part(item)) "\n" }
        }
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", drawn.into_string())
}

fn arrow(name: &str, colour: Colour) -> Markup {
    html! {
        marker id=(name) viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto" {
            path d="M0 0 L6 3 L0 6 z" fill=(hex(colour)) {}
        }
    }
}

fn part(item: &Item) -> Markup {
    match item {
        Item::Layer { area, fill, lines, names } => html! {
            g class="layer" {
                @if !names.is_empty() { title { (names.join(" ")) } }
                (rectangle(area, &format!("fill=\"{}\" stroke=\"{}\" stroke-width=\"0.8\" rx=\"3\"", hex(*fill), hex(INK))))
                @for line in lines { (text(line)) }
            }
        },
        Item::Frame(area) => {
            rectangle(area, &format!("class=\"repeat\" fill=\"#f4f4f6\" stroke=\"{}\" stroke-dasharray=\"3 2\" rx=\"4\"", hex(FAINT)))
        }
        Item::Edge { points, skip } => {
            let points = points.iter().map(|[x, y]| format!("{},{}", number(*x), number(*y))).collect::<Vec<_>>().join(" ");
            let (class, colour) = if *skip { ("skip", SKIP) } else { ("flow", FAINT) };
            html! { polyline class=(class) points=(points) fill="none" stroke=(hex(colour)) stroke-width="1.1" marker-end=(format!("url(#{class})")) {} }
        }
        Item::Text(line) => text(line),
    }
}

fn rectangle(area: &Area, style: &str) -> Markup {
    let Area { x, y, width, height } = *area;
    PreEscaped(format!("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {style}/>", number(x), number(y), number(width), number(height)))
}

fn text(line: &Text) -> Markup {
    let anchor = match line.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
    };
    let weight = if line.bold { "bold" } else { "normal" };
    html! {
        text x=(number(line.at[0])) y=(number(line.at[1])) font-size=(number(line.size)) font-weight=(weight) text-anchor=(anchor) fill=(hex(line.colour)) { (line.text) }
    }
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Tenths are enough.
fn number(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}
