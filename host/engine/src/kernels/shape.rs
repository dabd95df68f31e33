//! What a convolution is asked to do.

/// A convolution: (B, I, input) -> (B, O, output) with weights (O, I / groups, kernel). Axes are (D, H, W).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// B.
    pub batch: usize,
    /// I, a multiple of `groups`.
    pub input_channels: usize,
    /// O, a multiple of `groups`.
    pub output_channels: usize,
    /// Voxels of the input.
    pub input: [usize; 3],
    /// Voxels of the kernel.
    pub kernel: [usize; 3],
    /// Input voxels between neighbouring outputs.
    pub stride: [usize; 3],
    /// Zeros added on both sides of the input.
    pub padding: [usize; 3],
    /// Input voxels between neighbouring kernel taps.
    pub dilation: [usize; 3],
    /// Channels are convolved in this many separate groups.
    pub groups: usize,
}

impl ConvShape {
    /// Voxels of the output: `(input + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, and 0 where the kernel does not fit.
    pub fn output(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let padded = self.input[axis] + 2 * self.padding[axis];
            if padded < reach { 0 } else { (padded - reach) / self.stride[axis] + 1 }
        })
    }

    /// Values of the input.
    pub(super) fn input_len(&self) -> usize {
        self.batch * self.input_channels * volume(self.input)
    }

    /// Values of the output.
    pub(super) fn output_len(&self) -> usize {
        self.batch * self.output_channels * volume(self.output())
    }

    /// Values of the weights.
    pub(super) fn weight_len(&self) -> usize {
        self.output_channels * self.group_inputs() * volume(self.kernel)
    }

    /// Input channels of one group.
    pub(super) fn group_inputs(&self) -> usize {
        self.input_channels / self.groups
    }

    /// Output channels of one group.
    pub(super) fn group_outputs(&self) -> usize {
        self.output_channels / self.groups
    }
}

/// Voxels of a box.
pub(super) fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}
