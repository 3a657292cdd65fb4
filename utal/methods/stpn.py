"""STPN: Weakly Supervised Action Localization by Sparse Temporal Pooling Network.

Nguyen, Liu, Prasad, Han (CVPR 2018), and its re-implementation bellos1203/STPN. Snippets are pooled
by a learned attention, which is kept sparse; what classifies the pooled features also classifies
each snippet. One network per feature stream.

With video labels given it is weakly supervised, as in the paper. Without, the same presets cluster
mean features by K-means and train once. DCC trains on it, too; see `utal.methods.dcc`.

Deviations:
* The paper sums the attended features, the re-implementation and we take their mean over time: a
  sum also encodes how long a video is.
* The paper's features are of 10 frames per second. Ours are what the corpus has.
* The mean over classes of the cross-entropy is taken with a divisor of at most 20, THUMOS14's; see
  `classification.distribution_cross_entropy` for what a larger one does.
* A cluster's probability is a sigmoid of its own in the paper; `Scores.probability`, which must sum
  to 1, is the softmax of the same logits. Loss and decoder take the sigmoid.
* `thumos14-dcc` is how we read DCC's much stronger STPN (Table 7, average mAP 33.5), which is not
  described: DCC's sampling, embedding, optimiser and thresholds instead.
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from utal.decoding.proposals import OuterInnerProposals
from utal.decoding.weighted_cam import WeightedCamProposals
from utal.errors import ConfigError
from utal.grouping.clustering import KMeans
from utal.grouping.describing import StreamAttention
from utal.grouping.refining import Keep
from utal.grouping.selecting import TakeAll
from utal.localizers.fusion import LateFusion
from utal.localizers.stpn import Stpn, StpnOutput
from utal.losses import attention, classification
from utal.method import Localizer, Method, Training, expect_output
from utal.methods import cola
from utal.methods.per_stream import PerStream
from utal.methods.presets import Preset
from utal.records import Batch, PseudoLabels
from utal.sampling import RandomSnippets, Uniform


@dataclass(frozen=True, slots=True)
class AttendSparsely:
    """L = L_class + sparsity_weight * L_sparsity.

    Attributes:
        sparsity_weight: beta, of the L1 norm of the attention.
        max_divisor: the cross-entropies are summed over clusters and divided by their number, or by
            this if it is less; 1 is a plain sum, as in DCC.

    Source: STPN, total loss and re-implementation.
    """

    sparsity_weight: float = 1e-4
    max_divisor: int = 20

    def __post_init__(self) -> None:
        if not self.sparsity_weight >= 0:
            raise ConfigError(f"sparsity_weight must not be negative, got {self.sparsity_weight}")
        if self.max_divisor < 1:
            raise ConfigError(f"max_divisor must be at least 1, got {self.max_divisor}")

    def check(self, localizer: Localizer) -> None:
        """There must be logits."""
        expect_output(self, localizer, StpnOutput)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it holds no state and needs no teacher."""
        return AttendSparselyLoss(self)


class AttendSparselyLoss(nn.Module):
    """The two terms of one batch, weighted."""

    def __init__(self, settings: AttendSparsely) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, output: StpnOutput, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`classification` and `sparsity`."""
        summed = attention.multi_label_cross_entropy(output.logits, batch.targets)
        classified = summed / min(batch.targets.shape[1], self.settings.max_divisor)
        sparsity = classification.weighted_mean(
            attention.attention_sum(output.scores.attention, batch.mask), batch.weights
        )
        return {
            "classification": classification.weighted_mean(classified, batch.weights),
            "sparsity": self.settings.sparsity_weight * sparsity,
        }


EQUATIONS = {
    "attention, pooling, class activation map": Stpn,
    "classification loss": attention.multi_label_cross_entropy,
    "sparsity loss": attention.attention_sum,
    "objective": AttendSparsely,
    "weighted class activation map, proposals": WeightedCamProposals,
}


def thumos14() -> Method:
    """Settings of the re-implementation: T = 400, batch 6, the last of 24,000 steps."""
    return Method(
        localizer=LateFusion(Stpn()),
        objective=PerStream(AttendSparsely()),
        describer=StreamAttention(),
        clusterer=KMeans(),
        refiner=Keep(),
        selector=TakeAll(),
        decoder=WeightedCamProposals(),
        training=Training(
            steps=24_000, batch_size=6, snippets=RandomSnippets(400), weight_decay=0.0
        ),
        snippets=Uniform(400),
        num_rounds=1,
    )


def dcc_decoder() -> OuterInnerProposals:
    """DCC's thresholds: 0 to 0.9 in steps of 0.025; how runs are scored is not said.

    By their contrast on the whole activation: on the cut activation, as in BaS-Net and CoLA, whose
    thresholds end at a quarter, the tip of every run would beat the run.
    """
    return replace(
        cola.thumos14_decoder(),
        cas_thresholds=cola.steps_of(0.025, 37),
        actionness_thresholds=(),
        clipped=False,
        scored_cut=False,
        min_samples=1,
    )


def thumos14_dcc() -> Method:
    """As DCC may have built it: a learned embedding, T = 750 and many thresholds."""
    return replace(
        thumos14(),
        localizer=LateFusion(Stpn(width=1024, dropout=0.7)),
        decoder=dcc_decoder(),
        training=Training(steps=5000, batch_size=16, snippets=RandomSnippets(750)),
        snippets=Uniform(750),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead.

    A few hundred steps leave attention and activation well above 0 and below 1 everywhere, so that
    one fixed threshold cuts nothing: DCC's many thresholds, and a larger learning rate.
    """
    return replace(
        thumos14(),
        clusterer=KMeans(centred=True),
        decoder=replace(dcc_decoder(), nms_plus_one=False, anchor=0.5),
        training=Training(learning_rate=1e-2, weight_decay=0.0),
        snippets=cola.adaptive().snippets,
    )


PRESETS = {
    "": Preset(adaptive, "STPN for corpora of any size"),
    "thumos14": Preset(thumos14, "STPN on THUMOS14, as re-implemented"),
    "thumos14-dcc": Preset(thumos14_dcc, "STPN on THUMOS14, as DCC may have built it"),
}
