use super::{Sample, Stream, Transform};
use ndarray::{Array4, Axis};

/// Turns by 0, 90, 180 or 270 degrees in the plane of two of the axes, drawn anew each time.
#[derive(Clone, Debug)]
pub struct QuarterTurn {
    /// Axes of (D, H, W), two at least, all of the same length.
    pub axes: Vec<usize>,
}

impl Transform for QuarterTurn {
    fn name(&self) -> &'static str {
        "quarter turn"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let quarters = rng.below(4);
        let mut axes = self.axes.clone();
        rng.shuffle(&mut axes);
        if let [a, b, ..] = axes[..] {
            turn(&mut sample.data, quarters, a.min(b) + 1, a.max(b) + 1);
            turn(&mut sample.seg, quarters, a.min(b) + 1, a.max(b) + 1);
        }
    }
}

/// A quarter is an exchange of both axes and a mirroring of the first.
fn turn<T>(array: &mut Array4<T>, quarters: usize, a: usize, b: usize) {
    for _ in 0..quarters {
        array.swap_axes(a, b);
        array.invert_axis(Axis(a));
    }
}

/// The axes in another order, each order as likely.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// Axes of (D, H, W) that change places, all of the same length.
    pub axes: Vec<usize>,
}

impl Transform for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let mut shuffled = self.axes.clone();
        rng.shuffle(&mut shuffled);
        let mut order = [0, 1, 2, 3];
        for (&to, &from) in self.axes.iter().zip(&shuffled) {
            order[to + 1] = from + 1;
        }
        sample.data = std::mem::take(&mut sample.data).permuted_axes(order);
        sample.seg = std::mem::take(&mut sample.seg).permuted_axes(order);
    }
}
