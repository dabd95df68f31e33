use super::super::*;
use super::{likely, noisy, source};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) fn spec() -> AugmentSpec {
    AugmentSpec {
        patch: vec![6, 8, 10],
        rotation: (-0.5, 0.5),
        mirror_axes: vec![0, 1, 2],
        use_mask_for_norm: vec![true, false],
        heads: vec![vec![6, 8, 10], vec![3, 4, 5]],
        ..AugmentSpec::default()
    }
}

#[test]
fn the_steps_are_nnunets() {
    let cascade = AugmentSpec { cascade_labels: Some(vec![1, 2]), regions: Some(vec![vec![1, 2], vec![1]]), ..spec() };
    let training: Vec<_> = Pipeline::training(&cascade).unwrap().steps().collect();
    let wanted = [
        ("gaussian noise", 0.1),
        ("gaussian blur", 0.2),
        ("brightness", 0.15),
        ("contrast", 0.15),
        ("low resolution", 0.25),
        ("gamma of the inverted image", 0.1),
        ("gamma", 0.3),
        ("mirror", 1.0),
        ("mask outside", 1.0),
        ("background", 1.0),
        ("previous stage", 1.0),
        ("random morphology", 0.4),
        ("remove component", 0.2),
        ("regions", 1.0),
    ];
    assert_eq!(training, wanted);
    let validation: Vec<_> = Pipeline::validation(&cascade).unwrap().steps().map(|step| step.0).collect();
    assert_eq!(validation, ["background", "previous stage", "regions"]);
}

struct Count(Arc<AtomicUsize>);

impl Transform for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn apply(&self, _: &mut Sample, _: &mut Stream) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn steps_happen_with_their_probability() {
    let small = AugmentSpec { patch: vec![2, 2, 2], heads: vec![vec![2, 2, 2]], use_mask_for_norm: vec![], ..spec() };
    let mut pipeline = Pipeline::validation(&small).unwrap();
    let counts: Vec<_> = [0.1, 0.3, 1.0, 0.0].map(|p| (p, Arc::new(AtomicUsize::new(0)))).into();
    counts.iter().for_each(|(p, count)| pipeline.add(*p, Count(count.clone())));
    let sample = noisy([2, 2, 2], 0);
    let n = 10_000;
    (0..n).for_each(|draw| drop(pipeline.apply(&source(&sample), &Stream::new(1, &[draw])).unwrap()));
    for (p, count) in counts {
        let hits = count.load(Ordering::Relaxed);
        assert!(likely(hits, n as usize, p) || hits as f64 == n as f64 * p, "{p}: {hits}");
    }
}

#[test]
fn each_axis_is_mirrored_half_the_time() {
    let sample = noisy([2, 2, 2], 0);
    let n = 8000;
    let mut seen = [0usize; 8];
    for draw in 0..n {
        let mut mirrored = sample.clone();
        Mirror { axes: vec![0, 1, 2] }.apply(&mut mirrored, &mut Stream::new(2, &[draw]));
        let first = sample.data[[0, 0, 0, 0]];
        let place = mirrored.data.iter().position(|&v| v == first).unwrap();
        seen[place] += 1;
        let labels = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| mirrored.seg.as_slice().unwrap()[i ^ place]);
        assert_eq!(labels, sample.seg.as_slice().unwrap());
    }
    assert!(seen.iter().all(|&count| likely(count, n as usize, 0.125)), "{seen:?}");
}

#[test]
fn an_example_depends_on_its_stream_alone() {
    let sample = noisy([12, 14, 16], 3);
    let pipeline = Pipeline::training(&spec()).unwrap();
    let example = |draw| pipeline.apply(&source(&sample), &Stream::new(4, &[draw])).unwrap();
    let first: Vec<_> = (0..12).map(example).collect();
    let again: Vec<_> = (0..12).rev().map(example).rev().collect();
    assert_eq!(first, again);
    assert!((1..12).all(|i| first[i] != first[0]));
    assert_eq!(first[0].data.dim(), (2, 6, 8, 10));
    let targets: Vec<_> = first[0].targets.iter().map(|t| t.dim()).collect();
    assert_eq!(targets, [(1, 6, 8, 10), (1, 3, 4, 5)]);
    assert!(first.iter().all(|e| e.targets.iter().all(|t| t.iter().all(|l| (0..=2).contains(l)))));
}

#[test]
fn validation_is_the_middle_of_the_window() {
    let sample = noisy([12, 14, 16], 3);
    let example = Pipeline::validation(&spec()).unwrap().apply(&source(&sample), &Stream::new(0, &[])).unwrap();
    let middle = ndarray::s![.., 3..9, 3..11, 3..13];
    assert_eq!(example.data, sample.data.slice(middle));
    assert_eq!(example.targets[0], sample.seg.slice(middle).mapv(|l| l.max(0)));
}

#[test]
fn a_2d_pipeline_mirrors_and_turns_in_the_plane() {
    let flat = AugmentSpec { patch: vec![8, 10], mirror_axes: vec![0, 1], heads: vec![vec![8, 10], vec![4, 5]], ..spec() };
    let pipeline = Pipeline::training(&flat).unwrap();
    assert!(pipeline.is_2d() && pipeline.patch() == [1, 8, 10]);
    let mut sample = noisy([3, 20, 20], 5);
    sample.seg.fill(1);
    let mut window = source(&sample);
    (window.start, window.size) = ([1, 2, 2], [1, 16, 16]);
    for draw in 0..50 {
        let example = pipeline.apply(&window, &Stream::new(6, &[draw])).unwrap();
        assert_eq!((example.data.dim(), example.targets[1].dim()), ((2, 1, 8, 10), (1, 1, 4, 5)));
    }
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let refused = |spec: AugmentSpec| Pipeline::training(&spec).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused(AugmentSpec { patch: vec![4], ..spec() }).contains("patch [4]"));
    assert!(refused(AugmentSpec { heads: vec![], ..spec() }).contains("no head"));
    assert!(refused(AugmentSpec { heads: vec![vec![3, 4]], ..spec() }).contains("[3, 4]"));
    assert!(refused(AugmentSpec { mirror_axes: vec![3], ..spec() }).contains("mirror axis 3"));
}
