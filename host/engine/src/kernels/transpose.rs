//! Between planes of channels and cells of channels side by side; four channels at a time, which a vector register moves at once.

/// Writes `planes` (channel, column) to `cells` (column, width), zeros in the lanes that have no channel.
pub(super) fn interleave(planes: &[&[f32]], cells: &mut [f32], width: usize) {
    let (fours, rest) = planes.as_chunks::<4>();
    for (i, [a, b, c, d]) in fours.iter().enumerate() {
        let values = a.iter().zip(*b).zip(c.iter().zip(*d));
        for (cell, ((&a, &b), (&c, &d))) in cells.chunks_exact_mut(width).zip(values) {
            cell[4 * i..4 * i + 4].copy_from_slice(&[a, b, c, d]);
        }
    }
    for (i, plane) in rest.iter().enumerate() {
        for (cell, &value) in cells.chunks_exact_mut(width).zip(*plane) {
            cell[4 * fours.len() + i] = value;
        }
    }
    if planes.len() < width {
        cells.chunks_exact_mut(width).for_each(|cell| cell[planes.len()..].fill(0.0));
    }
}

/// Writes the first lanes of `cells` (column, width) to `planes` (channel, column).
pub(super) fn separate(cells: &[f32], width: usize, planes: &mut [&mut [f32]]) {
    let (fours, rest) = planes.as_chunks_mut::<4>();
    for (i, [a, b, c, d]) in fours.iter_mut().enumerate() {
        let values = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut().zip(d.iter_mut()));
        for (cell, ((a, b), (c, d))) in cells.chunks_exact(width).zip(values) {
            let cell = &cell[4 * i..4 * i + 4];
            (*a, *b, *c, *d) = (cell[0], cell[1], cell[2], cell[3]);
        }
    }
    let first = 4 * fours.len();
    for (i, plane) in rest.iter_mut().enumerate() {
        for (value, cell) in plane.iter_mut().zip(cells.chunks_exact(width)) {
            *value = cell[first + i];
        }
    }
}
