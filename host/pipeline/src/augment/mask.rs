use super::{Sample, Stream, Transform};

/// Sets voxels outside the image (label below 0) to 0, in the channels that were normalised within a mask.
#[derive(Clone, Debug)]
pub struct MaskOutside {
    /// For each channel, whether it was normalised within the mask.
    pub channels: Vec<bool>,
}

impl Transform for MaskOutside {
    fn name(&self) -> &'static str {
        "mask outside"
    }

    fn apply(&self, sample: &mut Sample, _: &mut Stream) {
        let labels = sample.seg.index_axis(ndarray::Axis(0), 0);
        for (mut channel, _) in sample.data.outer_iter_mut().zip(&self.channels).filter(|(_, masked)| **masked) {
            channel.zip_mut_with(&labels, |voxel, &label| {
                if label < 0 {
                    *voxel = 0.0;
                }
            });
        }
    }
}
