//! Turning a grid to the orientation right, anterior, superior, and back.

use super::Geometry;
use ndarray::{Array3, Array4, ArrayRef3, Axis};

/// How a grid was turned: its axes were put in another order, and some of them run the other way.
#[derive(Debug, Clone, PartialEq)]
pub struct Turned {
    /// For each axis z, y, x now: the axis z, y, x that it was.
    pub axes: [usize; 3],
    /// Whether that axis runs the other way now.
    pub mirrored: [bool; 3],
    /// The geometry before.
    pub original: Geometry,
}

impl Geometry {
    /// The same grid of `shape` (z, y, x) with its axes along right, anterior and superior as far as a turn by quarters can do that.
    pub(super) fn to_ras(&self, shape: [usize; 3]) -> Self {
        let closest = closest_axes(&self.direction);
        let [depth, height, width] = shape;
        let (steps, lengths) = ([self.spacing[2], self.spacing[1], self.spacing[0]], [width, height, depth]);
        // in ITK's world (left, posterior, superior), right and anterior are negative
        let wanted = [true, true, false];
        let mut geometry = Self { nifti: None, ..self.clone() };
        let (mut axes, mut mirrored) = ([0; 3], [false; 3]);
        for world in 0..3 {
            let (axis, negative) = closest[world];
            let turn = negative != wanted[world];
            geometry.spacing[2 - world] = steps[axis];
            for row in 0..3 {
                let cosine = self.direction[row][axis];
                geometry.direction[row][world] = if turn { -cosine } else { cosine };
                if turn {
                    geometry.origin[row] += cosine * steps[axis] * (lengths[axis] - 1) as f64;
                }
            }
            (axes[2 - world], mirrored[2 - world]) = (2 - axis, turn);
        }
        geometry.turned = Some(Box::new(Turned { axes, mirrored, original: self.clone() }));
        geometry
    }
}

impl Turned {
    /// (C, z, y, x) as the file has it, turned.
    pub(super) fn turn<T: Clone>(&self, array: Array4<T>) -> Array4<T> {
        let [z, y, x] = self.axes;
        let mut array = array.permuted_axes([0, z + 1, y + 1, x + 1]);
        self.mirror(&mut array);
        array.as_standard_layout().into_owned()
    }

    /// (C, z, y, x) as it was before [`Turned::turn`].
    pub(super) fn back<T: Clone>(&self, array: Array4<T>) -> Array4<T> {
        let mut array = array;
        self.mirror(&mut array);
        let mut order = [0; 4];
        for (now, before) in self.axes.into_iter().enumerate() {
            order[before + 1] = now + 1;
        }
        array.permuted_axes(order).as_standard_layout().into_owned()
    }

    /// The same for labels (z, y, x).
    pub(super) fn labels_back(&self, labels: &ArrayRef3<i16>) -> Array3<i16> {
        self.back(labels.to_owned().insert_axis(Axis(0))).remove_axis(Axis(0))
    }

    /// (z, y, x) lengths, turned.
    pub(super) fn shape(&self, shape: [usize; 3]) -> [usize; 3] {
        self.axes.map(|axis| shape[axis])
    }

    /// The three letters of the orientation that the file has: where its axes x, y, z lead, of L or R, P or A, S or I.
    pub fn original_orientation(&self) -> String {
        let mut letters = ['S'; 3];
        for (world, (axis, negative)) in closest_axes(&self.original.direction).into_iter().enumerate() {
            letters[axis] = [['L', 'R'], ['P', 'A'], ['S', 'I']][world][usize::from(negative)];
        }
        letters.iter().collect()
    }

    fn mirror<T>(&self, array: &mut Array4<T>) {
        for (axis, _) in self.mirrored.iter().enumerate().filter(|(_, mirrored)| **mirrored) {
            array.invert_axis(Axis(axis + 1));
        }
    }
}

/// For each axis of the world: the axis x, y, z of the grid that is closest to it, and whether it runs against it. The pairs that fit
/// best are found first.
fn closest_axes(direction: &[[f64; 3]; 3]) -> [(usize, bool); 3] {
    let (mut found, mut rows, mut columns) = ([(0, false); 3], vec![0, 1, 2], vec![0, 1, 2]);
    for _ in 0..3 {
        let pairs = rows.iter().flat_map(|&row| columns.iter().map(move |&column| (row, column)));
        let best = pairs.max_by(|a, b| direction[a.0][a.1].abs().total_cmp(&direction[b.0][b.1].abs()));
        if let Some((row, column)) = best {
            found[row] = (column, direction[row][column] < 0.0);
            rows.retain(|&other| other != row);
            columns.retain(|&other| other != column);
        }
    }
    found
}
