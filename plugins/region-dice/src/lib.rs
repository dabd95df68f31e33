//! Region Dice: besides the usual loss, a soft Dice in the neighbourhood of each lesion, so that every lesion counts the same.
//!
//! Jaus et al. 2024, "Every Component Counts" (arXiv 2410.18684): the connected components of a foreground channel divide the image into
//! Voronoi cells, the voxels that are nearer to one component than to any other (Euclidean distance in voxels). The Dice is taken in each
//! cell by itself; a false positive costs in the cell where it lies.
#![forbid(unsafe_code)]

mod cells;
mod loss;

#[cfg(test)]
mod tests;

use plugin_api::{prelude::*, voxels::Connectivity};

plugin!("org.nnunet-host.region-dice");

/// Dice + cross entropy, and the cells' Dice.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RegionDice {
    /// Weight of Dice + cross entropy, on every head; 0: the cells alone.
    main_weight: f64,
    /// Weight of the cells' Dice, on the finest head.
    region_weight: f64,
    /// Added to numerator and denominator of each cell's Dice; above 0.
    smooth: f64,
    /// Above 0, a channel of a sample without a component is one cell of score `e / (sum of p + e)`, e being this number of voxels; 0 leaves
    /// such a channel to the main loss.
    empty_smooth: f64,
    /// Which voxels touch each other.
    connectivity: Connectivity,
    /// Components with fewer voxels have no cell, and their voxels no part (crumbs that augmentation leaves).
    min_voxels: usize,
}

impl Default for RegionDice {
    fn default() -> Self {
        Self { main_weight: 1.0, region_weight: 1.0, smooth: 1e-5, empty_smooth: 0.0, connectivity: Connectivity::Full, min_voxels: 1 }
    }
}

fn dice_ce(logits: &Tensor, target: &Target) -> Result<Tensor> {
    losses::dice_ce(logits, target, &losses::DiceCe::default())
}

impl Loss for RegionDice {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        Ok(dice_ce(logits, target)? * self.main_weight + loss::region_term(self, logits, target)? * self.region_weight)
    }

    /// Dice + cross entropy of every head by its weight, and the cells' Dice at the finest one: coarse heads merge and lose small components.
    fn heads(&self, heads: &[Head]) -> Result<Tensor> {
        let Some(finest) = heads.first() else { bail!("there is no head to take the loss of") };
        let regions = loss::region_term(self, &finest.logits, &finest.target)? * self.region_weight;
        if self.main_weight == 0.0 {
            return Ok(regions);
        }
        Ok(losses::over_heads(heads, dice_ce)? * self.main_weight + regions)
    }

    /// "cells": see [`cells`].
    fn prepare(&self, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
        cells::prepare(self, labels)
    }
}

register_loss!("region_dice", RegionDice, "Dice + cross entropy, plus the mean Dice in the neighbourhoods of the single lesions");

register_config!("region_dice_loss" => {
    description: "Dice + cross entropy plus a Dice in the Voronoi cell of each lesion (CC-Dice): every lesion counts the same, false positives by their place",
    loss: "region_dice",
});
