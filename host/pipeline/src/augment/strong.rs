//! The stronger augmentation `da5`, with the constants of nnU-Net's trainer of that name.

use super::spatial::{Nearest, Spatial, Style};
use super::{
    AugmentSpec, BlankRectangles, BrightnessGradient, Contrast, Gamma, GaussianBlur, GaussianNoise, LocalGamma, LowResolution, MedianFilter, OneOf,
    Pipeline, QuarterTurn, Sharpen, Shift, Transpose,
};
use crate::error::Result;

/// The part of a patch that its scaling may show; the initial patch is the larger for it.
pub const SMALLEST_SCALE: f64 = 0.7;

/// Rotation and scaling: an axis is part of a rotation half the time, and has a scaling of its own.
pub(super) fn spatial(spec: &AugmentSpec, planar: bool, nearest: Nearest) -> impl FnOnce([usize; 3]) -> Spatial {
    let rotation = spec.rotation;
    let style = Style { p_axis: 0.5, each_axis: true, nearest };
    move |patch| Spatial { patch, planar, p_rotation: 0.4, rotation, p_scaling: 0.2, scaling: (SMALLEST_SCALE, 1.43), style }
}

/// What comes before mirroring.
pub(super) fn before_mirroring(pipeline: &mut Pipeline, planar: bool) {
    let axes = equal_axes(pipeline.patch());
    if axes.len() > 1 {
        pipeline.add(0.5, QuarterTurn { axes: axes.clone() });
        pipeline.add(0.5, Transpose { axes });
    }
    pipeline.add(
        1.0,
        OneOf {
            name: "median filter or gaussian blur",
            first: (0.2, MedianFilter { side: (2, 7), p_channel: 0.5 }),
            second: (0.2, GaussianBlur { sigma: (0.3, 1.5), p_channel: 0.5, one_sigma: true }),
        },
    );
    pipeline.add(0.1, GaussianNoise { sigma: (0.0, 0.1) });
    pipeline.add(0.1, Shift { sigma: 0.5, p_channel: 0.5 });
    let contrast = |clip| (0.2, Contrast { range: (0.5, 2.0), clip, p_channel: 0.5 });
    pipeline.add(1.0, OneOf { name: "contrast, clipped or not", first: contrast(true), second: contrast(false) });
    pipeline.add(0.15, LowResolution { scale: (0.25, 1.0), p_channel: 0.5, planar });
    // twice, as there
    pipeline.add(0.1, Gamma { range: (0.7, 1.5), inverted: true });
    pipeline.add(0.1, Gamma { range: (0.7, 1.5), inverted: true });
}

/// What comes behind mirroring.
pub(super) fn after_mirroring(pipeline: &mut Pipeline) {
    let sides = pipeline.patch().map(|n| ((n / 10).max(1), (n / 3).saturating_sub(1).max((n / 10).max(1))));
    pipeline.add(0.4, BlankRectangles { count: (1, 4), sides, p_channel: 0.5 });
    pipeline.add(0.3, BrightnessGradient { strength: (1.0, 5.0), p_channel: 0.5 });
    pipeline.add(0.3, LocalGamma { ranges: [(0.01, 0.8), (1.5, 4.0)], p_channel: 0.5 });
    pipeline.add(0.2, Sharpen { strength: (0.1, 1.0), p_channel: 0.5 });
}

/// The axes of the length that most of them have; none if all differ. The axis of a single slice does not count.
fn equal_axes(patch: [usize; 3]) -> Vec<usize> {
    let alike = |length: usize| (0..3).filter(|&axis| patch[axis] == length && length > 1).collect::<Vec<_>>();
    patch.iter().map(|&length| alike(length)).max_by_key(Vec::len).filter(|axes| axes.len() > 1).unwrap_or_default()
}

impl Pipeline {
    /// The stronger augmentation.
    ///
    /// # Errors
    /// The settings do not fit together.
    pub(super) fn strong(spec: &AugmentSpec, nearest: Nearest) -> Result<Self> {
        let planar = spec.is_2d() || spec.dummy_2d;
        let mut pipeline = Self::empty(spec, spatial(spec, planar, nearest))?;
        before_mirroring(&mut pipeline, planar);
        pipeline.mirror(spec);
        after_mirroring(&mut pipeline);
        pipeline.mask(spec);
        pipeline.convert(spec, true);
        Ok(pipeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_one_length_change_places() {
        for (patch, wanted) in [([64, 64, 64], vec![0, 1, 2]), ([32, 64, 64], vec![1, 2]), ([64, 32, 64], vec![0, 2]), ([8, 9, 10], vec![])] {
            assert_eq!(equal_axes(patch), wanted);
        }
        assert_eq!(equal_axes([1, 1, 1]), [0; 0]);
        assert_eq!(equal_axes([1, 96, 96]), [1, 2]);
    }
}
