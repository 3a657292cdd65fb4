"""Which videos make up a training batch. Row numbers only; `utal.fitting` fetches the features."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from utal.errors import ConfigError

Rows = Int64[np.ndarray, " batch"]


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Every video once per pass, in a new order each pass; the last batch of a pass may be smaller.

    Source: training loader of the released CoLA, BaS-Net and FEEL code.
    """

    def batches(
        self, targets: Float[np.ndarray, "video cluster"], size: int, rng: np.random.Generator
    ) -> Iterator[Rows]:
        """Endless batches of row numbers of `targets`."""
        while True:
            order = rng.permutation(len(targets))
            for first in range(0, len(order), size):
                yield order[first : first + size]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Z clusters times K videos: losses that compare videos of one cluster find them in a batch.

    Z is the batch size divided by K, or the number of clusters that have videos if that is less.
    A cluster of fewer than K videos repeats them: each copy is cut differently where snippets are
    drawn at random.

    Attributes:
        videos_per_cluster: K.

    Source: TCAM Sec. 3.5 and 4.2 (Z = 12, K = 2). The released code draws clusters and videos with
    replacement, so that a pair may be one video twice.
    """

    videos_per_cluster: int = 2

    def __post_init__(self) -> None:
        if self.videos_per_cluster < 1:
            raise ConfigError(
                f"videos_per_cluster must be at least 1, got {self.videos_per_cluster}"
            )

    def batches(
        self, targets: Float[np.ndarray, "video cluster"], size: int, rng: np.random.Generator
    ) -> Iterator[Rows]:
        """Endless batches of row numbers of `targets`."""
        members = _members(targets)
        count = min(max(1, size // self.videos_per_cluster), len(members))
        while True:
            chosen = rng.choice(len(members), count, replace=False)
            yield np.concatenate([self._some_of(members[c], rng) for c in chosen])

    def _some_of(
        self, members: Int64[np.ndarray, " member"], rng: np.random.Generator
    ) -> Int64[np.ndarray, " drawn"]:
        copies = -(-self.videos_per_cluster // len(members))
        drawn = [rng.permutation(members) for _ in range(copies)]
        return np.concatenate(drawn)[: self.videos_per_cluster]


@dataclass(frozen=True, slots=True)
class PairsAndRandom:
    """Pairs of videos of one cluster, then random videos.

    Attributes:
        pair_share: share of the batch that comes in pairs.

    Source: released HC-UTAL and W-TALC code: 20 pairs and 24 random videos in a batch of 64. There
    a pair may be one video twice; here it is where the cluster has only one.
    """

    pair_share: float = 0.625

    def __post_init__(self) -> None:
        if not 0 <= self.pair_share <= 1:
            raise ConfigError(f"pair_share must lie in [0, 1], got {self.pair_share}")

    def batches(
        self, targets: Float[np.ndarray, "video cluster"], size: int, rng: np.random.Generator
    ) -> Iterator[Rows]:
        """Endless batches of row numbers of `targets`."""
        members = _members(targets)
        num_pairs = round(self.pair_share * size / 2)
        num_random = size - 2 * num_pairs
        while True:
            pairs = [
                rng.choice(members[c], 2, replace=len(members[c]) == 1)
                for c in rng.integers(len(members), size=num_pairs)
            ]
            others = rng.choice(len(targets), num_random, replace=num_random > len(targets))
            yield np.concatenate([*pairs, others]).astype(np.int64)


Batching = Shuffled | Grouped | PairsAndRandom
"""The ways to make batches."""


def _members(targets: Float[np.ndarray, "video cluster"]) -> list[Int64[np.ndarray, " member"]]:
    """Rows of each cluster that has any."""
    columns = (np.flatnonzero(column) for column in targets.T)
    return [rows for rows in columns if len(rows)]
