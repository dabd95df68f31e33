"""Times what blob_dice and region_dice prepare beside SciPy, in turn on one thread. Run by lesions.sh, which says what it needs."""

import gzip
import statistics
import struct
import subprocess
import sys
import time

import numpy as np
from scipy import ndimage

DTYPES = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "i1", 512: "<u2"}


def mask_of(path):
    """The foreground of a NIfTI file, (z, y, x)."""
    raw = gzip.open(path).read()
    dim = struct.unpack("<8h", raw[40:56])
    kind, offset = struct.unpack("<h", raw[70:72])[0], int(struct.unpack("<f", raw[108:112])[0])
    return np.ascontiguousarray(np.frombuffer(raw, DTYPES[kind], offset=offset).reshape(dim[1 : 1 + dim[0]][::-1]) > 0)


def main():
    bench, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    mask = mask_of(path)
    full = np.ones((3, 3, 3))
    scipy = {
        "blob_dice": ("label", lambda: ndimage.label(mask, full)),
        "region_dice": ("distance_transform_edt with indices", lambda: ndimage.distance_transform_edt(~mask, return_indices=True)),
    }
    host = subprocess.Popen([bench, path, "answer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ours(name):
        print(name, file=host.stdin, flush=True)
        return float(host.stdout.readline())

    print(f"{path.rsplit('/', 1)[-1]}: {mask.shape}, {ndimage.label(mask, full)[1]} components, {rounds} rounds")
    for name, (what, theirs) in scipy.items():
        times = []
        for _ in range(rounds + 1):
            own = ours(name)
            start = time.perf_counter()
            theirs()
            times.append((own, 1e3 * (time.perf_counter() - start)))
        times = times[1:]
        own, other = (statistics.median(t) for t in zip(*times))
        ratio = statistics.median(a / b for a, b in times)
        print(f"{name} prepares in {own:.0f} ms, SciPy's {what} takes {other:.0f} ms: median ratio {ratio:.2f}")
    host.stdin.close()
    host.wait()


main()
