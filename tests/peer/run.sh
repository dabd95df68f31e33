#!/usr/bin/env bash
# The same work in nnU-Net (Python) and here, in turn, on this machine: `tests/peer/run.sh [WORK[:ROUNDS] ...]`.
# A line of JSON for each work: medians of wall seconds and of the peak memory of all processes together.
#   NNUNET_TEST_DATA  folder that holds Dataset004_Hippocampus
#   NNUNET_REFERENCE  folder with training/full (needed by `predict` and `evaluate` alone)
#   NNUNET_VENV       venv with nnunetv2 2.8.1; made there if it is not (default: ~/.cache/nnunet-host-peer)
#   PEER_ROUNDS       how often each WORK without rounds of its own is run (3)
set -euo pipefail
cd "$(dirname "$0")/../.."
venv="${NNUNET_VENV:-$HOME/.cache/nnunet-host-peer}"
if [ ! -x "$venv/bin/nnUNetv2_train" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet nnunetv2==2.8.1
fi
cargo build --release --workspace --quiet
exec "$venv/bin/python" tests/peer/peer.py --host target/release/host --bin "$venv/bin" "$@"
