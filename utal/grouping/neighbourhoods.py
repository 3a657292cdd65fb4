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

BLOCK_BYTES = 2**26  # of one block of distances: bounds the memory, not the result
ZERO = 1e-13  # what a squared distance of equal points may be, relative to their squared length
SPARE_BITS = 16  # of a squared distance's 52 that are rounded away


@dataclass(frozen=True, eq=False, slots=True)
class Neighbours:
    """The videos and their neighbour lists, without any centre.

    Attributes:
        points: the descriptors.
        order: the nearest videos of each video, itself first.
        squared: their squared distances.
        back: rank of the video in the list of `order`'s video; the lists' length if it is absent.
        farthest: squared distance of each video to the farthest one.
        pairs: one number for each video and each one in its list (see `_pair`), ascending.
        pair_squared: their squared distances, in the order of `pairs`.
    """

    points: Float[np.ndarray, "video descriptor"]
    order: Int64[np.ndarray, "video rank"]
    squared: Float[np.ndarray, "video rank"]
    back: Int64[np.ndarray, "video rank"]
    farthest: Float[np.ndarray, " video"]
    pairs: Int64[np.ndarray, " pair"]
    pair_squared: Float[np.ndarray, " pair"]


@dataclass(frozen=True, eq=False, slots=True)
class Insertion:
    """One centre among the videos.

    Attributes:
        near: the videos and their lists.
        centre: the centre's descriptor.
        squared: its squared distances to the videos.
        own: all videos by their distance to the centre.
    """

    near: Neighbours
    centre: Float[np.ndarray, " descriptor"]
    squared: Float[np.ndarray, " video"]
    own: Int64[np.ndarray, " video"]


def squared_distances(
    left: Float[np.ndarray, "left descriptor"], right: Float[np.ndarray, "right descriptor"]
) -> Float[np.ndarray, "left right"]:
    """Squared Euclidean distances, to 11 digits, so that what is equal but for rounding is equal.

    Which of two videos at equal distance comes first then depends on their order alone, not on the
    processor or on how many points were compared at once.
    """
    return _squared_distances(left, right, squared_lengths(left), squared_lengths(right))


def squared_lengths(points: Float[np.ndarray, "point descriptor"]) -> Float[np.ndarray, " point"]:
    """Squared Euclidean length of each point."""
    return np.asarray(np.einsum("nd,nd->n", points, points))


def find_neighbours(points: Float[np.ndarray, "video descriptor"], size: int) -> Neighbours:
    """The lists of the min(size, N) nearest videos; memory grows with N, time with its square."""
    lengths = squared_lengths(points)
    step = max(1, BLOCK_BYTES // (8 * len(points)))
    blocks = [
        _nearest(points, lengths, np.arange(start, min(start + step, len(points))), size)
        for start in range(0, len(points), step)
    ]
    order, squared, farthest = (np.concatenate(column) for column in zip(*blocks, strict=True))
    pairs = _pair(np.arange(len(points))[:, None], order, len(points)).ravel()
    by_pair = pairs.argsort()
    pairs = pairs[by_pair]
    back = _ranks_back(order, pairs, by_pair)
    return Neighbours(points, order, squared, back, farthest, pairs, squared.ravel()[by_pair])


def insert(
    near: Neighbours,
    centre: Float[np.ndarray, " descriptor"],
    squared: Float[np.ndarray, " video"],
) -> Insertion:
    """The centre among the videos, given its squared distances to them."""
    return Insertion(near, centre, squared, np.argsort(squared, kind="stable"))


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


def _squared_distances(
    left: Float[np.ndarray, "left descriptor"],
    right: Float[np.ndarray, "right descriptor"],
    left_lengths: Float[np.ndarray, " left"],
    right_lengths: Float[np.ndarray, " right"],
) -> Float[np.ndarray, "left right"]:
    """|a|^2 - 2 a b + |b|^2, in place: blocks are large."""
    result: np.ndarray = left @ right.T
    result *= -2
    result += left_lengths[:, None]
    result += right_lengths
    result[result <= ZERO * left_lengths[:, None]] = 0
    bits = result.view(np.int64)
    bits += 1 << (SPARE_BITS - 1)
    bits &= -(1 << SPARE_BITS)
    return result


def _nearest(
    points: Float[np.ndarray, "video descriptor"],
    lengths: Float[np.ndarray, " video"],
    rows: Int64[np.ndarray, " row"],
    size: int,
) -> tuple[Int64[np.ndarray, "row rank"], Float[np.ndarray, "row rank"], Float[np.ndarray, " row"]]:
    """Lists of some videos, their squared distances, and the largest squared distance."""
    squared = _squared_distances(points[rows], points, lengths[rows], lengths)
    farthest = squared.max(axis=1)
    squared[np.arange(len(rows)), rows] = -1  # before its duplicates
    size = min(size, len(points))
    chosen = np.argpartition(squared, size - 1, axis=1)[:, :size]
    last = np.take_along_axis(squared, chosen, 1).max(axis=1)
    for row in np.flatnonzero((squared <= last[:, None]).sum(axis=1) > size):
        nearer = np.flatnonzero(squared[row] < last[row])
        equal = np.flatnonzero(squared[row] == last[row])
        chosen[row] = np.append(nearer, equal)[:size]
    chosen.sort(axis=1)  # so that the stable sort by distance leaves ties in their order
    values = np.take_along_axis(squared, chosen, 1)
    ranks = values.argsort(axis=1, kind="stable")
    order = np.take_along_axis(chosen, ranks, 1)
    return order, np.maximum(np.take_along_axis(values, ranks, 1), 0), farthest


def _ranks_back(
    order: Int64[np.ndarray, "video rank"],
    pairs: Int64[np.ndarray, " pair"],
    by_pair: Int64[np.ndarray, " pair"],
) -> Int64[np.ndarray, "video rank"]:
    """Where each video stands in the list of its neighbour; the lists' length if nowhere."""
    num_videos, size = order.shape
    reverse = _pair(order, np.arange(num_videos)[:, None], num_videos)
    found = _look_up(pairs, reverse)
    return np.asarray(np.where(pairs[found] == reverse, by_pair[found] % size, size))


def _pair(
    left: Integer[np.ndarray, "..."], right: Integer[np.ndarray, "..."], num_videos: int
) -> Integer[np.ndarray, "..."]:
    """One number for two pooled numbers."""
    return np.asarray(left * (num_videos + 1) + right)


def _look_up(
    ascending: Integer[np.ndarray, " pair"], wanted: Integer[np.ndarray, "*shape"]
) -> Int64[np.ndarray, "*shape"]:
    """Where the wanted numbers are; any other place for those that are missing."""
    return np.asarray(np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1))


def _squared_within(
    at: Insertion, points: Integer[np.ndarray, " entry"], members: Integer[np.ndarray, " entry"]
) -> Float[np.ndarray, " entry"]:
    """Squared distances of pairs of pooled points; most are in the videos' lists."""
    pairs = _pair(points, members, len(at.squared))
    found = _look_up(at.near.pairs, pairs)
    result: np.ndarray = at.near.pair_squared[found]
    missing = np.flatnonzero(at.near.pairs[found] != pairs)
    step = max(1, BLOCK_BYTES // at.near.points[0].nbytes)
    for start in range(0, len(missing), step):
        rows = missing[start : start + step]
        result[rows] = squared_lengths(_gather(at, points[rows]) - _gather(at, members[rows]))
    return result


def _gather(
    at: Insertion, pooled: Integer[np.ndarray, " chosen"]
) -> Float[np.ndarray, "chosen descriptor"]:
    """Descriptors by pooled number."""
    is_centre = pooled == len(at.squared)
    points = at.near.points[np.where(is_centre, 0, pooled)]
    return np.where(is_centre[:, None], at.centre, points)


def _rows(
    columns: Int64[np.ndarray, "row slot"], present: Bool[np.ndarray, "row slot"], width: int
) -> csr_array:
    """0/1 matrix with ones at the columns that are present."""
    indices = columns[present]
    ends = np.append(0, np.cumsum(present.sum(axis=1)))
    return csr_array((np.ones(len(indices), np.int64), indices, ends), shape=(len(columns), width))
