#!/usr/bin/env bash
# In the bundle: `run.sh [PART ...]` runs parts of `host selftest` (all without one), each with 8 minutes at most; results gather in selftest.json.
#   DEVICE   cuda:0 unless it says otherwise
#   PYTHON   a Python with PyTorch; python3 where that has it
set -uo pipefail
cd "$(dirname "$0")" || exit 1
python="${PYTHON:-python3}"
beside=()
if "$python" -c "import torch" 2> /dev/null; then beside=(--python "$(command -v "$python")"); fi
parts=("$@")
if [ "${#parts[@]}" = 0 ]; then parts=(ops train plugins memory bench-2d bench-prostate bench-brats bench-ct); fi
failed=0
for part in "${parts[@]}"; do
    timeout 480 ./host selftest -device "${DEVICE:-cuda:0}" --plugins-dir plugins --part "$part" --json selftest.json "${beside[@]}" || failed=1
done
exit "$failed"
