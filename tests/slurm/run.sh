#!/usr/bin/env bash
# `host cluster slurm` on a real SLURM of one node: five folds of a small phantom dataset as an array, in which one task is requeued by the administrator, one is
# killed and requeued, and one is told that its time is over, each in the middle. In the end every fold's weights, optimizer state, predictions and scores must be those of
# folds that nobody disturbed. Another task is cancelled, and must stay so.
#   tests/slurm/run.sh [HOST]      HOST: the executable [target/release/host]; wants what node.sh wants, and python3
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
host="$(realpath "${1:-$here/../../target/release/host}")"
dir="$(mktemp -d /tmp/slurm-test.XXXXXX)"
length=(--epochs 3 --iterations 24 --val-iterations 2 --seed 1)
export SLURM_CONF="$dir/node/slurm.conf"

finish() {
    code=$?
    scancel --user="$(id -un)" 2> /dev/null || true
    "$here/node.sh" stop "$dir/node" || true
    if [ "$code" -eq 0 ]; then rm -rf "$dir"; else echo "failed; what there is lies in $dir" >&2; fi
}
trap finish EXIT
say() { printf '%4s s  %s\n' "$SECONDS" "$*"; }

say "a dataset, planned and preprocessed"
"$host" demo --quick --folder "$dir/demo" -tr nnUNetTrainer -device cpu > "$dir/demo.log" 2>&1
export nnUNet_raw="$dir/demo/raw" nnUNet_preprocessed="$dir/demo/preprocessed" nnUNet_results="$dir/results"
model="$nnUNet_results/Dataset999_Phantom/nnUNetTrainer__nnUNetPlans__3d_demo"

say "five folds, undisturbed, two at a time"
"$host" train 999 3d_demo all --jobs 2 -device cpu "${length[@]}" > "$dir/calm.log" 2>&1
mv "$nnUNet_results" "$dir/calm"

say "a SLURM node"
"$here/node.sh" start "$dir/node"
"$host" cluster slurm 999 3d_demo -device cpu --cpus 1 --mem 2 -o "$dir/array.sbatch" -- "${length[@]}"
job="$(sbatch --parsable "$dir/array.sbatch")"
say "job $job"

state() { scontrol show job "${job}_$1" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p' | head -n 1; }
restarts() { scontrol show job "${job}_$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p' | head -n 1; }
epochs() { if [ -f "$model/fold_$1/metrics.csv" ]; then tail -n +2 "$model/fold_$1/metrics.csv" | wc -l; else echo 0; fi; }
pid_of() { "$host" status 999 --json | python3 -c "import json, sys; print(next(f['process']['pid'] for f in json.load(sys.stdin)[0]['folds'] if f['fold'] == '$1'))"; }
# waits until a command is true
until_true() {
    for _ in $(seq 1200); do
        if "$@"; then return; fi
        sleep 0.1
    done
    echo "waited in vain for: $*" >&2
    return 1
}
in_the_middle() { [ "$(epochs "$1")" -ge 1 ] && [ "$(state "$1")" = RUNNING ]; }
is() { [ "$(state "$1")" = "$2" ]; }
# a task that was put back waits two minutes for its turn unless it is told otherwise
at_once() {
    until_true is "$1" PENDING
    scontrol update JobId="${job}_$1" StartTime=now
}
disturbed() {
    [ "$(epochs "$1")" -lt 3 ] || { echo "fold $1 had come to its end before it was disturbed" >&2; exit 1; }
    say "fold $1: $2 after $(epochs "$1") epochs"
}

until_true in_the_middle 0
scontrol requeue "${job}_0"
disturbed 0 "requeued"
at_once 0

until_true in_the_middle 1
kill -KILL "$(pid_of 1)"
disturbed 1 "killed"
until_true is 1 FAILED
scontrol requeue "${job}_1"
at_once 1

until_true in_the_middle 2
# what --signal=B:TERM does two minutes before the end
# the controller may pass the signal on and say all the same that it could not, whereupon scancel tries for minutes; the requeue shows whether it came
timeout 2 scancel --batch --signal=TERM "${job}_2" || true
disturbed 2 "told that its time is over"
at_once 2

"$host" status 999
for fold in 0 1 2 3 4; do until_true is "$fold" COMPLETED; done
say "all tasks completed; restarts: $(for fold in 0 1 2 3 4; do printf '%s ' "$(restarts "$fold")"; done)"
"$host" status 999
for fold in 0 1 2; do
    [ "$(restarts "$fold")" = 1 ] || { echo "fold $fold was not restarted once" >&2; exit 1; }
done

python3 - "$dir/calm" "$nnUNet_results" << 'END'
import sys, zipfile
from pathlib import Path
calm, rough = map(Path, sys.argv[1:])

def tensors(path):
    """Weights and optimizer state: all of the archive but the pickle, which holds times."""
    archive = zipfile.ZipFile(path)
    return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist() if "/data/" in name}

count = 0
for path in sorted(calm.rglob("fold_?/**/*")):
    other = rough / path.relative_to(calm)
    if path.name == "checkpoint_final.pth":
        assert len(tensors(path)) > 20 and tensors(path) == tensors(other), f"{other} differs"
    elif path.parent.name == "validation" and path.is_file() and path.suffix in (".gz", ".json"):
        assert path.read_bytes() == other.read_bytes(), f"{other} differs"
    else:
        continue
    count += 1
assert count >= 5 * 3, count
print(f"{count} files are equal to those of undisturbed folds")
END

say "a task that is cancelled stays so"
rm -rf "$model"
"$host" cluster slurm 999 3d_demo -f 0 -device cpu --cpus 1 --mem 2 -o "$dir/cancelled.sbatch" -- --epochs 500 --iterations 24 --val-iterations 2 --seed 1 > /dev/null
job="$(sbatch --parsable "$dir/cancelled.sbatch")"
until_true in_the_middle 0
scancel "${job}_0"
until_true is 0 CANCELLED
sleep 2
is 0 CANCELLED
"$host" status 999
say "done"
