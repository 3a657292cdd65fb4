"""FEEL: Visual Self-paced Iterative Learning for Unsupervised Temporal Action Localization.

Hu, Jiang, Liu, Wang, Tang, Nie (arXiv 2312.07384v2). Each round pools every video with the
last localizer's attention, groups the videos by K-means, looks at the grouping again through
reciprocal neighbours (CCI), keeps the surest share of every cluster (IIS), and trains a new
localizer on those. The share grows to all videos, at constant speed (FEEL-F) or slowly first
(FEEL-V).

Deviations:
* Eq. 1 sums the attended features; we divide by the summed attention and take the L2 norm, because
  a sum also encodes how long a video is.
* Eq. 7 adds an unbounded distance to one in [0, 1]; as the released code, squared distances are
  divided by each point's largest first.
* "20 and 6" (Sec. 4.1.2): 20 reciprocal neighbours, and the mean over the 6 nearest encodings that
  the text leaves out and the released code performs.
* Eq. 10: at least one video of a cluster is kept (the release can drop a cluster altogether).
* Eq. 12 is called concave; for rates above 1 it is convex.
* Eq. 15 is a cross-entropy; trained is the released localizer's own loss, see `utal.methods.cola`.
* Eq. 17 has the wrong sign; see `contrastive.hard_snippet_contrast`.
* Sec. 4.1.2 sets 6,000 and 8,000 steps nowhere: they are the released code's. Rounds are trained in
  proportion to the selected share as printed; the released code trains all rounds equally long.
* The released rounds continue from the checkpoint with the best score on the test set, and the best
  round is reported. Here a round continues from the last step, and the last round counts.
"""

from dataclasses import replace
from functools import partial

from utal.grouping import describing, neighbourhoods, refining, selecting
from utal.grouping.attended import TopSnippets
from utal.grouping.clustering import KMeans
from utal.grouping.describing import AttentionRaw, TopEmbedding
from utal.grouping.refining import Keep, ReciprocalJaccard
from utal.grouping.selecting import ConstantSpeed, TakeAll, VariableSpeed
from utal.grouping.snippet_votes import SnippetVotes
from utal.localizers.cola import Cola
from utal.losses import classification, contrastive
from utal.method import Method, Training
from utal.methods import cola
from utal.methods.cola import ClassifyAndContrast
from utal.methods.presets import Preset, Variant, with_variants
from utal.sampling import AllOrUniform, RandomSnippets

EQUATIONS = {
    "Eq. 1   attended descriptor": describing.AttentionRaw,
    "Eq. 2   reciprocal neighbours": neighbourhoods.mutual_neighbours,
    "Eq. 3   expanded neighbours": neighbourhoods.expanded,
    "Eq. 5   encoding of neighbours": neighbourhoods.encodings,
    "Eq. 6   Jaccard distance (Eq. 4)": refining.jaccard_distance,
    "Eq. 7   combined distance": refining.combined_distance,
    "Eq. 8-9 nearest centre": refining.ReciprocalJaccard,
    "Eq. 10  surest share of each cluster (11)": selecting.surest,
    "Eq. 12  share at variable speed": selecting.variable_share,
    "Eq. 13  class activation sequence": Cola,
    "Eq. 14  objective": ClassifyAndContrast,
    "Eq. 15  classification loss": classification.distribution_cross_entropy,
    "Eq. 16  snippet contrast": contrastive.snippet_contrast,
    "Eq. 17  contrast of hard snippets": contrastive.hard_snippet_contrast,
}


def thumos14() -> Method:
    """FEEL-V on THUMOS14: ten rounds at variable speed, rate 1.05."""
    return Method(
        localizer=Cola(),
        objective=ClassifyAndContrast(contrast_weight=0.005),
        describer=AttentionRaw(),
        clusterer=KMeans(),
        refiner=ReciprocalJaccard(),
        selector=VariableSpeed(rate=1.05),
        decoder=cola.thumos14_decoder(nms_threshold=0.7),
        training=Training(
            steps=6000, batch_size=16, snippets=RandomSnippets(750), scale_steps=True
        ),
        snippets=AllOrUniform(750),
        num_rounds=10,
    )


def activitynet12() -> Method:
    """FEEL-V on ActivityNet 1.2: ten rounds at variable speed, rate 1.03."""
    anchor = cola.activitynet12()
    return replace(
        thumos14(),
        localizer=anchor.localizer,
        objective=anchor.objective,
        selector=VariableSpeed(rate=1.03),
        decoder=cola.activitynet_decoder(nms_threshold=0.7),
        training=Training(
            steps=8000, batch_size=128, snippets=RandomSnippets(50), scale_steps=True
        ),
        snippets=AllOrUniform(50),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: FEEL-F in six rounds, sized to the corpus.

    Ours, where the paper's settings suppose two large data sets: descriptors pool the raw features
    of the fifth of the snippets with the most attention (Eq. 1 hardly suppresses background), and
    are compared after subtracting their mean; neighbourhoods are no larger than a cluster.
    """
    anchor = cola.adaptive()
    return replace(
        anchor,
        refiner=ReciprocalJaccard(num_reciprocal=None, num_expansion=None, centred=True),
        selector=ConstantSpeed(),
        training=replace(anchor.training, scale_steps=True),
        num_rounds=6,
    )


def thumos14_release() -> Method:
    """The released THUMOS14 branch, but for its leaks: four rounds at constant speed.

    It describes videos by the embedding of the attended snippets, weighs the Jaccard distance .3,
    may leave a cluster without a video, and trains every round equally long.
    """
    method = thumos14()
    return replace(
        method,
        objective=ClassifyAndContrast(),
        describer=TopEmbedding(),
        refiner=ReciprocalJaccard(jaccard_weight=0.3, expansion_strict=True),
        selector=ConstantSpeed(min_per_cluster=0),
        decoder=cola.thumos14_decoder(),
        training=replace(method.training, scale_steps=False),
        num_rounds=4,
    )


def activitynet12_release() -> Method:
    """The released ActivityNet branch for CoLA, changed alike; descriptors have unit length."""
    method = activitynet12()
    released = thumos14_release()
    return replace(
        released,
        localizer=method.localizer,
        objective=method.objective,
        describer=TopEmbedding(ratio=10, l2=True),
        decoder=cola.activitynet_decoder(),
        training=replace(method.training, batch_size=256, scale_steps=False),
        snippets=method.snippets,
    )


def constant_speed(base: Method) -> Method:
    """FEEL-F: the same at constant speed."""
    return replace(base, selector=ConstantSpeed())


def variable_speed(base: Method) -> Method:
    """FEEL-V at THUMOS14's rate."""
    return replace(base, selector=VariableSpeed())


def without_reranking(base: Method) -> Method:
    """Ablation w/o CCI: labels and confidence of K-means as they are."""
    return replace(base, refiner=Keep())


def without_selection(base: Method) -> Method:
    """Ablation w/o IIS: every round trains on all videos."""
    return replace(base, selector=TakeAll())


def cola_utal(base: Method) -> Method:
    """The baseline CoLA-UTAL: neither re-ranking nor selection."""
    return without_selection(without_reranking(base))


def snippet_wise(base: Method) -> Method:
    """The baseline that groups snippets, not videos; neither re-ranking nor selection."""
    return replace(cola_utal(base), describer=TopSnippets(), clusterer=SnippetVotes())


def in_rounds(base: Method, num_rounds: int) -> Method:
    """The same in another number of rounds, I_max."""
    return replace(base, num_rounds=num_rounds)


def constant_in_rounds(base: Method, num_rounds: int) -> Method:
    """FEEL-F in another number of rounds."""
    return in_rounds(constant_speed(base), num_rounds)


def as_printed(base: Method) -> Method:
    """Easy and hard snippets as many as in the text, not as in the code.

    The text repeats what the CoLA paper says for THUMOS14, and means both data sets.
    """
    printed = ClassifyAndContrast(contrast_weight=0.005, easy_ratio=8, hard_ratio=32)
    return replace(base, localizer=Cola(easy_ratio=8), objective=printed)


ABLATIONS = {
    "without-cci": Variant(without_reranking, "Table 3, without CCI"),
    "without-iis": Variant(without_selection, "Table 3, without IIS"),
    "cola-utal": Variant(cola_utal, "Table 3, neither CCI nor IIS"),
    "snippet-wise": Variant(snippet_wise, "Table 3, snippets grouped instead of videos"),
}

SPEEDS = {
    "paper": Variant(as_printed, "easy and hard snippets as printed"),
    "constant": Variant(constant_speed, "Table 3, constant speed (FEEL-F)"),
    "constant-without-cci": Variant(
        lambda method: constant_speed(without_reranking(method)),
        "Table 3, constant speed without CCI",
    ),
}

ROUNDS = {
    f"{count}-rounds": Variant(partial(in_rounds, num_rounds=count), f"Table 3, {count} rounds")
    for count in (4, 5, 6, 15, 20)
} | {
    f"constant-{count}-rounds": Variant(
        partial(constant_in_rounds, num_rounds=count), f"Table 3, constant speed, {count} rounds"
    )
    for count in (4, 5, 6, 15, 20)
}

PRESETS = {
    **with_variants(
        {"": Preset(adaptive, "FEEL-F for corpora of any size")},
        {"variable": Variant(variable_speed, "variable speed (FEEL-V)"), **ABLATIONS},
    ),
    **with_variants(
        {
            "thumos14": Preset(thumos14, "FEEL-V on THUMOS14"),
            "activitynet12": Preset(activitynet12, "FEEL-V on ActivityNet 1.2"),
        },
        {**SPEEDS, **ROUNDS, **ABLATIONS},
    ),
    "thumos14-release": Preset(thumos14_release, "FEEL-F on THUMOS14, settings of the code"),
    "activitynet12-release": Preset(
        activitynet12_release, "FEEL-F on ActivityNet 1.2, settings of the code"
    ),
}
