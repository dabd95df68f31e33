//! How wide Helvetica is. Every reader of PDF has the font, so a file need not carry it.

/// Thousandths of the size, from the space to the tilde (Adobe's metrics of Helvetica).
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584,
    584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667,
    611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500,
    722, 500, 500, 500, 334, 260, 334, 584,
];
/// Of any other letter; that of the multiplication sign.
const OTHER: u16 = 584;
/// Bold letters are wider by about this share.
const BOLD: f64 = 1.06;

/// The width of a text, in points.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let letter = |c: char| REGULAR.get((c as usize).wrapping_sub(' ' as usize)).copied().unwrap_or(OTHER);
    let thousandths: u32 = text.chars().map(|c| u32::from(letter(c))).sum();
    f64::from(thousandths) / 1000.0 * size * if bold { BOLD } else { 1.0 }
}

/// `text`, or as much of its beginning as fits, with dots.
pub(super) fn fitted(text: &str, size: f64, bold: bool, room: f64) -> String {
    if width(text, size, bold) <= room {
        return text.to_owned();
    }
    let mut short = text.to_owned();
    while !short.is_empty() && width(&short, size, bold) + width("...", size, bold) > room {
        short.pop();
    }
    format!("{}...", short.trim_end_matches([' ', ',']))
}
