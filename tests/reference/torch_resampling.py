"""torch_resampling.npz: what nnU-Net's resample_torch_fornnunet makes of small images and label maps.

Case i has `i_x` (image), `i_g` (labels, -1 among them) and `i_grids`: spacing before and after (mm), and the wanted shape. Results:
`i_x_together`, `i_g_together` (force_separate_z=False) and `i_x_separate`, `i_g_separate` (force_separate_z=None).
"""
from pathlib import Path

import numpy as np
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet

CASES = [
    # shape, new shape, spacing, new spacing
    ((9, 11, 13), (12, 8, 17), (1, 1, 1), (0.75, 1.375, 0.765)),
    ((8, 12, 10), (4, 6, 5), (1, 1, 1), (2, 2, 2)),  # halves: ties everywhere
    ((5, 14, 12), (10, 14, 18), (5, 1, 1), (2.5, 1, 0.667)),  # anisotropic now
    ((12, 9, 10), (4, 9, 15), (1, 0.9, 0.9), (3, 0.9, 0.6)),  # anisotropic afterwards
    ((7, 7, 21), (9, 10, 6), (0.8, 0.8, 4), (0.62, 0.56, 14)),  # along the last axis
    ((6, 1, 9), (11, 1, 3), (1, 1, 1), (0.55, 1, 3)),
]

random = np.random.RandomState(0)
arrays = {}
for i, (shape, new, spacing, target) in enumerate(CASES):
    x = random.standard_normal((1, *shape)).astype(np.float32)
    g = random.randint(-1, 4, (1, *shape)).astype(np.int16)
    arrays |= {f"{i}_x": x, f"{i}_g": g, f"{i}_grids": np.array([spacing, target, new], float)}
    for name, separate in (("together", False), ("separate", None)):
        for kind, array in (("x", x), ("g", g)):
            made = resample_torch_fornnunet(array, new, spacing, target, is_seg=kind == "g", force_separate_z=separate)
            arrays[f"{i}_{kind}_{name}"] = np.asarray(made).astype(array.dtype)
np.savez_compressed(Path(__file__).with_suffix(".npz"), **arrays)
