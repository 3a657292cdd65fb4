"""TCAM: Learning Temporal Co-Attention Models for Unsupervised Video Action Localization.

Gong, Wang, Mu, Tian (CVPR 2020), the first method of unsupervised temporal action localization.
Videos are pooled by a class-agnostic attention (at first all snippets alike) and grouped by
spectral clustering; a network per feature stream then learns the groups. Its class-specific
attention is to find the same thing in the videos of a group and something else in the rest of each
(separation); its class-agnostic attention is to make videos of a group alike (triplets), and pools
the videos of the next round.

Deviations:
* No width, kernel or dilation is given: see `CoAttention`. The dropout of input channels is the
  released code's.
* Eq. 12 and the descriptors use S, which can be negative, where Eq. 2 begins with a distribution;
  we use softmax(S) everywhere, as the released code does.
* Eq. 8, 9 and 12 count pairs and anchors of a cluster; a video without a partner, or without a
  video of another cluster, adds nothing, and neither does a video of one snippet to Eq. 9.
* Eq. 13 counts a video of m labels as m videos of weight 1 / m, as the released code.
* Sec. 4.2 thresholds A, which can be negative, at multiples of its mean; see `MeanMultiples` for
  scaling, smoothing, dilation and suppression, which only the released code has.
* Steps are nowhere: 15,000 on THUMOS14 as in CMCS, whose code, batch and learning rate TCAM's are;
  30,000 on ActivityNet, and a tenth of the learning rate in the second half, as released.
* The released code draws clusters and videos with replacement; ours in a batch are distinct.
* The released code (ActivityNet 1.2) has another network, margins .001 and .5, the mean over pairs
  instead of their sum, no triplet loss, streams fused 2 : 1 and gamma .25: `activitynet12-release`.
  How many pairs a batch has it leaves open; here they are the 12 of the paper.
* The released code scores checkpoints on the test set. Here the last step and the last round count.
"""

from dataclasses import replace
from typing import cast

from utal.batching import Grouped, PairsAndRandom
from utal.decoding.mean_multiples import MeanMultiples
from utal.grouping.describing import StreamAttention
from utal.grouping.refining import Keep
from utal.grouping.selecting import TakeAll
from utal.grouping.spectral import Spectral
from utal.localizers.co_attention import CoAttention, ConvCoAttention, ReleasedCoAttention
from utal.localizers.fusion import LateFusion
from utal.losses import classification, separation, triplet
from utal.method import Method, Training
from utal.methods.co_attention import CoAttentionLoss, CoAttentionObjective
from utal.methods.per_stream import PerStream
from utal.methods.presets import Preset, Variant, with_variants
from utal.sampling import AllOrUniform, WholeVideos

WHOLE = 5000  # snippets: more than any video of either data set has


EQUATIONS = {
    "Eq. 1   objective": CoAttentionObjective,
    "Eq. 2   attention of the first round, descriptor": StreamAttention,
    "Eq. 3-4 action and background features": separation.action_and_background,
    "Eq. 5, 8   actions alike between videos": separation.inter_separation,
    "Eq. 6, 7, 9   action unlike background": separation.intra_separation,
    "Eq. 10  separation": CoAttentionLoss.separated,
    "Eq. 11-12  hardest triplet": triplet.hardest_triplets,
    "Eq. 13  classification loss": classification.cross_entropy,
    "Eq. 14  score of a proposal": MeanMultiples,
}


def thumos14() -> Method:
    """Three rounds on THUMOS14, each with new networks, on whole videos."""
    return Method(
        localizer=LateFusion(CoAttention()),
        objective=PerStream(CoAttentionObjective()),
        describer=StreamAttention(),
        clusterer=Spectral(),
        refiner=Keep(),
        selector=TakeAll(),
        decoder=MeanMultiples(),
        training=Training(
            steps=15_000,
            batch_size=24,
            batching=Grouped(videos_per_cluster=2),
            snippets=WholeVideos(WHOLE),
            learning_rate=1e-4,
            weight_decay=1e-3,
        ),
        snippets=AllOrUniform(WHOLE),
        num_rounds=3,
    )


def activitynet12() -> Method:
    """Three rounds on ActivityNet 1.2."""
    method = thumos14()
    training = replace(method.training, steps=30_000, learning_rate=1e-3, late_factor=0.1)
    return replace(method, training=training)


def activitynet12_release() -> Method:
    """The released code: its network, losses and decoder; four rounds.

    It averages over the pairs what Eq. 10 sums over pairs in both orders: 1/24 with 12 pairs.
    """
    method = activitynet12()
    objective = CoAttentionObjective(
        triplet_weight=0.0, separation_weight=1 / 24, inter_margin=1e-3, intra_margin=0.5
    )
    return replace(
        method,
        localizer=LateFusion(ReleasedCoAttention(), weights=(2.0, 1.0)),
        objective=PerStream(objective),
        decoder=MeanMultiples(probability_weight=0.25),
        training=replace(
            method.training,
            batch_size=32,
            batching=PairsAndRandom(pair_share=0.75),
            weight_decay=1e-4,
        ),
        num_rounds=4,
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead.

    Ours, where the settings suppose many videos and long actions:
    * A quarter of the widths: the whole network memorises the pseudo-labels of a few dozen videos,
      wrong ones included.
    * Activation is smoothed over one snippet instead of up to sixteen, and not dilated: actions of
      a few snippets would melt into one.
    * Five rounds: of few videos the groups still change after the third.
    """
    return replace(
        thumos14(),
        localizer=LateFusion(CoAttention(width=32, context_width=32, branch_width=64)),
        clusterer=Spectral(centred=True),
        decoder=MeanMultiples(smoothing=17, dilation_frames=1, anchor=0.5),
        training=Training(
            batching=Grouped(videos_per_cluster=2),
            snippets=WholeVideos(),
            learning_rate=3e-3,
            weight_decay=1e-3,
        ),
        snippets=AllOrUniform(),
        num_rounds=5,
    )


def with_losses(method: Method, **weights: float) -> Method:
    """The method with other weights of its losses."""
    return replace(method, objective=PerStream(CoAttentionObjective(**weights)))


def without_context(method: Method) -> Method:
    """Classification only, and a plain convolution in place of local and global context."""
    plain = with_losses(method, triplet_weight=0.0, separation_weight=0.0)
    whole = cast(CoAttention, cast(LateFusion, method.localizer).localizer)
    conv = ConvCoAttention(branch_width=whole.branch_width, input_dropout=whole.input_dropout)
    return replace(plain, localizer=LateFusion(conv))


VARIANTS = {
    "conv-only-cls": Variant(without_context, "Table 5, Conv1D and classification only"),
    "only-cls": Variant(
        lambda m: with_losses(m, triplet_weight=0.0, separation_weight=0.0),
        "Table 5, LG and classification only",
    ),
    "cls-abs": Variant(
        lambda m: with_losses(m, triplet_weight=0.0), "Table 5, LG, classification and separation"
    ),
    "cls-trip": Variant(
        lambda m: with_losses(m, separation_weight=0.0), "Table 5, LG, classification and triplets"
    ),
}

PRESETS = {
    **with_variants(
        {
            "": Preset(adaptive, "TCAM for corpora of any size"),
            "thumos14": Preset(thumos14, "TCAM on THUMOS14"),
        },
        VARIANTS,
    ),
    "activitynet12": Preset(activitynet12, "TCAM on ActivityNet 1.2"),
    "activitynet12-release": Preset(
        activitynet12_release, "TCAM on ActivityNet 1.2, as the released code"
    ),
}
