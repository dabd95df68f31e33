//! `docs/errors.md` is what the cases say.

use crate::{THEMES, case::Case};
use std::{
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

const HEAD: &str = "# What is said when something is wrong

Every failure is a sentence on stderr that names the file, the case or the flag, and the way out. The exit code is 2 where the command line makes no sense, 1 where
anything else fails, 130 where you stopped the command, and 0 where there are only warnings. Nothing is left half written: a file is whole or not there.

The tests break these inputs and compare what is said with this page. `~` is a user's folder; the dataset is 001 of five small cases.
";

/// Cases at a time: a process may wait for a disk.
const AT_ONCE: usize = 3;

/// What each case of all themes said, in order.
fn run_all() -> Vec<Result<String, String>> {
    let cases: Vec<&Case> = THEMES.iter().flat_map(|(_, cases)| cases.iter()).collect();
    let (next, said) = (AtomicUsize::new(0), Mutex::new(vec![None; cases.len()]));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((at, case)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?))) {
                    let outcome = case.run();
                    said.lock().unwrap()[at] = Some(outcome);
                }
            });
        }
    });
    said.into_inner().unwrap().into_iter().map(Option::unwrap).collect()
}

#[test]
fn each_broken_input_has_the_message_of_the_page() {
    let said = run_all();
    let failed: Vec<&String> = said.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    let mut page = HEAD.to_owned();
    let mut said_next = said.iter();
    for (theme, cases) in THEMES {
        page.push_str(&format!("\n## {theme}\n"));
        for (case, said) in cases.iter().zip(&mut said_next) {
            let said = said.as_ref().unwrap_or_else(|failed| failed).trim_end();
            page.push_str(&format!("\n**{}**: `{}`, exit code {}\n\n```text\n{said}\n```\n", case.input, case.line, case.code));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases fail:\n\n{}", failed.len(), said.len(), failed.iter().map(|f| format!("{f}\n\n")).collect::<String>());
    assert!(said.len() >= 40);

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        return fs::write(file, page).unwrap();
    }
    let there = fs::read_to_string(file).unwrap_or_default();
    let differs = page.lines().zip(there.lines()).find(|(now, there)| now != there);
    assert!(page == there, "docs/errors.md is not what is said (INSTA_UPDATE=always writes it anew): {differs:?}");
}
