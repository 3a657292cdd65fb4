"""The memory bank of the region contrast: the regions of every set as they were last seen."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from utal.losses.regions import RegionSets
from utal.records import PseudoLabels


@dataclass(frozen=True, eq=False, slots=True)
class SetNumbers:
    """Which sets the videos of a batch have.

    Attributes:
        number: row of the memory; where a video has fewer sets than others the spare row, the last.
        used: false for the spare row and for videos without weight.
        cluster: of the set.
    """

    number: Int64[Tensor, "batch set"]
    used: Bool[Tensor, "batch set"]
    cluster: Int64[Tensor, "batch set"]


class RegionMemory(nn.Module):
    """Region vectors of all (video, cluster) pairs of a round; nothing exists before it is written.

    Source: DCC Sec. 3.2, region-level memory bank; how it is updated is not said. Here a visit of a
    video replaces what was there, and the loss uses the visiting vectors in place of the stored.
    """

    corpus: Tensor
    table: Tensor
    vectors: Tensor
    exists: Tensor
    video: Tensor
    cluster: Tensor
    carried: Tensor

    def __init__(self, labels: PseudoLabels, num_regions: int, width: int) -> None:
        super().__init__()
        has = labels.targets > 0
        rows, clusters = has.nonzero(as_tuple=True)
        count = has.sum(dim=1)
        spare = len(rows)
        within = torch.arange(spare) - (count.cumsum(0) - count)[rows]
        table = torch.full((len(has), int(count.max())), spare)
        table[rows, within] = torch.arange(spare)
        self.register_buffer("corpus", labels.videos)
        self.register_buffer("table", table)  # (video, set of the video)
        self.register_buffer("vectors", torch.zeros(spare + 1, 2, num_regions, width))
        self.register_buffer("exists", torch.zeros(spare + 1, 2, num_regions, dtype=torch.bool))
        self.register_buffer("video", torch.cat([labels.videos[rows], torch.tensor([-1])]))
        self.register_buffer("cluster", torch.cat([clusters, torch.tensor([0])]))
        self.register_buffer("carried", torch.cat([has[rows], torch.zeros_like(has[:1])]))

    def numbers(
        self, videos: Int64[Tensor, " batch"], weights: Float[Tensor, " batch"]
    ) -> SetNumbers:
        """The sets of the videos of a batch.

        Args:
            videos: corpus indices, all of which the memory was made for.
            weights: a video of weight 0 is neither compared nor remembered.
        """
        number = self.table[torch.searchsorted(self.corpus, videos)]
        used = (number < len(self.video) - 1) & (weights > 0)[:, None]
        return SetNumbers(number, used, self.cluster[number])

    def sets(
        self,
        numbers: SetNumbers,
        vectors: Float[Tensor, "batch kind region width"],
        exists: Bool[Tensor, "batch kind region"],
    ) -> RegionSets:
        """The regions of a batch as sets; kinds are action and background of each set in turn."""
        number = numbers.number.flatten()
        return RegionSets(
            vectors=vectors.reshape(len(number), 2, *vectors.shape[2:]),
            exists=exists.reshape(len(number), 2, -1) & numbers.used.reshape(-1, 1, 1),
            video=self.video[number],
            cluster=self.cluster[number],
            carried=self.carried[number],
        )

    @torch.no_grad()
    def exchange(self, numbers: SetNumbers, live: RegionSets) -> RegionSets:
        """Stores the live sets; returns what is stored of all others.

        It is written before it is read because a later write would change what the backward pass
        still needs.
        """
        number = torch.where(numbers.used, numbers.number, len(self.video) - 1).flatten()
        self.vectors[number] = live.vectors.detach().type_as(self.vectors)
        self.exists[number] = live.exists
        elsewhere = torch.ones_like(self.exists[:, :1, :1])
        elsewhere[number] = False
        return RegionSets(
            vectors=self.vectors,
            exists=self.exists & elsewhere,
            video=self.video,
            cluster=self.cluster,
            carried=self.carried,
        )
