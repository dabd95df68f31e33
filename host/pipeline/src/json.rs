//! JSON as Python's `json` module reads and writes it, so that files are nnU-Net's to the byte.
//!
//! Python writes `NaN`, which JSON does not have: [`read`] takes it as `null`, and [`write_with_nan`] writes `null` so.

use std::io::{self, Write};
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::{Formatter, PrettyFormatter};
use volume::files::atomic::write_bytes;

use crate::error::{Error, Result};

/// Reads the JSON at `path`. `//` comments, `NaN` and `Infinity` are accepted.
///
/// # Errors
/// The file cannot be read, or is not what `T` wants; its name, the line and the column are in the error.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    parse(&text).map_err(|error| Error::content(path, error.to_string()))
}

/// Reads JSON from `text`. `//` comments are skipped; `NaN`, `Infinity` and `-Infinity` are `null`.
///
/// # Errors
/// The text is not what `T` wants.
pub fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(&plain(text))
}

/// Writes `value` to `path` as `json.dump(value, f, indent=4)` does, atomically.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    write_as(path, value, "null")
}

/// As [`write()`], but every `null` (what serde makes of a float that is not a number) becomes Python's `NaN`.
///
/// # Errors
/// The file cannot be written.
pub fn write_with_nan(path: &Path, value: &impl Serialize) -> Result<()> {
    write_as(path, value, "NaN")
}

/// What [`write()`] writes.
///
/// # Errors
/// The value has keys that are no strings.
pub fn to_string(value: &impl Serialize) -> serde_json::Result<String> {
    text(value, "null")
}

fn write_as(path: &Path, value: &impl Serialize, null: &'static str) -> Result<()> {
    let text = text(value, null).map_err(|error| Error::content(path, error.to_string()))?;
    Ok(write_bytes(path, text.as_bytes())?)
}

fn text(value: &impl Serialize, null: &'static str) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    let python = Python { pretty: PrettyFormatter::with_indent(b"    "), null };
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, python))?;
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// `repr` of a Python float: the shortest digits that give the number back, with an exponent below 1e-4 and from 1e16 on.
pub fn float(x: f64) -> String {
    let shortest = format!("{x:e}");
    // of several digit strings that are as short, Python takes the closest, and the even one of two that are as close
    let length = shortest.split('e').next().map_or(0, |digits| digits.bytes().filter(u8::is_ascii_digit).count());
    let closest = format!("{x:.*e}", length.saturating_sub(1));
    let scientific = if closest.parse() == Ok(x) { closest } else { shortest };
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits.replace('.', "")),
        None => ("", mantissa.replace('.', "")),
    };
    match usize::try_from(exponent) {
        Ok(0..=15) => {
            let whole = exponent as usize + 1;
            let digits = format!("{digits:0<whole$}");
            let (whole, part) = digits.split_at(whole);
            format!("{sign}{whole}.{}", if part.is_empty() { "0" } else { part })
        }
        Err(_) if exponent >= -4 => format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        _ => format!("{mantissa}e{exponent:+03}"),
    }
}

/// `text` without comments and without numbers that JSON lacks. Line breaks stay, so that errors give the right line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => {
                let length = string_length(rest);
                out.push_str(rest.get(..length).unwrap_or_default());
                length
            }
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ => match ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word)) {
                Some(word) => {
                    out.push_str("null");
                    word.len()
                }
                None => {
                    out.push(next);
                    next.len_utf8()
                }
            },
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Bytes of the string that `text` starts with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Python's layout, floats and escapes.
struct Python {
    pretty: PrettyFormatter<'static>,
    null: &'static str,
}

impl Formatter for Python {
    fn write_null<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(self.null.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, x: f64) -> io::Result<()> {
        out.write_all(float(x).as_bytes())
    }

    fn write_f32<W: ?Sized + Write>(&mut self, out: &mut W, x: f32) -> io::Result<()> {
        self.write_f64(out, f64::from(x))
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        for c in text.chars() {
            match c {
                ' '..='~' => out.write_all(&[c as u8])?,
                _ => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?,
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Printed by Python's `repr`.
    #[test]
    fn floats_are_those_of_python() {
        let pairs = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1e-5, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1e-4, "0.0001"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e-300, "1e-300"),
            (-1.5e-10, "-1.5e-10"),
            (5e-324, "5e-324"),
            // exactly 2.23600006103515625, as near to ...63
            (f64::from(2.236_f32), "2.2360000610351562"),
            (-1234.5, "-1234.5"),
            (-0.00123, "-0.00123"),
            (1e22, "1e+22"),
            (9007199254740993.0, "9007199254740992.0"),
            (f64::MAX, "1.7976931348623157e+308"),
            (2473.6904296875, "2473.6904296875"),
        ];
        for (x, repr) in pairs {
            assert_eq!(float(x), repr);
        }
    }

    #[test]
    fn text_is_that_of_python() {
        let value = json!({"a": [1, 2.0, null, true], "b": {}, "c": [], "\u{e9}\u{1f600}\u{7f}": "x\"\\\n\u{1}"});
        let wanted = "{\n    \"a\": [\n        1,\n        2.0,\n        null,\n        true\n    ],\n    \"b\": {},\n    \"c\": [],\n    \
                      \"\\u00e9\\ud83d\\ude00\\u007f\": \"x\\\"\\\\\\n\\u0001\"\n}";
        assert_eq!(to_string(&value).unwrap(), wanted);
        assert_eq!(text(&json!([f64::NAN]), "NaN").unwrap(), "[\n    NaN\n]");
    }

    #[test]
    fn comments_and_nan_are_read() {
        let text = "{ // the file\n\"a\": NaN, \"url\": \"http://x // y \\\" // z\", // end\n\"b\": [-Infinity, Infinity, 1e-05]} // bye";
        let value: Value = parse(text).unwrap();
        assert_eq!(value, json!({"a": null, "url": "http://x // y \" // z", "b": [null, null, 1e-05]}));
        assert_eq!(parse::<Value>("{ // one\n\"a\": oops }").unwrap_err().line(), 2);
    }
}
