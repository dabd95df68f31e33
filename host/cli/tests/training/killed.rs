//! Each step, killed (SIGKILL) at random moments: the next run goes on, and what stands at the end is an undisturbed run's.

use crate::tree::Tree;
use pipeline::checkpoint;
use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fs,
    hash::{BuildHasher, Hasher},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

/// A command, the folder that it fills, and what makes a new run go on.
struct Step {
    line: String,
    folder: &'static str,
    go_on: &'static str,
}

#[test]
fn on_a_phantom() {
    let tree = Tree::phantom();
    let kills = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    disturb(&tree, "999", kills, || tree.add_small(Some([16, 16, 16]), &[4, 8, 16]), "--epochs 3 --iterations 8 --val-iterations 2");
}

/// As the first, on real images and with five kills a step.
#[test]
#[ignore = "takes many minutes"]
fn on_the_hippocampus() {
    let Some(raw) = std::env::var_os("NNUNET_TEST_DATA") else {
        eprintln!("skipped: NNUNET_TEST_DATA is not set");
        return;
    };
    let tree = Tree::of(Path::new(&raw), "Dataset004_Hippocampus");
    disturb(&tree, "4", 5, || tree.add_small(None, &[8, 16, 32, 64]), "--epochs 4 --iterations 10 --val-iterations 2");
}

fn disturb(tree: &Tree, id: &str, kills: usize, after_planning: impl Fn(), length: &str) {
    let train = format!("train {id} small 0 {length} --seed 5 -device cpu");
    let predict = format!("predict -i {} -o out -d {id} -c small -f 0 -device cpu", tree.images().display());
    let steps = [
        Step { line: format!("plan_and_preprocess -d {id} -c 3d_fullres"), folder: "pre", go_on: "" },
        Step { line: train, folder: "res", go_on: " --c" },
        Step { line: predict, folder: "out", go_on: " --continue_prediction" },
    ];
    for step in &steps {
        step.disturb(tree, kills);
        if step.folder == "pre" {
            after_planning();
        }
    }
}

impl Step {
    fn disturb(&self, tree: &Tree, kills: usize) {
        let start = Instant::now();
        tree.done(&self.line);
        let undisturbed = start.elapsed();
        let (place, calm) = (tree.path(self.folder), tree.path(&format!("calm {}", self.folder)));
        fs::rename(&place, &calm).unwrap();

        let mut moments = vec![];
        while moments.len() < kills {
            let moment = undisturbed.mul_f64(random() * 0.9);
            if self.killed_after(tree, moment) {
                moments.push(moment);
            } else {
                // it came to its end first; begin anew
                fs::remove_dir_all(&place).unwrap();
            }
        }
        eprintln!("{}: {undisturbed:.1?} undisturbed; killed after {moments:.1?}", self.line);
        tree.done(&format!("{}{}", self.line, self.go_on));
        assert_same(&calm, &place);
    }

    /// Whether the run was still going then.
    fn killed_after(&self, tree: &Tree, moment: Duration) -> bool {
        let mut command = tree.host(&format!("{}{}", self.line, self.go_on));
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        let ended = running.try_wait().unwrap();
        assert!(ended.is_none_or(|status| status.success()), "{} failed by itself: {ended:?}", self.line);
        running.kill().unwrap();
        running.wait().unwrap();
        ended.is_none()
    }
}

/// From 0 to 1, another one each time: the moments of a kill are not the same in two runs of the tests.
fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

fn assert_same(calm: &Path, rough: &Path) {
    let (mut wanted, mut found) = (BTreeMap::new(), BTreeMap::new());
    contents(calm, calm, &mut wanted);
    contents(rough, rough, &mut found);
    assert!(wanted.len() > 2 && wanted.keys().eq(found.keys()), "{:?}\n{:?}", wanted.keys(), found.keys());
    for (name, content) in &wanted {
        assert!(found[name] == *content, "{} differs", name.display());
    }
}

/// Every file below `folder` but logs, curves and manifests, which hold times, and the record of a call's own options.
fn contents(folder: &Path, root: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let call_or_times = |name: &str| {
        let fixed = ["progress.png", "metrics.csv", "predict_from_raw_data_args.json"].contains(&name);
        fixed || name.ends_with(".manifest.json") || name.starts_with("training_log") || name.starts_with("events.out.tfevents")
    };
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            contents(&path, root, into);
        } else if !call_or_times(&name) {
            let content = if name.ends_with(".pth") { without_times(&path) } else { fs::read(&path).unwrap() };
            into.insert(path.strip_prefix(root).unwrap().to_path_buf(), content);
        }
    }
}

/// All that a checkpoint holds, bit for bit, but the times of its run and epochs.
pub(crate) fn without_times(path: &Path) -> Vec<u8> {
    let mut c = checkpoint::read(path).unwrap();
    c.logging.epoch_start_timestamps.clear();
    c.logging.epoch_end_timestamps.clear();
    c.host.began = 0.0;
    let bits = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes: Vec<u8> = c.weights.iter().flat_map(|w| bits(&w.data)).collect();
    let (spec, lr, states) = c.optimizer.take().unwrap();
    bytes.extend(states.iter().flat_map(|state| state.iter().flat_map(|slot| bits(slot)).collect::<Vec<u8>>()));
    bytes.extend(format!("{spec:?} {lr:?} {:?} {:?} {:?} {:?}", c.logging, c.best_ema, c.current_epoch, c.host).into_bytes());
    bytes
}
