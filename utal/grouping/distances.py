"""Squared distances between descriptors, and which videos are nearest to each video."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer

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
    """

    points: Float[np.ndarray, "video descriptor"]
    order: Int64[np.ndarray, "video rank"]
    squared: Float[np.ndarray, "video rank"]
    back: Int64[np.ndarray, "video rank"]
    farthest: Float[np.ndarray, " video"]


@dataclass(frozen=True, eq=False, slots=True)
class Known:
    """Squared distances of some pairs of videos.

    Attributes:
        pairs: one number per ordered pair (see `pair_numbers`), ascending.
        squared: their squared distances.
    """

    pairs: Int64[np.ndarray, " pair"]
    squared: Float[np.ndarray, " pair"]


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
    return Neighbours(points, order, squared, _ranks_back(order), farthest)


def squared_of_pairs(
    points: Float[np.ndarray, "video descriptor"],
    known: Known,
    left: Integer[np.ndarray, " entry"],
    right: Integer[np.ndarray, " entry"],
) -> Float[np.ndarray, " entry"]:
    """Squared distance of each `left` video to its `right` one: looked up, or else computed."""
    pairs = pair_numbers(left, right, len(points))
    found = _look_up(known.pairs, pairs)
    result = known.squared[found]
    missing = np.flatnonzero(known.pairs[found] != pairs)
    step = max(1, BLOCK_BYTES // points[0].nbytes)
    for start in range(0, len(missing), step):
        rows = missing[start : start + step]
        result[rows] = squared_lengths(points[left[rows]] - points[right[rows]])
    return np.asarray(result)


def distances_in_lists(near: Neighbours) -> Known:
    """The distances that came with the lists."""
    pairs = pair_numbers(np.arange(len(near.order))[:, None], near.order, len(near.order)).ravel()
    by_pair = pairs.argsort()
    return Known(pairs[by_pair], near.squared.ravel()[by_pair])


def pair_numbers(
    left: Integer[np.ndarray, "..."], right: Integer[np.ndarray, "..."], num_videos: int
) -> Int64[np.ndarray, "..."]:
    """One number for two videos."""
    return np.asarray(left * np.int64(num_videos) + right)


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
    bits = result.view(np.int64)  # rounding to nearest, as the numbers are not negative
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


def _ranks_back(order: Int64[np.ndarray, "video rank"]) -> Int64[np.ndarray, "video rank"]:
    """Where each video stands in the list of its neighbour; the lists' length if nowhere."""
    num_videos, size = order.shape
    videos = np.arange(num_videos)[:, None]
    pairs = pair_numbers(videos, order, num_videos).ravel()
    reverse = pair_numbers(order, videos, num_videos)
    by_pair = pairs.argsort()
    found = by_pair[_look_up(pairs[by_pair], reverse)]
    return np.asarray(np.where(pairs[found] == reverse, found % size, size))


def _look_up(
    ascending: Int64[np.ndarray, " pair"], wanted: Int64[np.ndarray, "*shape"]
) -> Int64[np.ndarray, "*shape"]:
    """Where the wanted numbers are; any other place for those that are missing."""
    return np.asarray(np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1))
