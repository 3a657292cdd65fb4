"""Videos and outputs for the tests of decoders."""

from itertools import pairwise

import numpy as np
import torch

from utal.records import Scores, Segments, Timeline, Video


def video(num_snippets: int, fps: float = 25.0, stride: float = 16.0, window: int = 16) -> Video:
    timeline = Timeline(fps, stride, window, duration=num_snippets * stride / fps)
    return Video("clip", np.zeros((num_snippets, 1), np.float32), timeline)


def scores(
    cas: np.ndarray,
    attention: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    embedding: np.ndarray | None = None,
) -> Scores:
    attention = cas.sum(1) if attention is None else attention
    embedding = cas[:, :1] if embedding is None else embedding
    if probability is None:
        probability = np.full(cas.shape[1], 1 / cas.shape[1])
    arrays = (embedding, cas, attention, probability)
    return Scores(*(torch.as_tensor(array, dtype=torch.float64)[None] for array in arrays))


def table(segments: Segments) -> np.ndarray:
    """Rows (cluster, score, start, end)."""
    _, cluster, start_s, end_s, score = segments.columns()
    return np.stack([cluster, score, start_s, end_s], 1)


def smooth_noise(rng: np.random.Generator, length: int, width: int) -> np.ndarray:
    """Sums of three neighbours, so that runs are longer than one snippet."""
    noise = rng.normal(size=(length + 2, width))
    return noise[:-2] + noise[1:-1] + noise[2:]


def nearly_tied(rows: list[tuple[int, int, float]]) -> bool:
    """Whether rounding decides which of two runs (start, stop, score) is the better one.

    On a straight piece of a sequence every run stands out alike. Silence scores 0 exactly.
    """
    ordered = sorted(rows, key=lambda row: row[2])
    return any(
        second[2] - first[2] < 1e-9 and first[:2] != second[:2] and (first[2] or second[2])
        for first, second in pairwise(ordered)
    )
