//! Voxels in host memory, as preprocessors and augmentations hold them.

use crate::{Error, Result};

/// A dense array (C, D, H, W), last axis fastest. It is the host's memory, changed in place; an array of another shape is a new one.
#[derive(Debug)]
pub struct Voxels<'a, T> {
    shape: [usize; 4],
    store: Store<'a, T>,
}

#[derive(Debug)]
enum Store<'a, T> {
    Host(&'a mut [T]),
    Own(Vec<T>),
}

/// One channel of an array.
#[derive(Debug)]
pub struct Channel<'a, T> {
    /// Depth, height, width; voxels.
    pub shape: [usize; 3],
    /// The voxels, last axis fastest.
    pub voxels: &'a mut [T],
}

#[track_caller]
fn checked(shape: &[usize], voxels: usize) -> Result<[usize; 4]> {
    match <[usize; 4]>::try_from(shape) {
        Ok(four) if four.iter().product::<usize>() == voxels => Ok(four),
        Ok(_) => Err(Error::new(format!("{voxels} voxels do not fill the shape {shape:?} (C, D, H, W)"))),
        Err(_) => Err(Error::new(format!("the shape {shape:?} is not (C, D, H, W)"))),
    }
}

impl<'a, T> Voxels<'a, T> {
    /// An array that is not the host's, e.g. in a test.
    ///
    /// # Errors
    /// So many voxels do not fill the shape (C, D, H, W).
    #[track_caller]
    pub fn new(shape: &[usize], voxels: Vec<T>) -> Result<Self> {
        Ok(Voxels { shape: checked(shape, voxels.len())?, store: Store::Own(voxels) })
    }

    #[track_caller]
    pub(crate) fn borrowed(shape: &[usize], voxels: &'a mut [T]) -> Result<Self> {
        Ok(Voxels { shape: checked(shape, voxels.len())?, store: Store::Host(voxels) })
    }

    /// Puts other voxels in the place of these; the shape may differ.
    ///
    /// # Errors
    /// So many voxels do not fill the shape (C, D, H, W).
    #[track_caller]
    pub fn replace(&mut self, shape: &[usize], voxels: Vec<T>) -> Result<()> {
        *self = Voxels::new(shape, voxels)?;
        Ok(())
    }

    /// (C, D, H, W)
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.shape[0]
    }

    /// Depth, height, width; voxels.
    pub fn spatial(&self) -> [usize; 3] {
        let [_, d, h, w] = self.shape;
        [d, h, w]
    }

    /// All voxels.
    pub fn values(&self) -> &[T] {
        match &self.store {
            Store::Host(voxels) => voxels,
            Store::Own(voxels) => voxels,
        }
    }

    /// All voxels, to change.
    pub fn values_mut(&mut self) -> &mut [T] {
        match &mut self.store {
            Store::Host(voxels) => voxels,
            Store::Own(voxels) => voxels,
        }
    }

    /// Each channel, to change.
    pub fn channels_mut(&mut self) -> impl Iterator<Item = Channel<'_, T>> {
        let shape = self.spatial();
        let voxels = shape.iter().product::<usize>().max(1);
        self.values_mut().chunks_exact_mut(voxels).map(move |voxels| Channel { shape, voxels })
    }

    /// The voxels that took the place of the host's, if any did.
    pub(crate) fn into_new(self) -> Option<(Vec<usize>, Vec<T>)> {
        match self.store {
            Store::Host(_) => None,
            Store::Own(voxels) => Some((self.shape.to_vec(), voxels)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_changed_in_place() {
        let mut host = vec![0.0f32; 2 * 6];
        let mut image = Voxels::borrowed(&[2, 1, 2, 3], &mut host).unwrap();
        for (i, channel) in image.channels_mut().enumerate() {
            assert_eq!(channel.shape, [1, 2, 3]);
            channel.voxels.fill(i as f32 + 1.0);
        }
        assert!(image.into_new().is_none());
        assert_eq!(host, [[1.0f32; 6], [2.0; 6]].concat());
    }

    #[test]
    fn another_shape_is_a_new_array() {
        let mut host = vec![0i16; 6];
        let mut labels = Voxels::borrowed(&[1, 1, 2, 3], &mut host).unwrap();
        let wrong = labels.replace(&[1, 1, 2, 2], vec![1; 3]).unwrap_err();
        assert!(wrong.message().starts_with("3 voxels do not fill the shape [1, 1, 2, 2]") && wrong.at().contains("grid.rs"));
        labels.replace(&[1, 1, 1, 2], vec![1, 2]).unwrap();
        assert_eq!((labels.spatial(), labels.into_new()), ([1, 1, 2], Some((vec![1, 1, 1, 2], vec![1, 2]))));
    }
}
