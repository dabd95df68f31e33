//! The bundled losses of single lesions: rows 8 and 9 of the guide.

use crate::{bundled, tree::Tree};
use pipeline::{checkpoint, evaluate::Summary};
use std::fs;

/// Each as a user names it: every check of the validator, a training whose loss falls, and no more false positives than Dice + cross entropy leaves
/// (after 240 iterations: in the first dozens all of them predict too much).
#[test]
fn rows_8_and_9_the_losses_of_single_lesions_train() {
    let tree = Tree::phantom();
    bundled::add(&tree.path("plugins"), &["blob-dice", "region-dice"]);
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
