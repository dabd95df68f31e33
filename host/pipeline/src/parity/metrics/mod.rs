//! `metrics`: losses, rules, tile weights, components, scores, labels and sliding windows.

mod components;
mod counts;
mod gaussian;
mod labels;
mod losses;
mod rules;
mod scores;
mod window;

use super::desk::Desk;
use crate::error::Result;

/// Where this section's files lie.
const FOLDER: &str = "metrics";

pub(super) fn run(desk: &mut Desk<'_>) -> Result<()> {
    let mut items: Vec<String> =
        desk.files.names_in(FOLDER).into_iter().filter(|name| name.ends_with(".json") || name == "connected_components.npz").collect();
    items.extend(desk.files.folders_in(FOLDER));
    let items: Vec<String> = items.into_iter().map(|name| format!("{FOLDER}/{name}")).collect();
    desk.each("metrics", &items, |desk, item| match item.strip_prefix("metrics/").unwrap_or(item) {
        "losses.json" => losses::compare(desk),
        "rules.json" => rules::compare(desk),
        "gaussian.json" => gaussian::compare(desk),
        "connected_components.npz" => components::compare(desk),
        "label_manager.json" => labels::compare(desk),
        name if name.starts_with("sliding_window_") => window::compare(desk, name.trim_end_matches(".json")),
        name if !desk.files.has(item) => scores::compare(desk, name),
        // the walk's end says that nobody understood it
        _ => Ok(()),
    });
    Ok(())
}
