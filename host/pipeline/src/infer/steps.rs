//! Where the tiles lie.

/// The first voxels of the tiles along an axis of `image` voxels, for tiles of `tile` voxels that lie at most `step_size` of a tile apart.
/// The first tile begins at 0, the last one ends with the image, and an image that is no longer than a tile has one.
pub fn steps(image: usize, tile: usize, step_size: f64) -> Vec<usize> {
    let room = image.saturating_sub(tile);
    // no two tiles at one place, however small the step
    let gaps = (room as f64 / (tile as f64 * step_size)).ceil().min(room as f64);
    if gaps < 1.0 {
        return vec![0];
    }
    (0..=gaps as usize).map(|i| (room as f64 / gaps * i as f64).round_ties_even() as usize).collect()
}

/// The steps of each axis of `image`.
pub fn positions(image: [usize; 3], tile: [usize; 3], step_size: f64) -> [Vec<usize>; 3] {
    [0, 1, 2].map(|axis| steps(image[axis], tile[axis], step_size))
}
