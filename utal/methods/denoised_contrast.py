"""DCC's objective: another localizer's own, and the contrast of denoised regions."""

import math
import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.basnet import BackgroundOutput
from utal.localizers.stpn import StpnOutput
from utal.losses import regions
from utal.losses.region_memory import RegionMemory
from utal.method import Localizer, Objective, expect_embedding
from utal.methods.basnet import SuppressBackground
from utal.records import Batch, Output, PseudoLabels

SUMMED = SuppressBackground(max_divisor=1)
"""BaS-Net's objective with DCC's sum over clusters in place of a mean."""


@dataclass(frozen=True, slots=True)
class DenoisedContrast:
    """L = L_base + weight * L_contrast; without a teacher, in the first round, L_base alone.

    Attributes:
        base: objective of the localizer itself.
        num_regions: M, equal parts that a video's regions are, beside the whole; 1: only the whole.
        num_groups: K of the K-means that says how far a snippet's pseudo-label is trusted; 0: all
            are.
        temperature: of the contrast.
        width: of the projected features that are contrasted.
        first_weight: of the contrast as a round begins.
        last_weight: as it ends; in between the weight's logarithm grows linearly.
        max_weight: the weight never gets larger; `None`: no such limit.
        memory: whether regions of videos outside the batch count, as they were last seen.
        across_videos: whether other videos count at all.
        across_clusters: whether action of other clusters is pushed away, not background alone.
        printed_mean: divide the M + 1 terms of a video and cluster by M, as printed, and take the
            mean over those; else the mean over all regions.

    Source: DCC Eq. 8 and Sec. 4.2.
    """

    base: Objective = SUMMED
    num_regions: int = 5
    num_groups: int = 5
    temperature: float = 0.1
    width: int = 512
    first_weight: float = 0.1
    last_weight: float = 10_000.0
    max_weight: float | None = None
    memory: bool = True
    across_videos: bool = True
    across_clusters: bool = True
    printed_mean: bool = False

    def __post_init__(self) -> None:
        for name, least in (("num_regions", 1), ("num_groups", 0), ("width", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("temperature", "first_weight", "last_weight", "max_weight"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")
        if not self.across_videos:
            if self.memory:
                raise ConfigError("memory holds other videos; set memory=false for one's own only")
            if self.num_regions == 1:
                raise ConfigError("num_regions must be at least 2 where only one video counts")

    def check(self, localizer: Localizer) -> None:
        """The embedding must be learned, and the base objective must know the localizer."""
        self.base.check(localizer)
        expect_embedding(self, localizer)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; with a teacher it learns a projection and remembers regions."""
        base = self.base.loss(labels, teacher)
        return DenoisedContrastLoss(self, base, labels, teacher)

    def weight(self, progress: float) -> float:
        """Beta at a share of the round's steps."""
        ramp = self.first_weight * math.pow(self.last_weight / self.first_weight, progress)
        return ramp if self.max_weight is None else min(ramp, self.max_weight)


class DenoisedContrastLoss(nn.Module):
    """The terms of the base objective and, with a teacher, the contrast."""

    def __init__(
        self,
        settings: DenoisedContrast,
        base: nn.Module,
        labels: PseudoLabels,
        teacher: nn.Module | None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.base = base
        # In a tuple, so that it is no part of this module: never trained, nor in training mode.
        self.teachers: tuple[nn.Module, ...] = () if teacher is None else (teacher,)
        if teacher is not None:
            self.project = projection(settings.width)
            num_vectors = 1 if settings.num_regions == 1 else settings.num_regions + 1
            self.memory = RegionMemory(labels, num_vectors, settings.width)

    def forward(self, output: Output, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The base's terms, and `regions`."""
        terms: dict[str, Tensor] = self.base(output, batch, progress)
        if self.teachers:
            contrast = self.contrast(output.scores.embedding, batch)
            terms = {**terms, "regions": self.settings.weight(progress) * contrast}
        return terms

    def contrast(
        self, embedding: Float[Tensor, "batch time width"], batch: Batch
    ) -> Float[Tensor, ""]:
        """Mean over the regions of the batch, weighted by their videos; 0 if there is none."""
        settings = self.settings
        numbers = self.memory.numbers(batch.videos, batch.weights)
        weights = self.snippet_weights(batch, numbers.cluster)
        members = regions.region_members(batch.mask, settings.num_regions)
        found = regions.region_features(self.project(embedding), weights, members)
        live = self.memory.sets(numbers, *found)
        loss, counted = regions.region_contrast(
            live,
            self.memory.exchange(numbers, live) if settings.memory else None,
            temperature=settings.temperature,
            across_videos=settings.across_videos,
            across_clusters=settings.across_clusters,
        )
        share = (batch.weights[:, None] * numbers.used).flatten()[:, None] * counted
        count = share.sum()
        if settings.printed_mean:
            count = settings.num_regions * share.amax(dim=1).sum()
        return (share * loss).sum() / count.clamp(min=torch.finfo(loss.dtype).tiny)

    @torch.no_grad()
    def snippet_weights(
        self, batch: Batch, clusters: Int64[Tensor, "batch set"]
    ) -> Float[Tensor, "batch time kind"]:
        """How much each snippet counts as action and as background of each set of its video."""
        taught: Output = self.teachers[0](batch.features, batch.mask)
        labels = regions.snippet_labels(activation_of(taught), batch.mask)
        labels = torch.take_along_dim(labels, clusters[:, None], dim=2)
        weights = torch.stack([labels, 1 - labels], dim=3).flatten(2)
        num_groups = self.settings.num_groups
        if num_groups == 0:
            return weights
        embedding = F.normalize(taught.scores.embedding, dim=2)
        groups = regions.snippet_groups(embedding, batch.mask, num_groups=num_groups)
        trust = regions.label_confidence(labels, groups, batch.mask, num_groups=num_groups)
        return weights * trust.repeat_interleave(2, dim=2)


def projection(width: int) -> nn.Module:
    """Two linear layers with a ReLU between; the width of its input shows in the first batch.

    Source: DCC Sec. 3.2 and 4.2.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lazy modules")  # older releases call them new
        first = nn.LazyLinear(width)
    return nn.Sequential(first, nn.ReLU(), nn.Linear(width, width))


def activation_of(output: Output) -> Float[Tensor, "batch time column"]:
    """What tells clusters apart before any attention: columns compete, background is the last.

    Source: A^b of DCC Eq. 3; of a localizer without a background class its clusters alone.
    """
    match output:
        case BackgroundOutput():
            return output.cas_base
        case StpnOutput():
            return output.activation
        case _:
            return output.scores.cas
