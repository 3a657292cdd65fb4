"""CoLA: Weakly-Supervised Temporal Action Localization with Snippet Contrastive Learning.

Zhang, Cao, Yang, Chen, Zou (CVPR 2021), and the released code zhang-can/CoLA. A classifier over
snippets is trained with video labels; its activations, summed over the clusters, say which snippets
are action. Snippets near a boundary are pulled towards the sure ones of their own kind.

With video labels given it is the weakly-supervised anchor of this package. Without labels the same
preset clusters mean features by K-means and trains once: the plainest unsupervised baseline.

Deviations:
* The paper's classification loss is a cross-entropy; the released code takes a binary cross-entropy
  of the softmax, averaged over clusters. We take the released form, divided by min(clusters, 20):
  equal to the release on THUMOS14; on ActivityNet the release does not leave the uniform value.
* The paper thresholds sigmoid actionness at 0.5 to find boundaries; the release, and we, binarise
  the plain sum at its median in each video.
* Easy and hard ratios and the contrast weight are the released ones (paper: 8, 32, 0.005).
* The released code keeps the checkpoint with the best score on the test set; we keep the last one.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from utal.decoding.proposals import OuterInnerProposals
from utal.errors import ConfigError
from utal.grouping.clustering import KMeans
from utal.grouping.describing import AttentionRaw, TopRaw
from utal.grouping.refining import Keep
from utal.grouping.selecting import TakeAll
from utal.localizers.cola import Cola
from utal.losses import classification, contrastive, mining
from utal.method import Localizer, Method, Training, expect_embedding
from utal.methods.presets import Preset
from utal.records import Batch, Output, PseudoLabels
from utal.sampling import AllOrUniform, RandomSnippets

EQUATIONS = {
    "Eq. 2   class activation sequence": Cola,
    "Eq. 3   inner region (erosion)": mining.inner_region,
    "Eq. 4   outer region (dilation)": mining.outer_region,
    "Eq. 5   classification loss": classification.distribution_cross_entropy,
    "Eq. 6   snippet contrast": contrastive.snippet_contrast,
    "Eq. 7   contrast of hard snippets": contrastive.hard_snippet_contrast,
}


@dataclass(frozen=True, slots=True)
class ClassifyAndContrast:
    """L = L_cls + contrast_weight * L_SniCo.

    Attributes:
        contrast_weight: of the snippet contrast.
        temperature: of the snippet contrast.
        easy_ratio: easy sets hold T // easy_ratio snippets.
        hard_ratio: hard sets hold T // hard_ratio snippets.
        window: of the narrow erosion and dilation, in snippets.
        wide_window: of the wide ones.
        mining_dropout: share of snippets that a step leaves out of the easy sets.
        max_divisor: see `classification.distribution_cross_entropy`.

    Source: CoLA Eq. 8, FEEL Eq. 14.
    """

    contrast_weight: float = 0.01
    temperature: float = 0.07
    easy_ratio: int = 5
    hard_ratio: int = 20
    window: int = 3
    wide_window: int = 6
    mining_dropout: float = 0.6
    max_divisor: int = 20

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be positive, got {self.temperature}")
        if not 0 <= self.mining_dropout < 1:
            raise ConfigError(f"mining_dropout must lie in [0, 1), got {self.mining_dropout}")
        mining.check_windows(self.window, self.wide_window)
        for name in ("easy_ratio", "hard_ratio", "max_divisor"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def check(self, localizer: Localizer) -> None:
        """The contrast trains the embedding; without it any localizer will do."""
        if self.contrast_weight:
            expect_embedding(self, localizer)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it holds no state and needs no teacher."""
        return ClassifyAndContrastLoss(self)


class ClassifyAndContrastLoss(nn.Module):
    """The two terms of one batch, weighted."""

    def __init__(self, settings: ClassifyAndContrast) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, output: Output, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`classification` and, if it has a weight, `contrast`."""
        scores, settings = output.scores, self.settings
        classified = classification.distribution_cross_entropy(
            scores.probability, batch.targets, max_divisor=settings.max_divisor
        )
        terms = {"classification": classification.weighted_mean(classified, batch.weights)}
        if settings.contrast_weight:
            ones = torch.ones_like(scores.attention)
            # One mask for both easy sets: a snippet is left out of either or of none.
            mask = F.dropout(ones, settings.mining_dropout, self.training)
            contrast = classification.weighted_mean(
                self.contrast(scores.embedding, scores.attention.detach(), mask, batch.mask),
                batch.weights,
            )
            terms["contrast"] = settings.contrast_weight * contrast
        return terms

    def contrast(
        self, embedding: Tensor, actionness: Tensor, easy_mask: Tensor, mask: Tensor
    ) -> Tensor:
        """The snippet contrast of each video, from mined snippets."""
        settings = self.settings
        sets = mining.mined_features(
            embedding,
            actionness,
            easy_mask,
            mask,
            easy_ratio=settings.easy_ratio,
            hard_ratio=settings.hard_ratio,
            window=settings.window,
            wide_window=settings.wide_window,
        )
        return contrastive.hard_snippet_contrast(
            sets.easy_action,
            sets.easy_background,
            sets.hard_action,
            sets.hard_background,
            temperature=settings.temperature,
            kept_easy=sets.kept_easy,
            kept_hard=sets.kept_hard,
        )


def steps_of(step: float, count: int, first: float = 0.0) -> tuple[float, ...]:
    """Evenly spaced thresholds, rounded to six decimals so that 0.1 + 0.2 is 0.3."""
    return tuple(round(first + step * i, 6) for i in range(count))


def thumos14_decoder(nms_threshold: float = 0.6) -> OuterInnerProposals:
    """Released THUMOS14 thresholds."""
    return OuterInnerProposals(
        class_threshold=0.2,
        cas_thresholds=steps_of(0.025, 10),
        actionness_thresholds=steps_of(0.025, 33, first=0.1),
        nms_threshold=nms_threshold,
        nms_plus_one=True,
    )


def activitynet_decoder(nms_threshold: float = 0.6) -> OuterInnerProposals:
    """Released ActivityNet thresholds."""
    return replace(
        thumos14_decoder(nms_threshold),
        class_threshold=0.1,
        cas_thresholds=steps_of(0.015, 10),
    )


def thumos14() -> Method:
    """Released THUMOS14 settings (branch `main`), last checkpoint."""
    return Method(
        localizer=Cola(),
        objective=ClassifyAndContrast(),
        describer=AttentionRaw(),
        clusterer=KMeans(),
        refiner=Keep(),
        selector=TakeAll(),
        decoder=thumos14_decoder(),
        training=Training(steps=6000, batch_size=16, snippets=RandomSnippets(750)),
        snippets=AllOrUniform(750),
        num_rounds=1,
    )


def activitynet12() -> Method:
    """Released ActivityNet 1.2 settings (branch `anet12`), steps as FEEL trains it."""
    return replace(
        thumos14(),
        localizer=Cola(kernel=9, classifier_kernel=9, smoothing_kernel=7, easy_ratio=10),
        objective=ClassifyAndContrast(contrast_weight=0.005, easy_ratio=10, hard_ratio=8),
        decoder=activitynet_decoder(),
        training=Training(steps=8000, batch_size=128, snippets=RandomSnippets(50)),
        snippets=AllOrUniform(50),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead."""
    return replace(
        thumos14(),
        localizer=Cola(width=256),
        describer=TopRaw(),
        clusterer=KMeans(centred=True),
        training=Training(learning_rate=1e-3),
        snippets=AllOrUniform(),
        decoder=replace(thumos14_decoder(), nms_plus_one=False, anchor=0.5),
    )


PRESETS = {
    "": Preset(adaptive, "CoLA for corpora of any size"),
    "thumos14": Preset(thumos14, "CoLA, released THUMOS14 settings"),
    "activitynet12": Preset(activitynet12, "CoLA, released ActivityNet 1.2 settings"),
}
