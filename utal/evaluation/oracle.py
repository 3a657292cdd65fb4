"""What a leak of ground truth is worth: three that released code has, to be measured and no more.

Nothing outside `utal.evaluation` calls these, and each needs the truth handed to it, so that no run
can come by it unawares. Numbers obtained with them are no results.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from utal.evaluation.ground_truth import GroundTruth
from utal.method import Method, Refiner
from utal.records import Clustering, PseudoLabels, Round, View


def oracle_labels(truth: GroundTruth, names: Sequence[str]) -> PseudoLabels:
    """The true classes of the videos, to be given to a run in place of its grouping.

    Raises:
        DataError: a video is not in the truth.

    Source: weak supervision; the upper bound of what grouping can bring.
    """
    targets = torch.from_numpy(truth.video_labels(names)).float()
    return PseudoLabels(torch.arange(len(names)), targets, torch.ones(len(names)))


def oracle_renamed(method: Method, truth: GroundTruth, names: Sequence[str]) -> Method:
    """The method with clusters of one true majority merged before it trains.

    Raises:
        DataError: a video is not in the truth.

    Source: released APSL and HC-UTAL code, which replaces cluster numbers by class names.
    """
    classes = torch.from_numpy(truth.video_labels(names))
    return replace(method, refiner=_MergedByTruth(method.refiner, classes))


def oracle_best(rounds: Iterable[Round], score: Callable[[Round], float]) -> tuple[Round, float]:
    """The round with the best score, and that score; of equal ones the earlier.

    Args:
        rounds: of one run.
        score: reads the truth, such as the mAP on the test videos.

    Raises:
        ValueError: there are no rounds.

    Source: released CoLA, BaS-Net, AICL, CASE, FEEL and HC-UTAL code keep the best checkpoint on
    the test set.
    """
    return max(((each, score(each)) for each in rounds), key=lambda pair: pair[1])


@dataclass(frozen=True, eq=False, slots=True)
class _MergedByTruth:
    """A refiner, and after it: the number of the first cluster with the same most frequent class.

    Attributes:
        refiner: what the method has.
        classes: true classes of each video, one column per class.
    """

    refiner: Refiner
    classes: torch.Tensor

    def refine(
        self, views: Sequence[View], clustering: Clustering, num_clusters: int
    ) -> Clustering:
        """Labels of which some are no longer used."""
        found = self.refiner.refine(views, clustering, num_clusters)
        members = torch.nn.functional.one_hot(found.labels, num_clusters)
        counts = members.T @ self.classes.long()  # (cluster, class)
        majority = counts.argmax(dim=1)
        first = (majority[:, None] == majority).int().argmax(dim=1)
        # An empty cluster has no majority and no videos, so its number does not matter.
        return Clustering(first[found.labels], found.confidence)
