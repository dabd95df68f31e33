//! From a built library to one that somebody else installed: `plugin-key`, `sign-plugin`, `package-plugin`, `install-plugin`, `trust`,
//! `remove-plugin`.
#![cfg(target_os = "linux")]

use crate::{Done, User, plugin_folder};
use insta::assert_snapshot;
use std::fs;

/// A user with `built/libfx_good.so` and a key pair, `lab.key` and `lab.pub`.
fn author() -> User {
    let (user, built) = (User::new(), plugin_folder::build("tests/fixtures", "target/fixtures", &["fx-good"]));
    fs::create_dir(user.path("built")).unwrap();
    fs::write(user.path("built/libfx_good.so"), plugin_folder::library(&built, "fx_good")).unwrap();
    user.host("plugin-key lab").succeeded();
    user
}

/// `host LINE` with this password of the signing key.
fn with_password(user: &User, line: &str, password: &str) -> Done {
    user.run(&user.path("host"), line, &[("NNUNET_KEY_PASSWORD", password.into())])
}

#[test]
fn an_encrypted_key_signs_with_its_password_alone() {
    let user = author();
    let made = with_password(&user, "plugin-key locked", "open sesame");
    assert!(made.succeeded().starts_with("locked.key: encrypted; signing wants the password in NNUNET_KEY_PASSWORD\nlocked.pub: key "));
    let public = fs::read_to_string(user.path("locked.pub")).unwrap();
    let id = public.lines().next().unwrap().rsplit(' ').next().unwrap();

    // nobody is at a terminal; an empty variable is none
    let sign = "sign-plugin built/libfx_good.so --key locked.key";
    for line in [sign, "package-plugin built/libfx_good.so --key locked.key"] {
        let missing = "error: locked.key: is encrypted; set NNUNET_KEY_PASSWORD to its password\n";
        assert_eq!((user.host(line).failed_with(1), with_password(&user, line, "").failed_with(1)), (missing, missing));
        let wrong = with_password(&user, line, "open barley");
        assert_eq!(wrong.failed_with(1), "error: locked.key: is encrypted with another password than NNUNET_KEY_PASSWORD gives\n");
    }
    assert!(!user.path("built/libfx_good.so.minisig").exists() && !user.path("fx-good-0.1.0.zip").exists(), "nothing was written");

    let signed = with_password(&user, sign, "open sesame");
    assert_eq!(signed.succeeded(), format!("built/libfx_good.so.minisig: signed with key {id}\n"));
    user.host("trust --key locked.pub --name locked").succeeded();
    assert!(rows(&user, "--plugins-dir built/libfx_good.so --plugin-trust signed").contains("locked"));
    let packed = with_password(&user, "package-plugin built/libfx_good.so --key locked.key", "open sesame");
    assert!(packed.succeeded().contains(&format!("signed with key {id}")), "{}", packed.out);
    // a key without a password does not care
    with_password(&user, "sign-plugin built/libfx_good.so --key lab.key", "open sesame").succeeded();
}

/// A text with key, ids, hashes, sizes and this platform by names.
fn plain(user: &User, text: &str) -> String {
    let public = fs::read_to_string(user.path("lab.pub")).unwrap();
    let key = public.lines().last().unwrap();
    let id = public.lines().next().unwrap().rsplit(' ').next().unwrap();
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let text = text.replace(key, "PUBKEY").replace(id, "KEYID").replace(&platform, "PLATFORM");
    let number_before = |word: &str, next: Option<&&str>| word.bytes().all(|b| b.is_ascii_digit()) && next.is_some_and(|n| n.starts_with("bytes"));
    let is_hash =
        |word: &str| word.trim_matches(['.', ')', ',']).len() >= 12 && word.trim_matches(['.', ')', ',']).bytes().all(|b| b.is_ascii_hexdigit());
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |i: usize| match words[i] {
            w if number_before(w, words.get(i + 1)) => "N",
            w if is_hash(w) => "HASH",
            w => w,
        };
        (0..words.len()).map(word).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The plugin's rows of the list, without the host's own.
fn rows(user: &User, flags: &str) -> String {
    let done = user.host(&format!("list-plugins {flags}"));
    let rows: Vec<&str> = done.succeeded().lines().filter(|line| !line.contains(" built-in ")).map(str::trim_end).collect();
    plain(user, &rows.join("\n"))
}

fn said(user: &User, done: &Done) -> String {
    plain(user, &format!("{}{}", done.out, done.err))
}

#[test]
fn from_a_library_to_a_plugin_that_others_have() {
    let user = author();
    let steps = [
        "package-plugin built/libfx_good.so --key lab.key -o . --index index.json",
        "install-plugin fx-good --index index.json",
        "trust --key lab.pub --name our-lab",
        "trust --level signed",
        "trust --list",
        "install-plugin fx-good-0.1.0.zip --force",
    ];
    let talk: Vec<String> = steps.iter().map(|step| format!("$ host {step}\n{}", said(&user, &user.host(step)))).collect();
    assert_snapshot!("talk", talk.join("\n"));
    assert_snapshot!("installed", rows(&user, ""));
    // it is used at this level, and another that nobody signed is not
    fs::create_dir(user.path("mine")).unwrap();
    fs::copy(user.path("built/libfx_good.so"), user.path("mine/other.so")).unwrap();
    assert_snapshot!("unsigned_at_signed", rows(&user, "--plugins-dir mine"));
    user.host("sign-plugin mine/other.so --key lab.key").succeeded();
    assert!(rows(&user, "--plugins-dir mine").contains("our-lab"));
    assert!(user.host("list-plugins --dev-plugins").failed_with(1).contains("the trust level `signed` forbids it"));
    let json: serde_json::Value = serde_json::from_str(user.host("list-plugins --json").succeeded()).unwrap();
    let ours = json.as_array().unwrap().iter().find(|row| row["name"] == "fx_small_unet").unwrap();
    assert_eq!((ours["signed"]["state"].as_str(), ours["signed"]["name"].as_str()), (Some("trusted"), Some("our-lab")));

    user.host("trust --remove-key our-lab").succeeded();
    assert!(rows(&user, "").contains("is signed by key KEYID, which is not trusted"));
    assert!(rows(&user, "--plugin-trust first-use").contains(" ready"));
    assert_eq!(user.host("remove-plugin fx-good").succeeded().lines().count(), 2);
    assert!(fs::read_dir(user.path(".local/share/nnunet-host/plugins")).unwrap().next().is_none());
    assert_eq!(fs::read_to_string(user.path(".local/share/nnunet-host/plugins.lock")).unwrap(), "");
}

#[test]
fn what_changed_after_signing_is_refused() {
    let user = author();
    user.host("sign-plugin built/libfx_good.so --key lab.key").succeeded();
    let mut bytes = fs::read(user.path("built/libfx_good.so")).unwrap();
    bytes.push(0);
    fs::write(user.path("built/libfx_good.so"), bytes).unwrap();
    assert_snapshot!("changed", rows(&user, "--plugins-dir built/libfx_good.so --dev-plugins"));
    assert_snapshot!("changed_trust", said(&user, &user.host("trust built/libfx_good.so")));
    assert!(user.host("validate-plugin built/libfx_good.so --only scan").out.contains("FAIL  scan"));
}

#[test]
fn what_goes_wrong_has_a_way_out() {
    let user = author();
    user.host("package-plugin built/libfx_good.so").succeeded();
    user.host("install-plugin fx-good-0.1.0.zip").succeeded();
    assert!(!user.host("trust --key lab.key").err.contains("RWQAAE"), "a secret key is not shown");
    fs::write(user.path("page.zip"), "<html>").unwrap();
    fs::write(user.path("index.json"), "{\"format\": 1, \"plugins\": []}").unwrap();
    let lines = [
        ("no_index", "install-plugin focal", 1),
        ("not_in_the_index", "install-plugin focal --index index.json", 1),
        ("no_package", "install-plugin page.zip", 1),
        ("no_plugin", "package-plugin page.zip", 1),
        ("not_installed", "remove-plugin focal", 1),
        ("nothing_to_trust", "trust", 2),
        ("two_things_to_trust", "trust built/libfx_good.so --key lab.pub", 2),
        ("no_public_key", "trust --key lab.key", 1),
        ("no_such_level", "trust --level strict", 2),
        ("no_such_key", "trust --remove-key nobody", 1),
        ("key_is_there", "plugin-key lab", 1),
        ("no_secret_key", "sign-plugin built/libfx_good.so --key lab.pub", 1),
        ("no_key", "sign-plugin built/libfx_good.so", 2),
    ];
    for (name, line, code) in lines {
        let done = user.host(line);
        assert_snapshot!(name, plain(&user, done.failed_with(code)));
    }
    let odd = user.run(&user.path("host"), "list-plugins", &[("NNUNET_PLUGIN_TRUST", "some".into())]);
    assert_snapshot!("odd_level", odd.failed_with(1));
    fs::write(user.path(".local/share/nnunet-host/trust.json"), "{\"level\": \"sigend\"}").unwrap();
    assert_snapshot!("odd_settings", user.host("list-plugins").failed_with(1));
}
