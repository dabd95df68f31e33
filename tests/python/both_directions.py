"""Files go both ways between this program and Python's nnU-Net 2.8.1, on a small made-up dataset.

    python both_directions.py HOST FOLDER

HOST is our executable, FOLDER an empty folder for everything that is written. Shown are, in this order:

1. nnU-Net predicts with a model that we trained, as we do;
2. nnU-Net trains on data that we planned and preprocessed;
3. we predict with a model that nnU-Net trained, as it does, we go on with that training, nnU-Net with ours, and
   both average the folds;
4. nnU-Net names our trainer config where it does not know it.

"As" means at least 99.9 % of the voxels of every image. One line a step, exit code 1 at the first that fails.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

DATASET = "Dataset901_BothWays"
WANTED = 0.999
# enough that the network is sure of most voxels, few enough for a test
ITERATIONS, EPOCHS = 10, 2

TRAIN = """
import functools
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.run.run_training import run_training_entry

plain = nnUNetTrainer.__init__

@functools.wraps(plain)
def short(self, *args, **kwargs):
    plain(self, *args, **kwargs)
    self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = %d, %d, 1

nnUNetTrainer.__init__ = short
run_training_entry()
"""


def main(host, folder):
    folders = {name: folder / name for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    for path in folders.values():
        path.mkdir(parents=True)
    variables = {name: str(path) for name, path in folders.items()}
    environment = {**os.environ, **variables, "nnUNet_n_proc_DA": "0", "nnUNet_compile": "f", "OMP_NUM_THREADS": "2"}

    def run(*command, fails_with=None):
        done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)
        said = done.stdout + done.stderr
        if fails_with is None and done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command[:4]))} ... ended with {done.returncode}:\n{said[-4000:]}")
        if fails_with is not None and (done.returncode == 0 or fails_with not in said):
            sys.exit(f"{' '.join(map(str, command[:4]))} ... ended with {done.returncode} and did not say {fails_with!r}:\n{said[-4000:]}")
        return said

    raw = write_dataset(folders["nnUNet_raw"] / DATASET)
    results = folders["nnUNet_results"] / DATASET
    predict = Path(sys.executable).with_name("nnUNetv2_predict_from_modelfolder")
    images = ["-i", raw / "imagesTs"]

    def same(step, model, mirrored, folds="0"):
        """Both predict with `model`; the files must agree."""
        ours, theirs = folder / f"{step}_ours", folder / f"{step}_theirs"
        flags = ["-m", model, "-f", *folds, "-device", "cpu", *([] if mirrored else ["--disable_tta"])]
        run(host, "predict_from_modelfolder", *images, "-o", ours, *flags)
        run(predict, *images, "-o", theirs, *flags, "-npp", "1", "-nps", "1", "--disable_progress_bar")
        agree(f"{step}, {'mirrored' if mirrored else 'not mirrored'}", ours, theirs)
        shutil.rmtree(ours)
        shutil.rmtree(theirs)

    run(host, "plan_and_preprocess", "-d", "901", "-c", "3d_fullres")
    numbers = ["--iterations", ITERATIONS, "--val-iterations", "1", "--seed", "1", "-device", "cpu"]
    run(host, "train", "901", "3d_fullres", "0", "--epochs", EPOCHS, *numbers)
    model = results / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    for mirrored in (True, False):
        same("nnU-Net predicts with our model", model, mirrored)

    # 2.
    def nnunet_trains(trainer, epochs, *flags):
        words = ["901", "3d_fullres", "0", "-p", "nnUNetPlans", "-tr", trainer, "-device", "cpu", *flags]
        run(sys.executable, "-c", TRAIN % (epochs, ITERATIONS), *words)

    nnunet_trains("nnUNetTrainer_1epoch", 1)
    theirs = results / "nnUNetTrainer_1epoch__nnUNetPlans__3d_fullres"
    log = next((theirs / "fold_0").glob("training_log*.txt")).read_text()
    assert "Epoch 0" in log and (theirs / "fold_0/checkpoint_final.pth").is_file(), "nnU-Net did not finish its epoch"
    print("nnU-Net trains on our plans and our preprocessed data")

    # 3.
    same("we predict with nnU-Net's model", theirs, True)
    (model / "fold_0").rename(model / "fold_1")
    shutil.copytree(theirs / "fold_0", model / "fold_0", ignore=shutil.ignore_patterns("validation", "*.txt"))
    run(host, "train", "901", "3d_fullres", "0", "--epochs", 2, *numbers, "--c")

    def said():
        return "".join(path.read_text() for path in (model / "fold_0").glob("training_log*.txt"))

    assert "going on at epoch 1" in said() and "Epoch 1" in said(), f"we did not go on after nnU-Net's epoch:\n{said()}"
    print("we go on with nnU-Net's training")
    nnunet_trains("nnUNetTrainer", 3, "--c")
    assert "Epoch 2" in said(), f"nnU-Net did not go on after our epoch:\n{said()}"
    print("nnU-Net goes on with our training")
    same("we average what both trained with what we trained", model, True, folds="01")

    # 4.
    run(host, "train", "901", "3d_fullres", "0", "-tr", "1epochs", *numbers[:1], 1, *numbers[2:])
    plugins = results / "1epochs__nnUNetPlans__3d_fullres"
    run(predict, *images, "-o", folder / "none", "-m", plugins, "-f", "0", "-device", "cpu", fails_with="1epochs")
    print("nnU-Net names our trainer config where it does not know it")


def write_dataset(folder):
    """Six training and two test images of a bright ball beside a brighter box."""
    random = np.random.default_rng(7)
    for part in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / part).mkdir(parents=True)
    for case in range(8):
        shape = np.array([34, 40, 37]) + random.integers(-3, 4, 3)
        z, y, x = np.indices(shape)
        middle = shape / 2 + random.uniform(-3, 3, 3)
        labels = (np.sqrt((z - middle[0]) ** 2 + (y - middle[1]) ** 2 + (x - middle[2] - 5) ** 2) < 9).astype(np.uint8)
        labels[(abs(z - middle[0]) < 6) & (abs(y - middle[1]) < 8) & (abs(x - middle[2] + 9) < 4)] = 2
        image = 100.0 * labels + random.normal(0, 15, shape) + 20
        training = case < 6
        for values, path in ((image.astype(np.float32), f"images{'Tr' if training else 'Ts'}/both_{case:03}_0000"), (labels, f"labelsTr/both_{case:03}")):
            if training or path.startswith("images"):
                file = sitk.GetImageFromArray(values)
                file.SetSpacing((1.0, 1.1, 1.2))
                file.SetOrigin((5.0, -3.0, 2.0))
                sitk.WriteImage(file, str(folder / f"{path}.nii.gz"))
    labels = {"background": 0, "ball": 1, "box": 2}
    about = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 6, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def agree(step, ours, theirs):
    names = sorted(path.name for path in theirs.glob("*.nii.gz"))
    assert names and names == sorted(path.name for path in ours.glob("*.nii.gz")), f"{step}: {names}"
    for name in names:
        a, b = (sitk.ReadImage(str(folder / name)) for folder in (ours, theirs))
        assert a.GetSize() == b.GetSize() and np.allclose(a.GetSpacing(), b.GetSpacing()) and np.allclose(a.GetOrigin(), b.GetOrigin()), name
        a, b = sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b)
        share = (a == b).mean()
        print(f"{step}: {name}: {100 * share:.3f} % of {a.size} voxels agree, {100 * (b > 0).mean():.1f} % are foreground")
        assert share >= WANTED, f"{step}: {name}: {share}"
        assert (b > 0).any() and (b == 0).any(), f"{step}: {name}: one label alone shows nothing"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
