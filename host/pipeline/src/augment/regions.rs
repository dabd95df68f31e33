use super::{Sample, Stream, Transform};
use ndarray::{Array4, Axis};

/// Turns the label map into one channel of 0 and 1 for each region, and one more of the ignored voxels.
#[derive(Clone, Debug)]
pub struct Regions {
    /// The labels of each region.
    pub regions: Vec<Vec<i16>>,
    /// The label of voxels that are not annotated; they belong to no region.
    pub ignore: Option<i16>,
}

impl Transform for Regions {
    fn name(&self) -> &'static str {
        "regions"
    }

    fn apply(&self, sample: &mut Sample, _: &mut Stream) {
        let [d, h, w] = sample.spatial();
        let channels = self.regions.len() + usize::from(self.ignore.is_some());
        let mut seg = Array4::zeros((channels, d, h, w));
        let labels = sample.seg.index_axis(Axis(0), 0);
        let ignored: Option<Vec<i16>> = self.ignore.map(|label| vec![label]);
        for (mut channel, members) in seg.outer_iter_mut().zip(self.regions.iter().chain(&ignored)) {
            channel.zip_mut_with(&labels, |voxel, label| *voxel = i16::from(members.contains(label)));
        }
        sample.seg = seg;
    }
}
