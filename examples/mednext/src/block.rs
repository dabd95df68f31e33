//! The block: depthwise convolution, group norm with a group a channel, 1x1 to more channels, GELU, 1x1 back.

use plugin_api::{ConvSettings, Init, Param, Params, Result, Tensor, nn::Conv};

/// How the resolution changes, by a stride an axis each.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    None,
    Down(Vec<usize>),
    Up(Vec<usize>),
}

/// What is the same for all blocks of a stage.
pub(crate) struct Shape<'a> {
    /// An axis each.
    pub(crate) kernel: &'a [usize],
    /// The inner layer has as many times the input's channels.
    pub(crate) expansion: usize,
}

/// A block, its residual included.
pub(crate) struct Block {
    depthwise: (Param, Param),
    kernel: Vec<usize>,
    channels: usize,
    change: Change,
    norm: (Param, Param),
    widen: Conv,
    narrow: Conv,
    /// The 1x1 convolution beside a block that changes the resolution.
    residual: Option<(Param, Param)>,
}

impl Block {
    /// From `input` to `output` channels; they differ only where the resolution changes.
    pub(crate) fn new(p: &Params, input: usize, output: usize, shape: &Shape<'_>, change: Change) -> Result<Self> {
        let (dims, wide) = (shape.kernel.len(), shape.expansion * input);
        let pair = |p: &Params, weight: &[usize], init, channels| {
            Ok::<_, plugin_api::Error>((p.param("weight", weight, init)?, p.param("bias", &[channels], Init::ZEROS)?))
        };
        let depthwise: Vec<usize> = [input, 1].iter().chain(shape.kernel).copied().collect();
        let first_two = if matches!(change, Change::Up(_)) { [input, output] } else { [output, input] };
        let pointwise: Vec<usize> = first_two.iter().copied().chain(std::iter::repeat_n(1, dims)).collect();
        let beside = !matches!(change, Change::None);
        Ok(Self {
            depthwise: pair(&p.at("conv1"), &depthwise, Init::HE, input)?,
            kernel: shape.kernel.to_vec(),
            channels: input,
            norm: pair(&p.at("norm"), &[input], Init::ONES, input)?,
            widen: Conv::pointwise(&p.at("conv2"), input, wide, dims, true)?,
            narrow: Conv::pointwise(&p.at("conv3"), wide, output, dims, true)?,
            residual: beside.then(|| pair(&p.at("res_conv"), &pointwise, Init::HE, output)).transpose()?,
            change,
        })
    }

    /// (B, I, spatial...) to (B, O, spatial'...).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let y = convolve(x, self.depthwise, &self.kernel, self.channels, &self.change);
        let (scale, shift) = (self.norm.0.tensor(), self.norm.1.tensor());
        let y = y.group_norm(self.channels, Some((&scale, &shift)), 1e-5);
        let y = self.narrow.forward(&self.widen.forward(&y).gelu());
        match self.residual {
            Some(weights) => y + convolve(x, weights, &vec![1; self.kernel.len()], 1, &self.change),
            None => y + x,
        }
    }
}

/// A convolution that keeps, divides or multiplies the size.
fn convolve(x: &Tensor, (weight, bias): (Param, Param), kernel: &[usize], groups: usize, change: &Change) -> Tensor {
    let (weight, bias) = (weight.tensor(), bias.tensor());
    let with = |stride: &[usize]| ConvSettings { stride: stride.to_vec(), groups, ..ConvSettings::same(kernel) };
    match change {
        Change::None => x.conv(&weight, Some(&bias), &ConvSettings { groups, ..ConvSettings::same(kernel) }),
        Change::Down(stride) => x.conv(&weight, Some(&bias), &with(stride)),
        // of (n - 1) stride + 1 voxels those at the end are missing
        Change::Up(stride) => {
            let missing: Vec<usize> = stride.iter().map(|s| s - 1).collect();
            x.conv_transpose(&weight, Some(&bias), &with(stride), &missing)
        }
    }
}
