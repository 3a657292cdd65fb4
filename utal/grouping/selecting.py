"""Which videos a round trains on: all of them, or from easy to hard."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import one_hot

from utal.errors import ConfigError
from utal.records import Clustering, PseudoLabels


def constant_share(round_index: int, num_rounds: int) -> float:
    """Share of each cluster that a round trains on, beta_i = i / I, i = round_index + 1.

    Raises:
        ValueError: the round is not one of `num_rounds`.

    Source: FEEL Sec. 3.3, constant mode.
    """
    _check_round(round_index, num_rounds)
    return (round_index + 1) / num_rounds


def variable_share(round_index: int, num_rounds: int, rate: float) -> float:
    """Share that grows faster from round to round, beta_i = (mu^i - 1) / (mu^I - 1).

    Args:
        round_index: 0 for the first round; i = round_index + 1.
        num_rounds: I, the round that trains on everything.
        rate: mu; above 1 the shares begin smaller than in constant mode, below 1 larger.

    Raises:
        ValueError: the round is not one of `num_rounds`.

    Source: FEEL Eq. 12. The paper calls the curve concave; for mu > 1 it is convex.
    """
    _check_round(round_index, num_rounds)
    return float((rate ** (round_index + 1) - 1) / (rate**num_rounds - 1))


def surest(
    clustering: Clustering, num_clusters: int, share: float, min_per_cluster: int
) -> Int64[Tensor, " selected"]:
    """The most confident round(share * n_k) videos of each cluster k, ascending.

    Halves are rounded to the even number, as in the released code. Of equally confident videos
    the one that comes first in the corpus is kept. An empty cluster keeps nothing.

    Args:
        clustering: labels and confidence of all videos.
        num_clusters: K; some clusters may be empty.
        share: beta, in [0, 1].
        min_per_cluster: kept of a non-empty cluster in any case, as far as it reaches.

    Source: FEEL Eq. 10 and 11.
    """
    kept = []
    for cluster in range(num_clusters):
        members = (clustering.labels == cluster).nonzero()[:, 0]
        by_confidence = clustering.confidence[members].argsort(descending=True, stable=True)
        count = max(round(share * len(members)), min_per_cluster)
        kept.append(members[by_confidence[:count]])
    return torch.cat(kept).sort().values


def pseudo_labels(
    clustering: Clustering, num_clusters: int, videos: Int64[Tensor, " selected"]
) -> PseudoLabels:
    """Each given video with its cluster as the only label, all of weight one."""
    targets = one_hot(clustering.labels[videos], num_clusters).float()
    return PseudoLabels(videos, targets, torch.ones(len(videos)))


@dataclass(frozen=True, slots=True)
class TakeAll:
    """Every video, in every round."""

    def select(
        self, clustering: Clustering, num_clusters: int, round_index: int, num_rounds: int
    ) -> PseudoLabels:
        """All videos, one-hot."""
        return pseudo_labels(clustering, num_clusters, torch.arange(len(clustering.labels)))


@dataclass(frozen=True, slots=True)
class ConstantSpeed:
    """The surest share i / I of each cluster in round i of I: FEEL-F.

    Attributes:
        min_per_cluster: kept of each non-empty cluster in any case; 0 lets small clusters go
            without a training video, as in the released code.

    Source: FEEL Sec. 3.3.
    """

    min_per_cluster: int = 1

    def __post_init__(self) -> None:
        _check_minimum(self.min_per_cluster)

    def select(
        self, clustering: Clustering, num_clusters: int, round_index: int, num_rounds: int
    ) -> PseudoLabels:
        """The surest videos of each cluster, one-hot."""
        share = constant_share(round_index, num_rounds)
        return _select(clustering, num_clusters, share, self.min_per_cluster)


@dataclass(frozen=True, slots=True)
class VariableSpeed:
    """The surest videos of each cluster, a share that grows exponentially: FEEL-V.

    Attributes:
        rate: mu; 1.05 on THUMOS14, 1.03 on ActivityNet. 1 would be `ConstantSpeed`.
        min_per_cluster: as in `ConstantSpeed`.

    Source: FEEL Eq. 12.
    """

    rate: float = 1.05
    min_per_cluster: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 2 or self.rate == 1:
            raise ConfigError(f"rate must lie in (0, 2] and differ from 1, got {self.rate}")
        _check_minimum(self.min_per_cluster)

    def select(
        self, clustering: Clustering, num_clusters: int, round_index: int, num_rounds: int
    ) -> PseudoLabels:
        """The surest videos of each cluster, one-hot."""
        share = variable_share(round_index, num_rounds, self.rate)
        return _select(clustering, num_clusters, share, self.min_per_cluster)


def _select(
    clustering: Clustering, num_clusters: int, share: float, min_per_cluster: int
) -> PseudoLabels:
    """Surest videos as pseudo-labels; a round without any video cannot be trained."""
    videos = surest(clustering, num_clusters, share, min_per_cluster)
    if len(videos) == 0:
        raise ConfigError(
            f"a share of {share:.3f} keeps none of {len(clustering.labels)} videos; "
            "set min_per_cluster to 1 or use fewer rounds"
        )
    return pseudo_labels(clustering, num_clusters, videos)


def _check_round(round_index: int, num_rounds: int) -> None:
    """The shares are defined for the rounds of the plan only."""
    if not 0 <= round_index < num_rounds:
        raise ValueError(f"round {round_index} is not one of {num_rounds} rounds, counted from 0")


def _check_minimum(min_per_cluster: int) -> None:
    """A negative minimum is a slip."""
    if min_per_cluster < 0:
        raise ConfigError(f"min_per_cluster must be at least 0, got {min_per_cluster}")
