#!/usr/bin/env bash
# What blob_dice and region_dice prepare, beside SciPy's labelling and distance transform: `tests/peer/lesions.sh [ROUNDS]`.
#   NNUNET_TEST_DATA  folder that holds ms_lesion_masks
#   PYTHON            a Python with numpy and scipy (default: python3)
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --workspace --quiet
bench="$(cargo build --release --workspace --bench lesion_losses --message-format=json --quiet | grep '"name":"lesion_losses"' | sed 's/.*"executable":"\([^"]*\)".*/\1/')"
exec "${PYTHON:-python3}" tests/peer/lesions.py "$bench" "$NNUNET_TEST_DATA/ms_lesion_masks/patient06.nii.gz" "${1:-11}"
