"""APSL: Action-positive separation learning for unsupervised temporal action localization.

Liu, Zhou, Zhang, Wang, Wang, Liu, Liu (Information Sciences 2023). One network is trained all the
way; every 500 steps the videos are grouped anew by the mean of their action-positive features.
Those are the embeddings of the snippets with the highest actionness; they are made long, and those
of the background short. Snippets near a boundary are pulled towards the sure ones of their kind,
and action-positive means of one cluster together.

Deviations:
* Eq. 1 and 2 compare sets of features; compared are their means over time.
* Eq. 5 is printed for labels that need not sum to 1; they are divided by their sum.
* Eq. 9 takes the norm of a set of features; as the released code, that of its mean over time.
* Eq. 10 with the threshold 0.8 finds no action until the activations of a snippet sum to 1.39, so
  that nothing is mined early in training; as the released code, the median of a video decides.
  `thumos14-paper` has the threshold.
* Eq. 13 is the logarithm of a negative number, of vectors of length 150 in an exponential; meant,
  and released, is the contrast of CoLA on unit vectors.
* Table 1 and Eq. 14 weigh separation and contrast .01 and .005. At first the separation is 22,500,
  so .01 of it is 225 against a classification loss of 3. Ours are the released weights, .0005 and
  .01; the printed ones are in `thumos14-paper`.
* Proposals are printed to come from two thresholds of the activation; as in the released code,
  actionness and feature magnitude are cut as well. `thumos14-paper` has the two alone.
* The released triplet loss averages over channels instead of time, counts one anchor per cluster
  and pushes where there is no negative; ours is Eq. 2 over all anchors that have both.
* The released code replaces cluster numbers by true classes before training, and keeps the
  checkpoint with the best score on the test set. Here no truth is read, and the last step counts.
* The number of steps is the released code's on THUMOS14; on ActivityNet it is ours.
"""

from dataclasses import replace
from functools import partial

from utal.batching import PairsAndRandom
from utal.decoding.proposals import OuterInnerProposals
from utal.grouping import spectral
from utal.grouping.boundary import BoundaryEmbedding
from utal.grouping.describing import TopEmbedding
from utal.grouping.one_stream import DescribeStream
from utal.grouping.spectral import Spectral
from utal.localizers import pooling
from utal.localizers.cola import Cola
from utal.localizers.one_stream import OneStream
from utal.losses import classification, contrastive, magnitude, mining, triplet
from utal.method import Describer, Method, Training
from utal.methods import cola
from utal.methods.action_positives import SeparateActionPositives
from utal.methods.cola import steps_of
from utal.methods.presets import Preset, Variant, with_variants
from utal.sampling import RandomSnippets

EQUATIONS = {
    "Eq. 1   affinity": spectral.mean_distance_affinity,
    "Eq. 2   hardest triplet": triplet.hardest_triplets,
    "Eq. 3   class activation sequence": Cola,
    "Eq. 4   video score": pooling.top_mean,
    "Eq. 5   classification loss": classification.cross_entropy,
    "Eq. 6   actionness": mining.above_threshold,
    "Eq. 7-8 positive features": mining.mined_features,
    "Eq. 9   separation of magnitudes": magnitude.magnitude_separation,
    "Eq. 10  binarisation": mining.above_threshold,
    "Eq. 11  negative action (erosion)": mining.inner_region,
    "Eq. 12  negative background (dilation)": mining.outer_region,
    "Eq. 13  contrast of negatives": contrastive.hard_snippet_contrast,
    "Eq. 14  objective": SeparateActionPositives,
}


def thumos14_decoder() -> OuterInnerProposals:
    """Released THUMOS14 thresholds of the unsupervised setting: three kinds of proposals."""
    return OuterInnerProposals(
        class_threshold=0.2,
        cas_thresholds=(0.325, 0.35),
        actionness_thresholds=steps_of(0.025, 33, first=0.075),
        magnitude_thresholds=steps_of(0.025, 10, first=0.6),
        nms_threshold=0.5,
        nms_plus_one=True,
    )


def activitynet_decoder() -> OuterInnerProposals:
    """Printed ActivityNet thresholds; those of actionness and magnitude are THUMOS14's."""
    return replace(thumos14_decoder(), class_threshold=0.1, cas_thresholds=steps_of(0.015, 10))


def thumos14() -> Method:
    """Ten groupings, 500 steps after each, one network all the way."""
    anchor = cola.thumos14()
    return replace(
        anchor,
        localizer=Cola(easy_ratio=8),
        objective=SeparateActionPositives(),
        describer=TopEmbedding(l2=True),
        clusterer=Spectral(),
        decoder=thumos14_decoder(),
        training=Training(
            steps=500,
            batch_size=64,
            batching=PairsAndRandom(),
            snippets=RandomSnippets(750),
            restart=False,
        ),
        num_rounds=10,
        weak_rounds=10,
    )


def thumos14_release() -> Method:
    """As the code, but for its defects: streams embedded apart, T // 5 scores, released loss."""
    return replace(
        thumos14(),
        localizer=Cola(split_streams=True),
        objective=SeparateActionPositives(binary_classification=True),
    )


def activitynet12() -> Method:
    """ActivityNet 1.2; no paper or code says how many steps, ours are 2,000 per grouping."""
    method = thumos14()
    return replace(
        method,
        decoder=activitynet_decoder(),
        training=replace(method.training, steps=2000, snippets=RandomSnippets(50)),
        snippets=cola.activitynet12().snippets,
    )


def as_printed(method: Method, decoder: OuterInnerProposals) -> Method:
    """The settings of the paper's text where ours differ: weights, threshold, decoder, classifier.

    The text does not give the classifier's kernel: the operations of Table 7 are those of three.
    """
    printed = SeparateActionPositives(
        triplet_weight=0.005,
        separation_weight=0.01,
        contrast_weight=0.005,
        threshold=0.8,
        mining_dropout=0.0,
    )
    return replace(
        method,
        localizer=Cola(easy_ratio=8, classifier_kernel=3),
        objective=printed,
        decoder=replace(decoder, actionness_thresholds=(), magnitude_thresholds=()),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead.

    Descriptors are compared after subtracting their mean. The learning rate stays the paper's while
    other adaptive methods take ten times that: what is grouped is what was trained to tell the
    groups apart, and a network that has learned its labels by heart only confirms them. In so few
    steps at that rate features grow to a length of 10, not of 150; a separation that is far from
    what it asks for leaves no gradient to the classification.
    """
    anchor = cola.adaptive()
    return replace(
        anchor,
        localizer=Cola(width=256, easy_ratio=8),
        objective=SeparateActionPositives(magnitude=10.0),
        describer=TopEmbedding(l2=True),
        clusterer=Spectral(centred=True),
        decoder=replace(thumos14_decoder(), nms_plus_one=False, anchor=0.5),
        training=replace(
            anchor.training, learning_rate=1e-4, batching=PairsAndRandom(), restart=False
        ),
        num_rounds=10,
        weak_rounds=10,
    )


def without_triplets(method: Method, *, separation: bool, contrast: bool) -> Method:
    """The method without the triplet loss, and with the other two only where told."""
    objective = method.objective
    assert isinstance(objective, SeparateActionPositives)
    left = replace(
        objective,
        triplet_weight=0.0,
        separation_weight=separation * objective.separation_weight,
        contrast_weight=contrast * objective.contrast_weight,
    )
    return replace(method, objective=left)


def described_by(method: Method, describer: Describer) -> Method:
    """The method grouping by something else."""
    return replace(method, describer=describer)


def of_stream(method: Method, stream: int) -> Method:
    """The method blind to all streams but one."""
    return replace(
        method,
        localizer=OneStream(method.localizer, stream),
        describer=DescribeStream(method.describer, stream),
    )


VARIANTS = {
    "only-cls": Variant(
        partial(without_triplets, separation=False, contrast=False),
        "Table 4, classification only",
    ),
    "cls-abs": Variant(
        partial(without_triplets, separation=True, contrast=False),
        "Table 4, classification and separation",
    ),
    "cls-abs-con": Variant(
        partial(without_triplets, separation=True, contrast=True),
        "Table 4, classification, separation and contrast",
    ),
    "all-features": Variant(
        partial(described_by, describer=TopEmbedding(ratio=1, l2=True)),
        "Table 5, grouped by the features of all snippets",
    ),
    "negative-features": Variant(
        partial(described_by, describer=BoundaryEmbedding()),
        "Table 5, grouped by action-negative features",
    ),
    "positive-and-negative-features": Variant(
        partial(described_by, describer=BoundaryEmbedding(positive_ratio=5)),
        "Table 5, grouped by action-positive and action-negative features",
    ),
    "only-rgb": Variant(
        lambda method: of_stream(method, 0), "Table 6, the first feature stream only"
    ),
    "only-flow": Variant(
        lambda method: of_stream(method, 1), "Table 6, the second feature stream only"
    ),
}

PRESETS = with_variants(
    {
        "": Preset(adaptive, "APSL for corpora of any size"),
        "thumos14": Preset(thumos14, "APSL on THUMOS14"),
    },
    VARIANTS,
) | {
    "thumos14-paper": Preset(
        lambda: as_printed(thumos14(), thumos14_decoder()), "APSL on THUMOS14, as printed"
    ),
    "thumos14-release": Preset(thumos14_release, "APSL on THUMOS14, settings of the code"),
    "activitynet12": Preset(activitynet12, "APSL on ActivityNet 1.2"),
    "activitynet12-paper": Preset(
        lambda: as_printed(activitynet12(), activitynet_decoder()),
        "APSL on ActivityNet 1.2, as printed",
    ),
}
