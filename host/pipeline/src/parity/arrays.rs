//! The arrays of an npz file, by name.

use std::path::{Path, PathBuf};

use ndarray::{Array, Dimension};
use volume::files::npz::read_npz;
use volume::files::{Element, NdArray};

use crate::error::{Error, Result};

/// The arrays of one file.
pub(super) struct Arrays {
    path: PathBuf,
    arrays: Vec<(String, NdArray)>,
}

impl Arrays {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_path_buf(), arrays: read_npz(path)? })
    }

    /// All of them, in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &NdArray)> {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    pub(super) fn find(&self, name: &str) -> Option<&NdArray> {
        self.arrays.iter().find(|(found, _)| found == name).map(|(_, array)| array)
    }

    pub(super) fn get(&self, name: &str) -> Result<&NdArray> {
        let names = || self.arrays.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        self.find(name).ok_or_else(|| Error::content(&self.path, format!("no array `{name}`; it holds {}", names())))
    }

    /// The array `name` as f32, of the rank that is asked for.
    pub(super) fn f32<D: Dimension>(&self, name: &str) -> Result<Array<f32, D>> {
        let array = self.get(name)?;
        self.ranked(name, array.shape(), array.to_f32())
    }

    /// The labels in the array `name`, whatever their type.
    pub(super) fn labels<D: Dimension>(&self, name: &str) -> Result<Array<i16, D>> {
        let array = self.get(name)?;
        self.ranked(name, array.shape(), array.to_f32().into_iter().map(|label| label as i16).collect())
    }

    /// The elements of the array `name`, which must be of this type.
    pub(super) fn elements<T: Element>(&self, name: &str) -> Result<Vec<T>> {
        Ok(self.get(name)?.to_vec().map_err(|error| error.at(&self.path))?)
    }

    fn ranked<T, D: Dimension>(&self, name: &str, shape: &[usize], data: Vec<T>) -> Result<Array<T, D>> {
        let array = Array::from_shape_vec(shape.to_vec(), data).and_then(Array::into_dimensionality);
        array.map_err(|_| Error::content(&self.path, format!("`{name}` has the shape {shape:?}, which has another number of axes than was wanted")))
    }
}

/// The names, shapes and values that [`engine::Model::load`] takes.
pub(super) fn weights(arrays: &Arrays) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    arrays.iter().map(|(name, array)| (name.to_owned(), array.shape().to_vec(), array.to_f32())).collect()
}
