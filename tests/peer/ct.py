"""CT volumes, plans with patches of 128 voxels, and a model with random weights: what the large works need."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import zoom

NAME = "Dataset901_CT"
# five of the 61 organs of the test file, renumbered
ORGANS = {1: 1, 5: 2, 10: 3, 20: 4, 51: 5}
PATCH = [128, 128, 128]

RANDOM_MODEL = """
import json, os, sys, torch
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as module
module.infer_dataset_class = lambda folder: None  # nothing is preprocessed, and nothing is trained
nnUNetTrainer = module.nnUNetTrainer
plans, dataset, out = sys.argv[1:]
torch.manual_seed(1)
trainer = nnUNetTrainer(json.load(open(plans)) | {"continue_training": False}, "3d_fullres", 0, json.load(open(dataset)), device=torch.device("cpu"))
trainer.initialize()
trainer.save_checkpoint(out)
"""


def volumes(source, raw):
    """Two training cases of 512x512x300 and a test image of 320x320x200 voxels, the file of ct_organs upsampled."""
    folder = raw / NAME
    if folder.exists():
        return folder
    read = lambda name: sitk.GetArrayFromImage(sitk.ReadImage(str(source / "ct_organs" / name)))
    image, organs = read("ct.nii.gz").astype(np.float32), read("organs.nii.gz")
    labels = np.zeros(organs.shape, np.uint8)
    for old, new in ORGANS.items():
        labels[organs == old] = new

    def write(array, shape, order, spacing, to):
        array = zoom(array, [n / o for n, o in zip(shape, array.shape)], order=order)
        array = np.round(array).astype(np.int16 if order else np.uint8)
        picture = sitk.GetImageFromArray(array)
        picture.SetSpacing(spacing)
        to.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(picture, str(to))

    for case in ("one", "two"):
        turned = (lambda a: a) if case == "one" else (lambda a: a[:, ::-1].copy())
        write(turned(image), (300, 512, 512), 1, (0.72, 0.72, 1.12), folder / "imagesTr" / f"{case}_0000.nii.gz")
        write(turned(labels), (300, 512, 512), 0, (0.72, 0.72, 1.12), folder / "labelsTr" / f"{case}.nii.gz")
    write(image, (200, 320, 320), 1, (1.5, 1.5, 1.5), folder / "imagesTs" / "three_0000.nii.gz")
    about = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | {f"organ_{new}": new for new in ORGANS.values()},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def with_large_patches(plans):
    """The plans, 3d_fullres with patches of 128 voxels, batch 2 and a PlainConvUNet of 6 stages."""
    configuration = plans["configurations"]["3d_fullres"]
    configuration["patch_size"], configuration["batch_size"] = PATCH, 2
    stages = 6
    configuration["architecture"]["network_class_name"] = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
    configuration["architecture"]["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": [32, 64, 128, 256, 320, 320],
        "kernel_sizes": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }
    return plans


def random_model(bin, plans_file, dataset_file, folder, env):
    """A model folder with random weights; both sides read it."""
    (folder / "fold_0").mkdir(parents=True)
    plans = with_large_patches(json.loads(Path(plans_file).read_text()))
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(Path(dataset_file).read_text())
    files = [folder / "plans.json", folder / "dataset.json", folder / "fold_0" / "checkpoint_final.pth"]
    subprocess.run([bin / "python", "-c", RANDOM_MODEL, *map(str, files)], check=True, env=os.environ | env, capture_output=True)
