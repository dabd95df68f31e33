//! What an augmentation is made for.

use super::spatial::Nearest;
use crate::error::{Error, Result};

/// Which augmentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augmentation {
    /// nnU-Net's usual one.
    Standard {
        /// What is not interpolated linearly.
        nearest: Nearest,
    },
    /// The stronger one, nnU-Net's `DA5`.
    Strong {
        /// What is not interpolated linearly.
        nearest: Nearest,
    },
}

impl Default for Augmentation {
    fn default() -> Self {
        Self::Standard { nearest: Nearest::default() }
    }
}

/// The settings of a [`Pipeline`](super::Pipeline). Spatial axes are the network's: (H, W) or (D, H, W).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AugmentSpec {
    /// The network's patch in voxels, two or three axes.
    pub patch: Vec<usize>,
    /// Which augmentation.
    pub augmentation: Augmentation,
    /// Range of the rotation angles in radians.
    pub rotation: (f64, f64),
    /// Rotate and scale slices instead of volumes.
    pub dummy_2d: bool,
    /// Axes that are mirrored.
    pub mirror_axes: Vec<usize>,
    /// For each image channel, whether it was normalised within the nonzero mask.
    pub use_mask_for_norm: Vec<bool>,
    /// For the second stage of a cascade: the foreground labels, whose masks become image channels.
    pub cascade_labels: Option<Vec<i16>>,
    /// For region-based training: the labels of each region.
    pub regions: Option<Vec<Vec<i16>>>,
    /// The label of voxels that are not annotated.
    pub ignore_label: Option<i16>,
    /// The spatial shape of each head's logits, finest first.
    pub heads: Vec<Vec<usize>>,
}

impl AugmentSpec {
    /// Whether the network is 2D.
    pub fn is_2d(&self) -> bool {
        self.patch.len() == 2
    }

    /// Checks that the settings fit together.
    ///
    /// # Errors
    /// They do not.
    pub fn check(&self) -> Result<()> {
        let patch = &self.patch;
        if volume_shape(patch).is_none() {
            return Err(Error::invalid(format!("patch {patch:?} is not two or three numbers above zero")));
        }
        if self.heads.is_empty() {
            return Err(Error::invalid("no head is given; the shapes of the network's outputs say how large the targets are"));
        }
        if let Some(head) = self.heads.iter().find(|head| head.len() != patch.len() || head.contains(&0)) {
            let wanted = format!("wanted {} numbers above zero, as many as patch {patch:?} has axes", patch.len());
            return Err(Error::invalid(format!("a head has shape {head:?}; {wanted}")));
        }
        match self.mirror_axes.iter().find(|&&axis| axis >= patch.len()) {
            Some(axis) => Err(Error::invalid(format!("mirror axis {axis}, but patch {patch:?} has axes 0 to {}", patch.len() - 1))),
            None => Ok(()),
        }
    }
}

/// (D, H, W) of two or three axes, none of them empty; two have D = 1.
pub(crate) fn volume_shape(axes: &[usize]) -> Option<[usize; 3]> {
    match *axes {
        _ if axes.contains(&0) => None,
        [h, w] => Some([1, h, w]),
        [d, h, w] => Some([d, h, w]),
        _ => None,
    }
}
