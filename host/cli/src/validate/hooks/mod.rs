//! Checks of the kinds whose work is not on tensors, each component with its default settings.

pub(super) mod arrays;
pub(super) mod planner;
pub(super) mod preprocessor;

use super::{Failed, Target};
use engine::Random;
use plugin_api::abi::host::{Edited, NewValues};
use registry::{Hook, Kind};
use serde::Serialize;
use serde_json::Map;

/// Images (C, D, H, W) as they come: a cube, thick slices with two channels, one slice with three.
const SHAPES: [[usize; 4]; 3] = [[1, 12, 14, 11], [2, 5, 20, 17], [3, 1, 24, 17]];

fn hook(on: &Target, kind: Kind, context: &impl Serialize) -> Result<Hook, Failed> {
    Ok(on.registry()?.hook(kind, on.name())?.create(&Map::new(), context)?)
}

/// Voxels with labels.
#[derive(Clone, Debug, PartialEq)]
struct Image {
    /// (C, D, H, W)
    shape: Vec<usize>,
    voxels: Vec<f32>,
    /// (1, D, H, W)
    label_shape: Vec<usize>,
    labels: Vec<i16>,
}

impl Image {
    /// A ball with a brighter ball in it through noise; 0 outside.
    fn of(shape: [usize; 4], seed: u64) -> Self {
        let [_, d, h, w] = shape;
        let mut random = Random::new(seed, &[shape.iter().product::<usize>() as u64]);
        let radius = |i: usize| {
            let at = [i / (h * w), i / w % h, i % w];
            at.iter().zip([d, h, w]).map(|(&a, n)| ((2 * a + 1) as f64 / n as f64 - 1.0).powi(2)).sum::<f64>()
        };
        let labels: Vec<i16> = (0..d * h * w).map(|i| i16::from(radius(i) < 0.6) + i16::from(radius(i) < 0.2)).collect();
        let mut voxel = |i: usize| match labels[i % labels.len()] {
            0 if radius(i % (d * h * w)) > 0.9 => 0.0,
            label => (100.0 + 40.0 * f64::from(label) + 10.0 * random.normal()) as f32,
        };
        let voxels = (0..shape.iter().product()).map(&mut voxel).collect();
        Image { shape: shape.to_vec(), voxels, label_shape: vec![1, d, h, w], labels }
    }

    /// With the arrays that a component returned in the place of others.
    fn replace(&mut self, edited: Edited) {
        for array in edited.arrays {
            match array.values {
                NewValues::F32(voxels) if array.name == "image" => (self.shape, self.voxels) = (array.shape, voxels),
                NewValues::I16(labels) if array.name == "labels" => (self.label_shape, self.labels) = (array.shape, labels),
                _ => {}
            }
        }
    }

    /// Where it is not an image to go on with, having been `before`.
    fn fault(&self, before: &Image, shape_stays: bool) -> Option<String> {
        if shape_stays && (self.shape != before.shape || self.label_shape != before.label_shape) {
            return Some(format!("the shape {:?} became {:?}, which must stay", before.shape, self.shape));
        }
        if self.shape.get(1..) != self.label_shape.get(1..) {
            return Some(format!("image {:?} and labels {:?} are of different shapes", self.shape, self.label_shape));
        }
        if let Some(value) = self.voxels.iter().find(|v| !v.is_finite()) {
            return Some(format!("a voxel of the image is {value}"));
        }
        let new = self.labels.iter().find(|l| **l != -1 && !before.labels.contains(l));
        new.map(|label| format!("the label {label} appears, which was not there"))
    }
}
