"""From all proposals to the few that a person wants to read: strong, and not on top of each other.

A decoder keeps many weak and overlapping proposals because average precision rewards them. Here
belongs the choice of what is shown and counted; nothing here changes a score.
"""

from bisect import bisect_right

import numpy as np
from jaxtyping import Bool, Float

from utal.records import Segments

# What the report and the tables start from; the page has a slider for it. On planted actions the
# chosen segments agree best with the truth (F1 at IoU 0.5) between 0.5 and 0.6, at any noise tried.
SHARE = 0.5


def strengths(segments: Segments) -> Float[np.ndarray, " segment"]:
    """Score relative to the clearest instances of the same cluster; 1 is as clear as those.

    Scores are comparable only within one cluster. The reference of a cluster is the 90 % quantile,
    over the videos it occurs in, of the best score in the video: one freak instance does not push
    all others down. Values above 1 occur; scores at or below zero have strength 0, since inside
    them is nothing that the surroundings lack.
    """
    score = np.where(np.isfinite(segments.score), segments.score, 0.0)
    strength = np.zeros(len(segments))
    for cluster in np.unique(segments.cluster):
        rows = np.flatnonzero(segments.cluster == cluster)
        best = np.full(len(segments.names), -np.inf)
        np.maximum.at(best, segments.video[rows], score[rows])
        reference = np.quantile(best[np.isfinite(best)], 0.9)
        if reference > 0:
            strength[rows] = np.maximum(score[rows] / reference, 0.0)
    return strength


def uncovered(
    segments: Segments, strength: Float[np.ndarray, " segment"]
) -> Bool[np.ndarray, " segment"]:
    """True where no stronger segment of the same video, of whatever cluster, overlaps.

    Greedy: the strongest segment stays, all that overlap it go, and so on with the next; touching
    is not overlapping. Ties go to the earlier start, then to the earlier row.
    """
    kept = np.zeros(len(segments), dtype=bool)
    starts: list[list[float]] = [[] for _ in segments.names]
    ends: list[list[float]] = [[] for _ in segments.names]
    for row in np.lexsort((segments.start_s, -strength)):
        video = int(segments.video[row])
        start, end = float(segments.start_s[row]), float(segments.end_s[row])
        place = bisect_right(starts[video], start)
        clear_before = place == 0 or ends[video][place - 1] <= start
        clear_after = place == len(starts[video]) or starts[video][place] >= end
        if clear_before and clear_after:
            starts[video].insert(place, start)
            ends[video].insert(place, end)
            kept[row] = True
    return kept


def readable(segments: Segments, *, share: float = SHARE) -> Segments:
    """The segments a person should read: in each video the strongest that do not overlap.

    A segment stays if its strength (see `strengths`) is at least `share` and no stronger segment
    of its video overlaps it. A smaller share only adds segments, it never removes one. Ordered by
    video, then by start.

    Args:
        segments: any proposals, in any order.
        share: smallest strength kept; 0 keeps every segment that is not overlapped.
    """
    strength = strengths(segments)
    rows = np.flatnonzero(uncovered(segments, strength) & (strength >= share))
    order = np.lexsort((segments.start_s[rows], segments.video[rows]))
    return segments.take(rows[order])
