"""HC-UTAL: Hierarchical-contrast unsupervised temporal action localization.

Liu, Zhou, Huang, Liu, Liu, Zhou, Tang, Wang (Pattern Recognition 2025). Videos are grouped by a
network that learns from their halves: the halves of a video are drawn together (horizontally), and
so are the two columns of a cluster (vertically). With these labels a localizer is trained all the
way, by contrast of videos and of snippets near boundaries; every 500 steps the videos are grouped
anew by the snippets that it attends to most. The paper tells of one network, the released code, and
ours, has two that take turns; `joint` is the paper's way, with a cluster head in the localizer.

Deviations:
* Eq. 2 lacks the logarithm, and its second denominator repeats the first; ours is the contrastive
  clustering that it cites, in both directions.
* Eq. 3 leaves a logarithm outside of the sum and takes the entropy of one column; ours is the mean
  of both directions, minus the entropies of the mean assignments. In ratios of losses 2 log C is
  added to it, so that they are not of negative numbers.
* The released vertical level contrasts videos, not clusters (a transposition is missing), in one
  direction, with temperature .4 instead of .9; `thumos14-release` does so.
* Eq. 5 has no pooling, choice of the positive or reduction; ours are means over time, the nearest
  video of the cluster, and the mean over the anchors that have one.
* Eq. 7 averages the negatives, which would leave one; every snippet of them counts.
* Eq. 9, "l = 5, following CoLA": a fifth of the snippets. Eq. 10: labels are made to sum to 1.
* The dynamic weights have no formula; ours are K softmax(r / 3), r of means over 25 steps. They
  multiply the released fixed weights, because L_act is 22,500 at first (none: `thumos14-paper`).
* The released main program weighs all but L_ICL 0; `thumos14-release` has the weights that are
  commented out. At label time it drops the unit length that the network was trained with; we keep.
* Two thresholds of the activation, as printed, cannot yield the reported recall; as the released
  code, actionness and feature magnitude are cut as well.
* Horizontal level only (Table 8): there are no assignments, so K-means groups the projections.
* The released code picks among 2,400 groupings that which agrees best with the truth, and the
  checkpoint with the best score on the test set, and renames clusters after true classes. Here no
  truth is read, the last step counts, and the number of clusters is given, not chosen (15). Steps
  and batches on ActivityNet are ours.
"""

from dataclasses import replace
from functools import partial

from utal.batching import PairsAndRandom
from utal.decoding.proposals import OuterInnerProposals
from utal.grouping.agglomerative import Agglomerative
from utal.grouping.attended import TopSnippets
from utal.grouping.clustering import KMeans
from utal.grouping.contrastive import Halves
from utal.grouping.posterior import ArgMaxPosterior, WithPosterior
from utal.grouping.spectral import Spectral
from utal.localizers import pooling
from utal.localizers.cola import Cola
from utal.localizers.headed import WithClusterHead
from utal.losses import classification, contrastive, magnitude, video_contrast, weighing
from utal.losses.instance_contrast import instance_contrast
from utal.method import Method, Training
from utal.methods import cola
from utal.methods.cola import steps_of
from utal.methods.hierarchical_contrast import HierarchicalContrast
from utal.methods.presets import Preset, Variant, with_variants
from utal.sampling import AllOrUniform, RandomSnippets

EQUATIONS = {
    "Eq. 1   contrast at three levels (8, 11)": HierarchicalContrast,
    "Eq. 1   dynamic weights": weighing.dynamic_weights,
    "Eq. 2   horizontal contrast": video_contrast.horizontal_contrast,
    "Eq. 3   vertical contrast": video_contrast.vertical_contrast,
    "Eq. 3   entropy of the assignments": video_contrast.assignment_entropy,
    "Eq. 4   video level": Halves,
    "Eq. 5   instance level": instance_contrast,
    "Eq. 6   separation of magnitudes": magnitude.magnitude_separation,
    "Eq. 7   contrast of boundaries": contrastive.hard_snippet_contrast,
    "Eq. 9   video score": pooling.top_mean,
    "Eq. 10  classification loss": classification.cross_entropy,
}


def thumos14_decoder() -> OuterInnerProposals:
    """Activation thresholds and suppression as printed; actionness and magnitude as released."""
    return replace(
        cola.thumos14_decoder(nms_threshold=0.55),
        cas_thresholds=(0.325, 0.35),
        actionness_thresholds=steps_of(0.025, 37, first=0.025),
        magnitude_thresholds=steps_of(0.025, 24, first=0.325),
    )


def activitynet_decoder() -> OuterInnerProposals:
    """Printed as well; actionness and magnitude are THUMOS14's."""
    return replace(
        thumos14_decoder(),
        class_threshold=0.1,
        cas_thresholds=steps_of(0.015, 7),
        nms_threshold=0.7,
    )


def thumos14() -> Method:
    """Six groupings, 500 steps after each, one localizer all the way."""
    return replace(
        cola.thumos14(),
        objective=HierarchicalContrast(),
        describer=TopSnippets(max_first=750),
        clusterer=Halves(steps=12_000, batch_size=8),
        decoder=thumos14_decoder(),
        training=Training(
            steps=500,
            batch_size=64,
            batching=PairsAndRandom(),
            snippets=RandomSnippets(750),
            restart=False,
        ),
        num_rounds=6,
        weak_rounds=6,
    )


def thumos14_release() -> Method:
    """As the code, but for its leaks; it was run with 15 clusters."""
    return replace(
        thumos14(),
        localizer=Cola(split_streams=True),
        objective=HierarchicalContrast(
            weighing_temperature=None, instance_temperature=0.1, binary_classification=True
        ),
        clusterer=Halves(
            steps=12_000, batch_size=8, projection_width=2048, form="rows", vertical_temperature=0.4
        ),
    )


def activitynet(steps: int) -> Method:
    """ActivityNet; the steps per grouping, and batches of 256 in it, are ours."""
    method = thumos14()
    return replace(
        method,
        describer=TopSnippets(max_first=50),
        clusterer=Halves(steps=12_000, batch_size=256),
        decoder=activitynet_decoder(),
        training=replace(method.training, steps=steps, snippets=RandomSnippets(50)),
        snippets=AllOrUniform(50),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead.

    Halves are compared as means over time, less what all videos share, and with half of their
    channels hidden: few videos are else known by heart. The length that action features are to
    reach is per channel that of the paper, 150 on 2048.
    """
    anchor = cola.adaptive()
    return replace(
        anchor,
        objective=HierarchicalContrast(magnitude=53.0),
        describer=TopSnippets(max_first=750),
        clusterer=Halves(
            learning_rate=1e-3, width=256, kernel=1, stretches=1, centred=True, dropout=0.5
        ),
        decoder=replace(thumos14_decoder(), nms_plus_one=False, anchor=0.5),
        training=replace(anchor.training, batching=PairsAndRandom(), restart=False),
        num_rounds=5,
        weak_rounds=5,
    )


def grouped_by(method: Method, clusterer: KMeans | Agglomerative | Spectral) -> Method:
    """The method with a clusterer that does not learn; it sees the same snippets."""
    assert isinstance(method.clusterer, Halves)
    return replace(method, clusterer=replace(clusterer, centred=method.clusterer.centred))


def joint(method: Method) -> Method:
    """One network and one optimiser: coupling as the paper tells it."""
    assert isinstance(method.objective, HierarchicalContrast)
    assert isinstance(method.localizer, Cola)
    return replace(
        method,
        localizer=WithClusterHead(method.localizer, width=method.localizer.width),
        objective=replace(method.objective, video_weight=1.0),
        describer=WithPosterior(method.describer),
        clusterer=ArgMaxPosterior(first=grouped_by(method, Spectral()).clusterer),
    )


def as_printed(method: Method, decoder: OuterInnerProposals) -> Method:
    """The paper's text where ours differs: one network, all weights 1, activation thresholds."""
    return replace(
        joint(method),
        objective=HierarchicalContrast(
            video_weight=1.0,
            instance_weight=1.0,
            separation_weight=1.0,
            boundary_weight=1.0,
            mining_dropout=0.0,
        ),
        decoder=replace(decoder, actionness_thresholds=(), magnitude_thresholds=()),
    )


def with_levels(method: Method, *, instance: bool = False, boundary: bool = False) -> Method:
    """The method with some of its levels only, with fixed weights."""
    assert isinstance(method.objective, HierarchicalContrast)
    return replace(method, objective=method.objective.fixed(instance=instance, boundary=boundary))


def at_level(method: Method, level: str) -> Method:
    """The method with one of the two levels of its clusterer."""
    assert isinstance(method.clusterer, Halves)
    return replace(method, clusterer=replace(method.clusterer, levels=level))


VARIANTS = {
    "joint": Variant(joint, "one network, as the paper tells it"),
    "baseline": Variant(
        lambda m: grouped_by(with_levels(m), Spectral()),
        "Table 6, spectral clustering and classification",
    ),
    "vcl": Variant(with_levels, "Table 6, video level"),
    "vcl-icl": Variant(partial(with_levels, instance=True), "Table 6, video and instance level"),
    "vcl-icl-bcl": Variant(
        partial(with_levels, instance=True, boundary=True), "Table 6, all levels, fixed weights"
    ),
    "kmeans": Variant(lambda m: grouped_by(m, KMeans()), "Table 7, K-means"),
    "agglomerative": Variant(lambda m: grouped_by(m, Agglomerative()), "Table 7, agglomerative"),
    "spectral": Variant(lambda m: grouped_by(m, Spectral()), "Table 7, spectral clustering"),
    "separate": Variant(partial(replace, describer=TopSnippets(ratio=1)), "Table 7, separate VCL"),
    "horizontal-only": Variant(partial(at_level, level="horizontal"), "Table 8, only Eq. 2"),
    "vertical-only": Variant(partial(at_level, level="vertical"), "Table 8, only Eq. 3"),
}

PRESETS = {
    **with_variants(
        {
            "": Preset(adaptive, "HC-UTAL for corpora of any size"),
            "thumos14": Preset(thumos14, "HC-UTAL on THUMOS14"),
        },
        VARIANTS,
    ),
    "thumos14-paper": Preset(
        lambda: as_printed(thumos14(), thumos14_decoder()), "HC-UTAL on THUMOS14, as printed"
    ),
    "thumos14-release": Preset(thumos14_release, "HC-UTAL on THUMOS14, settings of the code"),
    **with_variants(
        {
            "activitynet12": Preset(partial(activitynet, 2000), "HC-UTAL on ActivityNet 1.2"),
            "activitynet13": Preset(partial(activitynet, 4000), "HC-UTAL on ActivityNet 1.3"),
        },
        {
            "joint": VARIANTS["joint"],
            "paper": Variant(lambda m: as_printed(m, activitynet_decoder()), "as printed"),
        },
    ),
}
