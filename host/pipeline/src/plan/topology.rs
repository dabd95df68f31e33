//! How often, and along which axes, a network halves its resolution.

/// Shortest edge of a feature map.
const MIN_EDGE: f64 = 4.0;

/// Strides and kernels of each stage, for a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Down-sampling on entering each stage; the first is all ones.
    pub strides: Vec<Vec<usize>>,
    /// Kernel of each stage.
    pub kernels: Vec<Vec<usize>>,
    /// The patch, each axis rounded up to a multiple of its divisor; voxels.
    pub patch: Vec<usize>,
    /// Product of the strides along each axis.
    pub divisors: Vec<usize>,
}

/// The topology for voxels of `spacing` (mm) and a `patch` (voxels; a median shape may end in a half).
///
/// An axis is halved while it stays at least `MIN_EDGE` long and its spacing is less than twice the smallest of those that can be
/// halved. A kernel is 1 along an axis until its spacing is less than twice the smallest of all, and 3 from then on.
pub fn topology(spacing: &[f64], patch: &[f64]) -> Topology {
    let axes = spacing.len();
    let (mut spacing, mut size) = (spacing.to_vec(), patch.to_vec());
    let (mut strides, mut kernels) = (vec![vec![1; axes]], Vec::new());
    let mut kernel = vec![1; axes];
    loop {
        let long: Vec<usize> = (0..axes).filter(|&a| size[a] >= 2.0 * MIN_EDGE).collect();
        let finest = long.iter().map(|&a| spacing[a]).fold(f64::INFINITY, f64::min);
        let halved: Vec<usize> = long.into_iter().filter(|&a| spacing[a] / finest < 2.0).collect();
        match halved.as_slice() {
            [] => break,
            [only] if size[*only] < 3.0 * MIN_EDGE => break,
            _ => {}
        }
        let finest = spacing.iter().copied().fold(f64::INFINITY, f64::min);
        for (kernel, spacing) in kernel.iter_mut().zip(&spacing) {
            if spacing / finest < 2.0 {
                *kernel = 3;
            }
        }
        let mut stride = vec![1; axes];
        for &a in &halved {
            stride[a] = 2;
            spacing[a] *= 2.0;
            size[a] = (size[a] / 2.0).ceil();
        }
        strides.push(stride);
        kernels.push(kernel.clone());
    }
    kernels.push(vec![3; axes]);
    Topology::new(strides, kernels, patch)
}

impl Topology {
    /// A network of these stages for a patch of at least that size.
    pub(super) fn new(strides: Vec<Vec<usize>>, kernels: Vec<Vec<usize>>, patch: &[f64]) -> Self {
        let divisors: Vec<usize> = (0..patch.len()).map(|axis| strides.iter().map(|stride| stride[axis]).product()).collect();
        let patch = patch.iter().zip(&divisors).map(|(&size, &d)| (size / d as f64).ceil() as usize * d).collect();
        Self { strides, kernels, patch, divisors }
    }
}
