//! Products of matrices, by a kernel that is not sought by trial: Burn would compile and time two dozen of them for every shape.

use super::taps;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::zspace::{Strides, metadata::Metadata};

/// Products of (..., M, K) and (..., K, N).
pub(super) fn product(a: CubeTensor, b: CubeTensor, result: DType) -> CubeTensor {
    launched(matmul(a, b, None, MatmulStrategy::Cube, result))
}

fn launched(product: Result<CubeTensor, impl std::fmt::Debug>) -> CubeTensor {
    product.unwrap_or_else(|error| panic!("a product cannot be launched: {error:?}"))
}

/// That of `of_rows`.
pub(super) fn shape(left: &Shape, right: &Shape, dtype: DType, [parts, _, wide]: [usize; 3], firsts: &[usize]) -> Shape {
    let channels = |shape: &Shape| shape[shape.num_dims() - 1];
    let (o, i) = (channels(left), channels(right));
    let parts = if on_tensor_cores(dtype, firsts, wide, o, i).is_some() { parts } else { wide * parts };
    Shape::from(vec![firsts.len(), parts, o, wide * i])
}

/// What our own kernel takes, as it takes it; mixed precision means a GPU that has bf16 in its tensor cores.
fn on_tensor_cores(dtype: DType, firsts: &[usize], wide: usize, outputs: usize, inputs: usize) -> Option<[usize; 2]> {
    taps::tiles(firsts.len(), wide, outputs, inputs).filter(|_| dtype == DType::BF16)
}

/// For each of `firsts` the products of parts of `length` rows of `left`, turned over, with the `wide` rows of `right` that begin so much further on. No rows are copied.
pub(super) fn of_rows(left: CubeTensor, right: CubeTensor, cut: [usize; 3], firsts: &[usize]) -> CubeTensor {
    let (left, right) = (into_contiguous(left), into_contiguous(right));
    let shape = shape(left.meta.shape(), right.meta.shape(), left.dtype, cut, firsts);
    let ([parts, length, wide], o, line) = (cut, shape[2], shape[3]);
    let (i, rows) = (line / wide, length / wide);
    let products = empty_device_contiguous_dtype(left.client.clone(), left.device.clone(), shape, DType::F32);
    if let Some(tiles) = on_tensor_cores(left.dtype, firsts, wide, o, i) {
        taps::launch(left, right, products.clone(), length, firsts, tiles);
        return products;
    }
    // a matrix whose rows overlap is none that a product takes: each `wide`-th row is one of another
    let begins = firsts.iter().flat_map(|first| (0..wide).map(move |begin| (begin, first + begin)));
    for (number, (begin, first)) in begins.enumerate() {
        let left = view(&left, begin * o, [parts, o, rows], [length * o, 1, wide * o]);
        let right = view(&right, first * i, [parts, rows, line], [length * i, line, 1]);
        let room = view(&products, number * parts * o * line, [parts, o, line], [o * line, line, 1]);
        launched(matmul(left, right, Some(room), MatmulStrategy::Cube, DType::F32));
    }
    products
}

/// The same memory from `first` on, with another shape and other steps.
fn view(tensor: &CubeTensor, first: usize, shape: [usize; 3], steps: [usize; 3]) -> CubeTensor {
    let handle = tensor.handle.clone().offset_start((first * tensor.dtype.size()) as u64);
    let meta = Metadata::new(Shape::from(shape.to_vec()), Strides::new(&steps));
    CubeTensor::new(tensor.client.clone(), handle, meta, tensor.device.clone(), tensor.dtype)
}
