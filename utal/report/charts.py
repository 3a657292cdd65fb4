"""Numbers behind the small charts of a report, and how numbers are spelled."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars of a histogram from 0 to `limit`.

    Attributes:
        counts: instances per bar.
        limit: right end of the last bar, in seconds.
        median: median of the values, in seconds.
    """

    counts: tuple[int, ...]
    limit: float
    median: float

    @property
    def heights(self) -> tuple[float, ...]:
        """Height of each bar; the tallest is 1."""
        top = max(self.counts)
        return tuple(count / top for count in self.counts)


def histogram(durations: Float[np.ndarray, " segment"], num_bars: int = 12) -> Histogram | None:
    """Durations in equal bars from zero to a round number; `None` without any."""
    if not len(durations):
        return None
    limit = round_up(float(durations.max()))
    counts, _ = np.histogram(durations, bins=num_bars, range=(0.0, limit))
    return Histogram(tuple(int(count) for count in counts), limit, float(np.median(durations)))


def round_up(value: float) -> float:
    """The next larger number whose first digit is 1, 1.5, 2, 3, 4, 5, 6 or 8."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return float(next(step for step in steps if step * power >= value * (1 - 1e-9)) * power)


def curve(actionness: Float[np.ndarray, " time"], max_points: int) -> list[int]:
    """The curve in whole percent with at most `max_points` values; the peaks of groups are kept."""
    percent = np.nan_to_num(np.clip(actionness, 0.0, 1.0)) * 100
    group = -(-len(percent) // max_points) if len(percent) else 1
    padded = np.pad(percent, (0, -len(percent) % group))
    return [int(value) for value in np.rint(padded.reshape(-1, group).max(axis=1))]


def clock(seconds: float) -> str:
    """A moment as `0:07.5`, or `1:02:07.5` from an hour on."""
    tenths = max(0, round(seconds * 10))
    minutes, rest = divmod(tenths, 600)
    text = f"{rest / 10:04.1f}"
    if minutes < 60:
        return f"{minutes}:{text}"
    return f"{minutes // 60}:{minutes % 60:02d}:{text}"


def span(seconds: float) -> str:
    """A length of time in words: `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def plural(count: int, noun: str) -> str:
    """`1 video`, `1,340 videos`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
