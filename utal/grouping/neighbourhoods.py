"""Who is whose near neighbour, when one centre at a time joins the videos.

Pooled numbers: videos keep theirs, the centre is number N, the last. A neighbour list begins with
the point itself and goes on by distance; at equal distance the centre comes before videos, and
videos in their order. Inserting a centre into a list of given size does only one thing to its
videos: it may push the last one out. So the lists of the videos are found once, and what a centre
changes is a comparison of ranks.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer
from scipy.sparse import csr_array

from utal.grouping.distances import (
    Known,
    Neighbours,
    distances_in_lists,
    pair_numbers,
    squared_of_pairs,
)


@dataclass(frozen=True, eq=False, slots=True)
class Insertion:
    """One centre among the videos.

    Attributes:
        near: the videos and their lists.
        known: distances that are at hand; others are computed when they are needed.
        squared: squared distances of the centre to the videos.
        own: all videos by their distance to the centre.
    """

    near: Neighbours
    known: Known
    squared: Float[np.ndarray, " video"]
    own: Int64[np.ndarray, " video"]


def usual_distances(near: Neighbours, num_reciprocal: int) -> Known:
    """Squared distances within the sets that the videos have without a centre.

    A centre changes few of the sets, so that nearly all distances that `encodings` needs are here.
    """
    large, small = (
        _rows(near.order[:, :size], near.back[:, :size] < size, len(near.order))
        for size in (num_reciprocal + 1, round(num_reciprocal / 2) + 1)
    )
    sets = expanded(large, small, strict=False)
    sets.sort_indices()
    videos = np.repeat(np.arange(len(near.order)), np.diff(sets.indptr))
    squared = squared_of_pairs(near.points, distances_in_lists(near), videos, sets.indices)
    return Known(pair_numbers(videos, sets.indices, len(near.order)), squared)


def insert(near: Neighbours, known: Known, squared: Float[np.ndarray, " video"]) -> Insertion:
    """The centre with these squared distances to the videos, among the videos."""
    return Insertion(near, known, squared, np.argsort(squared, kind="stable"))


def num_kept(at: Insertion, size: int) -> Int64[np.ndarray, " video"]:
    """How many of each video's first `size` neighbours stay: `size`, or one less for the centre."""
    num_videos = len(at.squared)
    if size == 1:  # the video itself
        return np.ones(num_videos, np.int64)
    if size > num_videos:  # room for everybody
        return np.full(num_videos, size - 1)
    return np.asarray(size - (at.squared <= at.near.squared[:, size - 1]))


def pooled_lists(
    at: Insertion, size: int
) -> tuple[Int64[np.ndarray, "pooled slot"], Bool[np.ndarray, "pooled slot"]]:
    """First `size` neighbours of every pooled point, and which of the slots are in use.

    The last column is the centre's slot, the last row the centre's own list.
    """
    num_videos = len(at.squared)
    order = at.near.order[:, :size]
    slots = np.arange(order.shape[1] + 1)
    kept = num_kept(at, size)
    own = np.resize(np.append(num_videos, at.own[: size - 1]), len(slots))
    columns = np.vstack([np.column_stack([order, np.full(num_videos, num_videos)]), own])
    present = slots < np.append(kept, size)[:, None]
    present[:-1, -1] = kept < size
    return columns, present


def mutual_neighbours(at: Insertion, size: int) -> csr_array:
    """U(x, size - 1) of every pooled point x, as the rows of a symmetric 0/1 matrix.

    y is in it if y is among the first `size` of x's list and x among the first `size` of y's.

    Source: FEEL Eq. 2, where the point itself is not counted among its l neighbours.
    """
    columns, present = pooled_lists(at, size)
    own = columns[-1, 1:][present[-1, 1:]]
    with_centre = np.zeros(len(columns) - 1, bool)
    with_centre[own] = present[own, -1]
    present[-1, 1 : len(own) + 1] = with_centre[own]
    present[:-1, :-1] &= at.near.back[:, :size] < num_kept(at, size)[columns[:-1, :-1]]
    present[:-1, -1] = with_centre
    return _rows(columns, present, len(columns))


def expanded(members: csr_array, small: csr_array, *, strict: bool) -> csr_array:
    """Sets of chosen points, enlarged by the small sets of those members that share enough.

    A member's small set joins if two thirds of it are in the point's set already.

    Args:
        members: one 0/1 row per chosen point, U(x, l).
        small: one 0/1 row per pooled point, U(z, l / 2); symmetric.
        strict: more than two thirds must be shared, as in the released code.

    Source: FEEL Eq. 3.
    """
    shared = (members @ small).multiply(members).tocsr()
    # In whole numbers: 2 / 3 is not a binary fraction, and exactly two thirds are common.
    enough = 3 * shared.data - int(strict) >= 2 * np.diff(small.indptr)[shared.indices]
    shared.data = enough.astype(np.int64)
    shared.eliminate_zeros()
    sets = (members + shared @ small).tocsr()
    sets.data[:] = 1
    return sets


def encodings(at: Insertion, chosen: Int64[np.ndarray, " chosen"], sets: csr_array) -> csr_array:
    """Rows e_x[y] = exp(-d(x, y)) for y in the set of x, else 0, scaled to sum 1.

    d is the squared distance over the largest squared distance from x.

    Args:
        at: the pooled points.
        chosen: pooled number of each row's x.
        sets: one 0/1 row per x, none empty.

    Source: FEEL Eq. 5; both scalings as in the released code.
    """
    row_of = np.repeat(np.arange(len(chosen)), np.diff(sets.indptr))
    farthest = np.append(np.maximum(at.near.farthest, at.squared), at.squared.max())[chosen]
    farthest[farthest == 0] = 1  # all points are equal
    values = np.exp(-_squared_within(at, chosen[row_of], sets.indices) / farthest[row_of])
    values /= np.bincount(row_of, values)[row_of]
    return csr_array((values, sets.indices, sets.indptr), shape=sets.shape)


def averaging(at: Insertion, chosen: Int64[np.ndarray, " chosen"], size: int) -> csr_array:
    """Matrix [pooled, chosen] that averages chosen rows over each point's first `size` neighbours.

    Neighbours that are not chosen count as zeros.

    Source: released FEEL code ("local query expansion"); not in the paper.
    """
    columns, present = pooled_lists(at, size)
    place = np.full(len(columns), -1)
    place[chosen] = np.arange(len(chosen))
    matrix = _rows(place[columns], present & (place[columns] >= 0), len(chosen))
    matrix.data = matrix.data / min(size, len(columns))
    return matrix


def _squared_within(
    at: Insertion, left: Integer[np.ndarray, " entry"], right: Integer[np.ndarray, " entry"]
) -> Float[np.ndarray, " entry"]:
    """Squared distances of pairs of pooled points."""
    from_centre = np.append(at.squared, 0)
    result = from_centre[np.where(left == len(at.squared), right, left)]
    rest = np.flatnonzero((left < len(at.squared)) & (right < len(at.squared)))
    result[rest] = squared_of_pairs(at.near.points, at.known, left[rest], right[rest])
    return np.asarray(result)


def _rows(
    columns: Int64[np.ndarray, "row slot"], present: Bool[np.ndarray, "row slot"], width: int
) -> csr_array:
    """0/1 matrix with ones at the columns that are present."""
    indices = columns[present]
    ends = np.append(0, np.cumsum(present.sum(axis=1)))
    return csr_array((np.ones(len(indices), np.int64), indices, ends), shape=(len(columns), width))
