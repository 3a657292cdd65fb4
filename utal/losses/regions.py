"""Contrast between temporal regions of videos, which snippet pseudo-labels tell apart.

A *set* is one (video, cluster) pair. Its regions are the whole video and equal parts of it, each
once as action of that cluster and once as background.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from utal.localizers.pooling import masked_mean


def snippet_labels(
    activation: Float[Tensor, "batch time column"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch time column"]:
    """1 where a cluster's share of the activation is at least its mean over the video, else 0.

    Args:
        activation: of each cluster and, if there is such a column, the background; the shares are
            its softmax over the columns.
        mask: true where a snippet exists; the others get 0.

    Source: DCC Eq. 3.
    """
    share = torch.softmax(activation, dim=2)
    action = share >= masked_mean(share, mask)[:, None]
    return (action & mask[:, :, None]).type_as(activation)


def label_confidence(
    labels: Float[Tensor, "batch time column"],
    groups: Int64[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    num_groups: int,
) -> Float[Tensor, "batch time column"]:
    """Share of the snippets in a snippet's group that have its label, itself included.

    Args:
        labels: 1 or 0, see `snippet_labels`.
        groups: see `snippet_groups`.
        mask: true where a snippet exists; the others have no vote.
        num_groups: groups are numbered from 0 to below this.

    Source: DCC Eq. 4.
    """
    member = F.one_hot(groups, num_groups).type_as(labels) * mask[:, :, None]
    size = member.sum(dim=1)[:, :, None]  # (batch, group, 1)
    positive = member @ ((member.mT @ labels) / size.clamp(min=1))
    return labels * positive + (1 - labels) * (1 - positive)


@torch.no_grad()
def snippet_groups(
    embedding: Float[Tensor, "batch time width"],
    mask: Bool[Tensor, "batch time"],
    *,
    num_groups: int,
    steps: int = 10,
) -> Int64[Tensor, "batch time"]:
    """K-means of the snippets of each video by itself, all videos at once.

    It begins at the snippet nearest to the video's mean, then always takes the snippet farthest
    from those it has: no chance, and rare snippets get a centre. A group that loses all its
    snippets keeps its centre.

    Args:
        embedding: what is grouped.
        mask: true where a snippet exists; the others' groups mean nothing.
        num_groups: K.
        steps: of Lloyd's algorithm.

    Source: DCC Sec. 3.2, "basic K-means"; starts and steps are ours.
    """
    weight = mask[:, :, None].type_as(embedding)
    centres = _farthest_snippets(embedding, mask, num_groups)
    for _ in range(steps):
        member = F.one_hot(_nearest(embedding, centres), num_groups).type_as(embedding) * weight
        size = member.sum(dim=1)[:, :, None]
        centres = torch.where(size > 0, member.mT @ embedding / size.clamp(min=1), centres)
    return _nearest(embedding, centres)


def _nearest(
    embedding: Float[Tensor, "batch time width"], centres: Float[Tensor, "batch group width"]
) -> Int64[Tensor, "batch time"]:
    closeness = embedding @ centres.mT - centres.square().sum(dim=2)[:, None] / 2
    return closeness.argmax(dim=2)


def _farthest_snippets(
    embedding: Float[Tensor, "batch time width"], mask: Bool[Tensor, "batch time"], count: int
) -> Float[Tensor, "batch group width"]:
    mean = masked_mean(embedding, mask)[:, None]
    distance = -(embedding - mean).square().sum(dim=2)
    chosen: list[Tensor] = []
    for _ in range(count):
        index = distance.masked_fill(~mask, -torch.inf).argmax(dim=1)
        centre = torch.take_along_dim(embedding, index[:, None, None], dim=1)
        own = (embedding - centre).square().sum(dim=2)
        distance = torch.minimum(distance, own) if chosen else own
        chosen.append(centre)
    return torch.cat(chosen, dim=1)


def region_members(
    mask: Bool[Tensor, "batch time"], num_regions: int
) -> Bool[Tensor, "batch time region"]:
    """Which snippets lie in which region of a video: first the whole, then M equal parts.

    Part m of a video of n snippets holds those from floor((m - 1) n / M) to below floor(m n / M).
    With M = 1 the one part is the whole, and there is no second.

    Args:
        mask: true where a snippet exists, the others being at the end.
        num_regions: M.

    Source: DCC Sec. 3.2, before Eq. 7; Table 5 for M = 1.
    """
    if num_regions == 1:
        return mask[:, :, None]
    length = mask.sum(dim=1)[:, None]
    after = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    number = (after * num_regions + length - 1) // length.clamp(min=1)
    parts = number[:, :, None] == torch.arange(1, num_regions + 1, device=mask.device)
    return torch.cat([torch.ones_like(mask)[:, :, None], parts], dim=2) & mask[:, :, None]


def region_features(
    projected: Float[Tensor, "batch time width"],
    weights: Float[Tensor, "batch time kind"],
    members: Bool[Tensor, "batch time region"],
) -> tuple[Float[Tensor, "batch kind region width"], Bool[Tensor, "batch kind region"]]:
    """Unit vectors of the weighted mean over each region, and where there is one.

    A region in which nothing has weight has no mean: its vector is 0 and it must not be used.

    Args:
        projected: features of the snippets.
        weights: >= 0, of each snippet in each kind of region: confidence times pseudo-label for
            action, confidence times one minus pseudo-label for background.
        members: see `region_members`.

    Source: DCC Eq. 5 and 6, and the pooling before Eq. 7.
    """
    share = weights.mT[:, :, None] * members.mT[:, None]  # (batch, kind, region, time)
    sums = share.flatten(1, 2) @ projected
    return F.normalize(sums, dim=2).unflatten(1, share.shape[1:3]), share.sum(dim=3) > 0


@dataclass(frozen=True, eq=False, slots=True)
class RegionSets:
    """The regions of sets; of the two kinds the first is action, the second background.

    Attributes:
        vectors: unit length.
        exists: false where a vector must not be used.
        video: of each set.
        cluster: of each set.
        carried: all clusters of the set's video.
    """

    vectors: Float[Tensor, "set 2 region width"]
    exists: Bool[Tensor, "set 2 region"]
    video: Int64[Tensor, " set"]
    cluster: Int64[Tensor, " set"]
    carried: Bool[Tensor, "set cluster"]


def related(
    anchors: RegionSets, entries: RegionSets, *, across_videos: bool, across_clusters: bool
) -> tuple[Bool[Tensor, "anchor set 2 region"], Bool[Tensor, "anchor set 2 region"]]:
    """Positives and negatives of the action regions of each anchor set; all its regions have these.

    Positive is action of the same cluster. Negative is background of the same set or of another
    video, and action of another video that does not have the anchor's cluster at all. The rest is
    neither: the same video as another cluster, and action of another cluster in a video that has
    the anchor's cluster as well.

    Args:
        anchors: where the action regions are taken from.
        entries: what they are compared with.
        across_videos: whether entries of other videos count.
        across_clusters: whether action of other clusters is negative.

    Source: DCC Sec. 3.2, P_m and N_m of Eq. 7.
    """
    same_cluster = anchors.cluster[:, None] == entries.cluster
    same_video = anchors.video[:, None] == entries.video
    counts = same_video | across_videos
    other_action = ~entries.carried.T[anchors.cluster] & across_clusters
    nothing = torch.zeros_like(same_cluster)
    positive = torch.stack([same_cluster & counts, nothing], dim=2)
    negative = torch.stack([other_action, ~same_video | same_cluster], dim=2) & counts[:, :, None]
    return positive[..., None] & entries.exists, negative[..., None] & entries.exists


def region_contrast(
    live: RegionSets,
    banked: RegionSets | None,
    *,
    temperature: float,
    across_videos: bool = True,
    across_clusters: bool = True,
) -> tuple[Float[Tensor, "set region"], Bool[Tensor, "set region"]]:
    """InfoNCE of each live action region with several positives, on unit vectors.

    -log( sum_p e^(r.p/t) / (sum_p e^(r.p/t) + sum_n e^(r.n/t)) )

    Args:
        live: anchors, and entries that carry a gradient; a region is not its own positive.
        banked: further entries; `None`: there are none.
        temperature: t.
        across_videos: see `related`.
        across_clusters: see `related`.

    Returns:
        The loss of each region, 0 where there is none, and where there is one: the region exists
        and has a positive.

    Source: DCC Eq. 7.
    """
    compared = [
        _comparison(live, entries, temperature, across_videos, across_clusters)
        for entries in (live, banked)
        if entries is not None
    ]
    attract, both, found = (torch.stack(part) for part in zip(*compared, strict=True))
    loss = both.logsumexp(dim=0) - attract.logsumexp(dim=0)
    counted = live.exists[:, 0] & found.any(dim=0)
    return torch.where(counted, loss, 0), counted


def _comparison(
    live: RegionSets,
    entries: RegionSets,
    temperature: float,
    across_videos: bool,
    across_clusters: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each live action region log-sums over positives and over both, and whether it has one."""
    anchors = live.vectors[:, 0].flatten(0, 1)
    logits = anchors @ entries.vectors.flatten(0, 2).T / temperature
    logits = logits.unflatten(0, (len(live.video), -1)).unflatten(2, entries.exists.shape)
    positive, negative = related(
        live, entries, across_videos=across_videos, across_clusters=across_clusters
    )
    positive, negative = positive[:, None], negative[:, None]  # the same for all anchor regions
    if entries is live:
        positive = positive & ~_itself(live)
    # Not minus infinity, of which sums without any term would have no gradient.
    lowest = torch.finfo(logits.dtype).min
    attract = logits.masked_fill(~positive, lowest).flatten(2).logsumexp(dim=2)
    both = logits.masked_fill(~(positive | negative), lowest).flatten(2).logsumexp(dim=2)
    return attract, both, positive.flatten(2).any(dim=2).expand_as(attract)


def _itself(live: RegionSets) -> Bool[Tensor, "set region set 2 region"]:
    """True where an action region meets itself."""
    num_sets, _, num_regions = live.exists.shape
    same = torch.eye(num_sets * num_regions, dtype=torch.bool, device=live.exists.device)
    same = same.reshape(num_sets, num_regions, num_sets, num_regions)
    return torch.stack([same, torch.zeros_like(same)], dim=3)
