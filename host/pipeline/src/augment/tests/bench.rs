//! `cargo test --release -p pipeline bench -- --ignored --nocapture` prints milliseconds of one core
//! a sample (Linux).

use super::super::spatial::{Nearest, crop, resample, rotation};
use super::super::*;
use std::hint::black_box;

/// Time that this thread has computed, which other work on the machine does not lengthen as it does the wall clock's.
fn computed() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1e-6
}

fn milliseconds<T>(repeats: u64, mut work: impl FnMut(u64) -> T) -> f64 {
    black_box(work(u64::MAX));
    let start = computed();
    (0..repeats).for_each(|i| drop(black_box(work(i))));
    (computed() - start) / repeats as f64
}

fn report(patch: &[usize], image: [usize; 3], repeats: u64) {
    let found = rules(patch, &Wishes::default());
    let spec = AugmentSpec {
        patch: patch.to_vec(),
        rotation: found.rotation,
        dummy_2d: found.dummy_2d,
        mirror_axes: found.mirror_axes,
        heads: (0..4).map(|level| patch.iter().map(|side| side >> level).collect()).collect(),
        ..AugmentSpec::default()
    };
    let pipeline = Pipeline::training(&spec).unwrap();
    let n: usize = image.iter().product();
    let mut data = vec![0.0; n];
    Stream::new(0, &[]).fill_normal(&mut data, 1.0);
    let inside = |i: usize| {
        let at = [i / (image[1] * image[2]), i / image[2] % image[1], i % image[2]];
        (0..3).map(|k| ((2 * at[k]) as f64 / image[k] as f64 - 1.0).powi(2)).sum::<f64>().sqrt()
    };
    let seg: Vec<i16> = (0..n).map(|i| if inside(i) < 0.4 { 1 } else { i16::from(inside(i) < 0.6) * 2 }).collect();
    let size = volume_shape(&found.initial_patch).unwrap();
    let start = [0, 1, 2].map(|k| (image[k] as isize - size[k] as isize) / 2);
    let source = Source { data: &data, seg: vec![&seg], shape: image, start, size };
    let mean = milliseconds(repeats, |draw| pipeline.apply(&source, &Stream::new(7, &[draw])).unwrap());
    println!("patch {patch:?} from {:?}: {mean:.2} ms a sample", found.initial_patch);
    let shape = pipeline.patch();
    let turn = milliseconds(repeats / 8, |_| resample(&source, shape, &rotation(0, 0.3), Nearest::default()));
    println!("  rotation {turn:.2} ms, crop {:.2} ms", milliseconds(repeats / 8, |_| crop(&source, shape)));
    let sample = crop(&source, shape);
    let steps: [&dyn Transform; 7] = [
        &GaussianNoise { sigma: (0.0, 0.1) },
        &GaussianBlur { sigma: (0.5, 1.0), p_channel: 1.0, one_sigma: false },
        &Brightness { range: (0.75, 1.25) },
        &Contrast::within((0.75, 1.25)),
        &LowResolution { scale: (0.5, 0.9), p_channel: 1.0, planar: false },
        &Gamma { range: (0.7, 1.5), inverted: true },
        &Mirror { axes: vec![0, 1, 2] },
    ];
    for step in steps {
        let mut sample = sample.clone();
        let time = milliseconds(repeats / 8, |draw| step.apply(&mut sample, &mut Stream::new(1, &[draw])));
        println!("  {} {time:.2} ms", step.name());
    }
}

#[test]
#[ignore = "a measurement"]
fn bench() {
    report(&[40, 56, 40], [40, 56, 40], 800);
    report(&[128, 128, 128], [200, 200, 200], 40);
    report(&[512, 512], [1, 512, 512], 200);
}
