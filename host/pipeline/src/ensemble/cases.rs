//! Which files belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::evaluate::files;

/// A case and the probabilities of each member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// `{case}.npz` of each member, in their order.
    pub members: Vec<PathBuf>,
}

/// The cases of `folders`, sorted; each folder has all of them.
///
/// # Errors
/// A folder cannot be listed or has no npz; cases that a folder lacks, all listed.
pub fn cases_in(folders: &[PathBuf]) -> Result<Vec<Case>> {
    let mut members = Vec::with_capacity(folders.len());
    for folder in folders {
        let names = files(folder, &[".npz"])?;
        if names.is_empty() {
            let how = "predict with --save_probabilities, or validate with --val --npz";
            return Err(Error::content(folder, format!("there are no probabilities, no file that ends in .npz; {how}")));
        }
        let case = |name: String| Some((name.strip_suffix(".npz")?.to_owned(), folder.join(&name)));
        members.push(Member { name: folder.display().to_string(), cases: names.into_iter().filter_map(case).collect() });
    }
    together(members)
}

/// The probabilities of one member by case.
pub(crate) struct Member {
    /// For messages.
    pub(crate) name: String,
    pub(crate) cases: BTreeMap<String, PathBuf>,
}

/// The cases of all `members`, each of which has every one.
///
/// # Errors
/// Some lack cases, all listed.
pub(crate) fn together(members: Vec<Member>) -> Result<Vec<Case>> {
    let all: BTreeSet<&String> = members.iter().flat_map(|member| member.cases.keys()).collect();
    let lacking = |member: &Member| {
        let missing: Vec<&str> = all.iter().filter(|case| !member.cases.contains_key(**case)).map(|case| case.as_str()).collect();
        (!missing.is_empty()).then(|| format!("{} has no probabilities (.npz) of {}", member.name, missing.join(", ")))
    };
    let problems: Vec<String> = members.iter().filter_map(lacking).collect();
    if !problems.is_empty() {
        return Err(Error::invalid(format!("an ensemble needs every case of every member: {}", problems.join("; "))));
    }
    let case = |name: &String| Case { name: name.clone(), members: members.iter().filter_map(|member| member.cases.get(name).cloned()).collect() };
    Ok(all.into_iter().map(case).collect())
}
