//! Pooling over windows that the host lists, fixed or adaptive alike: a unit makes one value. The way back gathers from the windows that hold a voxel.

use super::planes::{Planes, Steps, table};
use super::resized;
use crate::kernels::{Window, Windows};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Lengths of the two sides.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sides {
    channels: usize,
    from_h: usize,
    from_w: usize,
    to_d: usize,
    to_h: usize,
    to_w: usize,
}

/// What a unit works on.
#[derive(CubeType, Clone, Copy)]
struct Place {
    image: usize,
    channel: usize,
    voxel: usize,
    d: usize,
    h: usize,
    w: usize,
}

/// The place of a value of the side `to`, in the order in which the results lie.
#[cube]
fn place(at: usize, s: &Sides, #[comptime] channels_last: bool) -> Place {
    let voxels = s.to_d * s.to_h * s.to_w;
    let (plane, voxel) = if comptime!(channels_last) {
        (at / (voxels * s.channels) * s.channels + at % s.channels, at / s.channels % voxels)
    } else {
        (at / voxels, at % voxels)
    };
    Place {
        image: plane / s.channels,
        channel: plane % s.channels,
        voxel,
        d: voxel / (s.to_h * s.to_w),
        h: voxel / s.to_w % s.to_h,
        w: voxel % s.to_w,
    }
}

#[cube]
fn base(p: &Place, steps: &Steps) -> usize {
    p.image * steps.image + p.channel * steps.channel
}

/// The windows along (D, H, W) as [start, end, voxels that count].
#[cube(launch, address_type = "dynamic")]
fn max_kernel(x: &[f32], windows: &[u32], y: &mut [f32], places: &mut [i32], steps: Steps, s: Sides, units: usize, #[comptime] channels_last: bool) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let p = place(ABSOLUTE_POS, &s, channels_last);
    let (d, h, w) = (3 * p.d, 3 * (s.to_d + p.h), 3 * (s.to_d + s.to_h + p.w));
    let base = base(&p, &steps);
    let mut at = (windows[d] as usize * s.from_h + windows[h] as usize) * s.from_w + windows[w] as usize;
    let mut best = x[base + at * steps.voxel];
    for z in windows[d] as usize..windows[d + 1] as usize {
        for y in windows[h] as usize..windows[h + 1] as usize {
            for v in windows[w] as usize..windows[w + 1] as usize {
                let here = (z * s.from_h + y) * s.from_w + v;
                let value = x[base + here * steps.voxel];
                if value > best || value.is_nan() {
                    best = value;
                    at = here;
                }
            }
        }
    }
    y[ABSOLUTE_POS] = best;
    places[ABSOLUTE_POS] = at as i32;
}

#[cube(launch, address_type = "dynamic")]
fn average_kernel(x: &[f32], windows: &[u32], y: &mut [f32], steps: Steps, s: Sides, units: usize, #[comptime] channels_last: bool) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let p = place(ABSOLUTE_POS, &s, channels_last);
    let (d, h, w) = (3 * p.d, 3 * (s.to_d + p.h), 3 * (s.to_d + s.to_h + p.w));
    let base = base(&p, &steps);
    let mut total = 0f32;
    for z in windows[d] as usize..windows[d + 1] as usize {
        for y in windows[h] as usize..windows[h + 1] as usize {
            for v in windows[w] as usize..windows[w + 1] as usize {
                total += x[base + ((z * s.from_h + y) * s.from_w + v) * steps.voxel];
            }
        }
    }
    y[ABSOLUTE_POS] = total / f32::cast_from(windows[d + 2] * windows[h + 2] * windows[w + 2]);
}

/// Here `to` is the input's side; `holders` are the first window that holds a voxel and the one behind the last.
#[cube(launch, address_type = "dynamic")]
fn max_grad_kernel(
    dy: &[f32],
    places: &[i32],
    holders: &[u32],
    dx: &mut [f32],
    dy_steps: Steps,
    place_steps: Steps,
    s: Sides,
    units: usize,
    #[comptime] channels_last: bool,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let p = place(ABSOLUTE_POS, &s, channels_last);
    let (d, h, w) = (2 * p.d, 2 * (s.to_d + p.h), 2 * (s.to_d + s.to_h + p.w));
    let (dy_base, place_base) = (base(&p, &dy_steps), base(&p, &place_steps));
    let mut total = 0f32;
    for z in holders[d] as usize..holders[d + 1] as usize {
        for y in holders[h] as usize..holders[h + 1] as usize {
            for v in holders[w] as usize..holders[w + 1] as usize {
                let window = (z * s.from_h + y) * s.from_w + v;
                if places[place_base + window * place_steps.voxel] as usize == p.voxel {
                    total += dy[dy_base + window * dy_steps.voxel];
                }
            }
        }
    }
    dx[ABSOLUTE_POS] = total;
}

/// `counts` are the voxels that count in each window, axis after axis.
#[cube(launch, address_type = "dynamic")]
fn average_grad_kernel(
    dy: &[f32],
    holders: &[u32],
    counts: &[u32],
    dx: &mut [f32],
    steps: Steps,
    s: Sides,
    from_d: usize,
    units: usize,
    #[comptime] channels_last: bool,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let p = place(ABSOLUTE_POS, &s, channels_last);
    let (d, h, w) = (2 * p.d, 2 * (s.to_d + p.h), 2 * (s.to_d + s.to_h + p.w));
    let base = base(&p, &steps);
    let mut total = 0f32;
    for z in holders[d] as usize..holders[d + 1] as usize {
        for y in holders[h] as usize..holders[h + 1] as usize {
            for v in holders[w] as usize..holders[w + 1] as usize {
                let share = dy[base + ((z * s.from_h + y) * s.from_w + v) * steps.voxel];
                total += share / f32::cast_from(counts[z] * counts[from_d + y] * counts[from_d + s.from_h + v]);
            }
        }
    }
    dx[ABSOLUTE_POS] = total;
}

/// Axis after axis, each window's first voxel, the one behind its last, and how many count in an average.
fn listed(windows: &Windows, count_padding: bool) -> Vec<u32> {
    let counted = |w: &Window| if count_padding { w.padded } else { w.inside.len() }.max(1);
    windows.axes.iter().flatten().flat_map(|w| [w.inside.start, w.inside.end, counted(w)]).map(|n| n as u32).collect()
}

/// Axis after axis, for each voxel of the input the first window that may hold it and the one behind the last.
fn holders(windows: &Windows) -> Vec<u32> {
    let of_axis = |(windows, &input): (&Vec<Window>, &usize)| -> Vec<[usize; 2]> {
        let holders = |voxel: usize| {
            let first = windows.partition_point(|w| w.inside.end <= voxel);
            [first, windows.partition_point(|w| w.inside.start <= voxel).max(first)]
        };
        (0..input).map(holders).collect()
    };
    windows.axes.iter().zip(&windows.input).flat_map(of_axis).flatten().map(|n| n as u32).collect()
}

fn sides(channels: usize, from: [usize; 3], to: [usize; 3]) -> SidesLaunch {
    SidesLaunch::new(channels, from[1], from[2], to[0], to[1], to[2])
}

/// Cubes for one unit a value.
fn cubes(of: &CubeTensor) -> (CubeCount, CubeDim, usize) {
    let units = of.meta.shape().num_elements();
    let dim = CubeDim::new(&of.client, units);
    (calculate_cube_count_elemwise(&of.client, units, dim), dim, units)
}

pub(super) fn max(x: CubeTensor, windows: &Windows) -> (CubeTensor, CubeTensor) {
    let x = Planes::of(x);
    let shape = resized(x.tensor.meta.shape(), windows.output());
    let (y, places) = (x.like(shape.clone(), DType::F32), x.like(shape, DType::I32));
    let (count, dim, units) = cubes(&y);
    max_kernel::launch(
        &y.client,
        count,
        dim,
        x.addresses(),
        x.arg(),
        table(&listed(windows, false), &y),
        y.clone().into_buffer_arg(),
        places.clone().into_buffer_arg(),
        x.steps(),
        sides(x.channels, windows.input, windows.output()),
        units,
        x.channels_last(),
    );
    (y, places)
}

pub(super) fn average(x: CubeTensor, windows: &Windows, count_padding: bool) -> CubeTensor {
    let x = Planes::of(x);
    let y = x.like(resized(x.tensor.meta.shape(), windows.output()), DType::F32);
    let (count, dim, units) = cubes(&y);
    average_kernel::launch(
        &y.client,
        count,
        dim,
        x.addresses(),
        x.arg(),
        table(&listed(windows, count_padding), &y),
        y.clone().into_buffer_arg(),
        x.steps(),
        sides(x.channels, windows.input, windows.output()),
        units,
        x.channels_last(),
    );
    y
}

pub(super) fn max_grad(dy: CubeTensor, places: CubeTensor, windows: &Windows) -> CubeTensor {
    let (dy, places) = (Planes::of(dy), Planes::of(places));
    let dx = dy.like(resized(dy.tensor.meta.shape(), windows.input), DType::F32);
    let (count, dim, units) = cubes(&dx);
    max_grad_kernel::launch(
        &dx.client,
        count,
        dim,
        dx.required_address_type(),
        dy.arg(),
        places.arg(),
        table(&holders(windows), &dx),
        dx.clone().into_buffer_arg(),
        dy.steps(),
        places.steps(),
        sides(dy.channels, windows.output(), windows.input),
        units,
        dy.channels_last(),
    );
    dx
}

pub(super) fn average_grad(dy: CubeTensor, windows: &Windows, count_padding: bool) -> CubeTensor {
    let dy = Planes::of(dy);
    let dx = dy.like(resized(dy.tensor.meta.shape(), windows.input), DType::F32);
    let (count, dim, units) = cubes(&dx);
    let counts: Vec<u32> = listed(windows, count_padding).chunks_exact(3).map(|window| window[2]).collect();
    average_grad_kernel::launch(
        &dx.client,
        count,
        dim,
        dx.required_address_type(),
        dy.arg(),
        table(&holders(windows), &dx),
        table(&counts, &dx),
        dx.clone().into_buffer_arg(),
        dy.steps(),
        sides(dy.channels, windows.output(), windows.input),
        windows.output()[0],
        units,
        dy.channels_last(),
    );
    dx
}
