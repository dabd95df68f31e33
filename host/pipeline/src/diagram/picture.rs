//! What a drawing is made of, whatever the file's format. Lengths are points, y grows downwards.

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

pub(super) const INK: Colour = [40, 44, 52];
pub(super) const FAINT: Colour = [120, 126, 136];
pub(super) const SKIP: Colour = [46, 105, 178];

/// A drawing.
pub(super) struct Picture {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: String,
    pub(super) items: Vec<Item>,
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where a text's place lies in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
}

/// A line of text; `at` is on its baseline.
pub(super) struct Text {
    pub(super) at: [f64; 2],
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) anchor: Anchor,
    pub(super) colour: Colour,
    pub(super) text: String,
}

/// A part of a drawing; what comes later lies above.
pub(super) enum Item {
    /// A layer, or several that run one after the other: `names` are those of its parameters.
    Layer { area: Area, fill: Colour, lines: Vec<Text>, names: Vec<String> },
    /// A frame around what is repeated.
    Frame(Area),
    /// A line from layer to layer, with an arrow at its end; a skip connection passes other layers by.
    Edge { points: Vec<[f64; 2]>, skip: bool },
    /// A text by itself.
    Text(Text),
}
