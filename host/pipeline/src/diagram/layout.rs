//! Where everything lies: a column for each pile, in the order in which they run; a row for each resolution, the finest on top.

use super::{
    font::fitted,
    heights::Heights,
    layers::{Kind, Layer},
    picture::{Anchor, Area, Colour, FAINT, INK, Item, Picture, SKIP, Text},
    repeats::Graph,
    sheet::{Sheet, Way},
    widths::Widths,
    words,
};

pub(super) const BOX: [f64; 2] = [172.0, 46.0];
/// Between the boxes of a pile.
pub(super) const BELOW: f64 = 12.0;
/// Between two piles in one place.
pub(super) const BETWEEN: f64 = 26.0;
/// Between lines.
pub(super) const TRACK: f64 = 6.0;
/// Left of the boxes, for the number of times that a block is repeated.
pub(super) const TIMES: f64 = 24.0;
pub(super) const MARGIN: f64 = 24.0;
/// Left of everything, for the spatial lengths of a row.
pub(super) const LENGTHS: f64 = 84.0;
pub(super) const TITLE: f64 = 62.0;

/// The picture of a graph.
pub(super) fn layout(graph: &Graph, title: &str, about: &str) -> Picture {
    let sheet = Sheet::new(graph);
    let heights = Heights::new(&sheet);
    let widths = Widths::new(&sheet, &heights);
    let area = |layer: usize| Area { x: widths.column[sheet.column(layer)], y: heights.of_layer[layer], width: BOX[0], height: BOX[1] };
    let boxes: Vec<Area> = (0..graph.layers.len()).map(area).collect();

    let mut items = heading(title, about);
    for (lengths, y) in sheet.rows.iter().zip(&heights.row) {
        items.push(text([MARGIN, y + BOX[1] / 2.0 + 3.0], 10.0, true, Anchor::Start, FAINT, words::size(lengths)));
    }
    frames(graph, &boxes, &mut items);
    for (number, edge) in sheet.edges.iter().enumerate() {
        let ends = (&boxes[edge.from], &boxes[edge.to]);
        items.push(line(edge.way, ends, &widths.upright[number], heights.over[number], heights.port[number]));
    }
    items.extend(graph.layers.iter().zip(&boxes).map(|(layer, &area)| drawn(layer, area)));
    Picture { width: widths.total.max(520.0), height: heights.total, title: title.to_owned(), items }
}

/// An edge between two boxes: where it runs up or down, over a row, and where it comes in.
fn line(way: Way, (from, to): (&Area, &Area), upright: &[f64], over: f64, port: f64) -> Item {
    let (middle, right) = (from.y + from.height / 2.0, from.x + from.width);
    let points = match (way, upright) {
        (Way::Beside, &[x]) => {
            let end = to.y + to.height * 0.3;
            vec![[right, middle], [x, middle], [x, end], [right, end]]
        }
        (Way::Next, &[x]) => vec![[right, middle], [x, middle], [x, port], [to.x, port]],
        (Way::Over, &[out, back]) => vec![[right, middle], [out, middle], [out, over], [back, over], [back, port], [to.x, port]],
        _ => vec![[from.x + from.width / 2.0, from.y + from.height], [to.x + to.width / 2.0, to.y]],
    };
    Item::Edge { points, skip: matches!(way, Way::Beside | Way::Over) }
}

fn text(at: [f64; 2], size: f64, bold: bool, anchor: Anchor, colour: Colour, text: String) -> Item {
    Item::Text(Text { at, size, bold, anchor, colour, text })
}

/// Title, figures and what the lines and colours mean.
fn heading(title: &str, about: &str) -> Vec<Item> {
    let mut items = vec![
        text([MARGIN, MARGIN + 8.0], 16.0, true, Anchor::Start, INK, title.to_owned()),
        text([MARGIN, MARGIN + 26.0], 11.0, false, Anchor::Start, FAINT, about.to_owned()),
    ];
    let mut x = MARGIN;
    let y = MARGIN + 44.0;
    for (kind, name) in [(Kind::Conv, "convolution, matrix product"), (Kind::Up, "finer grid"), (Kind::Pool, "pooling"), (Kind::Join, "join")] {
        items.push(Item::Layer { area: Area { x, y: y - 8.0, width: 12.0, height: 9.0 }, fill: fill(kind), lines: Vec::new(), names: Vec::new() });
        items.push(text([x + 17.0, y], 9.0, false, Anchor::Start, FAINT, name.to_owned()));
        x += 17.0 + super::font::width(name, 9.0, false) + 18.0;
    }
    items.push(text([x, y], 9.0, false, Anchor::Start, SKIP, "blue lines: skip connections".to_owned()));
    items
}

/// A frame around each repeated block, with its number of times.
fn frames(graph: &Graph, boxes: &[Area], items: &mut Vec<Item>) {
    for repeat in &graph.repeats {
        let layers = &graph.stacks[repeat.stack].layers[repeat.first..repeat.first + repeat.layers];
        let (Some(&first), Some(&last)) = (layers.first(), layers.last()) else { continue };
        let (top, bottom) = (boxes[first], boxes[last]);
        let area = Area { x: top.x - TIMES, y: top.y - 4.0, width: BOX[0] + TIMES + 4.0, height: bottom.y + bottom.height - top.y + 8.0 };
        items.push(Item::Frame(area));
        let at = [top.x - TIMES / 2.0 - 1.0, area.y + area.height / 2.0 + 3.5];
        items.push(text(at, 10.0, true, Anchor::Middle, INK, format!("{}×", repeat.times)));
    }
}

fn fill(kind: Kind) -> Colour {
    match kind {
        Kind::Input => [255, 255, 255],
        Kind::Conv => [205, 225, 247],
        Kind::Up => [209, 236, 209],
        Kind::Pool => [252, 224, 196],
        Kind::Join => [240, 236, 200],
        Kind::Other => [232, 232, 236],
    }
}

fn drawn(layer: &Layer, area: Area) -> Item {
    let room = area.width - 10.0;
    let output = match layer.shape.get(1..) {
        Some([channels, spatial @ ..]) if !spatial.is_empty() => format!("{channels} × {}", words::size(spatial)),
        other => words::size(other.unwrap_or_default()),
    };
    let parameters = if layer.parameters > 0 { format!(", {} parameters", words::count(layer.parameters)) } else { String::new() };
    let head = layer.head.map_or(String::new(), |head| if head == 0 { "logits: ".into() } else { format!("logits {head}: ") });
    let size = 9.0;
    let line = |down: f64, bold: bool, colour: Colour, text: String| Text {
        at: [area.x + area.width / 2.0, area.y + down],
        size,
        bold,
        anchor: Anchor::Middle,
        colour,
        text: fitted(&text, size, bold, room),
    };
    let (first, rest) = layer.words.split_first().map_or(("", String::new()), |(first, rest)| (first.as_str(), rest.join(", ")));
    // two lines stand where three do, a little lower and higher
    let places = if rest.is_empty() { [18.0, 0.0, 33.0] } else { [13.0, 25.5, 38.5] };
    let mut lines = vec![line(places[0], true, INK, format!("{head}{first}")), line(places[2], false, FAINT, format!("{output}{parameters}"))];
    if !rest.is_empty() {
        lines.push(line(places[1], false, INK, rest));
    }
    let fill = if layer.head.is_some() { [247, 209, 213] } else { fill(layer.kind) };
    Item::Layer { area, fill, lines, names: layer.names.iter().cloned().collect() }
}
