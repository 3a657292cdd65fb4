"""Agreement of a grouping of videos with their true classes.

A video may hold several classes, but NMI and ARI compare two partitions. Papers differ in how they
make one out of the labels, which alone moves NMI by 0.02 and ARI by 0.05 on THUMOS14, so all
conventions are given side by side:

- *first*: the class of a video is the first of its classes in alphabetical order;
- *labelset*: each distinct set of classes is a class of its own;
- *expanded*: a video counts once for each of its classes.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int64, Integer
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from utal.errors import ConfigError, DataError
from utal.evaluation.mapping import class_counts

Normaliser = Literal["arithmetic", "geometric"]


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """Purity, normalised mutual information and adjusted Rand index, see the module's conventions.

    Attributes:
        num_videos: videos with a label; only they are counted.
        num_clusters: clusters that hold such a video.
        normaliser: the mean of the two entropies that NMI is divided by.
        purity: share of videos that hold the most frequent class of their cluster.
    """

    num_videos: int
    num_clusters: int
    normaliser: Normaliser
    purity: float
    purity_first: float
    purity_labelset: float
    nmi_first: float
    nmi_labelset: float
    nmi_expanded: float
    ari_first: float
    ari_labelset: float
    ari_expanded: float


def cluster_scores(
    labels: Integer[np.ndarray, " video"],
    multi_hot: Bool[np.ndarray, "video class"],
    *,
    normaliser: Normaliser = "arithmetic",
) -> ClusterScores:
    """Scores a grouping under every convention.

    Args:
        labels: cluster of each video, >= 0.
        multi_hot: true classes of each video, columns in alphabetical order; videos without any
            are left out.
        normaliser: "arithmetic" is scikit-learn's present default; papers that used a version
            before 0.22 report "geometric".

    Raises:
        ConfigError: unknown normaliser.
        DataError: no video has a label, or labels and table do not fit together.

    Source: purity of [TCAM]; conventions as in the released TCAM, APSL, FEEL and HC-UTAL code.
    """
    if normaliser not in get_args(Normaliser):
        raise ConfigError(f"normaliser must be arithmetic or geometric, got {normaliser!r}")
    if len(labels) != len(multi_hot):
        raise DataError(f"{len(labels)} cluster labels for {len(multi_hot)} videos")
    labelled = multi_hot.any(axis=1)
    if not labelled.any():
        raise DataError("no video has a true label to compare the clusters with")
    labels, multi_hot = labels[labelled], multi_hot[labelled]
    first, sets = multi_hot.argmax(axis=1), label_sets(multi_hot)
    video, expanded = np.nonzero(multi_hot)
    return ClusterScores(
        num_videos=len(labels),
        num_clusters=len(np.unique(labels)),
        normaliser=normaliser,
        purity=purity(labels, multi_hot),
        purity_first=purity(labels, first[:, None] == np.unique(first)),
        purity_labelset=purity(labels, sets[:, None] == np.unique(sets)),
        nmi_first=_nmi(labels, first, normaliser),
        nmi_labelset=_nmi(labels, sets, normaliser),
        nmi_expanded=_nmi(labels[video], expanded, normaliser),
        ari_first=_ari(labels, first),
        ari_labelset=_ari(labels, sets),
        ari_expanded=_ari(labels[video], expanded),
    )


def purity(
    labels: Integer[np.ndarray, " video"], multi_hot: Bool[np.ndarray, "video class"]
) -> float:
    """Share of videos that hold the most frequent class of their cluster.

    Source: [TCAM] sum over clusters of the largest class count, divided by the number of videos.
    """
    counts = class_counts(labels, multi_hot, int(labels.max()) + 1)
    return float(counts.max(axis=1).sum() / len(labels))


def label_sets(multi_hot: Bool[np.ndarray, "video class"]) -> Int64[np.ndarray, " video"]:
    """A number for each distinct set of classes."""
    _, numbers = np.unique(multi_hot, axis=0, return_inverse=True)
    return np.asarray(numbers, np.int64).reshape(-1)


def _nmi(
    labels: Integer[np.ndarray, " row"],
    classes: Integer[np.ndarray, " row"],
    normaliser: Normaliser,
) -> float:
    return float(normalized_mutual_info_score(classes, labels, average_method=normaliser))


def _ari(labels: Integer[np.ndarray, " row"], classes: Integer[np.ndarray, " row"]) -> float:
    return float(adjusted_rand_score(classes, labels))
