//! The formats beside NIfTI and PNG: what is written comes back, and headers that others write are understood.
#![allow(clippy::unwrap_used)] // helpers outside #[test] functions, too

use ndarray::{Array3, Array4};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use volume::image::*;

fn save(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// A rotation by a quaternion.
fn rotation([a, b, c, d]: [f64; 4]) -> [[f64; 3]; 3] {
    let n = (a * a + b * b + c * c + d * d).sqrt();
    let [a, b, c, d] = [a / n, b / n, c / n, d / n];
    [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ]
}

prop_compose! {
    fn geometry()(
        spacing in prop::array::uniform3(0.01f64..10.0),
        origin in prop::array::uniform3(-500.0f64..500.0),
        quaternion in prop::array::uniform4(0.05f64..1.0),
        axial in any::<bool>(),
    ) -> Geometry {
        let neutral = Geometry::of_spacing(spacing);
        let direction = if axial { neutral.direction } else { rotation(quaternion) };
        Geometry { origin, direction, ..neutral }
    }
}

/// Equal but for a relative error.
fn close(found: &Geometry, wanted: &Geometry, most: f64) -> bool {
    let numbers = |g: &Geometry| [&g.spacing[..], &g.origin, g.direction.as_flattened()].concat();
    numbers(found).iter().zip(numbers(wanted)).all(|(a, b)| (a - b).abs() <= most * b.abs().max(1.0)) && found.flat == wanted.flat
}

proptest! {
    // each writes a dozen files, and each file is synced
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_is_written_comes_back(
        shape in (1usize..4, 1usize..5, 1usize..6, 1usize..7),
        geometry in geometry(),
        highest in prop::sample::select(vec![1i16, 254, 255, 30000]),
        seed in any::<u32>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (channels, depth, height, width) = shape;
        let hash = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).rotate_left(13);
        let labels = Array3::from_shape_fn((depth, height, width), |(z, y, x)| (hash(z * 97 + y * 31 + x) % (highest as u32 + 1)) as i16);
        let image = Array4::from_shape_fn(shape, |(c, z, y, x)| f32::from_bits(hash(c * 997 + z * 97 + y * 31 + x) & 0x7f7f_ffff));
        let axial = geometry.direction == Geometry::of_spacing([1.0; 3]).direction;
        // the largest relative error of the geometry
        for (ending, error) in [(".mha", 0.0), (".mhd", 0.0), (".nrrd", 4.0 * f64::EPSILON), (".nhdr", 4.0 * f64::EPSILON), (".nii", 1e-6), (".gipl", 1e-7)] {
            let path = folder.path().join(format!("a{ending}"));
            if ending == ".gipl" && !axial {
                prop_assert!(write_segmentation(&path, &labels, &geometry).unwrap_err().to_string().contains("direction"));
                continue;
            }
            write_segmentation(&path, &labels, &geometry).unwrap();
            let (found, place) = read_segmentation(&path).unwrap();
            prop_assert_eq!(&found, &labels, "{}", ending);
            prop_assert!(close(&place, &geometry, error), "{}: {:?}", ending, place);
            write_image(&path, &image, &geometry).unwrap();
            let found = read_image(&path).unwrap();
            prop_assert_eq!(&found.data, &image, "{}", ending);
            prop_assert!(close(&found.geometry, &geometry, error), "{}: {:?}", ending, found.geometry);
            let header = read_header(&path).unwrap();
            prop_assert_eq!((header.channels, header.shape), (channels, [depth, height, width]));
        }
    }

    #[test]
    fn a_stack_keeps_its_spacing_beside_it(shape in (1usize..5, 1usize..6, 1usize..7), spacing in prop::array::uniform3(0.01f64..10.0), highest in prop::sample::select(vec![3u16, 700])) {
        let folder = tempfile::tempdir().unwrap();
        let geometry = Geometry::of_spacing(spacing);
        let labels = Array3::from_shape_fn(shape, |(z, y, x)| ((z * 61 + y * 7 + x) % (highest as usize + 1)) as i16);
        for ending in [".tif", ".tiff"] {
            let path = folder.path().join(format!("case{ending}"));
            write_segmentation(&path, &labels, &geometry).unwrap();
            prop_assert_eq!(read_segmentation(&path).unwrap(), (labels.clone(), geometry.clone()));
            prop_assert_eq!(files(&path).unwrap(), [path.clone(), folder.path().join("case.json")]);
        }
        fs::remove_file(folder.path().join("case.json")).unwrap();
        // an image's is shared by the channels of its case
        let image = labels.mapv(|label| f32::from(label) / 3.0).insert_axis(ndarray::Axis(0));
        let path = folder.path().join("case_0001.tif");
        write_image(&path, &image, &geometry).unwrap();
        prop_assert!(folder.path().join("case.json").exists());
        prop_assert_eq!(read_image(&path).unwrap(), Image { data: image, geometry });
    }

    #[test]
    fn natural_images_come_back(height in 1usize..9, width in 1usize..9, channels in prop::sample::select(vec![1usize, 3, 4]), step in 1usize..250) {
        let folder = tempfile::tempdir().unwrap();
        let geometry = Geometry::of_pixels([1.0, 1.0]);
        for (ending, highest) in [(".png", 255), (".png", 65535), (".bmp", 255), (".tif", 255)] {
            let data = Array4::from_shape_fn((channels, 1, height, width), |(c, _, y, x)| ((c * 31 + y * 17 + x * step) * 7 % (highest + 1)) as f32);
            let path = folder.path().join(format!("a{ending}"));
            write_image(&path, &data, &geometry).unwrap();
            let found = read_image(&path).unwrap();
            prop_assert_eq!(&found.data, &data, "{} to {}", ending, highest);
            prop_assert_eq!(&found.geometry, &geometry);
            prop_assert_eq!(read_header(&path).unwrap().channels, channels);
        }
    }

    #[test]
    fn a_turned_grid_is_written_as_it_was(shape in (1usize..4, 1usize..5, 1usize..6), geometry in geometry(), order in 0usize..6, signs in prop::array::uniform3(any::<bool>())) {
        let axes = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
        let sign = |axis: usize| if signs[axis] { -1.0 } else { 1.0 };
        let direction = std::array::from_fn(|row| std::array::from_fn(|column| sign(column) * geometry.direction[row][axes[column]]));
        let geometry = Geometry { direction, ..geometry };
        let labels = Array3::from_shape_fn(shape, |(z, y, x)| (z * 61 + y * 7 + x) as i16);
        let folder = tempfile::tempdir().unwrap();
        let [before, after] = ["before.mha", "after.mha"].map(|name| folder.path().join(name));
        write_segmentation(&before, &labels, &geometry).unwrap();
        for reader in [Reader::SimpleItkReorient, Reader::NibabelReorient] {
            let (turned, place) = reader.read_segmentation(&before).unwrap();
            let header = reader.read_header(&before).unwrap();
            prop_assert_eq!((header.shape.as_slice(), &header.geometry), (turned.shape(), &place));
            for world in 0..3 {
                // right, anterior, superior; no other axis is closer
                let wanted = if world == 2 { 1.0 } else { -1.0 };
                prop_assert!(place.direction[world][world] * wanted > 0.0, "{:?}", place.direction);
            }
            // each voxel is where it was
            let position = |g: &Geometry, v: [usize; 3]| -> [f64; 3] {
                std::array::from_fn(|row| g.origin[row] + (0..3).map(|axis| g.direction[row][axis] * g.spacing[2 - axis] * v[2 - axis] as f64).sum::<f64>())
            };
            for ((z, y, x), label) in turned.indexed_iter() {
                let label = *label as usize;
                let was = [label / 61, label % 61 / 7, label % 61 % 7];
                let (a, b) = (position(&place, [z, y, x]), position(&geometry, was));
                prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
            }
            write_segmentation(&after, &turned, &place).unwrap();
            prop_assert_eq!(fs::read(&before).unwrap(), fs::read(&after).unwrap());
        }
    }
}

/// Voxels 0 to 11 of (z, y, x) = (2, 2, 3).
fn counted() -> Array4<f32> {
    Array4::from_shape_fn((1, 2, 2, 3), |(_, z, y, x)| (6 * z + 3 * y + x) as f32)
}

const NRRD: &str = "NRRD0005\n# a remark\ntype: short\ndimension: 3\nspace: RAS\nsizes: 3 2 2\nspace directions: (0, 2,0) (-0.5,0,0) (0,0,3)\n\
                    kinds: domain domain domain\nendian: big\nkey:=value\n";

#[test]
fn nrrd_as_others_write_it() {
    let big: Vec<u8> = (0..12i16).flat_map(i16::to_be_bytes).collect();
    let with = |rest: &str, data: &[u8]| [NRRD.as_bytes(), rest.as_bytes(), b"\n", data].concat();
    let text = b"0 1 2 3,4,5\n6\t7 8 9 10 11";
    for (rest, data) in [
        ("encoding: raw\nspace origin: (1,2,3)\n", big.clone()),
        ("encoding: ascii\nspace origin: (1,2,3)\n", text.to_vec()),
        ("encoding: raw\nline skip: 1\nbyte skip: 2\nspace origin: (1,2,3)\n", [b"left out\nxx", &big[..]].concat()),
        ("encoding: raw\nbyte skip: -1\nspace origin: (1,2,3)\n", [b"left out", &big[..]].concat()),
    ] {
        let (_folder, path) = save("a.nrrd", &with(rest, &data));
        let image = read_image(&path).unwrap();
        assert_eq!(image.data, counted(), "{rest}");
        let geometry = &image.geometry;
        assert_eq!((geometry.spacing, geometry.origin), ([3.0, 0.5, 2.0], [-1.0, -2.0, 3.0]));
        assert_eq!(geometry.direction, [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]].map(|row| row.map(|v: f64| v)));
    }
    // voxels in a file of their own
    let (folder, path) = save("a.nhdr", format!("{NRRD}encoding: raw\ndata file: ./voxels.raw\n").as_bytes());
    fs::write(folder.path().join("voxels.raw"), &big).unwrap();
    assert_eq!(read_image(&path).unwrap().data, counted());
    assert_eq!(files(&path).unwrap(), [path.clone(), folder.path().join("voxels.raw")]);
}

#[test]
fn channels_of_an_nrrd_are_its_first_or_its_last_axis() {
    let header = |sizes: &str, directions: &str, kinds: &str| {
        format!(
            "NRRD0004\ntype: uint8\ndimension: 4\nspace dimension: 3\nsizes: {sizes}\nspace directions: {directions}\nkinds: {kinds}\nencoding: raw\n\n"
        )
    };
    let voxels: Vec<u8> = (0..24).collect();
    let first = header("2 3 2 2", "none (1,0,0) (0,1,0) (0,0,1)", "vector domain domain domain");
    let (_folder, path) = save("a.nrrd", &[first.as_bytes(), &voxels].concat());
    let image = read_image(&path).unwrap();
    assert_eq!(image.data, Array4::from_shape_fn((2, 2, 2, 3), |(c, z, y, x)| (2 * (6 * z + 3 * y + x) + c) as f32));
    let last = header("3 2 2 2", "(1,0,0) (0,1,0) (0,0,1) none", "domain domain domain list");
    let (_folder, path) = save("a.nrrd", &[last.as_bytes(), &voxels].concat());
    assert_eq!(read_image(&path).unwrap().data, Array4::from_shape_fn((2, 2, 2, 3), |(c, z, y, x)| (12 * c + 6 * z + 3 * y + x) as f32));
}

const META: &str = "ObjectType = Image\nNDims = 3\nBinaryDataByteOrderMSB = True\nTransformMatrix = 0 1 0 -1 0 0 0 0 1\nOffset = 1 2 3\n\
                    ElementSpacing = 0.1 2 -3\nDimSize = 3 2 2\nElementType = MET_USHORT\n";

#[test]
fn meta_images_as_others_write_them() {
    let big: Vec<u8> = (0..12u16).flat_map(u16::to_be_bytes).collect();
    for (rest, data) in [
        ("BinaryData = True\nElementDataFile = LOCAL\n", big.clone()),
        ("BinaryData = False\nElementDataFile = LOCAL\n", b"0 1 2 3 4 5 6 7 8 9 10 11\n".to_vec()),
    ] {
        let (_folder, path) = save("a.mha", &[META.as_bytes(), rest.as_bytes(), &data].concat());
        let image = read_image(&path).unwrap();
        assert_eq!(image.data, counted());
        assert_eq!((image.geometry.spacing, image.geometry.origin), ([3.0, 2.0, 0.1], [1.0, 2.0, 3.0]));
        // an axis after the other in the file, a row after the other here
        assert_eq!(image.geometry.direction, [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]);
    }
    for (skip, before) in [("HeaderSize = -1\n", 9), ("HeaderSize = 4\n", 4), ("", 0)] {
        let (folder, path) = save("a.mhd", format!("{META}{skip}ElementDataFile = v.raw\n").as_bytes());
        fs::write(folder.path().join("v.raw"), [vec![7; before], big.clone()].concat()).unwrap();
        assert_eq!(read_image(&path).unwrap().data, counted(), "{skip}");
    }
    let colours = "NDims = 2\nDimSize = 2 2\nElementNumberOfChannels = 3\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
    let (_folder, path) = save("a.mha", &[colours.as_bytes(), &(0..12).collect::<Vec<u8>>()].concat());
    let image = read_image(&path).unwrap();
    assert_eq!(image.data, Array4::from_shape_fn((3, 1, 2, 2), |(c, _, y, x)| (3 * (2 * y + x) + c) as f32));
    assert!(image.geometry.flat);
}

#[test]
fn headers_that_make_no_sense_are_told() {
    let (folder, path) = save("a.nrrd", b"");
    fs::write(folder.path().join("secret.raw"), [0; 64]).unwrap();
    let nrrd = |from: &str, to: &str| format!("{}encoding: raw\n\n", NRRD.replace(from, to)).into_bytes();
    let meta = |from: &str, to: &str| format!("{META}ElementDataFile = LOCAL\n").replace(from, to).into_bytes();
    for (name, bytes, part) in [
        ("a.nrrd", nrrd("NRRD0005", "NRD"), "no NRRD file"),
        ("a.nrrd", nrrd("sizes: 3 2 2", "sizes: 3 0 2"), "at least 1 voxel"),
        ("a.nrrd", nrrd("sizes: 3 2 2", "sizes: 3 2"), "`dimension`"),
        ("a.nrrd", nrrd("type: short", "type: block"), "`type` is \"block\"; wanted one of unsigned char"),
        ("a.nrrd", nrrd("(0, 2,0)", "(0,0,0)"), "`space directions`"),
        ("a.nrrd", nrrd("kinds", "encoding: bzip2\nkinds"), "wanted raw, text or gzip"),
        ("a.nhdr", nrrd("kinds", "data file: ../secret.raw\nkinds"), "in the folder of the header"),
        ("a.nhdr", nrrd("kinds", "data file: /etc/passwd\nkinds"), "in the folder of the header"),
        ("a.nhdr", nrrd("kinds", "data file: LIST\nkinds"), "wanted one file"),
        ("a.mha", meta("MET_USHORT", "MET_STRING"), "`ElementType` is \"MET_STRING\"; wanted one of MET_UCHAR"),
        ("a.mha", meta("NDims = 3", "NDims = 2"), "as many as `NDims`"),
        ("a.mha", meta("DimSize = 3 2 2", "DimSize = 3 x 2"), "wanted numbers"),
        ("a.mha", meta("0.1 2 -3", "0 2 3"), "none 0"),
        ("a.mha", meta("LOCAL", "../a"), "in the folder of the header"),
        ("a.mha", b"hello\n".to_vec(), "no MetaImage"),
        ("a.gipl", vec![0; 256], "no GIPL file"),
        ("a.tif", b"II*\0".to_vec(), "no whole TIFF"),
        ("a.bmp", b"BM".to_vec(), "no whole BMP"),
    ] {
        let path = path.with_file_name(name);
        fs::write(&path, bytes.iter().copied().chain([0; 24]).collect::<Vec<u8>>()).unwrap();
        let error = read_image(&path).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(name), "{error}");
    }
    let huge = NRRD.replace("sizes: 3 2 2", "sizes: 4000000000 400000000 2");
    fs::write(&path, format!("{huge}encoding: raw\n\n123")).unwrap();
    assert!(matches!(read_image(&path), Err(ImageError::Truncated { found: 1, .. })));
    let endless = [NRRD.as_bytes(), &vec![b'x'; 2 << 20]].concat();
    fs::write(&path, endless).unwrap();
    assert!(read_image(&path).unwrap_err().to_string().contains("no end"));
}

#[test]
fn readers_are_chosen_as_nnunet_chooses_them() {
    let names = [
        (".nii.gz", "SimpleITKIO"),
        (".nii", "NibabelIO"),
        (".nrrd", "SimpleITKIO"),
        (".mha", "SimpleITKIO"),
        (".gipl", "SimpleITKIO"),
        (".bmp", "NaturalImage2DIO"),
        (".tiff", "Tiff3DIO"),
    ];
    for (ending, name) in names {
        assert_eq!(Reader::of_ending(ending).map(Reader::name), Some(name), "{ending}");
        assert_eq!(Reader::named(name).map(Reader::name), Some(name));
    }
    assert_eq!((Reader::of_ending(".mnc"), Reader::named("MyIO")), (None, None));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    write_segmentation(&path, &Array3::ones((1, 4, 5)), &Geometry::of_pixels([1.0; 2])).unwrap();
    assert_eq!(Reader::of(".tif", &path).unwrap(), Some(Reader::NaturalImage2D));
    write_segmentation(&path, &Array3::ones((3, 4, 5)), &Geometry::of_spacing([1.0; 3])).unwrap();
    assert_eq!(Reader::of(".tif", &path).unwrap(), Some(Reader::Tiff3D));
}

#[test]
fn a_page_of_colours_may_have_a_spacing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case_0000.tif");
    let data = Array4::from_shape_fn((3, 1, 2, 4), |(c, _, y, x)| (c * 100 + y * 10 + x) as f32);
    write_image(&path, &data, &Geometry::of_pixels([1.0; 2])).unwrap();
    fs::write(folder.path().join("case.json"), r#"{"spacing": [3, 0.5, 0.5]}"#).unwrap();
    assert_eq!(read_image(&path).unwrap(), Image { data, geometry: Geometry::of_spacing([3.0, 0.5, 0.5]) });
}

/// What differs in a slice.
#[derive(Clone)]
struct DicomSlice {
    z: f64,
    uid: &'static str,
    rows: u16,
    slope: &'static str,
}

const SLICE: DicomSlice = DicomSlice { z: 0.0, uid: "1.2.3", rows: 2, slope: "2" };

impl DicomSlice {
    /// Explicit little endian; pixels (y, x) = (2, 3) of 16 bits with a sign hold z, -1, -2, ...
    fn bytes(&self) -> Vec<u8> {
        let mut file = [vec![0; 128], b"DICM".to_vec()].concat();
        let text = |value: &str| {
            let mut bytes = value.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(2), b' ');
            bytes
        };
        let syntax = text("1.2.840.10008.1.2.1");
        put(&mut file, [0x0002, 0x0000], b"UL", &(syntax.len() as u32 + 8).to_le_bytes());
        put(&mut file, [0x0002, 0x0010], b"UI", &syntax);
        put(&mut file, [0x0020, 0x000E], b"UI", &text(self.uid));
        put(&mut file, [0x0020, 0x0032], b"DS", &text(&format!("10\\20\\{}", self.z)));
        put(&mut file, [0x0020, 0x0037], b"DS", &text("1\\0\\0\\0\\1\\0"));
        put(&mut file, [0x0028, 0x0002], b"US", &1u16.to_le_bytes());
        put(&mut file, [0x0028, 0x0004], b"CS", b"MONOCHROME2 ");
        put(&mut file, [0x0028, 0x0010], b"US", &self.rows.to_le_bytes());
        put(&mut file, [0x0028, 0x0011], b"US", &3u16.to_le_bytes());
        put(&mut file, [0x0028, 0x0030], b"DS", &text("0.5\\0.25"));
        for (element, value) in [(0x0100, 16u16), (0x0101, 12), (0x0102, 11), (0x0103, 1)] {
            put(&mut file, [0x0028, element], b"US", &value.to_le_bytes());
        }
        put(&mut file, [0x0028, 0x1052], b"DS", &text("-1000"));
        put(&mut file, [0x0028, 0x1053], b"DS", &text(self.slope));
        let pixels: Vec<u8> = (0..self.rows as i16 * 3).flat_map(|i| ((if i == 0 { self.z as i16 } else { -i }) & 0x0fff).to_le_bytes()).collect();
        put(&mut file, [0x7FE0, 0x0010], b"OW", &pixels);
        file
    }
}

fn put(file: &mut Vec<u8>, tag: [u16; 2], vr: &[u8; 2], value: &[u8]) {
    file.extend(tag.iter().flat_map(|part| part.to_le_bytes()));
    file.extend(vr);
    match vr {
        b"OW" => file.extend([&[0; 2][..], &(value.len() as u32).to_le_bytes()].concat()),
        _ => file.extend((value.len() as u16).to_le_bytes()),
    }
    file.extend(value);
}

fn series(folder: &Path, slices: &[DicomSlice]) {
    for (index, slice) in slices.iter().enumerate() {
        // names in another order than places
        fs::write(folder.join(format!("{}.dcm", (index * 7 + 3) % 10)), slice.bytes()).unwrap();
    }
}

#[test]
fn a_folder_of_slices_is_one_image() {
    let folder = tempfile::tempdir().unwrap();
    series(folder.path(), &[3.0, 0.0, 1.5, 4.5].map(|z| DicomSlice { z, slope: if z == 0.0 { "1" } else { "2" }, ..SLICE }));
    fs::write(folder.path().join("notes.txt"), "not a slice").unwrap();
    let image = read_image(folder.path()).unwrap();
    let value = |z: usize, y: usize, x: usize| {
        let i = (3 * y + x) as f32;
        let raw = if i == 0.0 { (1.5 * z as f32).trunc() } else { -i };
        raw * if z == 0 { 1.0 } else { 2.0 } - 1000.0
    };
    assert_eq!(image.data, Array4::from_shape_fn((1, 4, 2, 3), |(_, z, y, x)| value(z, y, x)));
    assert_eq!((image.geometry.spacing, image.geometry.origin), ([1.5, 0.5, 0.25], [10.0, 20.0, 0.0]));
    assert_eq!(read_header(folder.path()).unwrap().shape, [4, 2, 3]);
    assert_eq!(files(folder.path()).unwrap().len(), 4);
    assert!(write_segmentation(folder.path().join("x.dcm"), &Array3::zeros((1, 2, 2)), &image.geometry).is_err());
}

#[test]
fn slices_that_are_no_image_are_refused_by_number() {
    let with = |slices: &[DicomSlice]| {
        let folder = tempfile::tempdir().unwrap();
        series(folder.path(), slices);
        read_image(folder.path()).unwrap_err().to_string()
    };
    let at = |z: f64| DicomSlice { z, ..SLICE };
    for (slices, parts) in [
        (vec![at(0.0), at(1.0), at(1.0)], vec!["lie both at 1.000 mm", "0.dcm"]),
        (vec![at(0.0), at(1.0), at(2.0), at(5.0)], vec!["2.000 mm", "5.000 mm", "2 slice(s) are missing"]),
        (vec![at(0.0), DicomSlice { uid: "1.2.4", ..at(1.0) }], vec!["2 series: 1.2.3 (1 slices), 1.2.4 (1 slices)"]),
        (vec![at(0.0), DicomSlice { rows: 3, ..at(1.0) }], vec!["shape", "[3, 3]", "[2, 3]"]),
        (vec![], vec!["without DICOM slices"]),
    ] {
        let error = with(&slices);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn cut_slices_are_errors() {
    let whole = SLICE.bytes();
    for length in 0..whole.len() {
        let (_folder, path) = save("a.dcm", &whole[..length]);
        assert!(read_image(&path).is_err(), "{length} of {} bytes", whole.len());
    }
}

proptest! {
    #[test]
    fn no_damage_of_a_slice_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = SLICE.bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (_folder, path) = save("a.dcm", &bytes);
        let _ = read_image(&path);
    }
}
