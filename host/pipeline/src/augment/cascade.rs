//! The previous stage's segmentation as extra image channels, made as faulty as predictions are.

use super::sample::contiguous;
use super::{Sample, Stream, Transform};
use ndarray::{Array3, Axis, Slice, Zip, concatenate};
use volume::components::{Connectivity, label};
use volume::distance::nearest;

/// Moves the second label map to the end of the image channels, one channel of 0 and 1 for each label.
#[derive(Clone, Debug)]
pub struct PreviousStage {
    /// The foreground labels.
    pub labels: Vec<i16>,
}

impl Transform for PreviousStage {
    fn name(&self) -> &'static str {
        "previous stage"
    }

    fn apply(&self, sample: &mut Sample, _: &mut Stream) {
        let previous = sample.seg.index_axis(Axis(0), 1);
        let masks: Vec<_> = self.labels.iter().map(|&l| previous.mapv(|v| f32::from(v == l)).insert_axis(Axis(0))).collect();
        let mut parts = vec![sample.data.view()];
        parts.extend(masks.iter().map(|mask| mask.view()));
        if let Ok(joined) = concatenate(Axis(0), &parts) {
            sample.data = joined;
        }
        sample.seg.slice_axis_inplace(Axis(0), Slice::from(..1));
        contiguous(&mut sample.seg);
    }
}

/// Dilates, erodes, closes or opens the last channels with a ball. Voxels that one gains are taken from the others.
#[derive(Clone, Debug)]
pub struct RandomMorphology {
    /// How many channels at the end are meant.
    pub channels: usize,
    /// Probability that a channel is changed.
    pub p_channel: f64,
    /// Least and greatest radius of the ball in voxels.
    pub radius: (usize, usize),
}

impl Transform for RandomMorphology {
    fn name(&self) -> &'static str {
        "random morphology"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let channels = last(sample, self.channels, rng);
        for &channel in &channels {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let operation = rng.below(4);
            let radius = rng.between(self.radius.0 as isize, self.radius.1 as isize) as usize;
            let before = mask_of(sample, channel);
            let after = match operation {
                0 => dilate(&before, radius),
                1 => erode(&before, radius),
                2 => erode(&dilate(&before, radius), radius),
                _ => dilate(&erode(&before, radius), radius),
            };
            for &other in channels.iter().filter(|&&other| other != channel) {
                Zip::from(sample.data.index_axis_mut(Axis(0), other)).and(&before).and(&after).for_each(|v, &old, &new| {
                    if new && !old {
                        *v = 0.0;
                    }
                });
            }
            sample.data.index_axis_mut(Axis(0), channel).zip_mut_with(&after, |v, &inside| *v = f32::from(inside));
        }
    }
}

/// Removes a component (full connectivity) from each of the last channels, unless it is large.
#[derive(Clone, Debug)]
pub struct RemoveComponent {
    /// How many channels at the end are meant.
    pub channels: usize,
    /// Probability that a channel is changed.
    pub p_channel: f64,
    /// Components of this share of the patch or more stay.
    pub largest: f64,
}

impl Transform for RemoveComponent {
    fn name(&self) -> &'static str {
        "remove component"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        for channel in last(sample, self.channels, rng) {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let components = label(&mask_of(sample, channel), Connectivity::Full);
            let limit = components.labels.len() as f64 * self.largest;
            let small = |size: &usize| (*size as f64) < limit;
            let candidates: Vec<u32> = (1..).zip(&components.sizes).filter(|(_, size)| small(size)).map(|(id, _)| id).collect();
            let Some(&chosen) = candidates.get(rng.below(candidates.len())) else { continue };
            sample.data.index_axis_mut(Axis(0), channel).zip_mut_with(&components.labels, |v, &id| {
                if id == chosen {
                    *v = 0.0;
                }
            });
        }
    }
}

/// The last `count` channels in random order.
fn last(sample: &Sample, count: usize, rng: &mut Stream) -> Vec<usize> {
    let channels = sample.data.dim().0;
    let mut order: Vec<usize> = (channels.saturating_sub(count)..channels).collect();
    rng.shuffle(&mut order);
    order
}

fn mask_of(sample: &Sample, channel: usize) -> Array3<bool> {
    sample.data.index_axis(Axis(0), channel).mapv(|v| v > 0.5)
}

/// The voxels that lie no further than `radius` from the mask.
fn dilate(mask: &Array3<bool>, radius: usize) -> Array3<bool> {
    let limit = (radius * radius) as f64;
    nearest(mask, [1.0; 3]).squared.mapv(|squared| squared <= limit)
}

/// The voxels that lie further than `radius` from what is not the mask; beyond the patch counts as mask.
fn erode(mask: &Array3<bool>, radius: usize) -> Array3<bool> {
    !dilate(&mask.mapv(|inside| !inside), radius)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array4, s};

    fn cube(at: usize, side: usize) -> Sample {
        let mut seg = Array4::zeros((2, 20, 20, 20));
        seg.slice_mut(s![1, at..at + side, at..at + side, at..at + side]).fill(1);
        seg[[1, 0, 0, 0]] = 2;
        let mut sample = Sample { data: Array4::ones((1, 20, 20, 20)), seg };
        PreviousStage { labels: vec![1, 2] }.apply(&mut sample, &mut Stream::new(0, &[]));
        sample
    }

    #[test]
    fn the_previous_stage_becomes_image_channels() {
        let sample = cube(5, 6);
        assert_eq!((sample.data.dim(), sample.seg.dim()), ((3, 20, 20, 20), (1, 20, 20, 20)));
        let sums: Vec<f32> = sample.data.outer_iter().map(|c| c.sum()).collect();
        assert_eq!(sums, [8000.0, 216.0, 1.0]);
        assert_eq!(sample.data[[1, 5, 5, 10]], 1.0);
    }

    #[test]
    fn a_ball_dilates_and_erodes_by_its_radius() {
        let mut point = Array3::from_elem((9, 9, 9), false);
        point[[4, 4, 4]] = true;
        // lattice points of a ball of radius 1 and 2
        assert_eq!([1, 2].map(|r| dilate(&point, r).iter().filter(|&&v| v).count()), [7, 33]);
        let ball = dilate(&point, 3);
        assert_eq!(erode(&ball, 3), point);
        assert!(erode(&Array3::from_elem((4, 4, 4), true), 2).iter().all(|&v| v));
    }

    #[test]
    fn channels_stay_disjoint_and_the_image_stays() {
        let morphology = RandomMorphology { channels: 2, p_channel: 1.0, radius: (1, 8) };
        let mut changed = 0;
        for i in 0..60 {
            let mut sample = cube(1, 6);
            morphology.apply(&mut sample, &mut Stream::new(1, &[i]));
            assert!(sample.data.index_axis(Axis(0), 0).iter().all(|&v| v == 1.0));
            let (one, two) = (mask_of(&sample, 1), mask_of(&sample, 2));
            assert!(Zip::from(&one).and(&two).all(|a, b| !(a & b)));
            changed += usize::from(one.iter().filter(|&&v| v).count() != 216);
        }
        assert!(changed > 20, "{changed}");
    }

    #[test]
    fn small_components_go_and_large_ones_stay() {
        let remove = RemoveComponent { channels: 2, p_channel: 1.0, largest: 0.15 };
        let mut sample = cube(5, 6);
        remove.apply(&mut sample, &mut Stream::new(2, &[]));
        assert_eq!(sample.data.sum(), 8000.0);
        // 11^3 = 1331 of 8000 voxels is above 15 %
        let mut sample = cube(5, 11);
        remove.apply(&mut sample, &mut Stream::new(2, &[]));
        assert_eq!(sample.data.sum(), 8000.0 + 1331.0);
    }
}
