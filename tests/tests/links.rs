//! The pages: every link leads to a file, and the book lists every page.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All Markdown files of the repository.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap_or_default());
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<String> {
    let (mut found, mut code) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        // what stands between backquotes is code too
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("x");
        for part in plain.split("](").skip(1) {
            found.extend(part.split(')').next().map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut all = Vec::new();
    pages(root(), &mut all);
    assert!(all.len() >= 15, "only {all:?}");
    let mut broken = Vec::new();
    for page in &all {
        for link in links(&fs::read_to_string(page).unwrap()) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:") || target.is_empty();
            if !outside && !page.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn the_book_lists_every_page() {
    let summary = links(&fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap());
    let pages = fs::read_dir(root().join("docs")).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    let left: Vec<String> = pages.filter(|name| name.ends_with(".md") && name != "SUMMARY.md" && !summary.contains(name)).collect();
    assert_eq!(left, Vec::<String>::new(), "these pages are not in docs/SUMMARY.md");
}

#[test]
fn links_are_found_where_they_are() {
    let text = "a [b](c.md) and [d](e.md#f), `[no](no.md)`\n```\n[no](no.md)\n```\n| [x](y.md) |";
    assert_eq!(links(text), ["c.md", "e.md#f", "y.md"]);
}
