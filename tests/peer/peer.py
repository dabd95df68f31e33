"""Times the same work in nnU-Net and in the host, in turn. Run by run.sh, which says what it needs."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import ct

DATASET = "Dataset004_Hippocampus"
# one training iteration: so many are run and do not count, which empties what loaders made ahead, and then so many that do
WARM_UP, ITERATIONS = 8, 24
# with patches of 128 voxels, where one takes more than a minute
FEW_WARM_UP, FEW_ITERATIONS = 1, 2
LARGE = "nnUNetLargePlans"

ITERATE = """
import json, multiprocessing, os, sys, time
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
torch.set_num_threads(os.cpu_count())
folder = os.path.join(os.environ["nnUNet_preprocessed"], "Dataset004_Hippocampus")
read = lambda name: json.load(open(os.path.join(folder, name)))
plans = read(sys.argv[1] + ".json") | {"continue_training": False}
trainer = nnUNetTrainer(plans, "3d_fullres", 0, read("dataset.json"), device=torch.device("cpu"))
trainer.initialize()
train, _ = trainer.get_dataloaders()
trainer.network.train()
warm_up, counted = int(sys.argv[2]), int(sys.argv[3])
for i in range(warm_up + counted):
    if i == warm_up:
        start = time.perf_counter()
    batch = next(train)
    # nnU-Net itself has no mixed precision on the processor
    with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[4] == "mixed"):
        trainer.train_step(batch)
print("SECONDS", (time.perf_counter() - start) / counted, flush=True)
# the loaders' processes would go on
for process in multiprocessing.active_children():
    process.kill()
os._exit(0)
"""


def peak_of(pid, stop, into):
    """Polls the memory (PSS) of a process and all below it until `stop`, and is at that for a twentieth of the time at most."""
    took = 0
    while not stop.wait(max(0.05, 20 * took)):
        start = time.perf_counter()
        try:
            parents = {}
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    with open(f"/proc/{entry}/stat") as f:
                        parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
        except OSError:
            continue
        todo, total = [pid], 0
        while todo:
            one = todo.pop()
            todo += parents.get(one, [])
            try:
                with open(f"/proc/{one}/smaps_rollup") as f:
                    total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except (OSError, StopIteration):
                pass
        into.append(total / 2**20)
        took = time.perf_counter() - start


def run(command, env):
    """Wall seconds, peak GiB and output of a command that must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    stop, peaks = threading.Event(), [0.0]
    watcher = threading.Thread(target=peak_of, args=(process.pid, stop, peaks))
    watcher.start()
    output = process.communicate()[0]
    stop.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{output[-3000:]}")
    return time.perf_counter() - start, max(peaks), output


class Peer:
    def __init__(self, args, work):
        self.host, self.bin, self.work = Path(args.host).resolve(), Path(args.bin), work
        self.data = Path(os.environ["NNUNET_TEST_DATA"])
        self.reference = Path(os.environ.get("NNUNET_REFERENCE", "/nonexistent"))

    def env(self, who):
        """Folders of one side; both read the same raw data."""
        folders = {"nnUNet_raw": self.data, "nnUNet_preprocessed": self.work / who / "pre", "nnUNet_results": self.work / who / "res"}
        for folder in list(folders.values())[1:]:
            folder.mkdir(parents=True, exist_ok=True)
        return os.environ | {name: str(folder) for name, folder in folders.items()} | {"nnUNet_compile": "f"}

    def command(self, who, name, *arguments):
        first = [self.host, name] if who == "ours" else [self.bin / f"nnUNetv2_{name}"]
        return [*first, *map(str, arguments)]

    def planned(self, who):
        """Plans and preprocessed data that a training needs, made once."""
        if not (self.work / who / "pre" / DATASET / "nnUNetPlans_3d_fullres").exists():
            self.plan_and_preprocess(who)

    def plan_and_preprocess(self, who):
        shutil.rmtree(self.work / who / "pre", ignore_errors=True)
        arguments = "-d 4 --verify_dataset_integrity -c 2d 3d_fullres -np 2 2 -npfp 2".split()
        return run(self.command(who, "plan_and_preprocess", *arguments), self.env(who))[:2]

    def iteration(self, who, plans="nnUNetPlans", precision="single", counts=(WARM_UP, ITERATIONS)):
        """Seconds of an iteration of a training that goes on, loader included: both have one process or thread for each core."""
        self.planned(who)
        env = self.env(who) | {"nnUNet_use_amp": str(precision == "mixed").lower()}
        if who == "theirs":
            script = [self.bin / "python", "-c", ITERATE, plans, str(counts[0]), str(counts[1]), precision]
            _, peak, output = run(script, env)
            return float(output.rsplit("SECONDS", 1)[1]), peak
        # the first epoch is the warm-up
        options = f"--epochs 2 --iterations {counts[1]} --val-iterations 0 --disable_checkpointing --seed 1 -device cpu".split()
        _, peak, output = run(self.command(who, "train", 4, "3d_fullres", 0, "-p", plans, *options), env)
        return float(output.rsplit("Epoch time: ", 1)[1].split()[0]) / counts[1], peak

    def iteration_amp(self, who):
        return self.iteration(who, precision="mixed")

    def iteration_resenc_m(self, who):
        self.planned(who)
        plans = "nnUNetResEncUNetMPlans"
        file = self.work / who / "pre" / DATASET / f"{plans}.json"
        if not file.exists():
            run(self.command(who, "plan_experiment", "-d", 4, "-pl", "nnUNetPlannerResEncM"), self.env(who))
            planned = json.loads(file.read_text())
            planned["configurations"]["3d_fullres"]["batch_size"] = 2
            file.write_text(json.dumps(planned))
        return self.iteration(who, plans)

    def iteration_128(self, who):
        self.planned(who)
        folder = self.work / who / "pre" / DATASET
        plans = ct.with_large_patches(json.loads((folder / "nnUNetPlans.json").read_text()))
        (folder / f"{LARGE}.json").write_text(json.dumps(plans | {"plans_name": LARGE}))
        return self.iteration(who, LARGE, counts=(FEW_WARM_UP, FEW_ITERATIONS))

    def ct_env(self, who):
        """As `env`, with the CT volumes as raw data and plans for 1.5 mm."""
        raw = self.work / "ct"
        ct.volumes(self.data, raw)
        env = self.env(who) | {"nnUNet_raw": str(raw)}
        if not (self.work / who / "pre" / ct.NAME / "nnUNetPlans.json").exists():
            arguments = "-d 901 -overwrite_target_spacing 1.5 1.5 1.5".split()
            run(self.command(who, "extract_fingerprint", "-d", 901, "-np", 2), env)
            run(self.command(who, "plan_experiment", *arguments), env)
        return env

    def preprocess_ct(self, who):
        env = self.ct_env(who)
        shutil.rmtree(self.work / who / "pre" / ct.NAME / "nnUNetPlans_3d_fullres", ignore_errors=True)
        return run(self.command(who, "preprocess", *"-d 901 -c 3d_fullres -np 2".split()), env)[:2]

    def predict_ct(self, who):
        env, model = self.ct_env("theirs"), self.work / "ct_model"
        if not model.exists():
            planned = self.work / "theirs" / "pre" / ct.NAME
            ct.random_model(self.bin, planned / "nnUNetPlans.json", planned / "dataset.json", model, env)
        out = self.work / who / "ct_predictions"
        shutil.rmtree(out, ignore_errors=True)
        arguments = ["-i", self.work / "ct" / ct.NAME / "imagesTs", "-o", out, "-m", model, "-f", 0, "--disable_tta", "-device", "cpu"]
        return run(self.command(who, "predict_from_modelfolder", *arguments), env)[:2]

    def model(self):
        """The reference model under a trainer name that every nnU-Net knows."""
        folder = self.work / "model"
        if not folder.exists():
            import torch

            source = self.reference / "training" / "full"
            (folder / "fold_0").mkdir(parents=True)
            for name in ("plans.json", "dataset.json"):
                shutil.copy(source / name, folder / name)
            checkpoint = torch.load(source / "fold_0" / "checkpoint_final.pth", map_location="cpu", weights_only=False)
            checkpoint["trainer_name"] = "nnUNetTrainer"
            torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")
        return folder

    def predict(self, who):
        out = self.work / who / "predictions"
        shutil.rmtree(out, ignore_errors=True)
        images, model = self.data / DATASET / "imagesTs", self.model()
        arguments = ["-i", images, "-o", out, "-m", model, "-f", 0, "-device", "cpu"]
        return run(self.command(who, "predict_from_modelfolder", *arguments), self.env(who))[:2]

    def evaluate(self, who):
        if not (self.work / who / "predictions").exists():
            self.predict(who)
        predictions, model = self.work / who / "predictions", self.model()
        arguments = [self.data / DATASET / "labelsTs", predictions, "-djfile", model / "dataset.json", "-pfile", model / "plans.json"]
        return run(self.command(who, "evaluate_folder", *arguments), self.env(who))[:2]

    def help(self, who):
        return run(self.command(who, "train", "--help" if who == "ours" else "-h"), self.env(who))[:2]


WORKS = ["help", "plan_and_preprocess", "iteration", "iteration_amp", "iteration_resenc_m", "iteration_128", "predict", "predict_ct", "preprocess_ct", "evaluate"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("works", nargs="*", default=WORKS, metavar="WORK[:ROUNDS]", help=", ".join(WORKS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        peer = Peer(args, Path(work))
        for name, _, rounds in (work.partition(":") for work in args.works):
            sides = {"theirs": [], "ours": []}
            for _ in range(int(rounds or os.environ.get("PEER_ROUNDS", "3"))):
                for who, figures in sides.items():
                    figures.append(getattr(peer, name)(who))
            theirs, ours = ([figure[0] for figure in sides[who]] for who in sides)
            median = lambda figures: round(statistics.median(figures), 3)
            ratios = [t / o for t, o in zip(theirs, ours)]
            line = {"work": name, "theirs_s": median(theirs), "ours_s": median(ours), "ratio": median(ratios)}
            line["spread"] = [round(min(ratios), 2), round(max(ratios), 2)]
            line["theirs_gib"], line["ours_gib"] = (median([figure[1] for figure in sides[who]]) for who in sides)
            print(json.dumps(line), flush=True)


main()
