//! What the losses of single lesions cost, on a mask with many: `lesion_losses MASK.nii.gz [ROUNDS]`.
//!
//! `prepare` of each on the whole mask, and forward and backward on two patches of (128, 128, 128) beside plain soft Dice. All are run in turn, and
//! ratios are medians over the rounds. `lesion_losses MASK.nii.gz answer` reads names of losses from standard input and answers each with the milliseconds of
//! one `prepare`; tests/peer/lesions.py asks so, in turn with SciPy.
//! The plugins are those that a build of the workspace leaves in `target/release`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use engine::{HeadTarget, Mode, Model, Supervision, logits};
use ndarray::{Array3, s};
use plugin_api::{Prepared, Task, abi::host::LossHandle};
use registry::{Options, Registry, SearchPath, Trust};
use std::{io::BufRead, path::Path, time::Instant};
use volume::image::read_segmentation;

const PATCH: usize = 128;
/// What is run in turn: name, settings. The first is what the others are held against.
const TERMS: [(&str, &str); 3] = [("dice", "{}"), ("blob_dice", r#"{"main_weight": 0.0}"#), ("region_dice", r#"{"main_weight": 0.0}"#)];
const WHOLE: [(&str, &str); 3] = [("dice_ce", "{}"), ("blob_dice", "{}"), ("region_dice", "{}")];

fn task() -> Task {
    Task { outputs: 2, ..Task::default() }
}

fn milliseconds<R>(f: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = f();
    (start.elapsed().as_secs_f64() * 1e3, result)
}

fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    x[x.len() / 2]
}

fn prepare(loss: &LossHandle, mask: &Array3<i16>) -> (f64, Vec<Prepared>) {
    let shape = [&[1], mask.shape()].concat();
    milliseconds(|| loss.prepare(&shape, mask.as_slice().unwrap()).unwrap())
}

/// A loss, and two equal patches for it.
struct Trial {
    loss: LossHandle,
    labels: Vec<i16>,
    prepared: Vec<Prepared>,
    model: Model,
}

impl Trial {
    fn new(loss: LossHandle, patch: &Array3<i16>) -> Self {
        let twice = |p: &Prepared| Prepared::ints(p.name(), &[&[2], p.shape()].concat(), p.int_values().repeat(2));
        let prepared = prepare(&loss, patch).1.iter().map(twice).collect();
        let model = logits::model(&[[&[2, 2], patch.shape()].concat()], 1).unwrap();
        Trial { loss, labels: patch.as_slice().unwrap().repeat(2), prepared, model }
    }

    /// Forward and backward.
    fn step(&self) -> f64 {
        let shape = [2, 1, PATCH, PATCH, PATCH];
        let heads = vec![HeadTarget { shape: &shape, values: &self.labels, weight: 1.0 }];
        let (task, prepared) = (task(), &self.prepared);
        let supervision = Supervision { heads, prepared, task: &task };
        milliseconds(|| self.model.step(Mode::Train, &[0.0], &[1, 1, 1], &supervision, &self.loss, &[0]).unwrap()).0
    }
}

fn main() {
    standard::link();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(file) = arguments.first() else {
        println!("lesion_losses MASK.nii.gz [ROUNDS | answer]");
        return;
    };
    let mask = read_segmentation(Path::new(file)).expect("the mask").0.mapv(|v| i16::from(v > 0));
    let own = std::env::current_exe().unwrap();
    let built = own.ancestors().nth(2).unwrap().to_owned();
    let home = std::env::temp_dir().join(format!("lesion-losses-{}", std::process::id()));
    let search = SearchPath::new(&[built], None, None, None);
    let registry =
        Registry::open(Options { search, cache: home.join("cache"), lock: home.join("plugins.lock"), dev_plugins: true, trust: Trust::default() })
            .unwrap();
    let loss = |(name, settings): (&str, &str)| registry.loss(name).unwrap().create(&serde_json::from_str(settings).unwrap(), &task()).unwrap();
    match arguments.get(1).map(String::as_str) {
        Some("answer") => {
            for name in std::io::stdin().lock().lines().map_while(Result::ok) {
                println!("{}", prepare(&loss((&name, "{}")), &mask).0);
            }
        }
        rounds => compare(&mask, &loss, rounds.and_then(|n| n.parse().ok()).unwrap_or(11)),
    }
    std::fs::remove_dir_all(home).ok();
}

fn compare(mask: &Array3<i16>, loss: &dyn Fn((&str, &str)) -> LossHandle, rounds: usize) {
    for name in ["blob_dice", "region_dice"] {
        let loss = loss((name, "{}"));
        let times = (0..rounds).map(|_| prepare(&loss, mask).0).collect();
        println!("{name}: prepares {:?} in {:.0} ms (median of {rounds})", mask.dim(), median(times));
    }
    let (d, h, w) = mask.dim();
    let [z, y, x] = [d, h, w].map(|n| (n - PATCH) / 2..(n - PATCH) / 2 + PATCH);
    let patch = mask.slice(s![z, y, x]).to_owned();
    for set in [TERMS, WHOLE] {
        let trials = set.map(|one| Trial::new(loss(one), &patch));
        let times: Vec<[f64; 3]> = (0..=rounds).map(|_| [0, 1, 2].map(|i| trials[i].step())).skip(1).collect();
        for i in 0..3 {
            let (own, ratio) = (times.iter().map(|t| t[i]).collect(), times.iter().map(|t| t[i] / t[0]).collect());
            println!("{} {}: forward and backward {:.0} ms, {:.2} of {}", set[i].0, set[i].1, median(own), median(ratio), set[0].0);
        }
    }
}
