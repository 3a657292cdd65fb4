"""Grouping by what the localizer itself says of a video."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from utal.grouping.attended import TopSnippets
from utal.grouping.clustering import KMeans
from utal.localizers.headed import Headed
from utal.method import Clusterer, Describer
from utal.records import Clustering, Output, View


@dataclass(frozen=True, slots=True)
class WithPosterior:
    """Another describer's view, with the localizer's own grouping as the posterior.

    That is the assignment by the cluster head of `WithClusterHead`; of a localizer without one, its
    distribution over the clusters.

    Attributes:
        describer: sees to the rest of the view, and to the first round, which has no posterior.

    Source: HC-UTAL read as one network.
    """

    describer: Describer = field(default=TopSnippets())

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """The view and, once there is a localizer, the posterior."""
        if output is None:
            return self.describer.describe(features, None, streams)
        if not isinstance(output, Headed):
            view = self.describer.describe(features, output, streams)
            return replace(view, posterior=output.scores.probability[0].detach())
        view = self.describer.describe(features, output.inner, streams)
        assert output.posterior is not None, "videos are described in evaluation mode"
        return replace(view, posterior=output.posterior[0].detach())


@dataclass(frozen=True, slots=True)
class ArgMaxPosterior:
    """The likeliest cluster of each video's posterior; the confidence is its probability.

    Clusters may be empty.

    Attributes:
        first: groups the videos while there is no posterior.

    Source: HC-UTAL read as one network.
    """

    first: Clusterer = field(default=KMeans())

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering:
        """Labels in [0, num_clusters)."""
        posteriors = [view.posterior for view in views if view.posterior is not None]
        if not posteriors or len(posteriors) < len(views):
            return self.first.cluster(views, num_clusters, seed=seed, device=device)
        confidence, labels = torch.stack(posteriors).cpu().float().max(dim=1)
        return Clustering(labels, confidence)
