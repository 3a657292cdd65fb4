"""TCAM's objective: classify, set action apart from background, and clusters from each other."""

from dataclasses import dataclass

from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.co_attention import CoAttentionOutput
from utal.losses import classification, separation, triplet
from utal.method import Localizer, expect_output
from utal.records import Batch, PseudoLabels


@dataclass(frozen=True, slots=True)
class CoAttentionObjective:
    """L = L_cls + triplet_weight L_trip + separation_weight L_abs; all three are sums.

    Attributes:
        triplet_weight: alpha.
        separation_weight: beta.
        intra_weight: theta, of separation within videos against separation between them.
        inter_margin: tau_1, distance of actions that is near enough.
        intra_margin: tau_2, by which the background is to be farther than other videos' actions.
        triplet_margin: m, by which other clusters are to be farther in cosine distance.

    Source: TCAM Eq. 1 and 10.
    """

    triplet_weight: float = 0.5
    separation_weight: float = 0.5
    intra_weight: float = 1.0
    inter_margin: float = 1e-4
    intra_margin: float = 0.25
    triplet_margin: float = 0.5

    def __post_init__(self) -> None:
        for name in (
            "triplet_weight",
            "separation_weight",
            "intra_weight",
            "inter_margin",
            "intra_margin",
            "triplet_margin",
        ):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")

    def check(self, localizer: Localizer) -> None:
        """Needs class-specific and class-agnostic attention."""
        expect_output(self, localizer, CoAttentionOutput)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it holds no state and needs no teacher."""
        return CoAttentionLoss(self)


class CoAttentionLoss(nn.Module):
    """The three terms of one batch, weighted."""

    def __init__(self, settings: CoAttentionObjective) -> None:
        super().__init__()
        self.settings = settings

    def forward(
        self, output: CoAttentionOutput, batch: Batch, progress: float
    ) -> dict[str, Tensor]:
        """`classification`, and of `triplet` and `separation` those that have a weight."""
        settings, scores = self.settings, output.scores
        classified = classification.cross_entropy(scores.probability, batch.targets)
        terms = {"classification": (classified * batch.weights).sum()}
        if settings.triplet_weight:
            pooled = (scores.attention[:, None] @ output.agnostic)[:, 0]  # (batch, width)
            hinges, _ = triplet.hardest_triplets(
                pooled, batch.targets, batch.weights, margin=settings.triplet_margin
            )
            terms["triplet"] = settings.triplet_weight * (hinges * batch.weights).sum()
        if settings.separation_weight:
            separated = self.separated(output, batch)
            terms["separation"] = settings.separation_weight * (separated * batch.weights).sum()
        return terms

    def separated(self, output: CoAttentionOutput, batch: Batch) -> Tensor:
        """Separation of each cluster and video, (cluster, batch)."""
        settings, mask = self.settings, batch.mask
        action, background = separation.action_and_background(
            output.specific, output.specific_attention, mask
        )
        inter = separation.inter_separation(
            action, batch.targets, batch.weights, margin=settings.inter_margin
        )
        intra = separation.intra_separation(
            action,
            background,
            batch.targets,
            batch.weights,
            mask.sum(dim=1) > 1,
            margin=settings.intra_margin,
        )
        return inter + settings.intra_weight * intra
