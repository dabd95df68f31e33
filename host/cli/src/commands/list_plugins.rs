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

fn table(rows: &[Row]) -> String {
    let head = ["KIND", "NAME", "PLUGIN", "VERSION", "STATE", "SIGNED", "DESCRIPTION"].map(str::to_owned);
    show::columns(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>(), &[show::Side::Left])
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
