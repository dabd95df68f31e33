"""Images as Python's libraries write and read them.

    round_trips.py make DIR     writes files with SimpleITK, nibabel, tifffile, pillow and pydicom, and what they hold
    round_trips.py check DIR    reads what tests/round_trips.rs has written of them, and compares

DIR/made.json lists the files that were made: {"file", "voxels" (an array (C, z, y, x) of voxels.npz), "spacing" (z, y, x), "origin",
"direction", "reader" (or null), "exact" (whether the geometry must be equal to the bit)}. DIR/ours.json lists what was written back:
{"file", "voxels", "spacing", "origin", "direction", "labels" (whether it is a segmentation)}.
"""
import itertools
import json
import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

warnings.filterwarnings("ignore")
sitk.ProcessObject.SetGlobalWarningDisplay(False)
RANDOM = np.random.default_rng(7)
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
SHAPE = (3, 4, 5)


def rotation(a, b, c, d):
    a, b, c, d = np.array([a, b, c, d]) / np.linalg.norm([a, b, c, d])
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


OBLIQUE = rotation(0.9, 0.1, -0.2, 0.3)


def voxels(kind, shape=SHAPE):
    if kind.startswith("float"):
        return RANDOM.normal(size=shape).astype(kind)
    info = np.iinfo(kind)
    return RANDOM.integers(max(info.min, -30000), min(info.max, 30000), size=shape, endpoint=True).astype(kind)


class Maker:
    def __init__(self, folder):
        self.folder, self.made, self.arrays = folder, [], {}

    def add(self, file, array, spacing, origin, direction, reader=None, exact=False):
        """`array` is (C, z, y, x), or (z, y, x)."""
        array = np.ascontiguousarray(array, np.float32)
        name = f"v{len(self.made)}"
        self.arrays[name] = array if array.ndim == 4 else array[None]
        numbers = {"spacing": spacing, "origin": origin, "direction": np.ravel(direction)}
        numbers = {key: [float(x) for x in value] for key, value in numbers.items()}
        self.made.append({"file": file, "voxels": name, **numbers, "reader": reader, "exact": exact})

    def add_sitk(self, file, reader=None, exact=True, image=None):
        """What nnU-Net gets of a file that SimpleITK reads."""
        image = image or sitk.ReadImage(str(self.folder / file))
        array, dims = sitk.GetArrayFromImage(image), image.GetDimension()
        spacing = list(np.abs(image.GetSpacing())[::-1])
        direction = np.array(image.GetDirection()).reshape(dims, dims)
        whole = np.eye(3)
        whole[: min(dims, 3), : min(dims, 3)] = direction[:3, :3]
        if image.GetNumberOfComponentsPerPixel() > 1:
            array = np.moveaxis(array, -1, 0)
            array = array if array.ndim == 4 else array[:, None]
        elif dims == 2:
            array = array[None]
        if dims == 2:
            spacing = [999 * max(spacing)] + spacing
        origin = (list(image.GetOrigin()) + [0.0])[:3]
        self.add(file, array, spacing[-3:], origin, whole, reader, exact)

    def close(self):
        np.savez(self.folder / "voxels.npz", **self.arrays)
        (self.folder / "made.json").write_text(json.dumps(self.made))


def make_sitk(make):
    for ending, kind, packed in itertools.product(["nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd", "gipl"], TYPES, [False, True]):
        image = sitk.GetImageFromArray(voxels(kind))
        image.SetSpacing((0.1, 1 / 3, 2.5))
        image.SetOrigin((1.1, -2.2, 1e-7))
        image.SetDirection(OBLIQUE.ravel())
        file = f"{ending[:4]}_{kind}_{int(packed)}.{ending}"  # voxels beside a header have a name of their own, too
        try:
            sitk.WriteImage(image, str(make.folder / file), packed)
        except RuntimeError:
            continue  # not a type of that format
        make.add_sitk(file, exact=ending in ("mha", "mhd", "gipl"))
    series = sitk.JoinSeries([sitk.GetImageFromArray(voxels("int16")) for _ in range(2)])
    vector = sitk.GetImageFromArray(voxels("uint8", SHAPE + (3,)), isVector=True)
    flat = sitk.GetImageFromArray(voxels("float32", (4, 5)))
    flat.SetSpacing((0.5, 2.0))
    flat.SetOrigin((7.0, 8.0))
    flat.SetDirection((0.0, 1.0, -1.0, 0.0))
    for ending in ["nii.gz", "nrrd", "mha"]:
        for name, image in [("series", series), ("vector", vector), ("flat", flat)]:
            file = f"{name}.{ending}"
            sitk.WriteImage(image, str(make.folder / file), True)
            make.add_sitk(file, exact=ending == "mha")
    # every orientation, turned to right, anterior, superior
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product([1, -1], repeat=3)):
        image = sitk.GetImageFromArray(voxels("int16"))
        image.SetSpacing((0.5, 1.5, 2.5))
        image.SetOrigin((10.0, -20.0, 30.0))
        image.SetDirection((OBLIQUE[:, order] * signs).ravel())
        file = f"turned_{''.join(map(str, order))}_{''.join('+-'[s < 0] for s in signs)}.nrrd"
        sitk.WriteImage(image, str(make.folder / file))
        turned = sitk.DICOMOrient(sitk.ReadImage(str(make.folder / file)), "RAS")
        make.add_sitk(file, "SimpleITKIOWithReorient", False, turned)


def make_nibabel(make):
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1, -1, 1]) @ OBLIQUE @ np.diag([0.5, 1.5, 2.5])
    affine[:3, 3] = [10, -20, 30]

    def save(file, image, reader=None):
        nibabel.save(image, make.folder / file)
        image = nibabel.load(make.folder / file)
        if reader:
            image = image.as_reoriented(nibabel.io_orientation(image.affine))
        spacing = [float(x) for x in image.header.get_zooms()[::-1]]
        to_lps = np.diag([-1, -1, 1])
        direction = to_lps @ image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
        make.add(file, image.get_fdata().transpose(2, 1, 0), spacing, to_lps @ image.affine[:3, 3], direction, reader)

    for kind, form in itertools.product(TYPES, ["sform", "qform"]):
        image = nibabel.Nifti1Image(voxels(kind, SHAPE[::-1]), None, dtype=kind)
        image.header.set_zooms((0.5, 1.5, 2.5))
        (image.set_sform if form == "sform" else image.set_qform)(affine, code=1)
        save(f"nib_{form}_{kind}.nii.gz", image)
    scaled = nibabel.Nifti1Image(voxels("float64", SHAPE[::-1]), affine)
    scaled.set_data_dtype("int16")
    save("nib_scaled.nii", scaled)
    save("nib_two.nii", nibabel.Nifti2Image(voxels("float64", SHAPE[::-1]), affine))
    big = nibabel.Nifti1Image(voxels("int16", SHAPE[::-1]), affine, nibabel.Nifti1Header(endianness=">"))
    save("nib_big.nii.gz", big)
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product([1, -1], repeat=3)):
        turned = np.eye(4)
        turned[:3, :3] = affine[:3, :3][:, order] * signs
        turned[:3, 3] = affine[:3, 3]
        name = f"nib_turned_{''.join(map(str, order))}_{''.join('+-'[s < 0] for s in signs)}.nii.gz"
        save(name, nibabel.Nifti1Image(voxels("int16", SHAPE[::-1]), turned), "NibabelIOWithReorient")


def make_natural(make):
    thick, identity = [999.0, 1.0, 1.0], np.eye(3)
    grey, rgb, rgba = (RANDOM.integers(0, 256, size=(6, 7) + tail, dtype=np.uint8) for tail in [(), (3,), (4,)])
    wide = RANDOM.integers(0, 65536, size=(6, 7), dtype=np.uint16)

    def add(file, array):
        array = np.asarray(array)
        array = np.moveaxis(array, -1, 0)[:, None] if array.ndim == 3 else array[None, None]
        make.add(file, array, thick, [0, 0, 0], identity, exact=True)

    for file, array in [("l.png", grey), ("rgb.png", rgb), ("rgba.png", rgba), ("l.bmp", grey), ("rgb.bmp", rgb)]:
        Image.fromarray(array).save(make.folder / file)
        add(file, array)
    Image.fromarray(wide).save(make.folder / "wide.png")
    add("wide.png", wide)
    palette = Image.fromarray(rgb).quantize(8)
    for file in ["palette.png", "palette.bmp"]:
        palette.save(make.folder / file)
        add(file, np.array(palette.convert("RGB")))
    for file, array in [("l.tif", grey), ("rgb.tif", rgb), ("rgba.tif", rgba), ("wide.tif", wide)]:
        tifffile.imwrite(make.folder / file, array, photometric="rgb" if array.ndim == 3 else "minisblack")
        add(file, array)
    tifffile.imwrite(make.folder / "white.tif", grey, photometric="miniswhite")
    add("white.tif", grey)
    Image.fromarray(grey > 127).save(make.folder / "bits.tif")
    add("bits.tif", tifffile.imread(make.folder / "bits.tif"))


def make_stacks(make):
    identity, spacing = np.eye(3), [2.5, 1 / 3, 0.1]
    options = [{}, {"compression": "zlib"}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}, {"rowsperstrip": 2}]
    options.append({"compression": "zlib", "predictor": 2})
    for kind, (index, option) in itertools.product(TYPES, enumerate(options)):
        if "predictor" in option and kind.startswith("float"):
            continue
        array = voxels(kind, (3, 20, 21))
        try:
            tifffile.imwrite(make.folder / f"stack{index}{kind}_0000.tif", array, photometric="minisblack", **option)
        except (ValueError, ImportError):
            continue  # not in this installation
        (make.folder / f"stack{index}{kind}.json").write_text(json.dumps({"spacing": spacing}))
        make.add(f"stack{index}{kind}_0000.tif", array, spacing, [0, 0, 0], identity, exact=True)
    array = voxels("uint16")
    tifffile.imwrite(make.folder / "imagej.tif", array, imagej=True)
    make.add("imagej.tif", array, [1, 1, 1], [0, 0, 0], identity, exact=True)


def make_dicom(make):
    for name, kind, syntax in [("ct", "int16", ExplicitVRLittleEndian), ("mr", "uint16", ExplicitVRLittleEndian), ("rle", "int16", RLELossless)]:
        folder = make.folder / name
        folder.mkdir()
        array = (voxels("int16", (6, 4, 5)) % 3000).astype(kind)
        series, normal = generate_uid(), np.cross(OBLIQUE[:, 0], OBLIQUE[:, 1])
        for index, slice_ in enumerate(array):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = CTImageStorage
            meta.MediaStorageSOPInstanceUID = generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
            data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
            data.SeriesInstanceUID, data.StudyInstanceUID, data.Modality = series, generate_uid(), "CT"
            place = np.array([1.5, -2.5, 3.5]) + normal * 2.5 * index
            data.ImagePositionPatient = [f"{x:.10f}" for x in place]
            data.ImageOrientationPatient = [f"{x:.10f}" for x in np.concatenate([OBLIQUE[:, 0], OBLIQUE[:, 1]])]
            data.PixelSpacing, data.SliceThickness, data.InstanceNumber = [0.75, 0.5], 5, 99 - index
            data.Rows, data.Columns = slice_.shape
            data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
            data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
            data.PixelRepresentation = int(kind == "int16")
            data.RescaleSlope, data.RescaleIntercept = (2, -1000) if name == "ct" else (1, 0)
            data.PixelData = np.ascontiguousarray(slice_).tobytes()
            data.save_as(folder / f"{index * 7 % 10}.dcm", enforce_file_format=True)
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
        make.add_sitk(name, exact=False, image=sitk.ReadImage(names))
        if syntax == RLELossless:
            # the same series compressed, which this SimpleITK does not read
            for file in names:
                data = pydicom.dcmread(file)
                data.compress(RLELossless)
                data.save_as(file)


def check(folder):
    arrays, entries = np.load(folder / "voxels.npz"), json.loads((folder / "ours.json").read_text())
    failures = []
    for entry in entries:
        try:
            check_one(folder / entry["file"], arrays[entry["voxels"]], entry)
        except Exception as failure:
            failures.append(f"{entry['file']}: {failure!r}")
    if failures:
        sys.exit("\n".join(failures))
    print(len(entries))


def check_one(path, wanted, entry):
    ending = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
    if ending in (".tif", ".tiff"):
        found = tifffile.imread(path)
        assert found.shape == wanted.shape[1:], (path, found.shape, wanted.shape)
        spacing = json.loads(path.with_name(path.stem.removesuffix("_0000") + ".json").read_text())["spacing"]
        assert spacing == entry["spacing"], (path, spacing)
    elif ending in (".png", ".bmp"):
        found = np.array(Image.open(path))
        found = np.moveaxis(found, -1, 0)[:, None] if found.ndim == 3 else found[None, None]
    elif ending.startswith(".nii") and isinstance(nibabel.load(path), nibabel.Nifti2Image):
        # SimpleITK does not read NIfTI-2
        same = nibabel.load(path)
        found = np.asarray(same.dataobj).T
        reference = np.diag([-1, -1, 1]) @ np.array(entry["direction"]).reshape(3, 3) @ np.diag(entry["spacing"][::-1])
        assert np.allclose(same.affine[:3, :3], reference, rtol=1e-12, atol=1e-12), path
        assert np.allclose(np.diag([-1, -1, 1]) @ same.affine[:3, 3], entry["origin"], rtol=1e-12), path
    else:
        image = sitk.ReadImage(str(path))
        found, dims = sitk.GetArrayFromImage(image), image.GetDimension()
        flat, axes = dims == 2, min(dims, 3)
        direction = np.array(entry["direction"]).reshape(3, 3)[:axes, :axes]
        numbers = [
            (image.GetSpacing()[:axes], entry["spacing"][::-1][:axes]),
            (image.GetOrigin()[:axes], entry["origin"][:axes]),
            (np.array(image.GetDirection()).reshape(dims, dims)[:axes, :axes].ravel(), direction.ravel()),
        ]
        most = {".mha": 0, ".mhd": 0, ".nrrd": 1e-15, ".nhdr": 1e-15, ".gipl": 1e-7}.get(ending, 2e-6)
        for ours, theirs in numbers:
            ours, theirs = np.array(ours), np.array(theirs)
            assert np.all(np.abs(ours - theirs) <= most * np.maximum(np.abs(theirs), 1)), (path, ours - theirs)
        if ending.startswith(".nii"):
            same = nibabel.load(path)
            found_by_nibabel = np.asarray(same.dataobj)
            assert np.array_equal(np.squeeze(found_by_nibabel.T), np.squeeze(found)), path
            reference = np.diag([-1, -1, 1]) @ np.array(entry["direction"]).reshape(3, 3) @ np.diag(entry["spacing"][::-1])
            assert np.allclose(same.affine[:axes, :axes], reference[:axes, :axes], rtol=1e-5, atol=1e-5), path
        found = found[None] if flat else found
    kinds = {True: ("uint8", "uint16"), False: ("float32", "uint8", "uint16")}[entry["labels"]]
    assert found.dtype.name in kinds, (path, found.dtype)
    if entry["labels"]:
        assert (found.dtype == np.uint8) == (wanted.max() < 255), (path, found.dtype)
    assert np.array_equal(np.reshape(found, wanted.shape), wanted), path


def main():
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "check":
        return check(folder)
    make = Maker(folder)
    for part in [make_sitk, make_nibabel, make_natural, make_stacks, make_dicom]:
        part(make)
    make.close()
    print(len(make.made))


main()
