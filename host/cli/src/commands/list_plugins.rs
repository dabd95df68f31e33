//! `list-plugins`

use super::Run;
use crate::{failure::Failure, options::PluginOptions, show};
use registry::{Row, RowState};

/// List the components of every kind, the host's own and the plugins', and files that are not used
#[derive(clap::Parser)]
#[command(name = "list-plugins")]
pub(crate) struct ListPlugins {
    /// All that is known of each, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for ListPlugins {
    fn run(self) -> Result<(), Failure> {
        let rows = self.plugins.open()?.list();
        match self.json {
            true => show::line(&serde_json::to_string_pretty(&rows).map_err(|error| Failure::Plain(error.to_string()))?),
            false => show::line(&table(&rows)),
        }
        Ok(())
    }
}

/// Columns that are as wide as their widest entry, the last one free.
fn table(rows: &[Row]) -> String {
    let head = ["KIND", "NAME", "PLUGIN", "VERSION", "STATE", "SIGNED", "DESCRIPTION"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let text = lines.iter().map(|line| {
        let columns: String = widths.iter().zip(line).map(|(width, cell)| format!("{cell:width$}  ")).collect();
        format!("{columns}{}", line[6]).trim_end().to_owned()
    });
    text.collect::<Vec<_>>().join("\n")
}

fn cells(row: &Row) -> [String; 7] {
    let state = match row.state {
        RowState::BuiltIn => "built-in",
        RowState::Ready => "ready",
        RowState::Conflict => "conflict",
        RowState::Ignored => "ignored",
        RowState::Copy => "copy",
        RowState::Refused => "refused",
    };
    let signed = row.signed.as_ref().map_or("-".to_owned(), ToString::to_string);
    let about = row.reason.clone().unwrap_or_else(|| row.description.clone());
    [row.kind.clone(), row.name.clone(), row.plugin.clone(), row.version.clone(), state.to_owned(), signed, about]
}
