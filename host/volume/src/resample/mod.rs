//! Resampling of images, logits and labels to another grid, as nnU-Net does it.
//!
//! Voxels are boxes: sample `k` of an axis that goes from `n` to `m` samples lies at `(k + 0.5) * n / m - 0.5`. Beyond the
//! border the outermost voxel goes on. Isotropic images are interpolated along all axes with one spline order, and cut to the
//! range that they had; in anisotropic ones each slice is interpolated in its plane, and the low-resolution axis follows with
//! an order of its own (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z, supplementary note 2).
//!
//! ```
//! use volume::resample::{ResampleOptions, compute_new_shape, resample_data};
//! let image = ndarray::Array4::<f32>::ones((1, 4, 6, 6));
//! let (spacing, target) = ([2.0, 1.0, 1.0], [1.0; 3]);
//! let shape = compute_new_shape([4, 6, 6], spacing, target);
//! assert_eq!(resample_data(&image, shape, spacing, target, &ResampleOptions::IMAGE).dim(), (1, 8, 6, 6));
//! ```

mod axis;
mod labels;
mod regrid;

pub use regrid::{Block, Regrid};

use ndarray::{Array3, Array4, ArrayRef3, ArrayRef4};

/// Order of the spline that interpolates between voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Order 0: the nearest voxel.
    Nearest,
    /// Order 1: linear.
    Linear,
    /// Order 3: the cubic B-spline through the voxels (Unser 1999, doi 10.1109/79.799930).
    Cubic,
}

impl Order {
    /// The order that a plans file gives as a number: 0, 1 or 3; `None` for any other.
    pub fn from_number(order: u64) -> Option<Self> {
        match order {
            0 => Some(Self::Nearest),
            1 => Some(Self::Linear),
            3 => Some(Self::Cubic),
            _ => None,
        }
    }

    /// Old samples that make a new one.
    fn taps(self) -> usize {
        match self {
            Self::Nearest => 1,
            Self::Linear => 2,
            Self::Cubic => 4,
        }
    }
}

/// Which label a voxel takes where several have the same interpolated value; ties come where an axis halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// The nearest old voxel's if it is among them, or else the smallest.
    Nearest,
    /// The smallest, as PyTorch's argmax has it.
    Smallest,
}

/// What a plans file's `resampling_fn_*_kwargs` say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResampleOptions {
    /// Order along all axes, or in the plane where the low-resolution axis is separate.
    pub order: Order,
    /// Order along a separate low-resolution axis.
    pub order_z: Order,
    /// Whether the low-resolution axis is separate; `None`: where the spacings are anisotropic.
    pub force_separate_z: Option<bool>,
    /// Spacings are anisotropic where largest / smallest is greater than this.
    pub separate_z_anisotropy_threshold: f64,
    /// Which label wins a tie.
    pub tie: Tie,
}

impl ResampleOptions {
    /// nnU-Net's default for images: cubic in general, nearest along a separate axis.
    pub const IMAGE: Self =
        Self { order: Order::Cubic, order_z: Order::Nearest, force_separate_z: None, separate_z_anisotropy_threshold: 3.0, tie: Tie::Nearest };
    /// nnU-Net's default for labels and for logits: linear in general, nearest along a separate axis.
    pub const LABELS: Self = Self { order: Order::Linear, ..Self::IMAGE };
    /// PyTorch's interpolation of images, labels and logits alike: linear, and nearest-exact along a separate axis.
    pub const TORCH: Self = Self { tie: Tie::Smallest, ..Self::LABELS };

    /// The axis (0, 1, 2 of z, y, x) that is resampled on its own; `None` where all are treated alike.
    ///
    /// It is the one with the largest of the current spacings (mm) where these are anisotropic, else with the largest of the new
    /// ones where those are. Two axes that share the largest spacing are never separate.
    pub fn separate_axis(&self, current_spacing: [f64; 3], new_spacing: [f64; 3]) -> Option<usize> {
        let largest = |spacing: [f64; 3]| spacing.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let smallest = |spacing: [f64; 3]| spacing.into_iter().fold(f64::INFINITY, f64::min);
        let anisotropic = |spacing| largest(spacing) / smallest(spacing) > self.separate_z_anisotropy_threshold;
        let spacing = match self.force_separate_z {
            Some(false) => return None,
            Some(true) => current_spacing,
            None if anisotropic(current_spacing) => current_spacing,
            None if anisotropic(new_spacing) => new_spacing,
            None => return None,
        };
        let mut coarsest = (0..3).filter(|&axis| spacing[axis] == largest(spacing));
        let axis = coarsest.next()?;
        coarsest.next().is_none().then_some(axis)
    }
}

/// Shape of a grid after a change of spacing: `old / new * shape` per axis, rounded half to even.
pub fn compute_new_shape(old_shape: [usize; 3], old_spacing: [f64; 3], new_spacing: [f64; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| (old_spacing[axis] / new_spacing[axis] * old_shape[axis] as f64).round_ties_even() as usize)
}

/// Resamples `data` (C, z, y, x) to `new_shape` (z, y, x); spacings are mm in the same order.
///
/// An array that has the shape already comes back unchanged. See [`resample_channel`].
pub fn resample_data(
    data: &ArrayRef4<f32>,
    new_shape: [usize; 3],
    current_spacing: [f64; 3],
    new_spacing: [f64; 3],
    options: &ResampleOptions,
) -> Array4<f32> {
    if data.shape()[1..] == new_shape {
        return data.to_owned();
    }
    let mut resampled = Array4::zeros((data.shape()[0], new_shape[0], new_shape[1], new_shape[2]));
    for (channel, mut target) in data.outer_iter().zip(resampled.outer_iter_mut()) {
        target.assign(&resample_channel(&channel, new_shape, current_spacing, new_spacing, options));
    }
    resampled
}

/// Resamples one channel, or the logits of one class, (z, y, x) to `new_shape`; spacings are mm in the same order.
///
/// Passes over the axes hold `f32` between them and reckon in `f64`. An array with no voxel becomes zeros.
pub fn resample_channel(
    channel: &ArrayRef3<f32>,
    new_shape: [usize; 3],
    current_spacing: [f64; 3],
    new_spacing: [f64; 3],
    options: &ResampleOptions,
) -> Array3<f32> {
    if channel.is_empty() {
        return Array3::zeros(new_shape);
    }
    let (depth, height, width) = channel.dim();
    let regrid = Regrid::new([depth, height, width], new_shape, current_spacing, new_spacing, Some(options));
    regrid.resample(channel, [0; 3], &regrid.whole())
}

/// Resamples labels (z, y, x) to `new_shape`; spacings are mm in the same order.
///
/// Each label's 0/1 map is interpolated, and a voxel takes the label with the largest value; [`Tie`] says which of several.
pub fn resample_seg(
    seg: &ArrayRef3<i16>,
    new_shape: [usize; 3],
    current_spacing: [f64; 3],
    new_spacing: [f64; 3],
    options: &ResampleOptions,
) -> Array3<i16> {
    if seg.shape() == new_shape {
        return seg.to_owned();
    }
    if seg.is_empty() {
        return Array3::zeros(new_shape);
    }
    let Some(axis) = options.separate_axis(current_spacing, new_spacing) else {
        return labels::resize(seg, new_shape, options.order, options.tie);
    };
    let mut in_plane = new_shape;
    in_plane[axis] = seg.shape()[axis];
    labels::resize(&labels::resize(seg, in_plane, options.order, options.tie), new_shape, options.order_z, options.tie)
}

/// Cuts what a spline overshot.
fn clip_to_range_of<D: ndarray::Dimension>(source: &ndarray::ArrayRef<f32, D>, target: &mut ndarray::ArrayRef<f32, D>) {
    let (low, high) = source.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (v.min(low), v.max(high)));
    if low <= high {
        target.par_mapv_inplace(|v| v.clamp(low, high));
    }
}
