#!/usr/bin/env bash
# Without a GPU: compiles and launches the kernels of parts of `host selftest` for an H100, by a driver that computes nothing (driver.c) and NVIDIA's own compiler, from its
# Python packages: `tests/gpu/compile.sh [PART ...]` (bench-brats). What the compiler or the runtime refuses ends it with exit code 1; numbers mean
# nothing here, and panics of probes that time kernels are to be expected.
set -euo pipefail
cd "$(dirname "$0")/../.."
parts=("$@")
if [ "${#parts[@]}" = 0 ]; then parts=(bench-brats); fi
room="$PWD/target/gpu-compile"
cuda="$room/nvidia/cu13"
mkdir -p "$room/driver" "$room/home"
if [ ! -d "$cuda/include" ]; then
    python3 -m pip download -q --no-deps -d "$room/wheels" "nvidia-cuda-nvrtc==13.0.*" "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-crt==13.0.*" "nvidia-cuda-cccl==13.0.*"
    for wheel in "$room"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$room"; done
fi
# not as libcuda.so.1: NVRTC would find it, and ask for more
cc -O1 -w -shared -fPIC -o "$room/driver/libcuda.so" tests/gpu/driver.c
cargo build --release --workspace --features host/cuda
log="$room/log"
# choices among kernels that did nothing are not kept
LD_LIBRARY_PATH="$room/driver:$cuda/lib" CUDA_PATH="$cuda" HOME="$room/home" CUBECL_AUTOTUNE_CACHE=0 \
    target/release/host selftest -device cuda:0 --part "${parts[@]}" > "$log" 2>&1 || true
tail -n 3 "$log"
if grep -m 3 -E "Compilation Error|an operation failed|Missing symbol|Unable to launch" "$log" >&2; then
    echo "see $log" >&2
    exit 1
fi
