//! Where the voxels of an image lie in the patient.

use super::Turned;

/// Spacing, position and orientation of a grid of voxels.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Distance between neighbouring voxels in mm, axes z, y, x.
    pub spacing: [f64; 3],
    /// Position of the first voxel in mm: left, posterior, superior (ITK's world).
    pub origin: [f64; 3],
    /// Direction cosines row by row; column `i` is the direction of axis `i` of x, y, z (ITK's world).
    pub direction: [[f64; 3]; 3],
    /// The file is 2D: x, y. Its one slice counts as 999 times as thick as a pixel is long.
    pub flat: bool,
    /// How the NIfTI file that was read said all this; a NIfTI file written with this geometry says it the same way to the bit.
    pub nifti: Option<NiftiGeometry>,
    /// The grid as the file has it, where a reader turned it; what is written with this geometry is turned back.
    pub turned: Option<Box<Turned>>,
}

/// The fields of a NIfTI header that hold its geometry, as they are in the file (`f32` in NIfTI-1 is `f64` here, exactly).
#[derive(Debug, Clone, PartialEq)]
pub struct NiftiGeometry {
    /// Version of the header: 1 or 2.
    pub version: u8,
    /// `[0]` is the handedness of the quaternion, then the spacing of x, y, z, t, ...
    pub pixdim: [f64; 8],
    /// Units of space (bits 0 to 2) and time (bits 3 to 5).
    pub xyzt_units: i32,
    /// What `quatern` and `qoffset` map to; 0: nothing.
    pub qform_code: i32,
    /// What `srow` maps to; 0: nothing.
    pub sform_code: i32,
    /// b, c, d of the unit quaternion.
    pub quatern: [f64; 3],
    /// x, y, z.
    pub qoffset: [f64; 3],
    /// Rows x, y, z of the affine matrix.
    pub srow: [[f64; 4]; 3],
}

/// What nnU-Net multiplies the longer side of a pixel with to get the thickness of a 2D image.
const THICK: f64 = 999.0;

impl Geometry {
    /// A grid at the origin, along the axes; `spacing` in mm, z, y, x.
    pub fn of_spacing(spacing: [f64; 3]) -> Self {
        let direction = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Self { spacing, origin: [0.0; 3], direction, flat: false, nifti: None, turned: None }
    }

    /// A 2D image at the origin, along the axes; `spacing` in mm, y, x.
    pub fn of_pixels(spacing: [f64; 2]) -> Self {
        let [y, x] = spacing;
        Self { flat: true, ..Self::of_spacing([THICK * x.max(y), y, x]) }
    }

    /// A grid by ITK's fields for the axes x, y and, where there are more than two, z: spacing in mm, position in mm, and the direction
    /// of each axis. What is missing is neutral; what belongs to further axes is left out.
    pub(super) fn of_axes(spacing: &[f64], origin: &[f64], axes: &[&[f64]]) -> Self {
        let step = |axis: usize| spacing.get(axis).copied().unwrap_or(1.0);
        let mut geometry = match spacing.len() {
            ..=2 => Self::of_pixels([step(1), step(0)]),
            _ => Self::of_spacing([step(2), step(1), step(0)]),
        };
        geometry.origin = std::array::from_fn(|axis| origin.get(axis).copied().unwrap_or(0.0));
        for (column, axis) in axes.iter().take(3).enumerate() {
            for (row, cosine) in axis.iter().take(3).enumerate() {
                geometry.direction[row][column] = *cosine;
            }
        }
        geometry
    }

    /// The geometry of a NIfTI header; `flat` is that of an image with the axes x, y alone.
    ///
    /// Spacing is |pixdim| in mm (1 where it is 0 or not finite), position and orientation come from the sform if its code is
    /// not 0, else from the qform, else they are neutral.
    pub fn of_nifti(nifti: NiftiGeometry, flat: bool) -> Self {
        let millimetres = match nifti.xyzt_units & 7 {
            1 => 1e3,  // metres
            3 => 1e-3, // micrometres
            _ => 1.0,
        };
        let [x, y, z] = [1, 2, 3].map(|axis| match nifti.pixdim[axis].abs() {
            step if step > 0.0 && step.is_finite() => step * millimetres,
            _ => 1.0,
        });
        let mut geometry = if flat { Self::of_pixels([y, x]) } else { Self::of_spacing([z, y, x]) };
        if let Some((direction, origin)) = nifti.orientation() {
            // NIfTI's world is right, anterior, superior
            let to_lps = [-1.0, -1.0, 1.0];
            geometry.origin = std::array::from_fn(|row| to_lps[row] * origin[row] * millimetres);
            geometry.direction = std::array::from_fn(|row| direction[row].map(|cosine| to_lps[row] * cosine));
        }
        geometry.nifti = Some(nifti);
        geometry
    }

    /// Rows of the affine matrix from voxels (x, y, z) to mm in NIfTI's world: right, anterior, superior.
    pub fn affine(&self) -> [[f64; 4]; 3] {
        if let Some(nifti) = self.nifti.as_ref().filter(|nifti| nifti.sform_code != 0) {
            return nifti.srow;
        }
        let [z, y, x] = self.spacing;
        let to_ras = [-1.0, -1.0, 1.0];
        std::array::from_fn(|row| {
            let [i, j, k] = self.direction[row];
            [i * x, j * y, k * z, self.origin[row]].map(|value| to_ras[row] * value)
        })
    }

    /// Whether the axes are those of the world, which a format without an orientation can hold.
    pub(super) fn is_axial(&self) -> bool {
        self.direction == Self::of_spacing(self.spacing).direction
    }

    /// What differs between two grids but for rounding, as NumPy's `allclose` has it: the property, and its value here and in `other`.
    /// Spacings are mm (z, y, x), origins mm and directions row by row in ITK's world.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut compare = |property, here: &[f64], there: &[f64]| {
            if !here.iter().zip(there).all(|(a, b)| (a - b).abs() <= 1e-8 + 1e-5 * b.abs()) {
                found.push(Difference { property, found: format!("{here:?}"), wanted: format!("{there:?}") });
            }
        };
        compare("spacing", &self.spacing, &other.spacing);
        compare("origin", &self.origin, &other.origin);
        compare("direction", self.direction.as_flattened(), other.direction.as_flattened());
        found
    }
}

/// A property of two grids that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// "spacing", "origin" or "direction".
    pub property: &'static str,
    /// Of the one that was looked at.
    pub found: String,
    /// Of the one that it should be like.
    pub wanted: String,
}

impl NiftiGeometry {
    /// Direction cosines and origin in NIfTI's world (right, anterior, superior).
    fn orientation(&self) -> Option<([[f64; 3]; 3], [f64; 3])> {
        if self.sform_code != 0 {
            let norms: [f64; 3] = std::array::from_fn(|column| self.srow.iter().map(|row| row[column] * row[column]).sum::<f64>().sqrt());
            let usable = norms.iter().all(|norm| *norm > 0.0 && norm.is_finite());
            let cosines = self.srow.map(|row| std::array::from_fn(|column| row[column] / norms[column]));
            return usable.then(|| (cosines, self.srow.map(|row| row[3])));
        }
        (self.qform_code != 0).then(|| (self.rotation(), self.qoffset))
    }

    /// The rotation matrix of the quaternion, its third column flipped where `pixdim[0]` is negative (NIfTI-1, method 2).
    fn rotation(&self) -> [[f64; 3]; 3] {
        let [b, c, d] = self.quatern;
        let length = b * b + c * c + d * d;
        // a quaternion that is not of unit length is a half turn about its axis
        let (a, shrink) = if length > 1.0 { (0.0, length.sqrt()) } else { ((1.0 - length).sqrt(), 1.0) };
        let [b, c, d] = [b / shrink, c / shrink, d / shrink];
        let flip = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c) * flip],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b) * flip],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), (a * a + d * d - b * b - c * c) * flip],
        ]
    }
}

impl From<&Geometry> for NiftiGeometry {
    /// The fields that were read, or else an sform made of spacing, position and orientation.
    fn from(geometry: &Geometry) -> Self {
        if let Some(nifti) = &geometry.nifti {
            return nifti.clone();
        }
        let [z, y, x] = geometry.spacing;
        Self {
            version: 1,
            pixdim: [1.0, x, y, z, 1.0, 1.0, 1.0, 1.0],
            xyzt_units: 2,
            qform_code: 0,
            sform_code: 1,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: geometry.affine(),
        }
    }
}
