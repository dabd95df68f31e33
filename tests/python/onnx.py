"""Compares ONNX files with the values that the host computed.

    python onnx.py FOLDER

For each NAME.onnx in FOLDER there are NAME.input.npy and NAME.output.npy. The checker of the onnx package looks at the file, ONNX Runtime runs it on
the processor, and the result may differ from ours by 1e-4 of the largest value. Says that it skips where Python lacks the packages.
"""
import sys
from pathlib import Path

# the folder of this script comes first, and its name is the package's
sys.path.pop(0)
try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(0)

TOLERANCE = 1e-4


def main() -> int:
    files = sorted(Path(sys.argv[1]).glob("*.onnx"))
    if not files:
        print(f"{sys.argv[1]} holds no ONNX file")
        return 1
    failed = 0
    for file in files:
        try:
            onnx.checker.check_model(str(file), full_check=True)
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            given, wanted = (np.load(file.with_suffix(f".{which}.npy")) for which in ("input", "output"))
            (found,) = session.run(None, {session.get_inputs()[0].name: given})
            if found.shape != wanted.shape:
                raise ValueError(f"gives {found.shape}, wanted {wanted.shape}")
            off = float(np.abs(found - wanted).max() / max(1e-6, np.abs(wanted).max()))
            good = off <= TOLERANCE
            print(f"{file.name}: {'ok' if good else 'WRONG'}, off by {off:.1e} of the largest value")
        except Exception as error:  # the others are worth looking at, too
            good = False
            print(f"{file.name}: {type(error).__name__}: {error}")
        failed += not good
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
