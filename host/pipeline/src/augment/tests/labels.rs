use super::super::*;
use super::noisy;

#[test]
fn outside_becomes_background_and_regions_overlap() {
    let mut sample = noisy([3, 4, 6], 0);
    let before = sample.seg.clone();
    let mut rng = Stream::new(0, &[]);
    Background.apply(&mut sample, &mut rng);
    assert!(sample.seg.iter().zip(&before).all(|(&new, &old)| new == old.max(0)));
    let labels = sample.seg.clone();
    Regions { regions: vec![vec![1, 2], vec![1]], ignore: Some(2) }.apply(&mut sample, &mut rng);
    assert_eq!(sample.seg.dim(), (3, 3, 4, 6));
    for ((_, z, y, x), &label) in labels.indexed_iter() {
        let found = [0, 1, 2].map(|c| sample.seg[[c, z, y, x]] == 1);
        assert_eq!(found, [label > 0, label == 1, label == 2]);
    }
}

#[test]
fn targets_take_the_label_at_their_centre() {
    let seg = ndarray::Array4::from_shape_fn((1, 1, 6, 8), |(_, _, y, x)| (y * 8 + x) as i16);
    assert_eq!(targets::resize(&seg, [1, 6, 8]), seg);
    // nearest-exact halves by taking the odd voxels, thirds by taking the middle ones
    let halves = targets::resize(&seg, [1, 2, 4]);
    assert_eq!(halves.into_raw_vec_and_offset().0, [9, 11, 13, 15, 33, 35, 37, 39]);
    assert_eq!(targets::resize(&seg, [1, 1, 3]).into_raw_vec_and_offset().0, [25, 28, 30]);
}

#[test]
fn targets_are_nnunets() {
    let Ok(folder) = std::env::var("NNUNET_REFERENCE") else {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
        return;
    };
    let mut compared = 0;
    for network in ["plain3d_small", "plain2d_small", "plain3d_aniso_2ch_small", "resencM3d_small", "plain3d_regions_small"] {
        let path = std::path::Path::new(&folder).join("network").join(network).join("io.npz");
        let arrays = volume::files::npz::read_npz(&path).unwrap();
        let target = |head: usize| {
            let (_, array) = arrays.iter().find(|(name, _)| *name == format!("target{head}"))?;
            let values: Vec<i16> = array.to_vec::<i8>().unwrap().into_iter().map(i16::from).collect();
            // (B, C, spatial...) as (B * C, D, H, W)
            let (lead, spatial) = array.shape().split_at(2);
            let [d, h, w] = volume_shape(spatial).unwrap();
            Some(ndarray::Array4::from_shape_vec((lead[0] * lead[1], d, h, w), values).unwrap())
        };
        let finest = target(0).unwrap();
        for head in (1..).map_while(target) {
            let (_, d, h, w) = head.dim();
            assert_eq!(targets::resize(&finest, [d, h, w]), head, "{network}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
}
