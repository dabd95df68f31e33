//! One number a voxel and channel: `2 cell` outside the component, `2 cell + 1` on it. Cell 0 takes the voxels without a part.

use crate::RegionDice;
use plugin_api::{prelude::*, voxels::nearest};

/// The cell of voxels that are not annotated, or in a component below `min_voxels`.
pub(crate) const LEFT_OUT: usize = 0;

/// "cells": the number of each voxel in each foreground channel, (C_fg, spatial...).
pub(crate) fn prepare(s: &RegionDice, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
    let spatial = labels.spatial();
    if spatial.is_empty() || spatial.len() > 3 {
        bail!("region dice works on 1 to 3 spatial axes, not on {spatial:?}");
    }
    let valid = labels.valid();
    let mut numbers = Vec::with_capacity(labels.foreground().len() * valid.len());
    for channel in labels.foreground() {
        numbers.extend(channel_numbers(s, labels, channel, &valid));
    }
    let shape: Vec<usize> = [labels.foreground().len()].into_iter().chain(spatial.iter().copied()).collect();
    Ok(vec![Prepared::ints("cells", &shape, numbers)])
}

/// A channel without a component is one cell.
fn channel_numbers(s: &RegionDice, labels: &Labels<'_>, channel: usize, valid: &[bool]) -> Vec<i32> {
    let mut found = labels.components(channel, s.connectivity);
    let small: Vec<bool> = std::iter::once(false).chain(found.sizes.iter().map(|&size| size < s.min_voxels)).collect();
    let mut part = valid.to_vec();
    if small.contains(&true) {
        renumber(&mut found.ids, &mut part, &small);
    }
    let cells = nearest(&found.ids, labels.spatial()).ids;
    let number = |((&cell, &component), &part): ((&u32, &u32), &bool)| match part {
        true => 2 * cell.max(1) as i32 + i32::from(component != 0),
        false => 2 * LEFT_OUT as i32,
    };
    cells.iter().zip(&found.ids).zip(&part).map(number).collect()
}

/// Takes the components that are `small` away, and their voxels' part; the others keep their order.
fn renumber(ids: &mut [u32], part: &mut [bool], small: &[bool]) {
    let mut next = 0;
    let new: Vec<u32> = (0..small.len())
        .map(|id| {
            let kept = id > 0 && !small[id];
            next += u32::from(kept);
            if kept { next } else { 0 }
        })
        .collect();
    for (id, part) in ids.iter_mut().zip(part) {
        *part &= !small[*id as usize];
        *id = new[*id as usize];
    }
}
