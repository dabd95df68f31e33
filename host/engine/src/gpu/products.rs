//! Products of matrices, by a kernel that is not sought by trial: Burn would compile and time two dozen of them for every shape.

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
pub(super) fn shape(left: &Shape, right: &Shape, parts: usize, firsts: &[usize]) -> Shape {
    let channels = |shape: &Shape| shape[shape.num_dims() - 1];
    Shape::from(vec![firsts.len(), parts, channels(left), channels(right)])
}

/// For each of `firsts` the products of parts of the rows of `left`, turned over, with those rows of `right` that are so much further on. No rows are copied.
pub(super) fn of_rows(left: CubeTensor, right: CubeTensor, [parts, length]: [usize; 2], firsts: &[usize]) -> CubeTensor {
    let (left, right) = (into_contiguous(left), into_contiguous(right));
    let shape = shape(left.meta.shape(), right.meta.shape(), parts, firsts);
    let (o, i) = (shape[2], shape[3]);
    let products = empty_device_contiguous_dtype(left.client.clone(), left.device.clone(), shape, DType::F32);
    let left = view(&left, 0, [parts, o, length], [length * o, 1, o]);
    for (number, first) in firsts.iter().enumerate() {
        let right = view(&right, first * i, [parts, length, i], [length * i, i, 1]);
        let room = view(&products, number * parts * o * i, [parts, o, i], [o * i, i, 1]);
        launched(matmul(left.clone(), right, Some(room), MatmulStrategy::Cube, DType::F32));
    }
    products
}

/// The same memory from `first` on, with another shape and other steps.
fn view(tensor: &CubeTensor, first: usize, shape: [usize; 3], steps: [usize; 3]) -> CubeTensor {
    let handle = tensor.handle.clone().offset_start((first * tensor.dtype.size()) as u64);
    let meta = Metadata::new(Shape::from(shape.to_vec()), Strides::new(&steps));
    CubeTensor::new(tensor.client.clone(), handle, meta, tensor.device.clone(), tensor.dtype)
}
