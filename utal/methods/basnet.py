"""BaS-Net: Background Suppression Network for Weakly-supervised Temporal Action Localization.

Lee, Uh, Byun (AAAI 2020), and the released code Pilhyeon/BaSNet-pytorch. Background is a class of
its own, which every untrimmed video has. A second branch shares all weights but sees the features
times a learned foreground weight, and must not find background any more: so the weights learn to
suppress it. It is the base that DCC trains on; see `utal.methods.dcc`.

With video labels given it is weakly supervised, as in the paper. Without, the same presets cluster
mean features by K-means and train once.

Deviations:
* The mean over classes of the binary cross-entropy is taken with a divisor of at most 21, the
  release's on THUMOS14; see `classification.distribution_cross_entropy` for what a larger one does.
* The distribution over clusters leaves the background out and is normalised again, so that classes
  are chosen a little more easily where a video's suppressed branch still sees background.
* The released code keeps the checkpoint with the best score on the test set, looked at after each
  of its 1,500 steps; we keep the last one.
* ActivityNet: only results are published. T = 50 is what DCC says BaS-Net takes; steps, batch and
  thresholds are those of CoLA there.
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from utal.decoding.proposals import OuterInnerProposals
from utal.errors import ConfigError
from utal.grouping.clustering import KMeans
from utal.grouping.describing import TopRaw
from utal.grouping.refining import Keep
from utal.grouping.selecting import TakeAll
from utal.localizers import pooling
from utal.localizers.basnet import BackgroundOutput, BasNet
from utal.losses import attention, background, classification
from utal.method import Localizer, Method, Training, expect_output
from utal.methods import cola
from utal.methods.presets import Preset
from utal.records import Batch, PseudoLabels
from utal.sampling import RandomSnippets, Uniform


@dataclass(frozen=True, slots=True)
class SuppressBackground:
    """L = L_base + L_suppressed + foreground_weight * L_norm.

    Attributes:
        foreground_weight: of the L1 norm of the foreground weights.
        mean_foreground: that norm is divided by the number of snippets, as DCC prints it.
        normalised_labels: labels of a video are divided by their sum, so that a softmax can fit
            them; DCC prints them as they are.
        max_divisor: a branch's cross-entropies are summed over clusters and background and divided
            by the number of those, or by this if it is less; 1 is a plain sum, as in DCC.

    Source: BaS-Net, overall loss and released code; DCC Eq. 1 and 2.
    """

    foreground_weight: float = 1e-4
    mean_foreground: bool = False
    normalised_labels: bool = True
    max_divisor: int = 21

    def __post_init__(self) -> None:
        if not self.foreground_weight >= 0:
            raise ConfigError(
                f"foreground_weight must not be negative, got {self.foreground_weight}"
            )
        if self.max_divisor < 1:
            raise ConfigError(f"max_divisor must be at least 1, got {self.max_divisor}")

    def check(self, localizer: Localizer) -> None:
        """There must be a background class."""
        expect_output(self, localizer, BackgroundOutput)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """The loss as a module; it holds no state and needs no teacher."""
        return SuppressBackgroundLoss(self)


class SuppressBackgroundLoss(nn.Module):
    """The three terms of one batch, weighted."""

    def __init__(self, settings: SuppressBackground) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, output: BackgroundOutput, batch: Batch, progress: float) -> dict[str, Tensor]:
        """`base`, `suppressed` and `foreground`."""
        settings = self.settings
        norm = attention.attention_mean if settings.mean_foreground else attention.attention_sum
        foreground = classification.weighted_mean(
            norm(output.foreground, batch.mask), batch.weights
        )
        return {
            "base": self.branch(output.probability_base, batch, 1.0),
            "suppressed": self.branch(output.probability_suppressed, batch, 0.0),
            "foreground": settings.foreground_weight * foreground,
        }

    def branch(self, probability: Tensor, batch: Batch, label: float) -> Tensor:
        """The classification loss of a branch in which background has this label."""
        labels = background.background_labels(
            batch.targets, background=label, normalised=self.settings.normalised_labels
        )
        summed = classification.binary_cross_entropy(probability, labels)
        divisor = min(labels.shape[1], self.settings.max_divisor)
        return classification.weighted_mean(summed / divisor, batch.weights)


EQUATIONS = {
    "both branches, foreground weights": BasNet,
    "pooled activations of a branch": pooling.top_mean,
    "labels of both branches": background.background_labels,
    "classification loss of a branch": classification.binary_cross_entropy,
    "norm loss of the foreground weights": attention.attention_sum,
    "objective": SuppressBackground,
}


def thumos14_decoder() -> OuterInnerProposals:
    """Released THUMOS14 thresholds; only the activation is cut, and it is not clipped."""
    return OuterInnerProposals(
        class_threshold=0.25,
        cas_thresholds=cola.steps_of(0.025, 10),
        actionness_thresholds=(),
        clipped=False,
        min_samples=1,
        binary_class_score=True,
        nms_threshold=0.7,
        nms_plus_one=True,
    )


def thumos14() -> Method:
    """Released THUMOS14 settings, last checkpoint."""
    return Method(
        localizer=BasNet(),
        objective=SuppressBackground(),
        describer=TopRaw(),
        clusterer=KMeans(),
        refiner=Keep(),
        selector=TakeAll(),
        decoder=thumos14_decoder(),
        training=Training(steps=1500, batch_size=16, snippets=RandomSnippets(750)),
        snippets=Uniform(750),
        num_rounds=1,
    )


def activitynet() -> Method:
    """T = 50; the same for versions 1.2 and 1.3."""
    return replace(
        thumos14(),
        decoder=replace(
            thumos14_decoder(), class_threshold=0.1, cas_thresholds=cola.steps_of(0.015, 10)
        ),
        training=Training(steps=8000, batch_size=128, snippets=RandomSnippets(50)),
        snippets=Uniform(50),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead."""
    return replace(
        thumos14(),
        localizer=BasNet(width=256),
        clusterer=KMeans(centred=True),
        training=Training(learning_rate=1e-3),
        snippets=cola.adaptive().snippets,
        decoder=replace(thumos14_decoder(), nms_plus_one=False, anchor=0.5),
    )


PRESETS = {
    "": Preset(adaptive, "BaS-Net for corpora of any size"),
    "thumos14": Preset(thumos14, "BaS-Net, released THUMOS14 settings"),
    "activitynet12": Preset(activitynet, "BaS-Net on ActivityNet 1.2, settings ours"),
    "activitynet13": Preset(activitynet, "BaS-Net on ActivityNet 1.3, settings ours"),
}
