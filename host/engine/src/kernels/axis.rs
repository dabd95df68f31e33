//! Which input voxels meet which kernel taps, along one axis.

use super::shape::ConvShape;

/// One axis of a convolution, or of its adjoint: outputs `to` gather from inputs `from` through kernel taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Voxels gathered from.
    pub(super) from: usize,
    /// Voxels gathered for.
    pub(super) to: usize,
    /// Kernel taps.
    pub(super) kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    adjoint: bool,
}

/// A kernel tap and the input voxel it meets, which may lie outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meeting {
    pub(super) tap: usize,
    pub(super) place: isize,
}

/// Every `step`-th output from `first` on, `count` of them: they meet the same taps, `advance` input voxels further each.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) first: usize,
    pub(super) step: usize,
    pub(super) count: usize,
    pub(super) advance: usize,
    /// Meetings of the first output, outside voxels included.
    pub(super) meetings: Vec<Meeting>,
}

impl Axis {
    /// The axes of the convolution.
    pub(super) fn forward(s: &ConvShape) -> [Self; 3] {
        let output = s.output();
        std::array::from_fn(|a| Self {
            from: s.input[a],
            to: output[a],
            kernel: s.kernel[a],
            stride: s.stride[a],
            padding: s.padding[a],
            dilation: s.dilation[a],
            adjoint: false,
        })
    }

    /// The axes of the convolution's adjoint, whose taps are counted from the kernel's end.
    pub(super) fn adjoint(s: &ConvShape) -> [Self; 3] {
        Self::forward(s).map(|axis| Self { from: axis.to, to: axis.from, adjoint: true, ..axis })
    }

    /// All taps that an output meets, in rising order of tap and place; outside voxels included.
    fn meetings(&self, output: usize) -> Vec<Meeting> {
        let (output, stride) = (output as isize, self.stride as isize);
        let meet = |tap: usize| {
            if self.adjoint {
                let reach = output + self.padding as isize - ((self.kernel - 1 - tap) * self.dilation) as isize;
                (reach.rem_euclid(stride) == 0).then(|| Meeting { tap, place: reach.div_euclid(stride) })
            } else {
                Some(Meeting { tap, place: output * stride + (tap * self.dilation) as isize - self.padding as isize })
            }
        };
        (0..self.kernel).filter_map(meet).collect()
    }

    /// For each output the taps and the voxels inside the input that it meets.
    pub(super) fn inside(&self) -> Vec<Vec<(usize, usize)>> {
        let inside = |m: Meeting| usize::try_from(m.place).ok().filter(|&place| place < self.from).map(|place| (m.tap, place));
        (0..self.to).map(|output| self.meetings(output).into_iter().filter_map(inside).collect()).collect()
    }

    /// The outputs by phase: one for a convolution, `stride` for its adjoint.
    pub(super) fn phases(&self) -> Vec<Phase> {
        let (step, advance) = if self.adjoint { (self.stride, 1) } else { (1, self.stride) };
        (0..step.min(self.to))
            .map(|first| Phase { first, step, count: (self.to - first).div_ceil(step), advance, meetings: self.meetings(first) })
            .collect()
    }

    /// How many zeros the phases read before and after the input.
    pub(super) fn halo(&self) -> [usize; 2] {
        let (mut before, mut after) = (0, 0);
        for phase in self.phases() {
            for meeting in phase.meetings {
                let last = meeting.place + ((phase.count - 1) * phase.advance) as isize;
                before = before.max(-meeting.place);
                after = after.max(last + 1 - self.from as isize);
            }
        }
        [before as usize, after as usize]
    }
}
