//! Voxels and files on the CPU: images, geometry, resampling, components, and the file formats of NumPy and PyTorch.
//!
//! Arrays run (C, z, y, x) or (z, y, x), spacings are millimetres in the same order z, y, x. Labels are `i16`, as nnU-Net
//! stores them. No result depends on the number of threads.
//!
//! ```
//! use volume::crop::crop_to_nonzero;
//! use volume::image::{read_channels, read_segmentation, write_image, write_segmentation};
//! use volume::resample::{ResampleOptions, compute_new_shape, resample_data, resample_seg};
//! # let folder = std::env::temp_dir().join(format!("volume-example-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (image_path, label_path) = (folder.join("case_0000.nii.gz"), folder.join("case.nii.gz"));
//! # let geometry = volume::image::Geometry::of_spacing([2.0, 1.0, 1.0]);
//! # write_image(&image_path, &ndarray::Array4::ones((1, 4, 6, 5)), &geometry)?;
//! # write_segmentation(&label_path, &ndarray::Array3::ones((4, 6, 5)), &geometry)?;
//!
//! let (image, warnings) = read_channels(&[image_path])?;
//! let (seg, _) = read_segmentation(label_path)?;
//! let (spacing, target) = (image.spacing(), [1.0; 3]);
//! let cropped = crop_to_nonzero(image.data, Some(seg));
//!
//! let shape = compute_new_shape([4, 6, 5], spacing, target);
//! let data = resample_data(&cropped.data, shape, spacing, target, &ResampleOptions::IMAGE);
//! let seg = resample_seg(&cropped.seg, shape, spacing, target, &ResampleOptions::LABELS);
//! assert_eq!((data.dim(), seg.dim()), ((1, 8, 6, 5), (8, 6, 5)));
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod components;
pub mod crop;
pub mod distance;
pub mod files;
pub mod image;
pub mod numpy;
pub mod resample;
