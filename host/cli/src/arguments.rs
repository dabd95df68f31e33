//! Options with one dash or two, and names that the executable can be called by.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// nnU-Net's commands are this and the command's name.
pub(crate) const PREFIX: &str = "nnUNetv2_";

/// The command that a link to the executable is named after: `train` for `.../nnUNetv2_train`.
pub(crate) fn called_as(program: &OsStr) -> Option<&str> {
    let name = Path::new(program).file_name()?.to_str()?;
    name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name).strip_prefix(PREFIX)
}

/// Gives each option the dashes that clap wants, up to a `--`: `-step_size` becomes `--step_size`, and `--c` becomes `-c`.
///
/// Numbers below 0, a single `-` and a value behind its letter (`-f0`) stay as they are.
pub(crate) fn normalise(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut options = true;
    let dashes = |argument: OsString| {
        options &= argument != "--";
        if options { with_dashes(argument) } else { argument }
    };
    arguments.into_iter().map(dashes).collect()
}

fn with_dashes(argument: OsString) -> OsString {
    let Some(option) = argument.to_str().and_then(|text| text.strip_prefix('-')) else { return argument };
    let word = option.strip_prefix('-').unwrap_or(option);
    let name = word.split('=').next().unwrap_or(word);
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(first), None) if first.is_ascii_alphabetic() => format!("-{word}").into(),
        (Some(first), Some(second)) if first.is_ascii_alphabetic() && !second.is_ascii_digit() => format!("--{word}").into(),
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(line: &str) -> String {
        let arguments = normalise(line.split(' ').map(OsString::from));
        arguments.iter().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_dash_or_two() {
        assert_eq!(normal("-step_size 0.5 --step_size 0.5"), "--step_size 0.5 --step_size 0.5");
        assert_eq!(normal("-f 0 1 2 --f 0 1 2"), "-f 0 1 2 -f 0 1 2");
        assert_eq!(normal("4 2d 0 --c --npz -npz"), "4 2d 0 -c --npz --npz");
        assert_eq!(normal("-step_size=0.5 --d=4 -d=4"), "--step_size=0.5 -d=4 -d=4");
        assert_eq!(normal("-plugins-dir a-b --dev-plugins"), "--plugins-dir a-b --dev-plugins");
    }

    #[test]
    fn what_is_no_option_stays() {
        for line in ["-1 -0.5 -1e3 - ---", "-f0 -d001", "a -- -step_size --c", "x=-step a-b"] {
            assert_eq!(normal(line), line);
        }
        assert_eq!(normal(""), "");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_stay() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(b"-ab\xff".to_vec());
        assert_eq!(normalise([odd.clone()]), [odd]);
    }

    #[test]
    fn a_link_names_its_command() {
        assert_eq!(called_as(OsStr::new("/usr/bin/nnUNetv2_train")), Some("train"));
        assert_eq!(called_as(OsStr::new("nnUNetv2_evaluate_folder")), Some("evaluate_folder"));
        assert_eq!(called_as(OsStr::new("/opt/nnUNetv2_x/host")), None);
    }
}
