//! `docs/guide-coverage.md` and the tests say the same: each row has its test, each test its row, in the table's order.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The names of all tests that run: `#[test]` without `#[ignore]`; the tests of a `proptest!` as well.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    ["host", "plugins", "tests/tests"].iter().for_each(|folder| sources(&root().join(folder), &mut files));
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let (mut is_test, mut ignored) = (false, false);
        for line in text.lines().map(str::trim) {
            is_test |= line == "#[test]";
            ignored |= line.starts_with("#[ignore");
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let Some(name) = name {
                if is_test && !ignored {
                    names.insert(name.to_owned());
                }
                (is_test, ignored) = (false, false);
            }
        }
    }
    names
}

/// The rows in a test's name: `row_16_...`, `rows_4_to_7_...`, `row_63_and_64_...`.
fn rows_of(name: &str) -> Vec<usize> {
    let Some((_, rest)) = name.split_once('_').filter(|(first, _)| ["row", "rows"].contains(first)) else { return Vec::new() };
    let mut rows: Vec<usize> = Vec::new();
    let mut range = false;
    for word in rest.split('_') {
        match (word, word.parse()) {
            (_, Ok(row)) => {
                let first = if range { rows.last().map_or(row, |last| last + 1) } else { row };
                rows.extend(first..=row);
                range = false;
            }
            ("to", _) => range = true,
            ("and", _) => {}
            _ => break,
        }
    }
    rows
}

/// The cells of the rows of each table.
fn tables(page: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    for line in page.lines() {
        if line.starts_with("|---") {
            tables.push(Vec::new());
        } else if let (Some(table), Some(row)) = (tables.last_mut(), line.strip_prefix("| ")) {
            let row = row.trim_end_matches('|').replace(r"\|", "\u{0}");
            let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
            if cells[0].parse::<usize>().is_ok() {
                table.push(cells);
            }
        }
    }
    tables
}

/// What stands between backquotes and could be a test's name.
fn names_in(cell: &str) -> Vec<String> {
    let is_name = |text: &&str| text.len() > 2 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    cell.split('`').skip(1).step_by(2).filter(is_name).map(str::to_owned).collect()
}

#[test]
fn each_row_has_its_test_and_each_test_its_row() {
    let tables = tables(&fs::read_to_string(root().join("docs/guide-coverage.md")).unwrap());
    let tests = tests();
    let [guide, beyond] = tables.as_slice() else { panic!("{} tables, wanted 2", tables.len()) };
    for (table, rows) in [(guide, 83), (beyond, 36)] {
        let numbers: Vec<usize> = table.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(numbers, (1..=rows).collect::<Vec<_>>());
    }
    let mut shown: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for row in guide.iter().chain(beyond) {
        let (verdict, by) = (row[row.len() - 2].as_str(), &row[row.len() - 1]);
        let names = names_in(by);
        assert!(["pass", "fail", "n/a"].contains(&verdict), "row {}: {verdict}", row[0]);
        assert!(verdict != "pass" || !names.is_empty(), "row {} passes without a test", row[0]);
        assert!(verdict == "pass" || by.split('`').step_by(2).any(|text| text.len() > 10), "row {} does not say why", row[0]);
        for name in &names {
            assert!(tests.contains(name), "row {}: there is no test {name}", row[0]);
        }
        if row.len() == 5 {
            shown.insert(row[0].parse().unwrap(), names);
        }
    }
    // tests of components are named after rows, too; a row is shown by one that runs the command
    let mut commands = Vec::new();
    sources(&root().join("host/cli/tests"), &mut commands);
    let commands: String = commands.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for name in tests.iter().filter(|name| commands.contains(&format!("fn {name}("))) {
        for row in rows_of(name) {
            assert!(shown[&row].contains(name), "row {row} is not said to be shown by {name}");
        }
    }
    for (row, names) in &shown {
        assert!(names.iter().all(|name| rows_of(name).contains(row)), "row {row} names {names:?}");
    }
}

#[test]
fn rows_are_read_from_names() {
    assert_eq!(rows_of("row_16_where_the_plans_lie"), [16]);
    assert_eq!(rows_of("rows_4_to_7_the_networks"), [4, 5, 6, 7]);
    assert_eq!(rows_of("row_63_and_64_a_preprocessor"), [63, 64]);
    assert_eq!(rows_of("row_11_an_own_config_of_five_fields"), [11]);
    assert_eq!(rows_of("a_row_an_epoch"), [] as [usize; 0]);
}
