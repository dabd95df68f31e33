//! Where the voxels of an image lie in the patient.

/// Spacing, position and orientation of a grid of voxels.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Distance between neighbouring voxels in mm, axes z, y, x.
    pub spacing: [f64; 3],
    /// Position of the first voxel in mm: left, posterior, superior (ITK's world).
    pub origin: [f64; 3],
    /// Direction cosines row by row; column `i` is the direction of axis `i` of x, y, z (ITK's world).
    pub direction: [[f64; 3]; 3],
    /// How the NIfTI file that was read said all this; a NIfTI file written with this geometry says it the same way to the bit.
    pub nifti: Option<NiftiGeometry>,
}

/// The fields of a NIfTI header that hold its geometry, as they are in the file (`f32` in NIfTI-1 is `f64` here, exactly).
#[derive(Debug, Clone, PartialEq)]
pub struct NiftiGeometry {
    /// Version of the header: 1 or 2.
    pub version: u8,
    /// Whether the file is 2D (x, y).
    pub flat: bool,
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

impl Geometry {
    /// A grid at the origin, along the axes; `spacing` in mm, z, y, x.
    pub fn of_spacing(spacing: [f64; 3]) -> Self {
        Self { spacing, origin: [0.0; 3], direction: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], nifti: None }
    }
}

impl From<NiftiGeometry> for Geometry {
    /// Spacing is |pixdim| in mm (1 where it is 0 or not finite), position and orientation come from the sform if its code is
    /// not 0, else from the qform, else they are neutral. A 2D image gets a first axis 999 times as coarse as the others.
    fn from(nifti: NiftiGeometry) -> Self {
        let millimetres = match nifti.xyzt_units & 7 {
            1 => 1e3,  // metres
            3 => 1e-3, // micrometres
            _ => 1.0,
        };
        let [x, y, z] = [1, 2, 3].map(|axis| match nifti.pixdim[axis].abs() {
            step if step > 0.0 && step.is_finite() => step * millimetres,
            _ => 1.0,
        });
        let z = if nifti.flat { 999.0 * x.max(y) } else { z };
        let mut geometry = Self::of_spacing([z, y, x]);
        if let Some((direction, origin)) = nifti.orientation() {
            // NIfTI's world is right, anterior, superior
            let to_lps = [-1.0, -1.0, 1.0];
            geometry.origin = std::array::from_fn(|row| to_lps[row] * origin[row] * millimetres);
            geometry.direction = std::array::from_fn(|row| direction[row].map(|cosine| to_lps[row] * cosine));
        }
        geometry.nifti = Some(nifti);
        geometry
    }
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
        let to_ras = [-1.0, -1.0, 1.0];
        Self {
            version: 1,
            flat: false,
            pixdim: [1.0, x, y, z, 1.0, 1.0, 1.0, 1.0],
            xyzt_units: 2,
            qform_code: 0,
            sform_code: 1,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: std::array::from_fn(|row| {
                let [i, j, k] = geometry.direction[row];
                [i * x, j * y, k * z, geometry.origin[row]].map(|value| to_ras[row] * value)
            }),
        }
    }
}
