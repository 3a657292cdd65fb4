"""HC-UTAL's objective: classify, and contrast videos, instances and boundaries."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.headed import Headed
from utal.localizers.pooling import masked_mean
from utal.losses import classification, contrastive, magnitude, mining, video_contrast
from utal.losses.instance_contrast import instance_contrast
from utal.losses.weighing import DynamicWeightAverage
from utal.method import Localizer, expect_embedding, expect_output
from utal.records import Batch, Output, PseudoLabels


@dataclass(frozen=True, slots=True)
class HierarchicalContrast:
    """L = L_cls + alpha L_VCL + beta L_ICL + gamma L_BCL, L_BCL = L_act + L_jbr.

    Each of alpha, beta and gamma is a dynamic weight times the fixed weights below. A level whose
    fixed weights are 0 is left out.

    Attributes:
        video_weight: of the video level, L_VCL, which trains the heads of `WithClusterHead`; 0
            where a clusterer such as `Halves` trains it on its own.
        instance_weight: of the instance level, L_ICL.
        separation_weight: of the separation of magnitudes in the boundary level, L_act.
        boundary_weight: of the contrast of boundaries in the boundary level, L_jbr.
        weighing_temperature: of the dynamic weights of the levels; `None`: they are 1.
        weighing_window: steps over which a level's loss is averaged before it is compared.
        horizontal_temperature: tau_h, of the contrast of videos.
        vertical_temperature: tau_v, of the contrast of clusters.
        instance_temperature: tau_in.
        boundary_temperature: tau_f.
        magnitude: q, the length that action features are to reach.
        easy_ratio: non-boundary sets hold T // easy_ratio snippets.
        hard_ratio: boundary sets hold T // hard_ratio snippets.
        window: of the narrow erosion and dilation, in snippets.
        wide_window: of the wide ones.
        mining_dropout: share of snippets that a step leaves out of the non-boundary sets.
        binary_classification: classify with the released `distribution_cross_entropy` instead of
            the printed cross-entropy.

    Source: HC-UTAL Eq. 1, 8 and 11; fixed weights and mining of the released code.
    """

    video_weight: float = 0.0
    instance_weight: float = 0.01
    separation_weight: float = 0.001
    boundary_weight: float = 0.015
    weighing_temperature: float | None = 3.0
    weighing_window: int = 25
    horizontal_temperature: float = 0.4
    vertical_temperature: float = 0.9
    instance_temperature: float = 0.07
    boundary_temperature: float = 0.07
    magnitude: float = 150.0
    easy_ratio: int = 5
    hard_ratio: int = 20
    window: int = 3
    wide_window: int = 6
    mining_dropout: float = 0.6
    binary_classification: bool = False

    def __post_init__(self) -> None:
        for name in ("video_weight", "instance_weight", "separation_weight", "boundary_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in (
            "weighing_temperature",
            "horizontal_temperature",
            "vertical_temperature",
            "instance_temperature",
            "boundary_temperature",
            "magnitude",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")
        for name in ("weighing_window", "easy_ratio", "hard_ratio"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.mining_dropout < 1:
            raise ConfigError(f"mining_dropout must lie in [0, 1), got {self.mining_dropout}")
        mining.check_windows(self.window, self.wide_window)

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that have a weight, from coarse to fine."""
        weights = {
            "video": self.video_weight,
            "instance": self.instance_weight,
            "boundary": self.separation_weight + self.boundary_weight,
        }
        return tuple(level for level, weight in weights.items() if weight)

    def fixed(self, *, instance: bool, boundary: bool) -> "HierarchicalContrast":
        """The same without dynamic weights and, unless asked for, without some of the levels."""
        return replace(
            self,
            weighing_temperature=None,
            instance_weight=self.instance_weight * instance,
            separation_weight=self.separation_weight * boundary,
            boundary_weight=self.boundary_weight * boundary,
        )

    def check(self, localizer: Localizer) -> None:
        """The video level needs heads, the others an embedding to train."""
        if self.video_weight:
            expect_output(self, localizer, Headed)
        if set(self.levels) - {"video"}:
            expect_embedding(self, localizer)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it remembers how its levels fell."""
        return HierarchicalContrastLoss(self)


class HierarchicalContrastLoss(nn.Module):
    """The terms of one batch, weighted; the weights of the levels start at 1 each round."""

    def __init__(self, settings: HierarchicalContrast) -> None:
        super().__init__()
        self.settings = settings
        self.weighing = None
        if settings.weighing_temperature is not None and settings.levels:
            self.weighing = DynamicWeightAverage(
                len(settings.levels),
                window=settings.weighing_window,
                temperature=settings.weighing_temperature,
            )

    def forward(self, output: Output, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`classification`, and one term for each of the levels in use."""
        levels = {"video": self._video, "instance": self._instance, "boundary": self._boundary}
        losses = {level: levels[level](output, batch) for level in self.settings.levels}
        if self.weighing is not None:
            # The weights are those of the steps before; this step's losses join the history.
            weights = self.weighing(torch.stack(list(losses.values())))
            losses = {
                level: weight * loss
                for (level, loss), weight in zip(losses.items(), weights, strict=True)
            }
        return {"classification": self._classified(output, batch), **losses}

    def _classified(self, output: Output, batch: Batch) -> Tensor:
        probability = output.scores.probability
        if self.settings.binary_classification:
            loss = classification.distribution_cross_entropy(
                probability, batch.targets, max_divisor=20
            )
        else:
            loss = classification.cross_entropy(probability, batch.targets)
        return classification.weighted_mean(loss, batch.weights)

    def _video(self, output: Output, batch: Batch) -> Tensor:
        """Eq. 4, with a constant that makes it 0 at least: ratios mean nothing below 0."""
        assert isinstance(output, Headed)
        settings, present = self.settings, batch.weights > 0
        horizontal = video_contrast.horizontal_contrast(
            *output.projections, temperature=settings.horizontal_temperature, present=present
        )
        vertical = video_contrast.vertical_contrast(
            *output.assignments, temperature=settings.vertical_temperature, present=present
        )
        constant = 2 * math.log(output.assignments[0].shape[1])
        both = classification.weighted_mean(horizontal, batch.weights) + vertical + constant
        return settings.video_weight * both

    def _instance(self, output: Output, batch: Batch) -> Tensor:
        """Eq. 5, mean over the anchors that there are."""
        losses, valid = instance_contrast(
            masked_mean(output.scores.embedding, batch.mask),
            batch.targets,
            batch.weights,
            temperature=self.settings.instance_temperature,
        )
        weighed = (valid * batch.weights).sum()
        # No anchor at all, such as in a batch of a single cluster, is no loss at all.
        mean = (losses * batch.weights).sum() / weighed.where(weighed > 0, 1.0)
        return self.settings.instance_weight * mean

    def _boundary(self, output: Output, batch: Batch) -> Tensor:
        """Eq. 8."""
        settings, actionness = self.settings, output.scores.attention.detach()
        # One mask for both non-boundary sets: a snippet is left out of either or of none.
        left_out = F.dropout(torch.ones_like(actionness), settings.mining_dropout, self.training)
        sets = mining.mined_features(
            output.scores.embedding,
            actionness,
            left_out,
            batch.mask,
            easy_ratio=settings.easy_ratio,
            hard_ratio=settings.hard_ratio,
            window=settings.window,
            wide_window=settings.wide_window,
        )
        separation = magnitude.magnitude_separation(
            sets.mean_action, sets.mean_background, margin=settings.magnitude
        )
        contrast = contrastive.hard_snippet_contrast(
            sets.easy_action,
            sets.easy_background,
            sets.hard_action,
            sets.hard_background,
            temperature=settings.boundary_temperature,
            kept_easy=sets.kept_easy,
            kept_hard=sets.kept_hard,
        )
        both = settings.separation_weight * separation + settings.boundary_weight * contrast
        return classification.weighted_mean(both, batch.weights)
