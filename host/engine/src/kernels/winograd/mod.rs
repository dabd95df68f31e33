//! Convolutions with stride 1 and three taps an axis with fewer multiplications: Winograd's minimal filtering in two or three axes.
//!
//! Tiles of the input go to points (sums of a few voxels), the weights too; at each point a matrix product over the channels
//! stands for all taps; and its results go back to voxels. F(4, 3) in three axes takes 216 products where the direct way takes
//! 1728. The price is rounding: see `docs/design.md`.

mod forward;
mod grid;
mod points;
mod product;
mod tile;
mod weight_grad;
mod weights;

use super::buffer::Buffer;
use super::cells::{Cells, join};
use super::level::Level;
use super::shape::{ConvShape, volume};
use points::{Axis, Four, Single, Two};

/// Outputs of a tile along (D, H, W).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tile {
    /// (2, 2, 2)
    T222,
    /// (2, 2, 4)
    T224,
    /// (2, 4, 4)
    T244,
    /// (4, 4, 4)
    T444,
    /// (1, 2, 2), for kernels (1, 3, 3)
    T122,
    /// (1, 4, 4), for kernels (1, 3, 3)
    T144,
}

/// Runs `$body` with the axes of a tile as the types `$d`, `$h` and `$w`.
macro_rules! with_axes {
    ($tile:expr, |$d:ident, $h:ident, $w:ident| $body:expr) => {
        with_axes!(@ $tile, $d, $h, $w, $body, T222 Two Two Two, T224 Two Two Four, T244 Two Four Four, T444 Four Four Four, T122 Single Two Two, T144 Single Four Four)
    };
    (@ $tile:expr, $d:ident, $h:ident, $w:ident, $body:expr, $($name:ident $a:ident $b:ident $c:ident),+) => {
        match $tile { $(Tile::$name => { type $d = $a; type $h = $b; type $w = $c; $body })+ }
    };
}

impl Tile {
    /// The tiles that a convolution can be cut into, smallest first; none where it has strides, groups or other kernels.
    pub(super) fn fitting(s: &ConvShape) -> &'static [Self] {
        let plain = s.stride == [1; 3] && s.dilation == [1; 3] && s.groups == 1 && (0..3).all(|a| s.padding[a] < s.kernel[a]);
        match s.kernel {
            [3, 3, 3] if plain => &[Self::T222, Self::T224, Self::T244, Self::T444],
            [1, 3, 3] if plain => &[Self::T122, Self::T144],
            _ => &[],
        }
    }

    /// Whether a result is about as exact as the direct way's.
    pub(super) fn fine(self) -> bool {
        matches!(self, Self::T222 | Self::T122)
    }
}

/// The convolution of `x`, or its adjoint, through tiles that fit it.
pub(super) fn forward(level: Level, tile: Tile, s: &ConvShape, adjoint: bool, x: &[Cells], w: &[f32], bias: Option<&[f32]>) -> Buffer {
    let voxels = s.batch * volume(if adjoint { s.output() } else { s.input });
    in_vectors(level, x, voxels, |x| with_axes!(tile, |D, H, W| forward::forward::<D, H, W>(level, s, adjoint, x, w, bias)))
}

/// The weights' gradient through tiles that fit the convolution.
pub(super) fn weight_grad(level: Level, tile: Tile, s: &ConvShape, x: &[Cells], dy: &[f32]) -> Buffer {
    in_vectors(level, x, s.batch * volume(s.input), |x| with_axes!(tile, |D, H, W| weight_grad::weight_grad::<D, H, W>(level, s, x, dy)))
}

/// Calls `f` with channels none of whose vectors straddles two parts: those of `x`, or all side by side.
fn in_vectors<R>(level: Level, x: &[Cells], voxels: usize, f: impl FnOnce(&[Cells]) -> R) -> R {
    match x {
        [inner @ .., _] if inner.iter().all(|part| part.channels.is_multiple_of(level.lanes())) => f(x),
        _ => f(&[Cells::whole(&join(x, voxels), x.iter().map(|part| part.channels).sum())]),
    }
}

/// The tile that a layer is fastest with, of the fine ones or of all; none where the direct way is faster.
///
/// Counted in multiplications and additions of the direct way: the products at the points, which run as fast; what a value takes
/// on its way to the points or back, channel by channel; and what a weight takes, which counts where there are few voxels. Counted
/// for two images, however many there are, so that an image's result does not depend on its neighbours.
pub(super) fn choose(level: Level, s: &ConvShape, fine: bool) -> Option<Tile> {
    const VALUE: usize = 10;
    const WEIGHT: usize = 50;
    const IMAGES: usize = 2;
    let pad = |channels: usize| channels.next_multiple_of(level.lanes());
    let (inputs, outputs, output) = (pad(s.input_channels), pad(s.output_channels), s.output());
    let cost = |tile: Tile| {
        with_axes!(tile, |D, H, W| {
            let step = [D::OUTPUTS, H::OUTPUTS, W::OUTPUTS];
            let tiles: usize = IMAGES * (0..3).map(|a| output[a].div_ceil(step[a])).product::<usize>();
            tile::points::<D, H, W>() * (tiles * (inputs * outputs + VALUE * (inputs + outputs)) + WEIGHT * inputs * outputs)
        })
    };
    let direct = IMAGES * volume(output) * volume(s.kernel) * s.input_channels * outputs / level.factors();
    let tiles = Tile::fitting(s).iter().copied().filter(|tile| tile.fine() || !fine);
    tiles.min_by_key(|&tile| cost(tile)).filter(|&tile| cost(tile) < direct)
}
