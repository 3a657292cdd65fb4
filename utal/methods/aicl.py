"""AICL: Actionness Inconsistency-guided Contrastive Learning for Weakly-supervised TAL.

Li, Wang, Liu (AAAI 2023), and the released code lizhilin-ustc/AAAI2023-AICL. One branch classifies
snippets, another rates their actionness from each feature stream. Where both put a snippet on the
same side of their medians they are believed; where they differ, the snippet is drawn to the
believed ones of its kind.

With video labels given this is the weakly-supervised method. Without labels the same preset
clusters mean features by K-means and trains once: the row "AICL (K-means)" of FEEL's Table 4.

Deviations:
* A set of snippets that holds fewer than T // 20 is used as it is; the release fills it with
  arbitrary snippets. A contrast that lacks one of its sets is left out.
* The class-aware branch is compared with its median before the sigmoid: the same snippets, but also
  where a sum over many clusters makes the sigmoid 1 in every digit.
* T is the number of snippets that a video has, not that it was padded to.
* Only the THUMOS14 code was released. On ActivityNet, `activitynet12-feel` has the settings of the
  AICL in FEEL's code. `activitynet12` and `activitynet13` are ours: the method of THUMOS14, with
  the decoder of the same authors' later ActivityNet code (SAL), trained as long as our CoLA.
* The released code keeps the checkpoint with the best score on the test set; we keep the last one.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from utal.decoding.proposals import OuterInnerProposals
from utal.errors import ConfigError
from utal.grouping.clustering import KMeans
from utal.grouping.describing import TopRaw
from utal.grouping.refining import Keep
from utal.grouping.selecting import TakeAll
from utal.localizers import aicl as network
from utal.localizers import instances
from utal.localizers.aicl import Aicl, AiclOutput
from utal.losses import agreement, classification
from utal.method import Localizer, Method, Training, expect_output
from utal.methods import cola
from utal.methods.cola import steps_of
from utal.methods.presets import Preset
from utal.records import Batch, PseudoLabels
from utal.sampling import RandomSnippets, Uniform

EQUATIONS = {
    "class activation sequence, actionness": Aicl,
    "fused activation": instances.fused_activation,
    "snippets that speak for a cluster": instances.top_members,
    "consistent and inconsistent snippets": network.branch_votes,
    "classification loss": classification.cross_entropy,
    "pseudo-labels of action": agreement.labelled_members,
    "class-agnostic loss": agreement.generalised_cross_entropy,
    "consistency of streams": agreement.mean_disagreement,
    "consistency of branches": agreement.squared_disagreement,
    "sets of the contrast": agreement.consistency_sets,
    "contrast of inconsistent snippets": agreement.consistency_contrast,
}


@dataclass(frozen=True, slots=True)
class ClassifyAndAgree:
    """L = L_cls + L_agnostic + a * L_streams + b * L_branches + c * L_contrast.

    Attributes:
        stream_weight: a, of the agreement between the streams' actionness.
        branch_weight: b, of the agreement between the two branches.
        contrast_weight: c, of the contrast, over the classifier's and each stream's embedding.
        contrast_ratio: sets of the contrast hold T // contrast_ratio snippets.
        temperature: of the contrast.
        exponent: of the generalised cross-entropy on the streams' actionness.
        warm_up: share of the steps before the streams learn from what speaks for a cluster.

    Source: AICL, total loss with the weights of the released code.
    """

    stream_weight: float = 5.0
    branch_weight: float = 0.1
    contrast_weight: float = 0.01
    contrast_ratio: int = 20
    temperature: float = 0.1
    exponent: float = 0.7
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if self.contrast_ratio < 1:
            raise ConfigError(f"contrast_ratio must be at least 1, got {self.contrast_ratio}")
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be positive, got {self.temperature}")
        if not 0 < self.exponent <= 1:
            raise ConfigError(f"exponent must lie in (0, 1], got {self.exponent}")
        if not 0 <= self.warm_up < 1:
            raise ConfigError(f"warm_up must lie in [0, 1), got {self.warm_up}")

    def check(self, localizer: Localizer) -> None:
        """The two branches must be there."""
        expect_output(self, localizer, AiclOutput)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it holds no state and needs no teacher."""
        return ClassifyAndAgreeLoss(self)


class ClassifyAndAgreeLoss(nn.Module):
    """The five terms of one batch, weighted."""

    def __init__(self, settings: ClassifyAndAgree) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, output: AiclOutput, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`classification`, `actionness`, `streams`, `branches` and `contrast`."""
        settings = self.settings
        summed, mean = output.logits.sum(dim=2), output.actionness.mean(dim=2)
        streams = agreement.mean_disagreement(output.actionness, batch.mask)
        branches = agreement.squared_disagreement(summed.sigmoid(), mean, batch.mask)
        probability = output.scores.probability
        terms = {
            "classification": classification.cross_entropy(probability, batch.targets),
            "actionness": self.class_agnostic(output, batch) * (progress >= settings.warm_up),
            "streams": settings.stream_weight * streams,
            "branches": settings.branch_weight * branches,
            "contrast": settings.contrast_weight * self.contrast(output, summed, batch),
        }
        weights = batch.weights
        return {name: classification.weighted_mean(term, weights) for name, term in terms.items()}

    def class_agnostic(self, output: AiclOutput, batch: Batch) -> Tensor:
        """Every stream learns which snippets speak for a cluster of the video."""
        is_action = agreement.labelled_members(output.members, batch.targets)
        exponent = self.settings.exponent
        losses = [
            agreement.generalised_cross_entropy(own, is_action, batch.mask, exponent=exponent)
            for own in output.actionness.unbind(dim=2)
        ]
        return torch.stack(losses).sum(dim=0)

    def contrast(self, output: AiclOutput, actionness: Tensor, batch: Batch) -> Tensor:
        """Sum over the embeddings of the classifier and of each stream."""
        sets = agreement.consistency_sets(
            actionness, output.votes, batch.mask, ratio=self.settings.contrast_ratio
        )
        contrasts = [
            agreement.consistency_contrast(embedding, sets, temperature=self.settings.temperature)
            for embedding in (output.scores.embedding, *output.stream_embeddings)
        ]
        return torch.stack(contrasts).sum(dim=0)


def fused_decoder(
    *,
    class_threshold: float = 0.25,
    nms_threshold: float = 0.4,
    probability_weight: float = 0.2,
) -> OuterInnerProposals:
    """Released AICL and CASE decoder: nine cuts of the fused activation as it is."""
    return OuterInnerProposals(
        class_threshold=class_threshold,
        cas_thresholds=steps_of(0.1, 9, first=0.1),
        actionness_thresholds=(),
        normalised=False,
        scored_cut=False,
        min_samples=1,
        probability_weight=probability_weight,
        nms_threshold=nms_threshold,
        nms_plus_one=True,
        soft_nms_sigma=0.35,
    )


def adaptive_decoder(*, probability_weight: float = 0.2) -> OuterInnerProposals:
    """The same on scaled activations, by true lengths and centres of snippets."""
    return replace(
        fused_decoder(probability_weight=probability_weight),
        normalised=True,
        nms_plus_one=False,
        anchor=0.5,
    )


def thumos14() -> Method:
    """Released THUMOS14 settings, last checkpoint: 900 passes of 13 steps."""
    return Method(
        localizer=Aicl(),
        objective=ClassifyAndAgree(),
        describer=TopRaw(ratio=20, weighted=True),
        clusterer=KMeans(),
        refiner=Keep(),
        selector=TakeAll(),
        decoder=fused_decoder(),
        training=Training(steps=11_700, batch_size=16, snippets=RandomSnippets(750)),
        snippets=Uniform(750),
        num_rounds=1,
    )


def activitynet12() -> Method:
    """ActivityNet 1.2, for which nothing was released: see the deviations."""
    return replace(
        thumos14(),
        decoder=fused_decoder(class_threshold=0.1, nms_threshold=0.7),
        training=Training(steps=8000, batch_size=128, snippets=RandomSnippets(50)),
        snippets=Uniform(50),
    )


def activitynet13() -> Method:
    """ActivityNet 1.3: twice the videos, twice the steps."""
    method = activitynet12()
    return replace(method, training=replace(method.training, steps=16_000))


def activitynet12_feel() -> Method:
    """ActivityNet 1.2 as the AICL in FEEL's released code: 30 passes of 38 steps."""
    method = activitynet12()
    return replace(
        method,
        localizer=Aicl(top_ratio=2, median_is_action=True),
        decoder=fused_decoder(class_threshold=0.15, nms_threshold=0.6),
        training=replace(method.training, steps=1140),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead.

    Ours, where the settings suppose long videos and long training:
    * A fifth of the snippets speaks for a cluster, as in our CoLA.
    * Activations are scaled before they are cut: after few steps they are not near 0 and 1.
    * Actionness starts undecided, and learns only once the classifier has had three tenths of the
      steps. It would else choose, and be trained on, background or action by the initial weights.
    """
    return replace(
        cola.adaptive(),
        localizer=Aicl(width=256, top_ratio=5, undecided=True),
        objective=ClassifyAndAgree(warm_up=0.3),
        describer=TopRaw(weighted=True),
        decoder=adaptive_decoder(),
    )


PRESETS = {
    "": Preset(adaptive, "AICL for corpora of any size"),
    "thumos14": Preset(thumos14, "AICL, released THUMOS14 settings"),
    "activitynet12": Preset(activitynet12, "AICL on ActivityNet 1.2"),
    "activitynet12-feel": Preset(
        activitynet12_feel, "AICL on ActivityNet 1.2 as in FEEL's released code"
    ),
    "activitynet13": Preset(activitynet13, "AICL on ActivityNet 1.3"),
}
