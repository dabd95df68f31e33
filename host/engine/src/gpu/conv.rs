//! Convolutions on tensor cores, by the kernels of Burn's own library (cubek). Burn times a dozen of them, each compiled first, for every shape that it meets, which takes
//! minutes for a network; here the one that is nearly always the fastest is taken, and where it cannot be had the next one (figures: docs/performance.md). A panic here is
//! caught by the runtime, and whoever reads the result gets it as an error.

use super::planes::kind;
use super::tiles::Product;
use crate::value::Conv3;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::conv::{ConvStrategy, conv_forward, conv_weight_backward};
use burn_cubecl::ops::{numeric::empty_device_contiguous_dtype, permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use cubek::convolution::{AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy, launch_ref};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::std::InputBinding;

/// With the library's own choice of tiles, the fastest first: the bulk copy of Hopper and later, which wants channels in multiples of 16 bytes; what every GPU with
/// tensor cores has; what needs least shared memory.
const WAYS: [(ConvAlgorithm, AcceleratedTileKind); 3] = [
    (ConvAlgorithm::SimpleAsyncTma, AcceleratedTileKind::Mma),
    (ConvAlgorithm::SimpleSyncStrided, AcceleratedTileKind::Mma),
    (ConvAlgorithm::SimpleSyncCyclic, AcceleratedTileKind::Cmma),
];

/// (B, C, spatial...) and weights (O, C, kernel...) give (B, O, spatial...).
pub(super) fn convolved(x: &Shape, w: &Shape, s: &Conv3) -> Shape {
    let side = |a: usize| (x[a + 2] + 2 * s.padding[a] - s.dilation[a] * (w[a + 2] - 1) - 1) / s.stride[a] + 1;
    Shape::from(vec![x[0], w[0], side(0), side(1), side(2)])
}

/// The weights (O, C, kernel...) of a convolution from (B, C, spatial...) to (B, O, spatial...).
pub(super) fn weights(x: &Shape, dy: &Shape, kernel: [usize; 3]) -> Shape {
    Shape::from(vec![dy[1], x[1], kernel[0], kernel[1], kernel[2]])
}

/// The convolution of x (B, C, D, H, W) with w (O, C, kernel) plus a bias (O); its result's channels are neighbours in memory.
pub(super) fn forward(x: CubeTensor, w: CubeTensor, bias: Option<CubeTensor>, s: Conv3) -> CubeTensor {
    let shape = convolved(x.meta.shape(), w.meta.shape(), &s);
    let y = channels_last(shape, &x);
    let (nx, nw) = (permute_nchw_to_nhwc(x.clone()), permute_nchw_to_nhwc(w.clone()));
    let inputs =
        || ConvolutionInputs::Forward { input: binding(&nx), weight: binding(&nw), bias: bias.as_ref().map(binding), out: y.clone().binding() };
    let of_w = w.meta.shape();
    let product = Product { voxels: y.meta.shape().iter().take(4).product(), outputs: of_w[0], inputs: of_w[1], taps: of_w.iter().skip(2).product() };
    let tiles = (x.dtype == DType::BF16).then(|| product.strategy(&x.client));
    if launched(&x, s, tiles, inputs) {
        return permute_nhwc_to_nchw(y);
    }
    conv_forward(x, w, bias, s.plain(), ConvStrategy::Direct).unwrap_or_else(|error| panic!("a convolution cannot be launched: {error:?}"))
}

/// The gradient of `forward` for w, whose kernel this is.
pub(super) fn weight_grad(x: CubeTensor, dy: CubeTensor, kernel: [usize; 3], s: Conv3) -> CubeTensor {
    let shape = weights(x.meta.shape(), dy.meta.shape(), kernel);
    let dw = channels_last(shape.clone(), &x);
    let (nx, ndy) = (permute_nchw_to_nhwc(x.clone()), permute_nchw_to_nhwc(dy.clone()));
    let inputs = || ConvolutionInputs::BackwardWeight { input: binding(&nx), out_grad: binding(&ndy), weight_grad: dw.clone().binding() };
    if launched(&x, s, None, inputs) {
        return permute_nhwc_to_nchw(dw);
    }
    conv_weight_backward(x, dy, shape, s.plain(), ConvStrategy::Direct)
        .unwrap_or_else(|error| panic!("the gradient of a convolution's weights cannot be launched: {error:?}"))
}

/// Whether one of the ways could be taken: `first` before all others.
fn launched(x: &CubeTensor, s: Conv3, first: Option<Strategy>, inputs: impl Fn() -> ConvolutionInputs) -> bool {
    let kind = kind(x);
    let kinds = || MatmulElems::from_globals(&MatmulGlobalElems { lhs: kind, rhs: kind, out: kind });
    let ways = WAYS.into_iter().map(|(algorithm, tile_kind)| Strategy::Inferred { algorithm, tile_kind });
    first.into_iter().chain(ways).any(|way| {
        let args = ConvolutionArgs { stride: s.stride, padding: s.padding, dilation: s.dilation };
        launch_ref::<3>(&way, &x.client, inputs(), args, kinds()).is_ok()
    })
}

fn binding(tensor: &CubeTensor) -> InputBinding {
    InputBinding::new(tensor.clone().binding(), kind(tensor))
}

/// Room for (A, C, spatial...), as (A, spatial..., C).
fn channels_last(shape: Shape, beside: &CubeTensor) -> CubeTensor {
    let last: Vec<usize> = [0, 2, 3, 4, 1].map(|axis| shape[axis]).to_vec();
    empty_device_contiguous_dtype(beside.client.clone(), beside.device.clone(), Shape::from(last), beside.dtype)
}
