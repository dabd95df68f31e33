//! Blob Dice: besides the usual loss, a soft Dice for each lesion by itself, so that a small one counts as much as a large one.
//!
//! Kofler et al. 2022, "blob loss" (arXiv 2205.08209). For each connected component (blob) of a foreground channel all other
//! blobs of that channel are cut out of the image, and the Dice of what remains is taken: background included, so false positives cost.
#![forbid(unsafe_code)]

mod loss;

#[cfg(test)]
mod tests;

use plugin_api::{prelude::*, voxels::Connectivity};

plugin!("org.nnunet-host.blob-dice");

/// The settings of both losses.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Weight of the main loss, on every head; 0: the blob term alone.
    main_weight: f64,
    /// Weight of the blob term, on the finest head.
    blob_weight: f64,
    /// Added to numerator and denominator of each blob's Dice; above 0.
    smooth: f64,
    /// Above 0, a channel of a sample without a blob counts as one blob of score `e / (sum of p + e)`, e being this number of voxels; 0 leaves
    /// such a channel to the main loss.
    empty_smooth: f64,
    /// Which voxels touch each other.
    connectivity: Connectivity,
    /// Blobs with fewer voxels have no part in the blob term (crumbs that augmentation leaves).
    min_voxels: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { main_weight: 1.0, blob_weight: 1.0, smooth: 1e-5, empty_smooth: 0.0, connectivity: Connectivity::Full, min_voxels: 1 }
    }
}

/// Dice + cross entropy, and the blobs' Dice.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct BlobDice(Settings);

/// Cross entropy, and the blobs' Dice.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct BlobDiceCe(Settings);

fn dice_ce(logits: &Tensor, target: &Target) -> Result<Tensor> {
    losses::dice_ce(logits, target, &losses::DiceCe::default())
}

fn cross_entropy(logits: &Tensor, target: &Target) -> Result<Tensor> {
    Ok(match target.task().regions {
        true => losses::binary_cross_entropy(logits, target.regions(), target.valid()),
        false => losses::cross_entropy(logits, target.labels(), target.valid()),
    })
}

macro_rules! with_main_term {
    ($($ty:ident $main:ident;)+) => {$(
        impl Loss for $ty {
            fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
                loss::one_head(&self.0, $main, logits, target)
            }
            fn heads(&self, heads: &[Head]) -> Result<Tensor> {
                loss::heads(&self.0, $main, heads)
            }
            fn prepare(&self, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
                loss::prepare(&self.0, labels)
            }
        }
    )+};
}
with_main_term! {
    BlobDice dice_ce;
    BlobDiceCe cross_entropy;
}

register_loss!("blob_dice", BlobDice, "Dice + cross entropy, plus the mean Dice of the single lesions");
register_loss!("blob_dice_ce", BlobDiceCe, "cross entropy, plus the mean Dice of the single lesions");

register_config!("blob_dice_loss" => {
    description: "Dice + cross entropy plus a Dice for each lesion (blob loss): small lesions count as much as large ones",
    loss: "blob_dice",
});
register_config!("blob_dice_ce_loss" => {
    description: "cross entropy plus a Dice for each lesion (blob loss), without the Dice over everything",
    loss: "blob_dice_ce",
});
