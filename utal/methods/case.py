"""CASE: Revisiting Foreground and Background Separation in Weakly-supervised TAL.

Liu, Wang, Rong, Li, Zhang (ICCV 2023), and the released code Qinying-Liu/CASE. Next to a classifier
and an attention per feature stream, snippets of all videos are put into 16 clusters of equal size,
and each cluster into action or background, both with labels from optimal transport. At test time a
snippet's clusters say how surely it is action.

With video labels given this is the weakly-supervised method. Without labels the same preset
clusters mean features by K-means and trains once: the row "CASE (K-means)" of FEEL's Table 4.

Deviations:
* The prior of the snippet clusters is about the rank of a snippet's attention. The release takes
  the index of sorting for the rank, which goes unnoticed because a deviation of 10 makes the prior
  flat; here it is the rank, and equally flat unless `prior_deviation` is set to less than 1.
* What is known of the clusters of snippets before the first step: nothing, 0.5 (release: 1/16).
* The scaling of transport works on logarithms: the same numbers without overflow.
* Only the THUMOS14 code was released. `activitynet12` and `activitynet13` are ours: the method of
  THUMOS14, with the decoder of the same authors' later ActivityNet code (SAL), trained as long as
  our CoLA.
* The released code keeps the checkpoint with the best score on the test set; we keep the last one.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.grouping.describing import TopRaw
from utal.localizers import instances
from utal.localizers.case import Case, CaseOutput, StreamOutput
from utal.losses import agreement, classification, transport
from utal.method import Localizer, Method, Training, expect_output
from utal.methods import aicl, cola
from utal.methods.presets import Preset
from utal.records import Batch, PseudoLabels
from utal.sampling import RandomSnippets

EQUATIONS = {
    "class activation sequence, attention": Case,
    "fused activation, with clusters at test time": instances.fused_activation,
    "snippets that speak for a cluster": instances.top_members,
    "video classification loss": classification.cross_entropy,
    "pseudo-labels of action": agreement.labelled_members,
    "attention loss": agreement.generalised_cross_entropy,
    "labels by optimal transport": transport.transport_targets,
    "dynamic prior of snippet clusters": transport.rank_log_prior,
    "snippet clustering, cluster classification loss": transport.label_cross_entropy,
    "prototypes": transport.prototypes,
}


@dataclass(frozen=True, slots=True)
class ClassifyAndCluster:
    """L = L_video + L_attention + clustering_weight * L_snippets + foreground_weight * L_clusters.

    Attributes:
        clustering_weight: of the clustering of snippets.
        foreground_weight: of the classification of these clusters as action or background.
        sharpness: of the labels by transport, see `transport.transport_targets`.
        iterations: of the transport.
        prior_deviation: see `transport.rank_log_prior`.
        exponent: of the generalised cross-entropy on the attention.
        warm_up: share of the steps before attention learns from what speaks for a cluster.

    Source: CASE, total loss with the weights of the released code.
    """

    clustering_weight: float = 1.0
    foreground_weight: float = 0.3
    sharpness: float = 20.0
    iterations: int = 3
    prior_deviation: float = 10.0
    exponent: float = 0.7
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sharpness", "prior_deviation"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.iterations < 1:
            raise ConfigError(f"iterations must be at least 1, got {self.iterations}")
        if not 0 < self.exponent <= 1:
            raise ConfigError(f"exponent must lie in (0, 1], got {self.exponent}")
        if not 0 <= self.warm_up < 1:
            raise ConfigError(f"warm_up must lie in [0, 1), got {self.warm_up}")

    def check(self, localizer: Localizer) -> None:
        """The clusters of snippets must be there."""
        expect_output(self, localizer, CaseOutput)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it needs no teacher, and what it finds the network remembers."""
        return ClassifyAndClusterLoss(self)


class ClassifyAndClusterLoss(nn.Module):
    """The four terms of one batch, weighted.

    In training mode it leaves in the network which clusters of snippets are action.
    """

    def __init__(self, settings: ClassifyAndCluster) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, output: CaseOutput, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`classification`, `attention`, `snippets` and `clusters`."""
        settings = self.settings
        is_action = agreement.labelled_members(output.members, batch.targets)
        mass = (batch.weights[:, None] * batch.mask).flatten()
        targets = self.snippet_targets(output, mass)
        snippets = [
            transport.label_cross_entropy(output.temperature * _flat(each.cosines), targets, mass)
            for each in output.streams
        ]
        clusters = self.foreground_loss(output, targets, is_action.flatten(), mass)
        return {
            "classification": self.video_loss(output.streams, batch),
            "attention": self.attention_loss(output.streams, is_action, batch)
            * (progress >= settings.warm_up),
            "snippets": settings.clustering_weight * torch.stack(snippets).sum(),
            "clusters": settings.foreground_weight * clusters,
        }

    def video_loss(self, streams: tuple[StreamOutput, ...], batch: Batch) -> Tensor:
        """Mean over the streams."""
        losses = [
            classification.cross_entropy(torch.softmax(each.pooled, dim=1), batch.targets)
            for each in streams
        ]
        return classification.weighted_mean(torch.stack(losses).mean(dim=0), batch.weights)

    def attention_loss(
        self, streams: tuple[StreamOutput, ...], is_action: Tensor, batch: Batch
    ) -> Tensor:
        """Sum over the streams: which snippets speak for a cluster of their video."""
        losses = [
            agreement.generalised_cross_entropy(
                each.attention, is_action, batch.mask, exponent=self.settings.exponent
            )
            for each in streams
        ]
        return classification.weighted_mean(torch.stack(losses).sum(dim=0), batch.weights)

    def snippet_targets(self, output: CaseOutput, mass: Tensor) -> Tensor:
        """Clusters of snippets of equal size, from the mean likeness of the streams."""
        settings = self.settings
        cosines = torch.stack([_flat(each.cosines) for each in output.streams]).mean(dim=0)
        return transport.transport_targets(
            cosines,
            mass,
            torch.full_like(output.foreground, 1 / len(output.foreground)),
            sharpness=settings.sharpness,
            iterations=settings.iterations,
            log_prior=transport.rank_log_prior(
                output.scores.attention.detach().flatten(),
                mass,
                output.foreground,
                deviation=settings.prior_deviation,
            ),
        )

    def foreground_loss(
        self, output: CaseOutput, targets: Tensor, is_action: Tensor, mass: Tensor
    ) -> Tensor:
        """Sum over the streams: each cluster of snippets is action or background."""
        sides = torch.stack([is_action, ~is_action], dim=1).to(mass.dtype)
        share = (sides * mass[:, None]).sum(dim=0) / mass.sum()
        cosines = [
            transport.prototypes(_flat(each.embedding), targets, mass)
            @ transport.prototypes(_flat(each.embedding), sides, mass).T
            for each in output.streams
        ]
        alike = torch.ones_like(output.foreground)
        found = transport.transport_targets(
            torch.stack(cosines).mean(dim=0),
            alike,
            share,
            sharpness=self.settings.sharpness,
            iterations=self.settings.iterations,
        )
        if self.training:
            output.foreground.copy_(found[:, 0])
        losses = [
            transport.label_cross_entropy(output.temperature * each, found, alike)
            for each in cosines
        ]
        return torch.stack(losses).sum()


def _flat(snippets: Tensor) -> Tensor:
    """All snippets of all videos as one list."""
    return snippets.flatten(0, 1)


def thumos14() -> Method:
    """Released THUMOS14 settings, last checkpoint: 300 passes of 12 steps."""
    return replace(
        aicl.thumos14(),
        localizer=Case(),
        objective=ClassifyAndCluster(),
        describer=TopRaw(),
        decoder=aicl.fused_decoder(probability_weight=0.15),
        training=Training(steps=3600, batch_size=16, snippets=RandomSnippets(750)),
    )


def activitynet12() -> Method:
    """ActivityNet 1.2, for which nothing was released: see the deviations."""
    anchor = aicl.activitynet12()
    return replace(
        thumos14(),
        decoder=aicl.fused_decoder(class_threshold=0.1, nms_threshold=0.7, probability_weight=0.15),
        training=anchor.training,
        snippets=anchor.snippets,
    )


def activitynet13() -> Method:
    """ActivityNet 1.3: twice the videos, twice the steps."""
    return replace(activitynet12(), training=aicl.activitynet13().training)


def adaptive() -> Method:
    """For corpora of any size and any encoder: see `utal.methods.aicl.adaptive`."""
    return replace(
        cola.adaptive(),
        localizer=Case(width=256, top_ratio=5, undecided=True),
        objective=ClassifyAndCluster(warm_up=0.3),
        decoder=aicl.adaptive_decoder(probability_weight=0.15),
    )


PRESETS = {
    "": Preset(adaptive, "CASE for corpora of any size"),
    "thumos14": Preset(thumos14, "CASE, released THUMOS14 settings"),
    "activitynet12": Preset(activitynet12, "CASE on ActivityNet 1.2"),
    "activitynet13": Preset(activitynet13, "CASE on ActivityNet 1.3"),
}
