"""The AICL network: a classifier of snippets, and an actionness from every feature stream."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.instances import fused_activation, member_mean, top_members
from utal.losses.mining import above_median
from utal.records import Scores


@dataclass(frozen=True, eq=False, slots=True)
class AiclOutput:
    """Scores, and what the two branches say.

    Attributes:
        scores: activation is the fused one, in [0, 1]; attention is the mean actionness of both
            branches where both call a snippet action, else 0.
        logits: of the class-aware branch; their sum is its actionness before the sigmoid.
        actionness: of the class-agnostic branch, one column per feature stream, in [0, 1].
        members: the snippets that speak for each cluster.
        votes: how many of the two branches call a snippet action; 0 where padded.
        stream_embeddings: of the class-agnostic branch; that of the other is in the scores.
    """

    scores: Scores
    logits: Float[Tensor, "batch time cluster"]
    actionness: Float[Tensor, "batch time stream"]
    members: Bool[Tensor, "batch time cluster"]
    votes: Int64[Tensor, "batch time"]
    stream_embeddings: tuple[Float[Tensor, "batch time width"], ...]


@dataclass(frozen=True, slots=True)
class Aicl:
    """Localizer of AICL.

    Attributes:
        width: of every embedding.
        kernel: of every embedding's convolution, odd.
        top_ratio: T // top_ratio snippets speak for a cluster.
        median_is_action: whether a snippet exactly at the median of its video counts as action.
        undecided: start with an actionness of one half everywhere, instead of at random.

    Source: AICL (AAAI 2023) and its released code; FEEL's copy of it for ActivityNet has
    `top_ratio` 2 and `median_is_action`.
    """

    width: int = 512
    kernel: int = 3
    top_ratio: int = 8
    median_is_action: bool = False
    undecided: bool = False

    def __post_init__(self) -> None:
        if self.kernel % 2 != 1:
            raise ConfigError(f"kernel must be odd, got {self.kernel}")
        for name in ("width", "kernel", "top_ratio"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def output(self) -> type:
        """Scores and the two branches."""
        return AiclOutput

    @property
    def learns_embedding(self) -> bool:
        """Yes: the convolution of the class-aware branch."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network for features of these streams."""
        return AiclNetwork(self, streams, num_clusters)


def branch_votes(
    class_aware: Float[Tensor, "batch time"],
    class_agnostic: Float[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    median_is_action: bool,
) -> Int64[Tensor, "batch time"]:
    """How many of the branches put a snippet above their own median over the video; 0 if padded.

    Args:
        class_aware: actionness of one branch; its size does not matter, only its order.
        class_agnostic: of the other.
        mask: true where a snippet exists, the others being at the end.
        median_is_action: count what lies exactly at the median as well.

    Source: released AICL code; "consistent" are 2 votes (action) and 0 (background).
    """

    def is_action(actionness: Float[Tensor, "batch time"]) -> Bool[Tensor, "batch time"]:
        if median_is_action:
            return ~above_median(-actionness, mask) & mask
        return above_median(actionness, mask)

    return is_action(class_aware).long() + is_action(class_agnostic).long()


class AiclNetwork(nn.Module):
    """Both branches. Padded snippets get embeddings, logits, actionness and activation 0."""

    def __init__(self, settings: Aicl, streams: tuple[int, ...], num_clusters: int) -> None:
        super().__init__()
        self.settings = settings
        self.widths = streams

        def embedding_of(channels: int) -> nn.Module:
            return nn.Conv1d(channels, settings.width, settings.kernel, padding="same")

        self.embed = embedding_of(sum(streams))
        self.classify = nn.Conv1d(settings.width, num_clusters, 1)
        self.embed_streams = nn.ModuleList(embedding_of(channels) for channels in streams)
        self.rate_streams = nn.ModuleList(nn.Conv1d(settings.width, 1, 1) for _ in streams)
        if settings.undecided:
            for parameter in self.rate_streams.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> AiclOutput:
        """Logits and actionness of the branches, where they agree, and the fused activation."""
        channels, present = features.mT, mask[:, None]
        embedding = torch.relu(self.embed(channels)) * present
        logits = (self.classify(embedding) * present).mT
        parts = channels.split(self.widths, dim=1)
        embedded = [
            torch.relu(embed(part)) * present
            for embed, part in zip(self.embed_streams, parts, strict=True)
        ]
        rated = [rate(one) for rate, one in zip(self.rate_streams, embedded, strict=True)]
        actionness = (torch.sigmoid(torch.cat(rated, dim=1)) * present).mT
        summed, mean = logits.sum(dim=2), actionness.mean(dim=2)
        # The sum and not its sigmoid: of many clusters the sigmoid is 1 at most snippets.
        votes = branch_votes(
            summed.detach(),
            mean.detach(),
            mask,
            median_is_action=self.settings.median_is_action,
        )
        cas = fused_activation(torch.softmax(logits, dim=2), actionness) * mask[:, :, None]
        members = top_members(cas, mask, self.settings.top_ratio)
        scores = Scores(
            embedding=embedding.mT,
            cas=cas,
            attention=(torch.sigmoid(summed) + mean) / 2 * (votes == 2),
            probability=torch.softmax(member_mean(logits, members), dim=1),
        )
        return AiclOutput(
            scores, logits, actionness, members, votes, tuple(one.mT for one in embedded)
        )
