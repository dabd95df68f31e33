//! Rotation, scaling and the centre crop, in one pass that computes the voxels of the patch and no others.

use super::{Sample, Source, Stream, factor};
use ndarray::Array4;

/// Maps patch coordinates to window coordinates, both from the centre, in voxels: rows and columns are z, y, x.
pub type Matrix = [[f64; 3]; 3];

/// Draws a rotation and a scaling, and cuts the patch out of the middle of a window.
///
/// Rotations are rigid in voxels. A scaling above 1 makes objects smaller. The image is interpolated linearly with 0
/// beyond the window; of the labels, which are -1 there, the one with the greatest linear weight is taken, the
/// smallest of several equal ones. [`Style`] says what may be otherwise.
#[derive(Clone, Debug)]
pub struct Spatial {
    /// D, H, W of the patch in voxels.
    pub patch: [usize; 3],
    /// Act on each slice along the first axis (2D networks, and patches much longer than deep): what nnU-Net calls
    /// dummy 2D.
    pub planar: bool,
    /// Probability of a rotation.
    pub p_rotation: f64,
    /// Range of the angles in radians, one angle an axis, or one in the plane.
    pub rotation: (f64, f64),
    /// Probability of a scaling.
    pub p_scaling: f64,
    /// Range of the factor.
    pub scaling: (f64, f64),
    /// How the others differ from nnU-Net's usual augmentation.
    pub style: Style,
}

/// What the stronger augmentation and those without interpolation do in another way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Probability that an axis has a part in a rotation.
    pub p_axis: f64,
    /// Each axis has a scaling of its own, drawn evenly from the range. Otherwise all have the same, half the draws below 1.
    pub each_axis: bool,
    /// What takes the nearest voxel instead of interpolating linearly.
    pub nearest: Nearest,
}

/// What takes the nearest voxel's value where a patch is rotated or scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nearest {
    /// The image.
    pub image: bool,
    /// The labels.
    pub labels: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { p_axis: 1.0, each_axis: false, nearest: Nearest::default() }
    }
}

impl Spatial {
    /// Only the crop.
    pub fn crop(patch: [usize; 3]) -> Self {
        Self { patch, planar: false, p_rotation: 0.0, rotation: (0.0, 0.0), p_scaling: 0.0, scaling: (1.0, 1.0), style: Style::default() }
    }

    /// The patch from the middle of the source's window.
    pub fn sample(&self, source: &Source<'_>, rng: &mut Stream) -> Sample {
        match self.draw(rng) {
            None => crop(source, self.patch),
            Some(matrix) => resample(source, self.patch, &matrix, self.style.nearest),
        }
    }

    /// The map of one sample; `None` if there is neither rotation nor scaling.
    pub fn draw(&self, rng: &mut Stream) -> Option<Matrix> {
        let (rotate, scale) = (rng.chance(self.p_rotation), rng.chance(self.p_scaling));
        if !rotate && !scale {
            return None;
        }
        let axes = if self.planar { 0..1 } else { 0..3 };
        let mut matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        if rotate {
            for axis in axes {
                if self.style.p_axis < 1.0 && !rng.chance(self.style.p_axis) {
                    continue;
                }
                matrix = product(&rotation(axis, rng.uniform(self.rotation.0, self.rotation.1)), &matrix);
            }
        }
        if scale && self.style.each_axis {
            for column in usize::from(self.planar)..3 {
                let factor = rng.uniform(self.scaling.0, self.scaling.1);
                matrix.iter_mut().for_each(|row| row[column] *= factor);
            }
        } else if scale {
            let factor = factor(rng, self.scaling);
            for row in &mut matrix[usize::from(self.planar)..] {
                row.iter_mut().for_each(|entry| *entry *= factor);
            }
        }
        Some(matrix)
    }
}

/// The rotation by `angle` (radians) about `axis`.
pub fn rotation(axis: usize, angle: f64) -> Matrix {
    // So that multiples of a right angle map voxels onto voxels.
    let exact = |v: f64| if (v - v.round()).abs() < 1e-15 { v.round() } else { v };
    let (sin, cos) = (exact(angle.sin()), exact(angle.cos()));
    let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut matrix = [[0.0; 3]; 3];
    matrix[axis][axis] = 1.0;
    (matrix[a][a], matrix[a][b], matrix[b][a], matrix[b][b]) = (cos, -sin, sin, cos);
    matrix
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// The part of the image that a window shows, half open for each axis.
fn visible(source: &Source<'_>) -> [(isize, isize); 3] {
    std::array::from_fn(|axis| {
        let (start, size) = (source.start[axis], source.size[axis] as isize);
        let end = (start + size).min(source.shape[axis] as isize);
        (start.max(0), end.max(start.max(0)))
    })
}

/// The middle of the window; 0 and -1 where there is no image.
pub fn crop(source: &Source<'_>, patch: [usize; 3]) -> Sample {
    let window = visible(source);
    // For each axis: the first voxel of the patch that shows something, the image voxel there, and how many do.
    let spans: [(usize, usize, usize); 3] = std::array::from_fn(|axis| {
        let first = source.start[axis] + (source.size[axis] / 2) as isize - (patch[axis] / 2) as isize;
        let (low, high) = window[axis];
        let from = first.clamp(low, high);
        let to = (first + patch[axis] as isize).clamp(from, high.max(from));
        ((from - first).max(0) as usize, from as usize, (to - from) as usize)
    });
    let [d, h, w] = patch;
    let mut data = Array4::zeros((source.channels(), d, h, w));
    let mut seg = Array4::from_elem((source.seg.len(), d, h, w), -1);
    for (mut to, from) in data.outer_iter_mut().zip(source.data.chunks_exact(source.voxels().max(1))) {
        copy(from, source.shape, to.as_slice_mut().unwrap_or_default(), patch, spans);
    }
    for (mut to, from) in seg.outer_iter_mut().zip(&source.seg) {
        copy(from, source.shape, to.as_slice_mut().unwrap_or_default(), patch, spans);
    }
    Sample { data, seg }
}

fn copy<T: Copy>(from: &[T], shape: [usize; 3], to: &mut [T], patch: [usize; 3], spans: [(usize, usize, usize); 3]) {
    let [(to_z, from_z, nz), (to_y, from_y, ny), (to_x, from_x, nx)] = spans;
    if nx == 0 {
        return;
    }
    for z in 0..nz {
        for y in 0..ny {
            let source = ((from_z + z) * shape[1] + from_y + y) * shape[2] + from_x;
            let target = ((to_z + z) * patch[1] + to_y + y) * patch[2] + to_x;
            to[target..][..nx].copy_from_slice(&from[source..][..nx]);
        }
    }
}

/// The patch, each voxel at `matrix` times its distance from the centre.
pub fn resample(source: &Source<'_>, patch: [usize; 3], matrix: &Matrix, nearest: Nearest) -> Sample {
    let value = |corners: [f32; 8], fraction| if nearest.image { closest(corners, fraction) } else { interpolate(corners, fraction) };
    let label = |corners: [i16; 8], fraction| if nearest.labels { closest(corners, fraction) } else { vote(corners, fraction) };
    let [d, h, w] = patch;
    let (voxels, image) = (d * h * w, source.voxels().max(1));
    let mut data = vec![0.0; source.channels() * voxels];
    let mut seg = vec![-1; source.seg.len() * voxels];
    let images: Vec<&[f32]> = source.data.chunks_exact(image).collect();
    let mut out: Vec<&mut [f32]> = data.chunks_exact_mut(voxels).collect();
    let mut labels: Vec<&mut [i16]> = seg.chunks_exact_mut(voxels).collect();
    let grid = Grid { window: visible(source), height: source.shape[1], width: source.shape[2] };
    let middle = |size: usize| (size as f64 - 1.0) / 2.0;
    let centre: [f64; 3] = std::array::from_fn(|axis| source.start[axis] as f64 + middle(source.size[axis]));
    for row in 0..d * h {
        let (z, y) = ((row / h) as f64 - middle(d), (row % h) as f64 - middle(h));
        for x in 0..w {
            let along = x as f64 - middle(w);
            let at = std::array::from_fn(|i| matrix[i][0] * z + matrix[i][1] * y + matrix[i][2] * along + centre[i]);
            let voxel = row * w + x;
            let (low, fraction) = split(at);
            // A point on a slice does not need the next one, which for a map within slices is none of its business.
            let deep = fraction[0] > 0.0;
            let below = if deep { grid.height * grid.width } else { 0 };
            if let Some(base) = grid.whole(low, deep) {
                for (to, from) in out.iter_mut().zip(&images) {
                    to[voxel] = value(grid.corners(from, base, below), fraction);
                }
                for (to, from) in labels.iter_mut().zip(&source.seg) {
                    to[voxel] = label(grid.corners(from, base, below), fraction);
                }
            } else if grid.touched(low) {
                for (to, from) in out.iter_mut().zip(&images) {
                    to[voxel] = value(grid.corners_or(from, low, 0.0), fraction);
                }
                for (to, from) in labels.iter_mut().zip(&source.seg) {
                    to[voxel] = label(grid.corners_or(from, low, -1), fraction);
                }
            }
        }
    }
    let array = |channels| (channels, d, h, w);
    Sample {
        data: Array4::from_shape_vec(array(source.channels()), data).unwrap_or_default(),
        seg: Array4::from_shape_vec(array(source.seg.len()), seg).unwrap_or_default(),
    }
}

/// A point as the voxel at or before it on each axis, and how far it lies beyond that, in [0, 1).
#[inline(always)]
fn split(at: [f64; 3]) -> ([isize; 3], [f32; 3]) {
    /// Makes coordinates positive, so that truncating them rounds down.
    const SHIFT: f64 = 1_048_576.0;
    let low = at.map(|v| (v + SHIFT) as isize - SHIFT as isize);
    (low, std::array::from_fn(|i| (at[i] - low[i] as f64) as f32))
}

/// The voxels that a window shows, out of an image of slices `height` x `width`.
struct Grid {
    window: [(isize, isize); 3],
    height: usize,
    width: usize,
}

impl Grid {
    /// The index of `low` if it and its neighbours on every axis are in the window; on the first one only if `deep`.
    #[inline(always)]
    fn whole(&self, low: [isize; 3], deep: bool) -> Option<usize> {
        let next = [isize::from(deep), 1, 1];
        let inside = (0..3).all(|i| low[i] >= self.window[i].0 && low[i] + next[i] < self.window[i].1);
        inside.then(|| (low[0] as usize * self.height + low[1] as usize) * self.width + low[2] as usize)
    }

    /// Whether any of the eight voxels is in the window.
    fn touched(&self, low: [isize; 3]) -> bool {
        (0..3).all(|i| low[i] + 1 >= self.window[i].0 && low[i] < self.window[i].1)
    }

    /// The values of the eight voxels from `base` on, the next slice being `below` voxels away; z, y, x are the bits 4,
    /// 2, 1 of a corner.
    #[inline(always)]
    fn corners<T: Copy>(&self, values: &[T], base: usize, below: usize) -> [T; 8] {
        let pair = |at: usize| {
            let pair = &values[at..at + 2];
            [pair[0], pair[1]]
        };
        let below = base + below;
        let ([a, b], [c, d]) = (pair(base), pair(base + self.width));
        let ([e, f], [g, h]) = (pair(below), pair(below + self.width));
        [a, b, c, d, e, f, g, h]
    }

    /// The values of the eight voxels from `low` on, `outside` for those that are not in the window.
    #[cold]
    fn corners_or<T: Copy>(&self, values: &[T], low: [isize; 3], outside: T) -> [T; 8] {
        std::array::from_fn(|corner| {
            let at: [isize; 3] = std::array::from_fn(|i| low[i] + (corner >> (2 - i) & 1) as isize);
            let inside = (0..3).all(|i| at[i] >= self.window[i].0 && at[i] < self.window[i].1);
            let index = || (at[0] as usize * self.height + at[1] as usize) * self.width + at[2] as usize;
            if inside { values[index()] } else { outside }
        })
    }
}

/// The value between eight corners.
#[inline(always)]
fn interpolate(corners: [f32; 8], [fz, fy, fx]: [f32; 3]) -> f32 {
    let lerp = |a: f32, b: f32, f: f32| a + (b - a) * f;
    let line = |corner: usize| lerp(corners[corner], corners[corner + 1], fx);
    let plane = |corner: usize| lerp(line(corner), line(corner + 2), fy);
    lerp(plane(0), plane(4), fz)
}

/// The corner that is nearest.
#[inline(always)]
fn closest<T: Copy>(corners: [T; 8], fraction: [f32; 3]) -> T {
    let [z, y, x] = fraction.map(|f| usize::from(f > 0.5));
    corners[4 * z + 2 * y + x]
}

/// The label with the greatest weight among eight corners.
#[inline(always)]
fn vote(corners: [i16; 8], fraction: [f32; 3]) -> i16 {
    if corners.iter().all(|&label| label == corners[0]) { corners[0] } else { count(corners, fraction) }
}

#[cold]
fn count(corners: [i16; 8], fraction: [f32; 3]) -> i16 {
    let side = |axis: usize, upper: bool| if upper { fraction[axis] } else { 1.0 - fraction[axis] };
    let weights: [f32; 8] = std::array::from_fn(|i| side(0, i & 4 != 0) * side(1, i & 2 != 0) * side(2, i & 1 != 0));
    let mut best = (0.0, corners[0]);
    for label in corners {
        let weight: f32 = corners.iter().zip(&weights).filter(|(other, _)| **other == label).map(|(_, w)| w).sum();
        if weight > best.0 || (weight == best.0 && label < best.1) {
            best = (weight, label);
        }
    }
    best.1
}
