//! One case, by the formula in the module's documentation.

use super::{PhantomSpec, Waves};
use engine::Random;
use ndarray::{Array3, Array4};

const BODY: f64 = 30.0;
const NOISE: f64 = 8.0;
/// Distance of annotated slices in sparse labels.
const ANNOTATED_EVERY: usize = 3;

/// A case in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomCase {
    /// (C, z, y, x); one slice in 2D.
    pub image: Array4<f32>,
    /// (z, y, x): 0 background, 1 organ, 2 lesion; nothing is ignored.
    pub labels: Array3<i16>,
    /// mm, (z, y, x); 1 between slices in 2D.
    pub spacing: [f64; 3],
}

impl PhantomCase {
    /// The labels with only every third slice (row in 2D) annotated.
    pub fn sparse_labels(&self) -> Array3<i16> {
        let flat = self.labels.dim().0 == 1;
        Array3::from_shape_fn(self.labels.dim(), |at| {
            let slice = if flat { at.1 } else { at.0 };
            if slice % ANNOTATED_EVERY == 1 { self.labels[at] } else { 3 }
        })
    }
}

/// A ball: centre and radius in voxels.
struct Lesion {
    centre: [f64; 3],
    radius: f64,
}

struct Organ {
    middle: [f64; 3],
    axes: [f64; 3],
    surface: Waves,
}

impl Organ {
    /// Below 1 inside, without the waves of the surface.
    fn distance(&self, u: [f64; 3]) -> f64 {
        (0..3).map(|i| ((u[i] - self.middle[i]) / self.axes[i]).powi(2)).sum::<f64>().sqrt()
    }

    fn contains(&self, u: [f64; 3]) -> bool {
        self.distance(u) + 0.08 * self.surface.at(u) < 1.0
    }
}

/// Case `index` of the dataset.
pub fn draw(spec: &PhantomSpec, index: usize) -> PhantomCase {
    let mut random = Random::new(spec.seed, &[index as u64]);
    let flat = spec.shape.len() == 2;
    // a slice is a volume whose first axis has one voxel
    let axis = |list: &[f64], i: usize| if flat { if i == 0 { 1.0 } else { list[i - 1] } } else { list[i] };
    let mut between = |low: f64, high: f64| low + (high - low) * random.uniform();
    let sizes: Vec<f64> = spec.shape.iter().map(|&n| n as f64).collect();
    let shape: [usize; 3] = std::array::from_fn(|i| match axis(&sizes, i) {
        1.0 => 1,
        n => (n + between(-2.5, 2.5).round()).max(8.0) as usize,
    });
    let spacing = std::array::from_fn(|i| match axis(&sizes, i) {
        1.0 => 1.0,
        _ => (axis(&spec.spacing, i) * between(0.9, 1.1) * 100.0).round() / 100.0,
    });
    let position = |v: [f64; 3]| -> [f64; 3] { std::array::from_fn(|i| if shape[i] == 1 { 0.0 } else { 2.0 * v[i] / (shape[i] - 1) as f64 - 1.0 }) };

    let middle = std::array::from_fn(|i| if shape[i] == 1 { 0.0 } else { between(-0.12, 0.12) });
    let axes = std::array::from_fn(|_| between(0.5, 0.68));
    let organ = Organ { middle, axes, surface: Waves::new(&mut random, 1.5) };
    let lesions = lesions(spec, shape, &organ, position, &mut random);
    let labels = Array3::from_shape_fn(shape, |(z, y, x)| {
        let v = [z as f64, y as f64, x as f64];
        let hit = |l: &Lesion| (0..3).map(|i| (v[i] - l.centre[i]).powi(2)).sum::<f64>() < l.radius * l.radius;
        if lesions.iter().any(hit) { 2 } else { i16::from(organ.contains(position(v))) }
    });

    let (texture, bias) = (Waves::new(&mut random, 4.0), Waves::new(&mut random, 0.5));
    let mut image = Array4::zeros((spec.channels, shape[0], shape[1], shape[2]));
    for ((channel, z, y, x), out) in image.indexed_iter_mut() {
        let u = position([z as f64, y as f64, x as f64]);
        let i = channel as f64;
        let tissue = match labels[(z, y, x)] {
            2 => 150.0 - 20.0 * i,
            1 => 90.0 + 10.0 * i,
            _ if u.iter().map(|c| c * c).sum::<f64>() < 0.95 * 0.95 => BODY,
            _ => 0.0,
        };
        let signal = if tissue > 0.0 { (tissue + 8.0 * texture.at(u)) * (0.12 * bias.at(u)).exp() } else { 0.0 };
        *out = (signal + NOISE * random.normal()).hypot(NOISE * random.normal()) as f32;
    }
    PhantomCase { image, labels, spacing }
}

/// Balls whose centres lie in the organ or at its surface.
fn lesions(spec: &PhantomSpec, shape: [usize; 3], organ: &Organ, position: impl Fn([f64; 3]) -> [f64; 3], random: &mut Random) -> Vec<Lesion> {
    let (low, high) = (*spec.lesions.start(), *spec.lesions.end());
    let count = low + (random.uniform() * (high.saturating_sub(low) + 1) as f64) as usize;
    // small images have small lesions
    let largest = (shape.iter().copied().filter(|&n| n > 1).min().unwrap_or(1) as f64 / 6.0).clamp(2.0, 6.0);
    let mut made = Vec::with_capacity(count);
    while made.len() < count {
        let centre: [f64; 3] = shape.map(|n| random.uniform() * (n - 1) as f64);
        let radius = 2.0 + (largest - 2.0) * random.uniform();
        if organ.distance(position(centre)) < 1.02 {
            made.push(Lesion { centre, radius });
        }
    }
    made
}
