//! Products of rows on tensor cores: a plane of units keeps the sums of a line of taps, a cube those of all lines. What a step multiplies lies in shared memory, from
//! where the tensor cores take it turned over; the next step's is on its way meanwhile.

use burn_cubecl::tensor::CubeTensor;
use cubecl::cmma::{MatrixIdent, MmaDefinition};
use cubecl::prelude::*;
use half::bf16;

/// Rows and columns of a tile.
pub(super) const TILE: usize = 16;
/// Planes of a cube.
const LINES: usize = 9;
/// Tiles that a plane adds up.
const TILES: usize = 12;
/// Rows of a step.
const STEP: usize = 32;
/// Values that are copied at once: 16 bytes.
const PIECE: usize = 8;
/// Units of a plane.
const UNITS: usize = 32;

/// Tiles of outputs and of inputs that a plane takes for each tap, where this is the way to go.
pub(super) fn tiles(lines: usize, wide: usize, outputs: usize, inputs: usize) -> Option<[usize; 2]> {
    let each = [outputs, inputs].map(|channels| if channels.is_multiple_of(2 * TILE) { 2 } else { 1 });
    let fits = [outputs, inputs].iter().all(|channels| channels.is_multiple_of(TILE));
    (fits && lines <= LINES && wide * each[0] * each[1] <= TILES).then_some(each)
}

/// Of `gradient` (R, O) and `image` (R, I), bf16, the `products` (lines, parts, O, wide, I) of parts of `length` rows with those rows that begin `firsts` further on.
pub(super) fn launch(gradient: CubeTensor, image: CubeTensor, products: CubeTensor, length: usize, firsts: &[usize], [to, ti]: [usize; 2]) {
    let (shape, rows) = (products.meta.shape(), image.meta.shape());
    let (lines, parts, outputs, inputs) = (shape[0], shape[1], shape[2], *rows.last().unwrap_or(&1));
    let (wide, rows) = (shape[3] / inputs, rows.num_elements() / inputs);
    let firsts: Vec<u32> = firsts.iter().map(|&first| first as u32).collect();
    taps_kernel::launch(
        &gradient.client.clone(),
        CubeCount::Static(parts as u32, (outputs / (to * TILE)) as u32, (inputs / (ti * TILE)) as u32),
        CubeDim::new_2d(UNITS as u32, lines as u32),
        gradient.required_address_type().max(image.required_address_type()).max(products.required_address_type()),
        gradient.clone().into_buffer_arg(),
        image.clone().into_buffer_arg(),
        super::planes::table(&firsts, &gradient),
        products.into_buffer_arg(),
        rows,
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

/// `rows` of the image there are; a step beyond the part's `length` takes zeros for gradients.
#[cube(launch, address_type = "dynamic")]
fn taps_kernel(
    gradient: &[Vector<bf16, Const<8>>],
    image: &[Vector<bf16, Const<8>>],
    firsts: &[u32],
    products: &mut [f32],
    rows: usize,
    length: usize,
    parts: usize,
    outputs: usize,
    inputs: usize,
    #[comptime] lines: usize,
    #[comptime] wide: usize,
    #[comptime] to: usize,
    #[comptime] ti: usize,
) {
    let (lane, line) = (UNIT_POS_X as usize, UNIT_POS_Y as usize);
    let unit = line * UNITS + lane;
    let (part, output, input) = (CUBE_POS_X as usize, CUBE_POS_Y as usize * to * TILE, CUBE_POS_Z as usize * ti * TILE);
    let begin = part * length;
    let further = begin + firsts[line] as usize;

    // pieces of a row, rows of a line, and how many pieces each unit copies
    let across_g = comptime!(to * TILE / PIECE);
    let across_x = comptime!(ti * TILE / PIECE);
    let deep = comptime!(STEP + wide - 1);
    let count_g = comptime!((STEP * across_g).div_ceil(lines * UNITS));
    let count_x = comptime!((deep * across_x).div_ceil(UNITS));
    // a row is one piece longer than what it holds, so that eight rows lie in different banks
    let long_g = comptime!(across_g + 1);
    let long_x = comptime!(across_x + 1);
    let mut shared_g = Shared::<[Vector<bf16, Const<8>>]>::new_aligned_slice(comptime!(STEP * long_g), 16usize);
    let mut shared_x = Shared::<[Vector<bf16, Const<8>>]>::new_aligned_slice(comptime!(lines * deep * long_x), 16usize);
    let mut next_g = Array::<Vector<bf16, Const<8>>>::new(count_g);
    let mut next_x = Array::<Vector<bf16, Const<8>>>::new(count_x);

    let def = MmaDefinition::<bf16, bf16, f32>::new(16usize, 8usize, 16usize);
    let sums_count = comptime!(wide * to * ti * 2);
    let mut sums = Array::<Vector<f32, Const<2>>>::new(comptime!(2 * sums_count));
    #[unroll]
    for i in 0..comptime!(2 * sums_count) {
        sums[i] = Vector::zero();
    }

    let steps = length.div_ceil(STEP);
    for turn in 0..steps + 1 {
        // what was read in the turn before goes to shared memory once all have multiplied what lies there
        sync_cube();
        if turn > 0 {
            #[unroll]
            for n in 0..count_g {
                let piece = unit + n * lines * UNITS;
                if piece < STEP * across_g {
                    shared_g[piece / across_g * long_g + piece % across_g] = next_g[n];
                }
            }
            #[unroll]
            for n in 0..count_x {
                let piece = lane + n * UNITS;
                if piece < deep * across_x {
                    shared_x[(line * deep + piece / across_x) * long_x + piece % across_x] = next_x[n];
                }
            }
        }
        sync_cube();
        if turn < steps {
            #[unroll]
            for n in 0..count_g {
                let piece = unit + n * lines * UNITS;
                let row = turn * STEP + piece / across_g;
                let mut value = Vector::<bf16, Const<8>>::zero();
                if piece < STEP * across_g && row < length {
                    value = gradient[((begin + row) * outputs + output) / PIECE + piece % across_g];
                }
                next_g[n] = value;
            }
            #[unroll]
            for n in 0..count_x {
                let piece = lane + n * UNITS;
                let row = further + turn * STEP + piece / across_x;
                let mut value = Vector::<bf16, Const<8>>::zero();
                if piece < deep * across_x && row < rows {
                    value = image[(row * inputs + input) / PIECE + piece % across_x];
                }
                next_x[n] = value;
            }
        }
        if turn > 0 {
            // the row of eight by eight values that this unit names, and whether it is one of the further eight rows, or channels
            let (own, second, fourth) = (lane % 8, lane / 8 % 2, lane / 16);
            #[unroll]
            for k in 0..comptime!(STEP / TILE) {
                let mut lefts = Sequence::<Array<Vector<bf16, Const<2>>>>::new();
                #[unroll]
                for o in 0..to {
                    let at = (k * TILE + own + fourth * 8) * long_g + o * 2 + second;
                    lefts.push(def.load_matrix::<Vector<bf16, Const<8>>, Const<2>>(&shared_g[at..at + 1], MatrixIdent::A, 4usize, true));
                }
                #[unroll]
                for tap in 0..wide {
                    #[unroll]
                    for i in 0..ti {
                        let at = (line * deep + k * TILE + tap + own + second * 8) * long_x + i * 2 + fourth;
                        let both = def.load_matrix::<Vector<bf16, Const<8>>, Const<2>>(&shared_x[at..at + 1], MatrixIdent::B, 4usize, true);
                        #[unroll]
                        for half in 0..2 {
                            let mut right = Array::<Vector<bf16, Const<2>>>::new(2usize);
                            right[0] = both[comptime!(2 * half)];
                            right[1] = both[comptime!(2 * half + 1)];
                            #[unroll]
                            for o in 0..to {
                                let place = comptime!(2 * (((tap * ti + i) * 2 + half) * to + o));
                                let mut sum = Array::<Vector<f32, Const<2>>>::new(2usize);
                                sum[0] = sums[place];
                                sum[1] = sums[comptime!(place + 1)];
                                let new = def.execute(lefts.index(o), &right, &sum);
                                sums[place] = new[0];
                                sums[comptime!(place + 1)] = new[1];
                            }
                        }
                    }
                }
            }
        }
    }
    #[unroll]
    for tap in 0..wide {
        #[unroll]
        for i in 0..comptime!(ti * 2) {
            #[unroll]
            for o in 0..to {
                #[unroll]
                for half in 0..2 {
                    let place = comptime!(2 * ((tap * ti * 2 + i) * to + o) + half);
                    let row = output + o * TILE + half * 8 + lane / 4;
                    let at = (((line * parts + part) * outputs + row) * wide + tap) * inputs + input + i * 8 + lane % 4 * 2;
                    let sum = sums[place];
                    products[at] = sum.extract(0usize);
                    products[at + 1] = sum.extract(1usize);
                }
            }
        }
    }
}
