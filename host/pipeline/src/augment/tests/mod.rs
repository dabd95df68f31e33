//! What the transforms promise, each by itself and all together.

mod bench;
mod intensity;
mod labels;
mod pipeline;
mod plugged;
mod space;
mod strong;

use super::{Sample, Source, Stream};
use ndarray::Array4;

/// A sample of `shape` with noise in each of two channels and labels -1, 0, 1, 2 in boxes.
fn noisy(shape: [usize; 3], seed: u64) -> Sample {
    let [d, h, w] = shape;
    let mut data = vec![0.0; 2 * d * h * w];
    Stream::new(seed, &[9]).fill_normal(&mut data, 1.5);
    let data = Array4::from_shape_vec((2, d, h, w), data).unwrap();
    let seg = Array4::from_shape_fn((1, d, h, w), |(_, z, y, x)| if z == 0 { -1 } else { ((y * 2 / h) + (x * 2 / w)) as i16 });
    Sample { data, seg }
}

/// All of `sample` as a source.
fn source(sample: &Sample) -> Source<'_> {
    let shape = sample.spatial();
    let seg = sample.seg.outer_iter().map(|s| s.to_slice().unwrap()).collect();
    Source { data: sample.data.as_slice().unwrap(), seg, shape, start: [0; 3], size: shape }
}

/// Whether `hits` of `n` is what an event of probability `p` gives, within 4.5 standard deviations.
fn likely(hits: usize, n: usize, p: f64) -> bool {
    (hits as f64 - n as f64 * p).abs() < 4.5 * (n as f64 * p * (1.0 - p)).sqrt()
}
