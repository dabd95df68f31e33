#!/usr/bin/env bash
# Runs the GPU kernels without a GPU: on Mesa's software Vulkan (lavapipe), by Burn's wgpu backend. `tests/gpu/software.sh` installs nothing and says what
# is missing. It is not part of .ci/run, because a build with the feature takes too long for that. Arguments are parts of the self-test, `ops` without
# any: others go beyond what lavapipe can (docs/gpu.md).
set -euo pipefail
cd "$(dirname "$0")/../.."

icd="$(find /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /etc/vulkan/icd.d -name 'lvp_icd*.json' 2> /dev/null | head -n 1 || true)"
loader="$(ldconfig -p | grep -m 1 -o 'libvulkan\.so\.1' || true)"
if [ -z "$icd" ] || [ -z "$loader" ]; then
    echo "no software Vulkan here: ${icd:-lvp_icd.json} ${loader:-and libvulkan.so.1 missing}; install mesa-vulkan-drivers (which brings libvulkan1)" >&2
    exit 1
fi
# the software device and no other
export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd"

cargo test --release --workspace --features host/wgpu --lib -- gpu::tests ops::conv value::read
cargo build --release --workspace --features host/wgpu --bin host
target/release/host selftest -device wgpu --part "${@:-ops}"
