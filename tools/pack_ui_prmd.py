"""Packs UI-PRMD's Kinect skeletons into the file that comes with the package.

Usage: python tools/pack_ui_prmd.py FULL.npz [PACKED.npz]

FULL.npz holds joint positions of the whole data set as `positions_mm` int16 (frame, 22, 3) at 30
frames per second, `start`, and `exercise` and `subject` (from 1) of each repetition.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

from utal.demo.skeletons import packed

TARGET = Path(__file__).parents[1] / "utal" / "demo" / "ui_prmd.npz"
STEP = 2  # every second frame: 15 a second are enough for slow exercises
FPS = 30.0


def pack(full: Path, target: Path) -> None:
    """Writes all repetitions at half the frame rate."""
    with np.load(full, allow_pickle=False) as file:
        data = {name: file[name] for name in ("positions_mm", "start", "exercise", "subject")}
    limits = data["start"].astype(np.int64)
    parts = [data["positions_mm"][first:limit:STEP] for first, limit in itertools.pairwise(limits)]
    start = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    low, high = packed(np.concatenate(parts), start)
    np.savez_compressed(
        target,
        low=low,
        high=high,
        start=start,
        exercise=(data["exercise"] - 1).astype(np.uint8),
        person=(data["subject"] - 1).astype(np.uint8),
        fps=np.float64(FPS / STEP),
    )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    pack(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else TARGET)
