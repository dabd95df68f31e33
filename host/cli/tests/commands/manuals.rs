//! Manual pages and completions: each command and option is in them.

use crate::User;
use std::{fs, process::Command};

#[test]
fn a_page_for_each_command() {
    let user = User::new();
    let said = user.host("man pages");
    assert!(said.succeeded().ends_with("pages in pages\n"), "{}", said.out);
    let whole = fs::read_to_string(user.path("pages/host.1")).unwrap();
    assert!(whole.starts_with(".ie") && whole.contains(".TH host 1"), "{whole}");
    let train = fs::read_to_string(user.path("pages/host-train.1")).unwrap();
    for part in [".TH host-train 1", "pretrained_weights", "Number of the fold"] {
        assert!(train.contains(part), "{part} is not in\n{train}");
    }
}

#[test]
fn completions_are_what_the_shell_reads() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = user.host(&format!("completions {shell}"));
        for word in ["plan_and_preprocess", "disable_tta"] {
            assert!(script.succeeded().contains(word), "{shell}: {word} is missing");
        }
    }
    fs::write(user.path("host.bash"), user.host("completions bash").out).unwrap();
    match Command::new("bash").args(["-n", "host.bash"]).current_dir(user.path("")).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => eprintln!("skipped the shell's own check: there is no bash ({error})"),
    }
    assert!(user.host("completions tcl").failed_with(2).contains("bash"));
}
