//! The report as files.

use std::path::Path;

use maud::{DOCTYPE, Markup, html};
use volume::files::atomic::write_bytes;

use super::{Parity, Row, Verdict};
use crate::error::{Error, Result};
use crate::json;

impl Parity {
    /// Writes `{"rows": [{"what", "ours", "theirs", "difference", "tolerance", "verdict"}], ...}`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        json::write(path, self)
    }

    /// Writes a table with the rows' fields as columns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let wrong = |error: csv::Error| Error::content(path, error.to_string());
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["what", "ours", "theirs", "difference", "tolerance", "verdict"]).map_err(wrong)?;
        for row in &self.rows {
            let difference = row.difference.map(|difference| difference.to_string()).unwrap_or_default();
            let fields = [row.what.clone(), side(&row.ours), side(&row.theirs), difference, row.tolerance.to_string(), verdict(row).to_owned()];
            table.write_record(fields).map_err(wrong)?;
        }
        let bytes = table.into_inner().map_err(|error| Error::content(path, error.to_string()))?;
        Ok(write_bytes(path, &bytes)?)
    }

    /// Writes a page that needs no other file: a line a section, what fell short, and all rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_html(&self, path: &Path) -> Result<()> {
        Ok(write_bytes(path, self.page().into_string().as_bytes())?)
    }

    fn page(&self) -> Markup {
        let short: Vec<&Row> = self.fell_short().collect();
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { "Parity with nnU-Net" }
                    style { (STYLE) }
                }
                body {
                    h1 { "Parity with nnU-Net" }
                    p {
                        (self.rows.len()) " comparisons, " b { (short.len()) " fell short" } ". " (self.compared) " files were compared with, "
                        (self.inputs) " were only inputs, and " (self.information) " tell of the run and hold nothing to compare."
                    }
                    table {
                        tr { th { "section" } th { "rows" } th { "fell short" } th { "nearest to its tolerance" } th { "difference" } th { "tolerance" } }
                        @for (name, rows) in self.sections() { (section(name, &rows)) }
                    }
                    @if !short.is_empty() {
                        h2 { "What fell short" }
                        (rows(&short))
                    }
                    @if !self.not_compared.is_empty() {
                        h2 { "What was not compared" }
                        ul { @for line in &self.not_compared { li { (line) } } }
                    }
                    @for (name, all) in self.sections() {
                        details { summary { h2 { (name) } } (rows(&all)) }
                    }
                }
            }
        }
    }
}

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:90em;margin:2em auto;padding:0 1em}\
    td,th{padding:.15em .8em;text-align:left;border-bottom:1px solid #ddd;overflow-wrap:anywhere}.fail{background:#fdd}h2{display:inline-block}";

fn section(name: &str, rows: &[&Row]) -> Markup {
    let short = rows.iter().filter(|row| row.verdict == Verdict::Fail).count();
    let nearest = nearest(rows);
    html! {
        tr.fail[short > 0] {
            td { (name) }
            td { (rows.len()) }
            td { (short) }
            td { (nearest.map_or("all exact", |row| row.what.as_str())) }
            td { (nearest.and_then(|row| row.difference).map(number).unwrap_or_default()) }
            td { (nearest.map(|row| number(row.tolerance)).unwrap_or_default()) }
        }
    }
}

/// The row that used most of its tolerance; none where all that could be compared are exact.
pub fn nearest<'a>(rows: &[&'a Row]) -> Option<&'a Row> {
    let used = rows.iter().copied().filter(|row| row.difference.is_some_and(|difference| difference > 0.0));
    used.max_by(|a, b| a.share_of_tolerance().total_cmp(&b.share_of_tolerance()))
}

fn rows(rows: &[&Row]) -> Markup {
    html! {
        table {
            tr { th { "what" } th { "ours" } th { "nnU-Net's" } th { "difference" } th { "tolerance" } th { "verdict" } }
            @for row in rows {
                tr.fail[row.verdict == Verdict::Fail] {
                    td { (row.what) }
                    td { (side(&row.ours)) }
                    td { (side(&row.theirs)) }
                    td { (row.difference.map(number).unwrap_or_default()) }
                    td { (number(row.tolerance)) }
                    td { (verdict(row)) }
                }
            }
        }
    }
}

/// A value without the quotes of JSON.
pub fn side(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Short, and enough to tell differences by.
pub fn number(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        n if n.fract() == 0.0 && n.abs() < 1e6 => n.to_string(),
        n => format!("{n:.1e}"),
    }
}

fn verdict(row: &Row) -> &'static str {
    match row.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    }
}
