//! Products of rows on tensor cores: a plane of units keeps the sums of a line of taps, a cube those of all lines, so that each row comes from memory once
//! for a block of channels.

use burn_cubecl::tensor::CubeTensor;
use cubecl::cmma;
use cubecl::prelude::*;
use half::bf16;

/// Rows and columns of a tile.
pub(super) const TILE: usize = 16;
/// Planes of a cube.
const LINES: usize = 9;
/// Tiles that a plane adds up.
const TILES: usize = 12;

/// Tiles of outputs and of inputs that a plane takes for each tap, where this is the way to go.
pub(super) fn tiles(lines: usize, wide: usize, outputs: usize, inputs: usize) -> Option<[usize; 2]> {
    let each = [outputs, inputs].map(|channels| if channels.is_multiple_of(2 * TILE) { 2 } else { 1 });
    let fits = [outputs, inputs].iter().all(|channels| channels.is_multiple_of(TILE));
    (fits && lines <= LINES && wide * each[0] * each[1] <= TILES).then_some(each)
}

/// Of `gradient` (R, O) and `image` (R, I), bf16, the `products` (lines, parts, O, wide, I) of parts of `length` rows with those rows that begin `firsts` further on.
pub(super) fn launch(gradient: CubeTensor, image: CubeTensor, products: CubeTensor, length: usize, firsts: &[usize], [to, ti]: [usize; 2]) {
    let shape = products.meta.shape();
    let (lines, parts, outputs, inputs) = (shape[0], shape[1], shape[2], *image.meta.shape().last().unwrap_or(&1));
    let wide = shape[3] / inputs;
    let firsts: Vec<u32> = firsts.iter().map(|&first| first as u32).collect();
    taps_kernel::launch(
        &gradient.client.clone(),
        CubeCount::Static(parts as u32, (outputs / (to * TILE)) as u32, (inputs / (ti * TILE)) as u32),
        CubeDim::new_2d(32, lines as u32),
        gradient.required_address_type().max(image.required_address_type()).max(products.required_address_type()),
        gradient.clone().into_buffer_arg(),
        image.clone().into_buffer_arg(),
        super::planes::table(&firsts, &gradient),
        products.into_buffer_arg(),
        length,
        parts,
        outputs,
        inputs,
        lines,
        wide,
        to,
        ti,
    );
}

#[cube(launch, address_type = "dynamic")]
fn taps_kernel(
    gradient: &[bf16],
    image: &[bf16],
    firsts: &[u32],
    products: &mut [f32],
    length: usize,
    parts: usize,
    outputs: usize,
    inputs: usize,
    lines: usize,
    #[comptime] wide: usize,
    #[comptime] to: usize,
    #[comptime] ti: usize,
) {
    let (part, line) = (CUBE_POS_X as usize, UNIT_POS_Y as usize);
    let (output, input) = (CUBE_POS_Y as usize * to * TILE, CUBE_POS_Z as usize * ti * TILE);
    if line >= lines {
        terminate!();
    }
    let begin = part * length;
    let further = firsts[line] as usize;
    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(wide * to * ti) {
        sums.push(cmma::Matrix::<f32>::from_value(cmma::MatrixIdent::Accumulator, 16usize, 16usize, 16usize, cmma::MatrixLayout::Undefined, 0.0));
    }
    for step in 0..length / TILE {
        let row = begin + step * TILE;
        let mut left = Sequence::<cmma::Matrix<bf16>>::new();
        #[unroll]
        for o in 0..to {
            let at = row * outputs + output + o * TILE;
            left.push(cmma::Matrix::<bf16>::from_slice(
                cmma::MatrixIdent::A,
                16usize,
                16usize,
                16usize,
                cmma::MatrixLayout::ColMajor,
                &gradient[at..gradient.len()],
                outputs as u32,
            ));
        }
        #[unroll]
        for tap in 0..wide {
            #[unroll]
            for i in 0..ti {
                let at = (row + further + tap) * inputs + input + i * TILE;
                let right = cmma::Matrix::<bf16>::from_slice(
                    cmma::MatrixIdent::B,
                    16usize,
                    16usize,
                    16usize,
                    cmma::MatrixLayout::RowMajor,
                    &image[at..image.len()],
                    inputs as u32,
                );
                #[unroll]
                for o in 0..to {
                    let sum = sums.index(comptime!((tap * ti + i) * to + o));
                    cmma::execute(left.index(o), &right, sum, sum);
                }
            }
        }
    }
    #[unroll]
    for tap in 0..wide {
        #[unroll]
        for i in 0..ti {
            #[unroll]
            for o in 0..to {
                let at = (((line * parts + part) * outputs + output + o * TILE) * wide + tap) * inputs + input + i * TILE;
                let end = products.len();
                cmma::store(
                    &mut products[at..end],
                    sums.index(comptime!((tap * ti + i) * to + o)),
                    (wide * inputs) as u32,
                    cmma::MatrixLayout::RowMajor,
                );
            }
        }
    }
}
