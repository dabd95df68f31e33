#!/usr/bin/env bash
# Packs what a machine with a GPU and neither network nor Rust needs for `host selftest`: `tests/gpu/bundle.sh [FILE.tar.xz]`.
# There: tar -xf FILE.tar.xz && host-cuda/run.sh [PART ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${1:-target/host-cuda.tar.xz}"
limit=$((40 * 1024 * 1024))

cargo build --release --workspace --features host/cuda
stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/host-cuda/plugins"
cp target/release/host tests/gpu/run.sh "$stage/host-cuda"
cp target/release/lib{kiunet,uiunet,blob_dice,region_dice}.so "$stage/host-cuda/plugins"
strip "$stage/host-cuda/host"
strip --strip-unneeded "$stage"/host-cuda/plugins/*.so
tar -C "$stage" -cf - host-cuda | xz -6 > "$out"
size="$(stat -c %s "$out")"
echo "$out: $((size / 1024 / 1024)) MiB"
if [ "$size" -gt "$limit" ]; then
    echo "$out has $size bytes, wanted $limit at most" >&2
    exit 1
fi
