"""Makes a folder for `host parity` out of an nnU-Net installation and one of its datasets.

    python parity_folder.py FOLDER DATASET [-c CONFIG] [-tr TRAINER] [-p PLANS] [-f FOLD] [-i IMAGES [-l LABELS]] [--cases N]

Run it with the Python that has nnunetv2, with nnUNet_raw, nnUNet_preprocessed and nnUNet_results set. Written below FOLDER, as far as the
dataset has it:

    plans/DATASET/           dataset.json, dataset_fingerprint.json, splits_final.json and every plans file
    preproc/DATASET/         N training cases as DefaultPreprocessor makes them
    training/CONFIG_PLANS/   the model: plans, dataset.json, checkpoint and final validation of the fold
    predict/                 IMAGES (and LABELS), segmented with that model with and without mirroring, and probabilities

Nothing outside FOLDER is changed.
"""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import load_json
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def plain(value):
    """Numbers as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def copy(files, to):
    files = [file for file in files if file.is_file()]
    if files:
        to.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, to / file.name)


def plans(preprocessed, to):
    copy(sorted(preprocessed.glob("*.json")), to)


def locations(properties):
    """Of each class how many voxels were kept, the first ten, and hashes of all as drawn and sorted."""
    found = {}
    for key, voxels in properties["class_locations"].items():
        voxels = np.asarray(voxels, dtype="<i8").reshape(-1, 4)
        ordered = voxels[np.lexsort(voxels.T[::-1])] if len(voxels) else voxels
        name = str(tuple(int(k) for k in key)) if isinstance(key, (tuple, list)) else str(int(key))
        found[name] = {"n": len(voxels), "first10": voxels[:10].tolist(), "sha256_int64_le_Nx4": sha(voxels), "sorted_sha256": sha(ordered)}
    return found


def preprocessed_cases(raw, dataset, plans_file, configuration, count, to):
    dataset_json, manager = load_json(str(raw / "dataset.json")), PlansManager(str(plans_file))
    cases = get_filenames_of_train_images_and_targets(str(raw), dataset_json)
    to.mkdir(parents=True, exist_ok=True)
    shutil.copy(plans_file, to / "plans.json")
    for name in sorted(cases)[:count]:
        files = cases[name]
        made = DefaultPreprocessor(verbose=False).run_case(files["images"], files["label"], manager, manager.get_configuration(configuration), dataset_json)
        data, seg, properties = np.asarray(made[0], dtype=np.float32), np.asarray(made[1], dtype=np.int16), dict(made[2])
        properties["class_locations"] = locations(properties)
        labels, voxels = np.unique(seg, return_counts=True)
        about = {
            "input": dataset,
            "config": configuration,
            "properties": properties,
            "data_shape": data.shape,
            "data_sha256_f32": sha(data),
            "seg_sha256_i16": sha(seg),
            "seg_counts": {str(label): int(n) for label, n in zip(labels, voxels)},
        }
        np.savez_compressed(to / f"{name}.npz", data=data, seg=seg)
        (to / f"{name}.json").write_text(json.dumps(about, indent=1, default=plain))


def model(trained, fold, ending, to):
    copy([trained / "plans.json", trained / "dataset.json"], to)
    copy([trained / f"fold_{fold}" / "checkpoint_final.pth"], to / f"fold_{fold}")
    validation = trained / f"fold_{fold}" / "validation"
    names = ["summary.json", "postprocessing.json"]
    copy([validation / name for name in names] + sorted(validation.glob(f"*{ending}")), to / f"fold_{fold}" / "validation")


def nnunet(*command):
    """One of nnU-Net's commands, with this Python."""
    entry = {"predict": "nnunetv2.inference.predict_from_raw_data:predict_entry_point_modelfolder", "evaluate": "nnunetv2.evaluation.evaluate_predictions:evaluate_folder_entry_point"}
    module, function = entry[command[0]].split(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = {command[0]!r}; {function}()"
    subprocess.run([sys.executable, "-c", code, *map(str, command[1:])], check=True)


def predictions(images, labels, trained, fold, device, folder, told):
    dataset = load_json(str(trained / "dataset.json"))
    copy(sorted(images.glob(f"*{dataset['file_ending']}")), folder / "images")
    if labels:
        copy(sorted(labels.glob(f"*{dataset['file_ending']}")), folder / "labels")
    for name, flags, mirroring in (("tta", [], True), ("notta", ["--disable_tta"], False), ("prob_tta", ["--save_probabilities"], True)):
        out = folder / name
        nnunet("predict", "-i", images, "-o", out, "-m", trained, "-f", fold, "-device", device, *flags)
        for file in out.glob("*.pkl"):
            file.unlink()
        (out / "parity.json").write_text(json.dumps({"model": told, "mirroring": mirroring}))
        if labels:
            nnunet("evaluate", labels, out, "-djfile", out / "dataset.json", "-pfile", out / "plans.json", "-o", out / "summary.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("dataset", help="number or name")
    parser.add_argument("-c", default="3d_fullres", help="configuration")
    parser.add_argument("-tr", default="nnUNetTrainer", help="trainer")
    parser.add_argument("-p", default="nnUNetPlans", help="plans")
    parser.add_argument("-f", default="0", help="fold")
    parser.add_argument("-i", type=Path, help="images to segment")
    parser.add_argument("-l", type=Path, help="their true segmentations")
    parser.add_argument("-device", default="cpu")
    parser.add_argument("--cases", type=int, default=3, help="training cases to preprocess")
    args = parser.parse_args()
    dataset = maybe_convert_to_dataset_name(int(args.dataset) if args.dataset.isdigit() else args.dataset)
    raw, preprocessed = (Path(os.environ[name]) / dataset for name in ("nnUNet_raw", "nnUNet_preprocessed"))
    plans(preprocessed, args.folder / "plans" / dataset)
    preprocessed_cases(raw, dataset, preprocessed / f"{args.p}.json", args.c, args.cases, args.folder / "preproc" / dataset)
    trained = Path(os.environ["nnUNet_results"]) / dataset / f"{args.tr}__{args.p}__{args.c}"
    if not (trained / f"fold_{args.f}" / "checkpoint_final.pth").is_file():
        return print(f"{trained} has no trained fold {args.f}, so there is no model and no prediction in {args.folder}")
    told = f"training/{args.c}_{args.p}"
    model(trained, args.f, load_json(str(trained / "dataset.json"))["file_ending"], args.folder / told)
    if args.i:
        predictions(args.i, args.l, trained, args.f, args.device, args.folder / "predict", told)


if __name__ == "__main__":
    main()
