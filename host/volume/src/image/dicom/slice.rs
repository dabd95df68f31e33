//! One slice: what its file says, and its pixels.

use super::super::ImageError;
use super::lengths;
use dicom_object::{DefaultDicomObject, OpenFileOptions, Tag};
use dicom_pixeldata::{PixelDecoder, PixelRepresentation};
use std::path::{Path, PathBuf};

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// What is known of a slice before its pixels are decoded.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub(super) path: PathBuf,
    /// SeriesInstanceUID.
    pub(super) series: String,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Position of the first pixel, mm; none where the file does not say it.
    pub(super) origin: Option<[f64; 3]>,
    /// Direction of a row, then of a column.
    pub(super) axes: [[f64; 3]; 2],
    /// mm from row to row, then from column to column.
    pub(super) spacing: [f64; 2],
    /// mm from slice to slice, or of the slice, as the file has it.
    pub(super) thickness: Option<f64>,
}

impl Slice {
    pub(super) fn read(path: &Path) -> Result<Self, ImageError> {
        lengths::check(path)?;
        let object = OpenFileOptions::new().read_until(PIXEL_DATA).open_file(path).map_err(|e| broken(path, &e))?;
        let fields = Fields { path, object: &object };
        for (name, wanted) in [("SamplesPerPixel", 1.0), ("NumberOfFrames", 1.0)] {
            if let Some([found]) = fields.numbers(name)?.filter(|found| *found != [wanted]) {
                return Err(ImageError::malformed(path, format!("{name} is {found}; wanted slices of grey values, a file each")));
            }
        }
        let [rows, columns] = [fields.wanted("Rows")?, fields.wanted("Columns")?].map(|[length]: [f64; 1]| length as usize);
        let spacing: [f64; 2] = fields.wanted("PixelSpacing")?;
        if rows == 0 || columns == 0 || !spacing.iter().all(|step| *step > 0.0) {
            return Err(ImageError::malformed(path, format!("has {rows} rows and {columns} columns of {spacing:?} mm; wanted lengths above 0")));
        }
        let [a, b, c, d, e, f] = fields.numbers("ImageOrientationPatient")?.unwrap_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let thickness = match fields.numbers("SpacingBetweenSlices")? {
            Some([step]) => Some(step),
            None => fields.numbers("SliceThickness")?.map(|[step]| step),
        };
        Ok(Self {
            path: path.to_owned(),
            series: fields.text("SeriesInstanceUID").unwrap_or_default(),
            rows,
            columns,
            origin: fields.numbers("ImagePositionPatient")?,
            axes: [[a, b, c], [d, e, f]],
            spacing,
            thickness: thickness.map(f64::abs).filter(|step| *step > 0.0),
        })
    }

    /// Appends the slice's `pixels` values.
    pub(super) fn decode(&self, pixels: usize, values: &mut Vec<f32>) -> Result<(), ImageError> {
        let path = &self.path;
        let object = dicom_object::open_file(path).map_err(|e| broken(path, &e))?;
        let fields = Fields { path, object: &object };
        let [slope] = fields.numbers("RescaleSlope")?.unwrap_or([1.0]);
        let [intercept] = fields.numbers("RescaleIntercept")?.unwrap_or([0.0]);
        let decoded = object.decode_pixel_data().map_err(|e| broken(path, &e))?;
        let bytes = usize::from(decoded.bits_allocated()) / 8;
        let stored = u32::from(decoded.bits_stored());
        if !matches!(bytes, 1 | 2 | 4) || decoded.bits_allocated() % 8 != 0 || stored == 0 || stored > 8 * bytes as u32 {
            let allocated = decoded.bits_allocated();
            return Err(ImageError::malformed(path, format!("has {stored} of {allocated} bits a pixel; wanted at most all of 8, 16 or 32")));
        }
        // a file may be padded to an even length
        let found = decoded.data().len() / bytes;
        if found < pixels {
            return Err(ImageError::Truncated { path: path.clone(), found, wanted: pixels });
        }
        let signed = matches!(decoded.pixel_representation(), PixelRepresentation::Signed);
        let unused = 32 - stored;
        values.extend(decoded.data().chunks_exact(bytes).take(pixels).map(|pixel| {
            let raw = pixel.iter().rev().fold(0u32, |value, &byte| value << 8 | u32::from(byte)) << unused;
            let value = if signed { f64::from(raw as i32 >> unused) } else { f64::from(raw >> unused) };
            (slope * value + intercept) as f32
        }));
        Ok(())
    }
}

struct Fields<'a> {
    path: &'a Path,
    object: &'a DefaultDicomObject,
}

impl Fields<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let text = self.object.element_by_name(name).ok()?.to_str().ok()?;
        Some(text.trim_end_matches(['\0', ' ']).to_owned())
    }

    /// `N` numbers; none where the file does not have the field, or nothing in it.
    fn numbers<const N: usize>(&self, name: &str) -> Result<Option<[f64; N]>, ImageError> {
        let Ok(element) = self.object.element_by_name(name) else { return Ok(None) };
        let found = element.to_multi_float64().map_err(|e| ImageError::malformed(self.path, format!("{name} is no number: {e}")))?;
        if found.is_empty() {
            return Ok(None);
        }
        let numbers = found.as_slice().try_into().ok().filter(|numbers: &[f64; N]| numbers.iter().all(|number| number.is_finite()));
        numbers.map(Some).ok_or_else(|| ImageError::malformed(self.path, format!("{name} is {found:?}; wanted {N} number(s)")))
    }

    fn wanted<const N: usize>(&self, name: &str) -> Result<[f64; N], ImageError> {
        self.numbers(name)?.ok_or_else(|| ImageError::malformed(self.path, format!("has no {name}; wanted a slice of CT, MR or PET")))
    }
}

fn broken(path: &Path, error: &dyn std::error::Error) -> ImageError {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    ImageError::malformed(path, format!("is no DICOM slice that can be read: {text}"))
}
