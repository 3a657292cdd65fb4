"""APSL's objective: classify, make action features long, and set them apart from the rest."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.losses import classification, contrastive, magnitude, mining, triplet
from utal.method import Localizer, expect_embedding
from utal.records import Batch, Output, PseudoLabels


@dataclass(frozen=True, slots=True)
class SeparateActionPositives:
    """L = L_cls + triplet_weight L_trip + separation_weight L_abs + contrast_weight L_con.

    Attributes:
        triplet_weight: alpha.
        separation_weight: beta.
        contrast_weight: gamma.
        triplet_margin: h, by which other clusters are to be farther in cosine distance.
        magnitude: q, the length action features are to reach.
        temperature: of the contrast.
        positive_ratio: r^p; the positive sets hold T // positive_ratio snippets.
        negative_ratio: r^n; the negative sets hold T // negative_ratio snippets.
        window: m, of the narrow erosion and dilation, in snippets.
        wide_window: M, of the wide ones.
        threshold: theta_b, see `mining.above_threshold`; `None`: the video's median decides.
        mining_dropout: share of snippets that a step leaves out of the positive sets.
        binary_classification: classify with the released `distribution_cross_entropy` instead of
            the printed cross-entropy.

    Source: APSL Eq. 14; weights and dropout of the released code.
    """

    triplet_weight: float = 0.005
    separation_weight: float = 0.0005
    contrast_weight: float = 0.01
    triplet_margin: float = 0.8
    magnitude: float = 150.0
    temperature: float = 0.07
    positive_ratio: int = 5
    negative_ratio: int = 20
    window: int = 3
    wide_window: int = 6
    threshold: float | None = None
    mining_dropout: float = 0.6
    binary_classification: bool = False

    def __post_init__(self) -> None:
        for name in ("triplet_weight", "separation_weight", "contrast_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("triplet_margin", "magnitude", "temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("positive_ratio", "negative_ratio"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.mining_dropout < 1:
            raise ConfigError(f"mining_dropout must lie in [0, 1), got {self.mining_dropout}")
        mining.check_windows(self.window, self.wide_window)
        mining.check_threshold(self.threshold)

    @property
    def separates(self) -> bool:
        """Whether anything but the classification has a weight."""
        return any((self.triplet_weight, self.separation_weight, self.contrast_weight))

    def check(self, localizer: Localizer) -> None:
        """Separation trains the embedding; without it any localizer will do."""
        if self.separates:
            expect_embedding(self, localizer)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it holds no state and needs no teacher."""
        return SeparateActionPositivesLoss(self)


class SeparateActionPositivesLoss(nn.Module):
    """The four terms of one batch, weighted."""

    def __init__(self, settings: SeparateActionPositives) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, output: Output, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`classification`, and of `triplet`, `separation`, `contrast` those that have a weight."""
        settings, weights = self.settings, batch.weights
        classified = self._classified(output.scores.probability, batch.targets)
        terms = {"classification": classification.weighted_mean(classified, weights)}
        if not settings.separates:
            return terms
        sets = self.separated(output, batch.mask)
        if settings.triplet_weight:
            hinges, _ = triplet.hardest_triplets(
                sets.mean_action, batch.targets, weights, margin=settings.triplet_margin
            )
            terms["triplet"] = settings.triplet_weight * (hinges * weights).sum()
        if settings.separation_weight:
            separated = magnitude.magnitude_separation(
                sets.mean_action, sets.mean_background, margin=settings.magnitude
            )
            terms["separation"] = settings.separation_weight * classification.weighted_mean(
                separated, weights
            )
        if settings.contrast_weight:
            contrast = contrastive.hard_snippet_contrast(
                sets.easy_action,
                sets.easy_background,
                sets.hard_action,
                sets.hard_background,
                temperature=settings.temperature,
                kept_easy=sets.kept_easy,
                kept_hard=sets.kept_hard,
            )
            terms["contrast"] = settings.contrast_weight * classification.weighted_mean(
                contrast, weights
            )
        return terms

    def _classified(self, probability: Tensor, targets: Tensor) -> Tensor:
        """Classification loss of each video."""
        if self.settings.binary_classification:
            return classification.distribution_cross_entropy(probability, targets, max_divisor=20)
        return classification.cross_entropy(probability, targets)

    def separated(self, output: Output, mask: Tensor) -> mining.MinedFeatures:
        """Positive and negative features of each video."""
        settings, actionness = self.settings, output.scores.attention.detach()
        # One mask for both positive sets: a snippet is left out of either or of none.
        left_out = F.dropout(torch.ones_like(actionness), settings.mining_dropout, self.training)
        return mining.mined_features(
            output.scores.embedding,
            actionness,
            left_out,
            mask,
            easy_ratio=settings.positive_ratio,
            hard_ratio=settings.negative_ratio,
            window=settings.window,
            wide_window=settings.wide_window,
            threshold=settings.threshold,
        )
