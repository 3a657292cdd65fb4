"""The embedded skeletons: real repetitions of exercises, packed small and read back exactly.

What is made from them belongs into `bodies` and `motions`.
"""

import functools
import importlib.resources
import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

# Joints: 0 waist, 1 spine, 2 chest, 3 neck, 4 head, 5 head tip; left arm 6 collar, 7 shoulder,
# 8 elbow, 9 wrist; right arm 10 to 13; left leg 14 hip, 15 knee, 16 ankle, 17 toes; right 18 to 21.
PARENT = (-1, 0, 1, 2, 3, 4, 2, 6, 7, 8, 2, 10, 11, 12, 0, 14, 15, 16, 0, 18, 19, 20)
EXERCISES = (
    "deep squat",
    "hurdle step",
    "inline lunge",
    "side lunge",
    "sit to stand",
    "standing leg raise",
    "shoulder abduction",
    "shoulder extension",
    "shoulder internal-external rotation",
    "shoulder scaption",
)
_DATA = "ui_prmd.npz"


@dataclass(frozen=True, eq=False, slots=True)
class Skeletons:
    """Repetitions of exercises by several people, one after the other.

    Attributes:
        positions_mm: joints of every frame; x to the person's left, y up, z where they look.
        start: repetition i is the frames start[i] to start[i + 1] - 1.
        exercise: of each repetition; index into `EXERCISES`.
        person: of each repetition, from 0.
        fps: frames per second.
    """

    positions_mm: Integer[np.ndarray, "frame 22 3"]
    start: Integer[np.ndarray, " limit"]
    exercise: Integer[np.ndarray, " repetition"]
    person: Integer[np.ndarray, " repetition"]
    fps: float

    @property
    def num_people(self) -> int:
        """Number of different people."""
        return int(self.person.max()) + 1

    def repetitions(self, exercise: int, person: int) -> list[int]:
        """Indices of all repetitions of an exercise by a person."""
        is_wanted = (self.exercise == exercise) & (self.person == person)
        rows: list[int] = np.flatnonzero(is_wanted).tolist()
        return rows

    def joints(self, repetition: int) -> Float[np.ndarray, "frame 22 3"]:
        """The joints of one repetition, in metres."""
        first, limit = self.start[repetition : repetition + 2]
        return self.positions_mm[first:limit] / 1000.0


@functools.cache
def load_skeletons() -> Skeletons:
    """Reads the skeletons that come with the package.

    Source: UI-PRMD, Vakanski et al., Data 2018, 3(1), 2; every second Kinect frame.
    """
    data = importlib.resources.files(__package__).joinpath(_DATA).read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        start = file["start"].astype(np.int64)
        return Skeletons(
            positions_mm=unpacked(file["low"], file["high"], start),
            start=start,
            exercise=file["exercise"].astype(np.int64),
            person=file["person"].astype(np.int64),
            fps=float(file["fps"]),
        )


def packed(
    positions_mm: Int[np.ndarray, "frame 22 3"], start: Integer[np.ndarray, " limit"]
) -> tuple[UInt8[np.ndarray, "coordinate frame"], UInt8[np.ndarray, "coordinate frame"]]:
    """Lossless form that deflate shrinks well: low and high bytes of small numbers.

    Each joint is stored relative to its parent and to the frame before, sign last, one row per
    coordinate, because neighbouring bytes are then alike.
    """
    relative = positions_mm.astype(np.int64)
    relative[:, 1:] -= positions_mm[:, PARENT[1:]]
    change = np.diff(relative, axis=0, prepend=0)
    change[start[:-1]] = relative[start[:-1]]
    code = np.where(change < 0, -2 * change - 1, 2 * change).reshape(len(change), -1).T
    return (code & 255).astype(np.uint8), (code >> 8).astype(np.uint8)


def unpacked(
    low: UInt8[np.ndarray, "coordinate frame"],
    high: UInt8[np.ndarray, "coordinate frame"],
    start: Integer[np.ndarray, " limit"],
) -> Int[np.ndarray, "frame 22 3"]:
    """The inverse of `packed`."""
    code = low.astype(np.int64) | (high.astype(np.int64) << 8)
    change = np.where(code & 1, -(code + 1) // 2, code // 2).T.reshape(-1, len(PARENT), 3)
    parts = np.split(change, start[1:-1])
    joints = np.concatenate([part.cumsum(axis=0) for part in parts])
    for joint, parent in enumerate(PARENT[1:], start=1):
        joints[:, joint] += joints[:, parent]
    return joints.astype(np.int16)
