//! Residual blocks (He et al. 2016) with the skip of ResNet-D (He et al. 2019): pooling, then a convolution with kernel 1.

use super::Stage;
use plugin_api::{
    Params, Result, Tensor, bail,
    nn::{BatchNorm, BlockSpec, Conv, ConvBlock, InstanceNorm, Norm, NormKind},
};

/// `LeakyReLU(main(x) + skip(x))`. Names: `conv1`, `conv2`, `skip.0` or `skip.1` (behind the pooling).
struct ResidualBlock {
    first: ConvBlock,
    conv: Conv,
    norm: Norm,
    stride: Vec<usize>,
    projection: Option<ConvBlock>,
    slope: f64,
}

/// The norm that ends the main branch starts at zero: a new block is its skip alone.
fn zeroed_norm(p: &Params, channels: usize, b: &BlockSpec) -> Result<Norm> {
    Ok(match b.norm {
        NormKind::Instance => Norm::Instance(InstanceNorm::zeroed(p, channels, b.norm_eps)?),
        NormKind::Batch => Norm::Batch(BatchNorm::zeroed(p, channels, b.norm_eps, 0.1)?),
        NormKind::None => Norm::None,
        other => bail!("residual blocks take instance or batch normalisation, or none; arch_kwargs.norm_op of the plan says {other:?}"),
    })
}

impl ResidualBlock {
    fn new(p: &Params, input: usize, output: usize, kernel: &[usize], stride: &[usize], b: &BlockSpec) -> Result<Self> {
        let ones = vec![1; stride.len()];
        let first = ConvBlock::new(&p.at("conv1"), input, output, kernel, stride, b)?;
        let second = p.at("conv2");
        let conv = Conv::same(&second.at_each(&["conv", "all_modules.0"]), output, output, kernel, &ones, b.conv_bias)?;
        let norm = zeroed_norm(&second.at_each(&["norm", "all_modules.1"]), output, b)?;
        let bare = BlockSpec { conv_bias: false, dropout: 0.0, ..b.clone() };
        let place = p.at("skip").at(usize::from(stride != ones));
        let projection = (input != output).then(|| ConvBlock::new(&place, input, output, &ones, &ones, &bare)).transpose()?;
        Ok(Self { first, conv, norm, stride: stride.to_vec(), projection: projection.map(ConvBlock::linear), slope: b.slope })
    }

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let main = self.conv.forward(&self.first.forward(x));
        let main = self.norm.forward(&main);
        let mut skip = x.clone();
        if self.stride.iter().any(|&s| s != 1) {
            skip = skip.avg_pool(&self.stride, &self.stride, &vec![0; self.stride.len()], false, true);
        }
        if let Some(projection) = &self.projection {
            skip = projection.forward(&skip);
        }
        (main + skip).leaky_relu(self.slope)
    }
}

/// Residual blocks in a row; the first one has the stride and changes the channels. Names: `blocks.0`, `blocks.1`, ...
pub(super) struct ResidualStack(Vec<ResidualBlock>);

impl ResidualStack {
    /// `count` blocks from `input` to `output` channels.
    pub(super) fn new(p: &Params, count: usize, input: usize, output: usize, kernel: &[usize], stride: &[usize], b: &BlockSpec) -> Result<Self> {
        let ones = vec![1; stride.len()];
        let block = |i| {
            let (input, stride) = if i == 0 { (input, stride) } else { (output, &ones[..]) };
            ResidualBlock::new(&p.at("blocks").at(i), input, output, kernel, stride, b)
        };
        (0..count).map(block).collect::<Result<_>>().map(ResidualStack)
    }
}

impl Stage for ResidualStack {
    fn forward(&self, x: Tensor) -> Tensor {
        self.0.iter().fold(x, |x, block| block.forward(&x))
    }
}

/// Channels of all convolution outputs of such a stack; a skip with pooling or projection counts as one more.
pub(super) fn planning_channels(count: usize, input: usize, output: usize, stride: &[usize]) -> usize {
    let skip = input != output || stride.iter().any(|&s| s != 1);
    (2 * count + usize::from(skip && count > 0)) * output
}
