//! Rotary position embedding (Su et al. 2021) over three axes: pairs of features are turned by angles that grow with a token's place.

use plugin_api::{Result, Tensor, bail};

/// Angles fall from 1 a step towards 1 / this.
const TEMPERATURE: f32 = 10_000.0;

/// Sine and cosine of each token and feature of a head, (N, E / heads).
pub(super) struct Rotary {
    shape: [usize; 2],
    sine: Vec<f32>,
    cosine: Vec<f32>,
}

impl Rotary {
    /// For tokens on a `grid` (d, h, w). A third of a head's features belongs to each axis, in pairs.
    ///
    /// # Errors
    /// The features do not divide so.
    pub(super) fn new(grid: &[usize], features: usize, heads: usize) -> Result<Self> {
        let width = features / heads.max(1);
        if width * heads != features || width == 0 || !width.is_multiple_of(6) {
            bail!("embed_dim {features} over {heads} heads gives {width} features a head; Primus needs a multiple of 6");
        }
        let bands: Vec<f32> = (0..width / 6).map(|k| 1.0 / TEMPERATURE.powf(k as f32 / (width / 6) as f32)).collect();
        // as nnU-Net's: places are scaled to the grid and back, in f32
        let places: Vec<Vec<f32>> = grid.iter().map(|&n| (0..n).map(|i| i as f32 / n as f32 * n as f32).collect()).collect();
        let (mut sine, mut cosine) = (Vec::new(), Vec::new());
        let [depth, height, breadth] = [0, 1, 2].map(|axis| places.get(axis).map_or(&[][..], Vec::as_slice));
        for &z in depth {
            for &y in height {
                for &x in breadth {
                    for angle in [z, y, x].into_iter().flat_map(|place| bands.iter().map(move |band| place * band)) {
                        sine.extend([angle.sin(); 2]);
                        cosine.extend([angle.cos(); 2]);
                    }
                }
            }
        }
        Ok(Self { shape: [grid.iter().product(), width], sine, cosine })
    }

    /// Sine and cosine for use in a call.
    pub(super) fn tensors(&self) -> [Tensor; 2] {
        [&self.sine, &self.cosine].map(|values| Tensor::from_f32(&self.shape, values))
    }
}

/// Turns each pair of features of `x` (B, heads, N, E / heads): `x cos + (-x1, x0, -x3, x2, ...) sin`.
#[track_caller]
pub(super) fn turn(x: &Tensor, [sine, cosine]: &[Tensor; 2]) -> Tensor {
    let shape = x.shape();
    let whole: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    let pairs = x.reshape(&[whole[0], whole[1], whole[2], whole[3] / 2, 2]);
    let turned = Tensor::concat(&[&-pairs.slice(4, 1, 2), &pairs.slice(4, 0, 1)], 4).reshape(&whole);
    x * cosine + turned * sine
}
