"""What the times between frames say about a video: is its rate constant, are there holes."""

from collections import Counter
from dataclasses import dataclass

ROUNDING_MS = 2  # Matroska rounds its time stamps to milliseconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How regularly the frames of a video follow each other.

    Attributes:
        is_variable: more than one gap in fifty, and more than a single one, is unusual.
        num_holes: places of a regular video at which at least two frames are missing.
    """

    is_variable: bool
    num_holes: int


def pace(gaps_ms: Counter[int]) -> Pace:
    """The pace of a video from the times between its frames, in whole milliseconds.

    A gap is unusual that differs from the median one by over a tenth and over two milliseconds.
    """
    total = gaps_ms.total()
    if not total:
        return Pace(False, 0)
    median = _median(gaps_ms, total)
    tolerance = max(ROUNDING_MS, median / 10)
    unusual = sum(count for gap, count in gaps_ms.items() if abs(gap - median) > tolerance)
    if unusual > max(1, total / 50):
        return Pace(True, 0)
    return Pace(False, sum(count for gap, count in gaps_ms.items() if gap >= 2.5 * max(median, 1)))


def _median(counts: Counter[int], total: int) -> int:
    """The lower median of a counted sample."""
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if 2 * seen >= total:
            return value
    raise AssertionError("an empty sample has no median")
