//! What [`Loss::prepare`](crate::Loss::prepare) asks of a mask on the CPU: its connected components, and which voxel of it is nearest.
//!
//! Arrays have 1 to 3 axes, the last one fastest: (D, H, W), (H, W) or (W). Lengths are voxels. Times are linear in the number of
//! voxels, whatever the mask; one thread.

mod components;
mod nearest;

pub use components::{Components, Connectivity, components};
pub use nearest::{FAR, Nearest, nearest};

#[cfg(test)]
mod tests;

/// `shape` as (D, H, W), axes of length 1 in front.
fn three_axes(shape: &[usize]) -> [usize; 3] {
    let mut three = [1; 3];
    for (to, from) in three.iter_mut().rev().zip(shape.iter().rev()) {
        *to = *from;
    }
    three
}
