//! The bundled losses of single lesions: rows 8 and 9 of the guide.

use crate::tree::Tree;
use pipeline::{checkpoint, evaluate::Summary};
use std::{fs, path::Path, process::Command};

/// A folder with the two plugins.
fn add_plugins(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&root).args(["build", "--release", "-p", "blob-dice", "-p", "region-dice", "--target-dir"]).arg(root.join("target"));
    assert!(cargo.status().unwrap().success(), "the plugins do not build");
    fs::create_dir(folder).unwrap();
    for name in ["blob_dice", "region_dice"].map(|name| format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)) {
        fs::copy(root.join("target/release").join(&name), folder.join(&name)).unwrap();
    }
}

/// Each as a user names it: every check of the validator, a training whose loss falls, and no more false positives than Dice + cross entropy leaves
/// (after 240 iterations: in the first dozens all of them predict too much).
#[test]
fn rows_8_and_9_the_losses_of_single_lesions_train() {
    let tree = Tree::phantom();
    add_plugins(&tree.path("plugins"));
    for entry in fs::read_dir(tree.path("plugins")).unwrap() {
        tree.done(&format!("validate-plugin {}", entry.unwrap().path().display()));
    }
    tree.done("plan_and_preprocess -d 999 -c 3d_fullres");
    tree.add_small(Some([16, 16, 16]), &[4, 8, 8]);
    let train = |config: &str| {
        tree.done(&format!(
            "train 999 small 0 -tr {config} --plugins-dir plugins --epochs 8 --iterations 30 --val-iterations 1 --seed 1 -device cpu"
        ));
        let model = if config == "base" { "nnUNetTrainer" } else { config };
        let fold = tree.path("res").join(&tree.dataset).join(format!("{model}__nnUNetPlans__small")).join("fold_0");
        let losses = checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap().logging.train_losses;
        assert!(losses.len() == 8 && losses[7] < losses[0], "{config}: {losses:?}");
        Summary::read(&fold.join("validation/summary.json")).unwrap().foreground_mean.false_positive
    };
    let usual = train("base");
    train("blob_dice_ce_loss");
    for config in ["blob_dice_loss", "region_dice_loss"] {
        let found = train(config);
        assert!(found <= usual, "{config}: {found} false positives a case; with Dice + cross entropy {usual}");
    }
}
