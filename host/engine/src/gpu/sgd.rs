//! A step of SGD, one pass over a parameter. The norm of all gradients, which clips them, is on the device too, so that nobody waits for it.

use crate::kernels::Sgd;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

const UNITS: usize = 256;

/// [`Sgd`], and the norm that gradients are clipped to.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Settings {
    clip: f32,
    factor: f32,
    lr: f32,
    momentum: f32,
    weight_decay: f32,
}

/// The new weights and the new momentum. `squares` holds the sum of squares of all gradients; where it is not finite nothing changes.
pub(super) fn step(w: CubeTensor, g: CubeTensor, momentum: CubeTensor, squares: CubeTensor, sgd: Sgd, clip: f32) -> (CubeTensor, CubeTensor) {
    let [w, g, momentum] = [w, g, momentum].map(into_contiguous);
    let room = || empty_device_contiguous_dtype(w.client.clone(), w.device.clone(), w.meta.shape().clone(), w.dtype);
    let (new_w, new_momentum) = (room(), room());
    let count = w.meta.shape().num_elements();
    step_kernel::launch(
        &w.client,
        super::in_rows(count, UNITS),
        CubeDim::new_1d(UNITS as u32),
        w.required_address_type(),
        w.clone().into_buffer_arg(),
        g.into_buffer_arg(),
        momentum.into_buffer_arg(),
        squares.into_buffer_arg(),
        new_w.clone().into_buffer_arg(),
        new_momentum.clone().into_buffer_arg(),
        SettingsLaunch::new(clip, sgd.factor, sgd.lr, sgd.momentum, sgd.weight_decay),
        count,
        sgd.nesterov,
    );
    (new_w, new_momentum)
}

#[cube(launch, address_type = "dynamic")]
fn step_kernel(
    w: &[f32],
    g: &[f32],
    momentum: &[f32],
    squares: &[f32],
    new_w: &mut [f32],
    new_momentum: &mut [f32],
    s: Settings,
    count: usize,
    #[comptime] nesterov: bool,
) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let norm = squares[0].sqrt();
    let mut weight = w[at];
    let mut buffer = momentum[at];
    if norm <= f32::MAX {
        let factor = s.factor * clamp_max(s.clip / (norm + 1e-6), 1.0);
        let gradient = factor * g[at] + s.weight_decay * weight;
        buffer = s.momentum * buffer + gradient;
        let mut direction = buffer;
        if comptime!(nesterov) {
            direction = gradient + s.momentum * buffer;
        }
        weight -= s.lr * direction;
    }
    new_w[at] = weight;
    new_momentum[at] = buffer;
}
