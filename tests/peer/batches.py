"""Do our training batches look like nnU-Net's? Quantiles of statistics of single samples, side by side.

    tests/peer/batches.py PREPROCESSED DATASET CONFIGURATION SAMPLES

PREPROCESSED is a folder as nnUNet_preprocessed, DATASET a folder in it; needs a Python with nnU-Net, and a build of the bench `batches`
(cargo build --release --workspace --bench batches; BATCHES names the executable where cargo is not to be asked). A row a statistic: its quantiles over the samples, nnU-Net's above ours, and the two-sample
Kolmogorov-Smirnov distance with the distance that one in a thousand equal pairs exceeds.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
QUANTILES = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]


def describe(image, target, labels):
    ordered = np.sort(image, axis=None)
    of = [image[target == label] for label in labels]
    at = lambda part: float(ordered[int((ordered.size - 1) * part)])
    return {
        "mean": image.mean(), "std": image.std(), "p01": at(0.01), "p50": at(0.5), "p99": at(0.99),
        "steps": np.abs(np.diff(image, axis=-1)).mean(), "zeros": (image == 0).mean(),
        "share": [values.size / image.size for values in of], "level": [values.mean() if values.size else 0.0 for values in of],
    }  # fmt: skip


def theirs(preprocessed, dataset, configuration, samples):
    os.environ |= {"nnUNet_preprocessed": preprocessed, "nnUNet_results": "/nowhere", "nnUNet_raw": "/nowhere", "nnUNet_n_proc_DA": "0", "nnUNet_compile": "f"}
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(1)
    folder = Path(preprocessed) / dataset
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans["continue_training"] = False
    nnUNetTrainer.print_to_log_file = lambda *_, **__: None
    trainer = nnUNetTrainer(plans, configuration, 0, json.loads((folder / "dataset.json").read_text()), torch.device("cpu"))
    trainer.output_folder = trainer.output_folder_base = "/tmp"
    trainer.initialize()
    loader, _ = trainer.get_dataloaders()
    labels, found = trainer.label_manager.foreground_labels, []
    while len(found) < samples:
        batch = next(loader)
        for image, target in zip(batch["data"].numpy().astype(np.float64), batch["target"][0].numpy()):
            found.append(describe(image[0], target[0], labels))
    return found


def ours(preprocessed, dataset, configuration, samples):
    program = [os.environ["BATCHES"]] if "BATCHES" in os.environ else ["cargo", "bench", "-q", "-p", "pipeline", "--bench", "batches", "--"]
    line = [*program, str(Path(preprocessed) / dataset), configuration, str(samples)]
    said = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in said.stdout.splitlines()]


def flat(samples):
    rows = {}
    for sample in samples:
        for key, value in sample.items():
            for index, number in enumerate(value if isinstance(value, list) else [value]):
                rows.setdefault(f"{key} {index + 1}" if isinstance(value, list) else key, []).append(float(number))
    return rows


def distance(a, b):
    points = np.sort(np.concatenate([a, b]))
    return np.abs(np.searchsorted(np.sort(a), points, "right") / len(a) - np.searchsorted(np.sort(b), points, "right") / len(b)).max()


def main():
    preprocessed, dataset, configuration, samples = sys.argv[1:]
    a, b = (flat(of(preprocessed, dataset, configuration, int(samples))) for of in (theirs, ours))
    for key in a:
        n, m = len(a[key]), len(b[key])
        bound = 1.95 * ((n + m) / (n * m)) ** 0.5
        print(f"{key:9} theirs", " ".join(f"{q:9.4f}" for q in np.quantile(a[key], QUANTILES)), f"   KS {distance(a[key], b[key]):.3f} ({bound:.3f})")
        print(f"{'':9} ours  ", " ".join(f"{q:9.4f}" for q in np.quantile(b[key], QUANTILES)))


if __name__ == "__main__":
    main()
