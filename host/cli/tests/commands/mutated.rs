//! Five hundred damaged copies of a plugin: each has its line, none ends the host, and none that was changed after signing is loaded.

use crate::{User, plugin_folder};
use registry::{SecretKey, State, judge};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const COPIES: usize = 500;

/// Steele, Lea and Flood 2014: enough to choose places.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// A copy of `whole` with one kind of damage: flipped bits, a lost end, another header, other records.
fn damaged(whole: &[u8], kind: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let records = whole.windows(13).position(|w| w == b"nnu-plugin=1\0").unwrap();
    let mut edit = |bytes: &mut Vec<u8>, from: usize, length: usize, times: usize| {
        for _ in 0..times {
            let place = from + random.below(length);
            bytes[place] ^= 1 << random.below(8);
        }
    };
    match kind % 5 {
        0 => edit(&mut bytes, 0, whole.len(), 1),
        1 => edit(&mut bytes, 0, whole.len(), 64),
        2 => bytes.truncate(random.below(whole.len())),
        3 if kind.is_multiple_of(2) => edit(&mut bytes, 0, 1024, 1 + kind % 3),
        3 => edit(&mut bytes, whole.len() - 2048, 2048, 1 + kind % 3),
        _ => edit(&mut bytes, records - 16, 400, 1 + kind % 4),
    }
    bytes
}

/// Copies numbered from `first`; every other one has the whole file's signature beside it. Those whose content is not the whole file's.
fn fill(folder: &Path, whole: &[u8], key: &SecretKey, first: usize, count: usize) -> BTreeMap<PathBuf, bool> {
    let signature = key.sign(whole, "fx_good.so").unwrap();
    let mut changed = BTreeMap::new();
    for i in first..first + count {
        let bytes = damaged(whole, i / 2, &mut Random(i as u64));
        let path = folder.join(format!("copy_{i:03}.so"));
        fs::write(&path, &bytes).unwrap();
        let signed = i % 2 == 0;
        if signed {
            fs::write(path.with_extension("so.minisig"), &signature).unwrap();
        }
        if bytes != whole {
            changed.insert(path.canonicalize().unwrap(), signed);
        }
    }
    changed
}

#[cfg(target_os = "linux")]
#[test]
fn five_hundred_damaged_copies_do_no_harm() {
    let built = plugin_folder::build("tests/fixtures", "target/fixtures", &["fx-good"]);
    let whole = plugin_folder::library(&built, "fx_good");
    let (user, key) = (User::new(), SecretKey::make().unwrap());
    // whether the key is trusted or not makes no difference to what was changed
    user.host(&format!("trust --key {} --name lab", key.public())).succeeded();
    let (mut seen, mut refused, mut tried) = (0, 0, 0);
    let batch = 50;
    for first in (0..COPIES).step_by(batch) {
        let folder = user.path("mine");
        fs::create_dir(&folder).unwrap();
        let changed = fill(&folder, &whole, &key, first, batch);
        assert!(changed.len() + 2 >= batch, "damage changes the file");

        // in this process
        for (path, signed) in &changed {
            let judged = judge(path);
            assert!(judged.sha256.is_some());
            if *signed {
                assert!(matches!(judged.state, State::Refused(_)), "{} is not what was signed", path.display());
            }
        }
        // one process for all
        let listed = user.host("list-plugins --json --plugins-dir mine");
        let rows: serde_json::Value = serde_json::from_str(listed.succeeded()).unwrap();
        let rows = rows.as_array().unwrap();
        for (path, signed) in &changed {
            let name = format!("~/mine/{}", path.file_name().unwrap().to_str().unwrap());
            let of_file: Vec<&serde_json::Value> = rows.iter().filter(|r| r["file"] == name.as_str()).collect();
            assert!(!of_file.is_empty(), "{name} is not listed");
            seen += 1;
            if of_file[0]["state"] == "refused" {
                refused += 1;
                assert!(of_file.len() == 1 && of_file[0]["reason"].as_str().unwrap().len() > 5, "{of_file:?}");
            }
            assert!(!signed || of_file[0]["state"] == "refused", "{of_file:?}");
        }
        let table = user.host("list-plugins --plugins-dir mine --dev-plugins");
        assert_eq!(table.succeeded().lines().count(), rows.len() + 1, "a reason has more than one line");
        // a few, each in processes of its own
        for path in changed.keys().skip(first / batch).step_by(17) {
            let done = user.host(&format!("validate-plugin --only scan --only load --timeout 20 {}", path.display()));
            let lines: Vec<&str> = done.out.lines().collect();
            assert!(lines.len() == 2 && matches!(done.code, Some(0 | 1)), "{}{}", done.out, done.err);
            assert!(!changed[path] || lines[0].starts_with("FAIL  scan"), "{}", done.out);
            tried += 1;
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    eprintln!("{seen} listed, {refused} of them refused, {tried} validated");
    assert!(seen + 10 >= COPIES && refused >= COPIES / 2 && tried >= 25);
}
