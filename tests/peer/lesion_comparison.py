"""Dice + cross entropy, blob_dice_loss and region_dice_loss on Dataset010_MSLesions, scored lesion by lesion.

    tests/peer/lesion_comparison.py WORK [--epochs 40] [--iterations 50] [--seeds 1 2] [--fold 0]

Needs a release build of the workspace, NNUNET_TEST_DATA, and a Python with nibabel and scikit-image. WORK is a folder for raw and preprocessed data and
results; runs that are finished there are not repeated. The blocks of one patient train, those of the other are scored (fold 0 trains on ms26). Everything is
equal but the loss; one thread a run. Prints the table of docs/losses.md.

The images of that dataset are wrapped: milli-units were stored in 16 bits, so that each value is known up to a multiple of 65.536. FLAIR changes slowly
enough from voxel to voxel to be unwrapped (Herraez et al. 2002, Appl. Opt. 41, 7437, as scikit-image has it); T1, T1 post contrast and T2 do not, and are
left out. What is not anatomy in the result is a constant a block, which the z-score takes away, and a few wrong patches at the skull's base.
"""

import argparse
import json
import os
import subprocess
import shutil
from pathlib import Path

import nibabel
import numpy as np
from skimage.restoration import unwrap_phase

ROOT = Path(__file__).resolve().parents[2]
DATASET = "Dataset010_MSLesions"
CONFIGS = ["base", "blob_dice_loss", "region_dice_loss"]
PATCH, FEATURES = [32, 40, 40], [8, 16, 32, 64]
WRAP = 65.536


def unwrapped(image):
    """The image without its jumps of 65.536 between neighbours; the background stays 0 and all else is positive."""
    values = image.get_fdata()
    brain = values != 0
    phase = np.ma.array(values * (2 * np.pi / WRAP), mask=~brain)
    turns = np.round((unwrap_phase(phase, rng=0).filled(0) * WRAP / (2 * np.pi) - values) / WRAP)
    whole = values + WRAP * turns
    whole += WRAP * np.ceil(1 - whole[brain].min() / WRAP)
    return nibabel.Nifti1Image(np.where(brain, whole, 0).astype(np.float32), image.affine)


def flair_only(source, target):
    """The raw dataset with its first channel unwrapped, and without the others."""
    for folder in ("imagesTr", "labelsTr"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for path in sorted((source / "imagesTr").glob("*_0000.nii.gz")):
        nibabel.save(unwrapped(nibabel.load(path)), target / "imagesTr" / path.name)
    for path in (source / "labelsTr").iterdir():
        shutil.copyfile(path, target / "labelsTr" / path.name)
    dataset = json.loads((source / "dataset.json").read_text())
    dataset["channel_names"] = {"0": "FLAIR"}
    (target / "dataset.json").write_text(json.dumps(dataset, indent=1))


def small(plans):
    """The configuration `small`: 3d_fullres with another patch and a smaller network."""
    configuration = json.loads(json.dumps(plans["configurations"]["3d_fullres"]))
    configuration["patch_size"] = PATCH
    network = configuration["architecture"]["arch_kwargs"]
    stages = len(FEATURES)
    network |= {"n_stages": stages, "features_per_stage": FEATURES}
    for key, length in [("kernel_sizes", stages), ("strides", stages), ("n_conv_per_stage", stages), ("n_conv_per_stage_decoder", stages - 1)]:
        network[key] = network[key][:length]
    plans["configurations"]["small"] = configuration
    return plans


def pooled(instances):
    """F1, sensitivity and precision over all lesions of all cases, from the means of counts."""
    m = instances["mean"]["1"]
    sensitivity = 1 - m["overlap"]["FN"] / m["n_ref"]
    precision = 1 - m["overlap"]["FP"] / m["n_pred"] if m["n_pred"] else 0.0
    f1 = 2 * sensitivity * precision / (sensitivity + precision) if sensitivity + precision else 0.0
    matched = m["iou"]
    iou_f1 = 2 * matched["TP"] / (2 * matched["TP"] + matched["FP"] + matched["FN"])
    return f1, sensitivity, precision, iou_f1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--fold", type=int, default=0)
    options = parser.parse_args()
    work, host = options.work.resolve(), str(ROOT / "target/release/host")
    environment = os.environ | {
        "nnUNet_raw": str(work / "raw"),
        "nnUNet_preprocessed": str(work / "pre"),
        "nnUNet_n_proc_DA": "1",
        "RAYON_NUM_THREADS": "1",
    }

    def run(*line, results="res"):
        (work / results).mkdir(parents=True, exist_ok=True)
        variables = environment | {"nnUNet_results": str(work / results)}
        subprocess.run([host, *map(str, line)], env=variables, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    raw, pre = work / "raw" / DATASET, work / "pre" / DATASET
    if not (raw / "dataset.json").exists():
        flair_only(Path(os.environ["NNUNET_TEST_DATA"]) / DATASET, raw)
    if not (pre / "splits_final.json").exists():
        pre.mkdir(parents=True, exist_ok=True)
        run("plan_and_preprocess", "-d", 10, "-c", "3d_fullres")
        plans = pre / "nnUNetPlans.json"
        plans.write_text(json.dumps(small(json.loads(plans.read_text())), indent=4))
        blocks = {patient: [f"{patient}_b{i}" for i in range(8)] for patient in ("ms26", "ms07")}
        splits = [{"train": blocks[a], "val": blocks[b]} for a, b in (("ms26", "ms07"), ("ms07", "ms26"))]
        (pre / "splits_final.json").write_text(json.dumps(splits, indent=4))

    print("| loss | seed | lesion F1 | sensitivity | precision | F1 at IoU 0.3 | CC-Dice | Dice |")
    print("|---|---|---|---|---|---|---|---|")
    for config in CONFIGS:
        for seed in options.seeds:
            results = f"seed{seed}"
            fold = work / results / DATASET / f"{'nnUNetTrainer' if config == 'base' else config}__nnUNetPlans__small" / f"fold_{options.fold}"
            if not (fold / "validation/summary.json").exists():
                budget = ["--epochs", options.epochs, "--iterations", options.iterations, "--val-iterations", 2]
                run("train", 10, "small", options.fold, "-tr", config, "--seed", seed, *budget, results=results)
            scores = fold / "instances.json"
            truth, data = pre / "gt_segmentations", pre / "dataset.json"
            run("evaluate_folder", truth, fold / "validation", "-djfile", data, "-o", scores, "--chill", "--instances", "--iou", 0.3, results=results)
            summary = json.loads(scores.read_text().replace("NaN", "null"))
            values = [*pooled(summary["instances"]), summary["instances"]["mean"]["1"]["CC_Dice"], summary["mean"]["1"]["Dice"]]
            print(f"| `{config}` | {seed} | " + " | ".join(f"{value:.3f}" for value in values) + " |", flush=True)


main()
