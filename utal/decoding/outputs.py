"""What all decoders share: an output as arrays, the clusters to search, and runs as segments."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from utal.decoding.runs import Runs
from utal.decoding.segments import nms
from utal.errors import ConfigError, DataError
from utal.records import Segments, Video

Column = tuple[int, np.ndarray, np.ndarray, np.ndarray]
"""One cluster with the starts, ends and scores of its segments."""


def arrays(name: str, *batches: Tensor) -> tuple[np.ndarray, ...]:
    """The tensors of the one video in a batch, as arrays in double precision.

    Raises:
        DataError: a value is not finite; the message begins with `name`, the video's.
    """
    if any(len(batch) != 1 for batch in batches):
        sizes = max(len(batch) for batch in batches)
        raise ValueError(f"{name}: only one video can be decoded at a time, got {sizes}")
    found = tuple(batch[0].detach().to("cpu", torch.float64).numpy() for batch in batches)
    if not all(np.isfinite(array).all() for array in found):
        raise DataError(
            f"{name}: the localizer's scores must be finite, found NaN or infinity; check the "
            "features for such values, or train with a lower learning_rate"
        )
    return found


def kept_clusters(
    probability: Float[np.ndarray, " cluster"], threshold: float
) -> Integer[np.ndarray, " kept"]:
    """Clusters whose probability is at least `threshold`; if there is none, the likeliest one."""
    kept = np.flatnonzero(probability >= threshold)
    return kept if len(kept) else np.argmax(probability, keepdims=True)


def just_above(threshold: float) -> float:
    """The next larger number, for strict thresholds: at least this is more than `threshold`."""
    return float(np.nextafter(threshold, np.inf))


def in_seconds(
    runs: Runs, video: Video, *, num_samples: int, anchor: float
) -> tuple[Float[np.ndarray, " run"], Float[np.ndarray, " run"]]:
    """Starts and ends of runs of samples.

    Args:
        runs: positions in samples.
        video: only its number of snippets and its time axis are used.
        num_samples: how many samples cover all snippets of the video.
        anchor: where in its cell the value of a snippet lies, in snippets. Unless it is 0, the
            times are clipped to the duration.
    """
    timeline = video.timeline
    # One division, as in the released code: an IoU at the threshold depends on the last bit.
    pitch_s = timeline.stride * video.num_snippets / (num_samples * timeline.fps)
    begin_s = timeline.start(anchor)
    latest = timeline.duration if anchor else np.inf
    start_s, end_s = begin_s + runs.start * pitch_s, begin_s + runs.stop * pitch_s
    # Nothing is known before the first sample, so a run that begins there fills its cell.
    start_s[runs.start == 0] = timeline.start(0.0)
    return np.clip(start_s, 0.0, latest), np.clip(end_s, 0.0, latest)


def best_runs(
    runs: Runs, score: Float[np.ndarray, " run"], threshold: float
) -> Integer[np.ndarray, " kept"]:
    """Rows that suppression keeps, by descending score; only an IoU above `threshold` drops one.

    It compares samples, not seconds, in which an IoU of exactly the threshold would not stay one.
    """
    start, stop = runs.start.astype(np.float64), runs.stop.astype(np.float64)
    return nms(start, stop, score, threshold=just_above(threshold), plus_one=False)


def as_segments(name: str, columns: Sequence[Column]) -> Segments:
    """The segments of one video from those of its clusters; there must be a cluster."""
    clusters, *rest = zip(*columns, strict=True)
    cluster_column = np.repeat(clusters, [len(starts) for starts in rest[0]])
    video_column = np.zeros(len(cluster_column), np.int64)
    return Segments((name,), video_column, cluster_column, *map(np.concatenate, rest))


def check_share(name: str, value: float) -> None:
    """Refuses a setting outside [0, 1], by name."""
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must lie in [0, 1], got {value}")


def check_not_negative(name: str, value: float) -> None:
    """Refuses a setting that is negative or not finite, by name."""
    if not 0 <= value < np.inf:
        raise ConfigError(f"{name} must be finite and not negative, got {value}")


def check_positive_count(name: str, value: int) -> None:
    """Refuses a setting below 1, by name."""
    if value < 1:
        raise ConfigError(f"{name} must be at least 1, got {value}")
