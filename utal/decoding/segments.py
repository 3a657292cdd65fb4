"""Overlap of segments in time, and the removal of segments that a better one covers."""

import numpy as np
from jaxtyping import Bool, Float, Integer

BLOCK = 64  # rows settled at once; one machine word of `_first_come`, and the fastest size measured


def temporal_iou(
    start_a: Float[np.ndarray, " first"],
    end_a: Float[np.ndarray, " first"],
    start_b: Float[np.ndarray, " second"],
    end_b: Float[np.ndarray, " second"],
    *,
    plus_one: bool = False,
) -> Float[np.ndarray, "first second"]:
    """Intersection over union of each segment of one list with each of another, in [0, 1].

    Args:
        start_a: starts of the first list, in seconds.
        end_a: ends of the first list, in seconds.
        start_b: starts of the second list, in seconds.
        end_b: ends of the second list, in seconds.
        plus_one: whether a second is added to every length and intersection.

    Returns:
        One row per segment of the first list; 0 for two segments without length.

    Source: `plus_one` is the arithmetic of the released CoLA, BaS-Net and FEEL code, meant for
    pixels and applied to seconds. It makes short segments overlap that do not.
    """
    unit = 1.0 if plus_one else 0.0
    common = np.minimum(end_a[:, None], end_b) - np.maximum(start_a[:, None], start_b)
    common += unit
    np.maximum(common, 0.0, out=common)
    union = (end_a - start_a + unit)[:, None] + (end_b - start_b + unit)
    union -= common
    np.maximum(union, np.finfo(union.dtype).tiny, out=union)
    return np.asarray(common / union)


def nms(
    start_s: Float[np.ndarray, " segment"],
    end_s: Float[np.ndarray, " segment"],
    score: Float[np.ndarray, " segment"],
    *,
    threshold: float,
    plus_one: bool,
) -> Integer[np.ndarray, " kept"]:
    """Greedy non-maximum suppression: the best segments that do not cover each other.

    The best segment is kept, all whose IoU with it reaches `threshold` are dropped, and so on with
    the best of the rest. Of equal scores the earlier row comes first.

    Args:
        start_s: starts, in seconds.
        end_s: ends, in seconds.
        score: confidence; higher is better.
        threshold: IoU from which on a segment is dropped.
        plus_one: see `temporal_iou`.

    Returns:
        Indices of the kept rows by descending score; empty if there are no rows.

    Source: released CoLA code, which sorts equal scores in an order that depends on the machine.
    """

    def covers(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        limits = start_s[rows], end_s[rows], start_s[others], end_s[others]
        return temporal_iou(*limits, plus_one=plus_one) >= threshold

    undecided = np.argsort(-score, kind="stable")
    kept = []
    while len(undecided):
        best, rest = undecided[:BLOCK], undecided[BLOCK:]
        best = best[_first_come(covers(best, best))]
        kept.append(best)
        undecided = rest[~covers(best, rest).any(axis=0)]
    return np.concatenate(kept) if kept else undecided


def soft_nms(
    start_s: Float[np.ndarray, " segment"],
    end_s: Float[np.ndarray, " segment"],
    score: Float[np.ndarray, " segment"],
    *,
    threshold: float,
    plus_one: bool,
    sigma: float,
) -> tuple[Integer[np.ndarray, " segment"], Float[np.ndarray, " segment"]]:
    """Non-maximum suppression that lowers the score of what it would drop.

    A segment that `nms` drops for a better one gets the factor exp(-IoU^2 / sigma), once.

    Args:
        start_s: starts, in seconds.
        end_s: ends, in seconds.
        score: confidence; higher is better.
        threshold: see `nms`.
        plus_one: see `temporal_iou`.
        sigma: the larger, the gentler.

    Returns:
        All rows by descending new score, and these scores. Of equal ones the kept come before the
        lowered, and of two lowered the earlier row.

    Source: released AICL and CASE code (sigma 0.35).
    """
    kept = nms(start_s, end_s, score, threshold=threshold, plus_one=plus_one)
    lowered = np.setdiff1d(np.arange(len(score)), kept)
    limits = start_s[kept], end_s[kept], start_s[lowered], end_s[lowered]
    iou = temporal_iou(*limits, plus_one=plus_one)
    # The best kept one that covers a segment is the one that drops it.
    dropped_by = np.argmax(iou >= threshold, axis=0) if len(lowered) else lowered
    factor = np.exp(-(iou[dropped_by, np.arange(len(lowered))] ** 2) / sigma)
    rows = np.concatenate([kept, lowered])
    scores = np.concatenate([score[kept], score[lowered] * factor])
    order = np.argsort(-scores, kind="stable")
    return rows[order], scores[order]


def _first_come(conflict: Bool[np.ndarray, "segment segment"]) -> list[int]:
    """Rows that no earlier kept row is in conflict with; at most `BLOCK` rows."""
    words = np.zeros((len(conflict), BLOCK), np.uint8)
    words[:, : len(conflict)] = conflict
    dropped, kept = 0, []
    packed = np.packbits(words, axis=1, bitorder="little").view("<u8")
    for row, word in enumerate(packed[:, 0].tolist()):
        if not dropped >> row & 1:
            kept.append(row)
            dropped |= word
    return kept
