//! Image files: what comes back, what a reference image's geometry becomes, and what broken files do.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too
mod common;

use common::{data, json, lengths, noise, numbers, reference};
use flate2::read::GzDecoder;
use ndarray::{Array3, Array4};
use nifti::{IntoNdArray, NiftiObject, ReaderOptions};
use proptest::prelude::*;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;
use volume::image::*;

/// A NIfTI-1 file of 3 x 2 x 2 voxels of one type, in either byte order.
fn nifti_1(datatype: i16, voxels: &[u8], scale: (f32, f32), big: bool) -> Vec<u8> {
    let mut file = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if big {
            bytes.reverse();
        }
        file[at..at + bytes.len()].copy_from_slice(&bytes);
    };
    put(0, &348i32.to_le_bytes());
    for (i, length) in [3i16, 3, 2, 2, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * i, &length.to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    put(72, &(8 * (voxels.len() / 12) as i16).to_le_bytes());
    for (i, step) in [1f32, 0.5, -0.75, 3.0, 0.0, 0.0, 0.0, 0.0].into_iter().enumerate() {
        put(76 + 4 * i, &step.to_le_bytes());
    }
    for (at, value) in [(108, 352f32), (112, scale.0), (116, scale.1)] {
        put(at, &value.to_le_bytes());
    }
    file[344..348].copy_from_slice(b"n+1\0");
    let mut voxels = voxels.to_vec();
    if big {
        let size = voxels.len() / 12;
        voxels.chunks_mut(size).for_each(<[u8]>::reverse);
    }
    file.extend(voxels);
    file
}

fn save(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn every_datatype_in_either_byte_order_with_scaling() {
    macro_rules! check {
        ($($code:literal $kind:ty),*) => {$(
            let bytes: Vec<u8> = (0..12).flat_map(|i| (i as $kind).to_le_bytes()).collect();
            for big in [false, true] {
                let (_folder, path) = save("a.nii", &nifti_1($code, &bytes, (0.5, -1.0), big));
                let image = read_image(&path).unwrap();
                assert_eq!(image.data, Array4::from_shape_fn((1, 2, 2, 3), |(_, z, y, x)| (6 * z + 3 * y + x) as f32 / 2.0 - 1.0));
                assert_eq!(image.spacing(), [3.0, 0.75, 0.5]);
                assert_eq!(read_header(&path).unwrap().shape, [2, 2, 3]);
                let (_folder, path) = save("a.nii", &nifti_1($code, &bytes, (0.0, 7.0), big));
                assert_eq!(read_segmentation(&path).unwrap().0, Array3::from_shape_fn((2, 2, 3), |(z, y, x)| (6 * z + 3 * y + x) as i16));
            }
        )*};
    }
    check!(2 u8, 256 i8, 4 i16, 512 u16, 8 i32, 768 u32, 1024 i64, 1280 u64, 16 f32, 64 f64);
    let (_folder, path) = save("a.nii", &nifti_1(128, &[0; 36], (1.0, 0.0), false));
    assert!(read_image(&path).unwrap_err().to_string().contains("datatype is 128"));
}

#[test]
fn real_images_are_what_the_nifti_crate_reads_and_come_back_to_the_bit() {
    let Some(folder) = data("Dataset004_Hippocampus") else { return };
    let place = tempfile::tempdir().unwrap();
    for case in ["hippocampus_001", "hippocampus_097"] {
        let path = folder.join(format!("imagesTr/{case}_0000.nii.gz"));
        let image = read_image(&path).unwrap();
        let object = ReaderOptions::new().read_file(&path).unwrap();
        let voxels = object.volume().into_ndarray::<f32>().unwrap();
        assert_eq!(image.data.index_axis(ndarray::Axis(0), 0).into_dyn(), voxels.t());

        let (labels, _) = read_segmentation(folder.join(format!("labelsTr/{case}.nii.gz"))).unwrap();
        let written = place.path().join("seg.nii.gz");
        write_segmentation(&written, &labels, &image.geometry).unwrap();
        assert_eq!(read_segmentation(&written).unwrap(), (labels.clone(), image.geometry.clone()));
        let (found, wanted) = (ReaderOptions::new().read_file(&written).unwrap(), object.header());
        let header = found.header();
        assert_eq!(header.datatype, 2);
        assert_eq!((header.pixdim, header.xyzt_units), (wanted.pixdim, wanted.xyzt_units));
        assert_eq!((header.qform_code, header.sform_code), (wanted.qform_code, wanted.sform_code));
        assert_eq!((header.srow_x, header.srow_y, header.srow_z), (wanted.srow_x, wanted.srow_y, wanted.srow_z));
        assert_eq!((header.quatern_b, header.quatern_c, header.quatern_d), (wanted.quatern_b, wanted.quatern_c, wanted.quatern_d));
        assert_eq!((header.quatern_x, header.quatern_y, header.quatern_z), (wanted.quatern_x, wanted.quatern_y, wanted.quatern_z));
        let voxels = found.into_volume().into_ndarray::<i16>().unwrap();
        assert_eq!(voxels.t(), labels.view().into_dyn());
    }
}

#[test]
fn geometry_is_what_simpleitk_reads() {
    let Some(folder) = reference("preproc/crafted") else { return };
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let properties = &json(&folder.join("out.json"))["properties"];
        let image = read_image(folder.join("in_0000.nii.gz")).unwrap();
        let (geometry, wanted) = (&image.geometry, &properties["sitk_stuff"]);
        assert_eq!(geometry.spacing, numbers(&properties["spacing"]), "{}", folder.display());
        assert_eq!(image.data.shape()[1..].len(), 3);
        let close = |found: &[f64], wanted: &[f64]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&geometry.origin, &numbers::<3>(&wanted["origin"])), "{}", folder.display());
        let direction = numbers::<9>(&wanted["direction"]);
        assert!(close(geometry.direction.as_flattened(), &direction), "{}: {:?}", folder.display(), geometry.direction);
        // what neither transposing nor cropping changes
        if geometry.spacing == [1.0; 3] {
            let mut found = image.data.shape()[1..].to_vec();
            let mut wanted = lengths(&properties["shape_before_cropping"]);
            found.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(found, wanted);
        }
        compared += 1;
    }
    assert_eq!(compared, 18);
}

fn random_geometry() -> Geometry {
    let mut next = noise(11);
    let nifti = NiftiGeometry {
        version: 2,
        pixdim: std::array::from_fn(|_| next() - 2.0),
        xyzt_units: 10,
        qform_code: 2,
        sform_code: 3,
        quatern: std::array::from_fn(|_| next() / 2.0),
        qoffset: std::array::from_fn(|_| next() * 100.0),
        srow: std::array::from_fn(|_| std::array::from_fn(|_| next())),
    };
    Geometry::of_nifti(nifti, false)
}

#[test]
fn nifti_2_keeps_its_geometry_in_f64() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = random_geometry();
    let labels = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (100 * z + y + x) as i16);
    let image = Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c * 100 + z * 20 + y * 5 + x) as f32 * 0.1);
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path().join(name);
        write_segmentation(&path, &labels, &geometry).unwrap();
        assert_eq!(read_segmentation(&path).unwrap(), (labels.clone(), geometry.clone()));
        write_image(&path, &image, &geometry).unwrap();
        assert_eq!(read_image(&path).unwrap(), Image { data: image.clone(), geometry: geometry.clone() });
    }
    // the same file, byte for byte, with every field turned round
    let path = folder.path().join("a.nii");
    let mut bytes = fs::read(&path).unwrap();
    let fields: [(usize, usize, usize); 11] =
        [(0, 4, 1), (12, 2, 2), (16, 8, 8), (80, 8, 3), (104, 8, 8), (168, 8, 9), (344, 4, 2), (352, 8, 6), (400, 8, 12), (496, 4, 3), (544, 4, 120)];
    for (at, size, count) in fields {
        bytes[at..at + size * count].chunks_mut(size).for_each(<[u8]>::reverse);
    }
    fs::write(&path, bytes).unwrap();
    assert_eq!(read_image(&path).unwrap().data, image);
    assert_eq!(read_header(&path).unwrap(), ImageHeader { channels: 2, shape: [3, 4, 5], geometry });
}

#[test]
fn a_geometry_without_a_header_is_written_as_an_sform() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii.gz");
    let mut geometry = Geometry::of_spacing([3.0, 0.5, 2.0]);
    geometry.origin = [4.0, -5.0, 6.0];
    geometry.direction = [[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
    write_segmentation(&path, &Array3::zeros((2, 3, 4)), &geometry).unwrap();
    let found = read_segmentation(&path).unwrap().1;
    assert_eq!((found.spacing, found.origin, found.direction), (geometry.spacing, geometry.origin, geometry.direction));
}

#[test]
fn the_type_of_a_segmentation_follows_its_largest_label() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    for (label, datatype) in [(254, 2), (255, 512), (32767, 512)] {
        write_segmentation(&path, &Array3::from_elem((1, 2, 2), label), &Geometry::of_spacing([1.0; 3])).unwrap();
        assert_eq!(fs::read(&path).unwrap()[70..72], i16::to_le_bytes(datatype));
        assert_eq!(read_segmentation(&path).unwrap().0, Array3::from_elem((1, 2, 2), label));
    }
    let error = write_segmentation(&path, &Array3::from_elem((1, 2, 2), -1), &Geometry::of_spacing([1.0; 3]));
    assert!(error.unwrap_err().to_string().contains("label -1 is negative"));
}

#[test]
fn equal_images_make_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    let labels = Array3::from_shape_fn((8, 9, 10), |(z, y, x)| (z * y * x % 5) as i16);
    let write = |name: &str| {
        let path = folder.path().join(name);
        write_segmentation(&path, &labels, &Geometry::of_spacing([1.0; 3])).unwrap();
        fs::read(path).unwrap()
    };
    let first = write("a.nii.gz");
    assert_eq!(first[4..8], [0; 4], "a time stamp");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(first, write("b.nii.gz"));
    let mut plain = Vec::new();
    GzDecoder::new(&first[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, write("a.nii"));
}

#[test]
fn a_2d_nifti_gets_a_thick_slice_and_loses_it_again() {
    let mut file = nifti_1(2, &[5; 12], (1.0, 0.0), false);
    file[40..48].copy_from_slice(&[2, 0, 4, 0, 3, 0, 1, 0]);
    let (folder, path) = save("a.nii", &file);
    let (labels, geometry) = read_segmentation(&path).unwrap();
    assert_eq!((labels.dim(), geometry.spacing), ((1, 3, 4), [999.0 * 0.75, 0.75, 0.5]));
    let written = folder.path().join("b.nii");
    write_segmentation(&written, &labels, &geometry).unwrap();
    assert_eq!(fs::read(&written).unwrap()[40..46], file[40..46]);
    assert_eq!(read_segmentation(&written).unwrap(), (labels, geometry));
}

#[test]
fn channels_are_stacked_and_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.nii", "b.nii"].map(|name| folder.path().join(name));
    let write = |path: &Path, value: f32, shape, geometry: &Geometry| {
        write_image(path, &Array4::from_elem(shape, value), geometry).unwrap();
    };
    let geometry = Geometry::of_spacing([2.0, 1.0, 1.0]);
    write(&paths[0], 1.0, (1, 2, 3, 4), &geometry);
    write(&paths[1], 2.0, (2, 2, 3, 4), &geometry);
    let (image, warnings) = read_channels(&paths).unwrap();
    assert_eq!((image.data.dim(), warnings.len()), ((3, 2, 3, 4), 0));
    assert_eq!([0, 1, 2].map(|c| image.data[[c, 0, 0, 0]]), [1.0, 2.0, 2.0]);

    let moved = Geometry { origin: [0.0, 9.0, 0.0], ..geometry.clone() };
    write(&paths[1], 2.0, (1, 2, 3, 4), &moved);
    let (_, warnings) = read_channels(&paths).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("origin") && warnings[0].contains("9.0"), "{warnings:?}");

    write(&paths[1], 2.0, (1, 2, 3, 4), &Geometry::of_spacing([2.0, 1.0, 1.5]));
    let error = read_channels(&paths).unwrap_err().to_string();
    for part in ["a.nii", "b.nii", "spacing", "[2.0, 1.0, 1.5]", "[2.0, 1.0, 1.0]"] {
        assert!(error.contains(part), "{error}");
    }
    write(&paths[1], 2.0, (1, 2, 3, 5), &geometry);
    let error = read_channels(&paths).unwrap_err().to_string();
    assert!(error.contains("[2, 3, 5]") && error.contains("[2, 3, 4]"), "{error}");
    assert!(matches!(read_channels(&[] as &[&str]), Err(ImageError::NoChannel)));
}

#[test]
fn png_as_natural_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let geometry = Geometry::of_pixels([1.0, 1.0]);
    for channels in [1, 3, 4] {
        let data = Array4::from_shape_fn((channels, 1, 5, 7), |(c, _, y, x)| (c * 60 + y * 7 + x) as f32);
        write_image(&path, &data, &geometry).unwrap();
        assert_eq!(read_image(&path).unwrap(), Image { data, geometry: geometry.clone() });
        assert_eq!(read_header(&path).unwrap(), ImageHeader { channels, shape: [1, 5, 7], geometry: geometry.clone() });
    }
    assert!(read_segmentation(&path).unwrap_err().to_string().contains("4 channels"));
    let labels = Array3::from_shape_fn((1, 4, 3), |(_, y, x)| (y * 80 + x) as i16);
    write_segmentation(&path, &labels, &geometry).unwrap();
    assert_eq!(read_segmentation(&path).unwrap().0, labels);
    let wide = labels.mapv(|label| label * 100);
    write_segmentation(&path, &wide, &geometry).unwrap();
    assert_eq!(read_segmentation(&path).unwrap().0, wide, "labels above 254 take 16 bits");
    write_segmentation(&path, &labels, &geometry).unwrap();
    assert!(write_segmentation(&path, &Array3::zeros((2, 2, 2)), &geometry).is_err());
    assert!(write_image(&path, &Array4::from_elem((1, 1, 2, 2), 0.5), &geometry).is_err());
    assert_eq!(read_segmentation(&path).unwrap().0, labels, "a failed write changed the file");
}

#[test]
fn real_png_slices() {
    let Some(folder) = data("Dataset012_Membrane2D") else { return };
    let first = |sub: &str| fs::read_dir(folder.join(sub)).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    let image = read_image(first("imagesTr")).unwrap();
    assert_eq!((image.data.dim(), image.spacing()), ((1, 1, 512, 512), [999.0, 1.0, 1.0]));
    assert!(image.data.std(0.0) > 10.0);
    let (labels, _) = read_segmentation(first("labelsTr")).unwrap();
    assert!(labels.iter().all(|&label| label == 0 || label == 1) && labels.iter().any(|&label| label == 1));
}

#[test]
fn what_is_no_label_is_named() {
    let voxels: Vec<u8> = (0..12).flat_map(|i| (if i == 7 { 1.5f32 } else { 1.0 }).to_le_bytes()).collect();
    let (_folder, path) = save("a.nii", &nifti_1(16, &voxels, (1.0, 0.0), false));
    let error = read_segmentation(&path).unwrap_err().to_string();
    assert!(error.contains("1.5 at voxel [1, 0, 1]"), "{error}");
    let voxels: Vec<u8> = [40000u16; 12].iter().flat_map(|v| v.to_le_bytes()).collect();
    let (_folder, path) = save("a.nii", &nifti_1(512, &voxels, (1.0, 0.0), false));
    assert!(read_segmentation(&path).unwrap_err().to_string().contains("40000"));
}

#[test]
fn a_header_that_promises_too_much_costs_no_memory() {
    let mut file = nifti_1(64, &[0; 96], (1.0, 0.0), false);
    for axis in 1..=4 {
        file[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&32767i16.to_le_bytes());
    }
    file[40] = 4;
    let (_folder, path) = save("a.nii", &file);
    let error = read_image(&path).unwrap_err();
    assert!(matches!(error, ImageError::Truncated { found: 12, .. }), "{error}");
    assert!(error.to_string().contains("12 of 1152780773560811521 voxels"), "{error}");
}

#[test]
fn errors_name_the_file_and_the_way_out() {
    let (_folder, path) = save("a.mnc", b"");
    let error = read_image(&path).unwrap_err().to_string();
    assert!(error.contains("a.mnc") && error.contains(".nii.gz, .nii, .nrrd"), "{error}");
    assert!(read_image("/no/such.nii.gz").unwrap_err().to_string().contains("/no/such.nii.gz"));
    for ending in ENDINGS {
        let name = &format!("a{ending}");
        let (_folder, path) = save(name, b"");
        assert!(read_image(&path).unwrap_err().to_string().contains(name));
    }
}

/// A whole file of each format.
static WHOLE: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let labels = Array3::from_shape_fn((1, 9, 8), |(_, y, x)| (y * x % 7) as i16);
    let files = ["a.nii", "b.nii.gz", "c.nii", "d.nii.gz", "e.png", "f.nrrd", "g.mha", "h.gipl", "i.bmp", "j.tif"];
    files
        .map(|name| {
            let path = folder.path().join(name);
            let mut geometry = random_geometry();
            geometry.nifti.as_mut().unwrap().version = if matches!(name, "a.nii" | "b.nii.gz") { 1 } else { 2 };
            match name {
                "h.gipl" => write_segmentation(&path, &labels, &Geometry::of_spacing([1.0; 3])).unwrap(),
                "j.tif" => write_segmentation(&path, &labels, &Geometry::of_pixels([1.0; 2])).unwrap(),
                _ => write_segmentation(&path, &labels, &geometry).unwrap(),
            }
            (name, fs::read(path).unwrap())
        })
        .to_vec()
});

#[test]
fn every_cut_is_an_error() {
    for (name, bytes) in WHOLE.iter() {
        for length in 0..bytes.len() {
            let (_folder, path) = save(name, &bytes[..length]);
            // a PNG's last chunk holds nothing
            if *name != "e.png" || length + 12 < bytes.len() {
                assert!(read_segmentation(&path).is_err(), "{length} of {} bytes of {name}", bytes.len());
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_compressed_voxels_is_an_error() {
    let (name, mut bytes) = WHOLE[1].clone();
    let last = bytes.len() - 6; // in the checksum
    bytes[last] ^= 1;
    let (_folder, path) = save(name, &bytes);
    assert!(read_segmentation(&path).is_err());
}

proptest! {
    #[test]
    fn no_damage_makes_a_reader_panic(which in 0..10usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let (name, mut bytes) = WHOLE[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (_folder, path) = save(name, &bytes);
        let _ = read_image(&path);
        let _ = read_segmentation(&path);
        let _ = read_header(&path);
    }
}

#[test]
fn channels_are_split_as_they_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, name) = (dir.path().join("a.nii"), |channel: usize| dir.path().join(format!("a_{channel:04}.nii.gz")));
    let stored: Vec<i16> = (-6..6).collect();
    for big in [false, true] {
        let bytes: Vec<u8> = stored.iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect();
        let mut file = nifti_1(4, &stored.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), (0.5, 10.0), big);
        // x, y, z, channel = 3, 2, 1, 2
        for (at, length) in [(40, 4i16), (46, 1), (48, 2)] {
            file[at..at + 2].copy_from_slice(&if big { length.to_be_bytes() } else { length.to_le_bytes() });
        }
        file.truncate(352);
        file.extend(&bytes);
        fs::write(&whole, &file).unwrap();
        assert_eq!(split_channels(&whole, name).unwrap(), 2);
        let image = read_image(&whole).unwrap();
        for channel in 0..2 {
            let one = read_image(name(channel)).unwrap();
            assert_eq!(one.data.index_axis(ndarray::Axis(0), 0), image.data.index_axis(ndarray::Axis(0), channel));
            assert_eq!(one.data[(0, 0, 0, 0)], 10.0 + 0.5 * f32::from(stored[6 * channel]));
            assert_eq!(one.geometry.spacing, image.geometry.spacing);
            let mut bytes = Vec::new();
            GzDecoder::new(fs::File::open(name(channel)).unwrap()).read_to_end(&mut bytes).unwrap();
            let voxels: Vec<i16> = bytes[352..].chunks_exact(2).map(|v| i16::from_le_bytes([v[0], v[1]])).collect();
            assert_eq!((bytes[70], voxels.as_slice()), (4, &stored[6 * channel..6 * channel + 6]), "type and values to the bit");
        }
        fs::write(&whole, &file[..file.len() - 3]).unwrap();
        assert!(split_channels(&whole, name).unwrap_err().to_string().contains("is cut short: 10 of 12 voxels"));
    }
    assert!(split_channels("a.png", name).is_err());
}
