"""The CASE network: per stream a classifier, an attention, and clusters of snippets."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.instances import fused_activation, member_mean, top_members
from utal.records import Scores


@dataclass(frozen=True, eq=False, slots=True)
class StreamOutput:
    """What the network says of one feature stream.

    Attributes:
        logits: of the clusters of videos, per snippet.
        pooled: mean of the logits over the snippets that speak for a cluster.
        attention: in [0, 1].
        embedding: what attention and clusters of snippets are made from.
        cosines: of the embedding with the prototype of each cluster of snippets.
    """

    logits: Float[Tensor, "batch time cluster"]
    pooled: Float[Tensor, "batch cluster"]
    attention: Float[Tensor, "batch time"]
    embedding: Float[Tensor, "batch time width"]
    cosines: Float[Tensor, "batch time group"]


@dataclass(frozen=True, eq=False, slots=True)
class CaseOutput:
    """Scores, and what they were fused from.

    Attributes:
        scores: activation is the fused one, in [0, 1]; attention is the mean over the streams.
        streams: in channel order.
        members: the snippets that speak for each cluster of videos.
        temperature: what cosines are multiplied by before a softmax.
        foreground: how surely each cluster of snippets is action, in [0, 1]. The network's own
            buffer: training writes into it what it found last, and inference reads it.
    """

    scores: Scores
    streams: tuple[StreamOutput, ...]
    members: Bool[Tensor, "batch time cluster"]
    temperature: float
    foreground: Float[Tensor, " group"]


@dataclass(frozen=True, slots=True)
class Case:
    """Localizer of CASE. "Snippet clusters" group snippets; they are not the pseudo-actions.

    Attributes:
        width: of every embedding.
        num_snippet_clusters: how many clusters of snippets.
        temperature: what cosines are multiplied by before a softmax.
        top_ratio: T // top_ratio snippets speak for a cluster of videos.
        undecided: start with an attention of one half everywhere, instead of at random.

    Source: CASE (ICCV 2023) and its released code.
    """

    width: int = 512
    num_snippet_clusters: int = 16
    temperature: float = 10.0
    top_ratio: int = 8
    undecided: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "num_snippet_clusters", "top_ratio"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be positive, got {self.temperature}")

    @property
    def output(self) -> type:
        """Scores and the streams."""
        return CaseOutput

    @property
    def learns_embedding(self) -> bool:
        """Yes: that of the attention branch, all streams side by side."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network for features of these streams."""
        return CaseNetwork(self, streams, num_clusters)


class CaseStream(nn.Module):
    """One stream: convolutions of width 1, that is, every snippet on its own."""

    def __init__(self, settings: Case, channels: int, num_clusters: int) -> None:
        super().__init__()
        self.classify = nn.Sequential(
            nn.Linear(channels, settings.width), nn.ReLU(), nn.Linear(settings.width, num_clusters)
        )
        self.embed = nn.Sequential(nn.Linear(channels, settings.width), nn.ReLU())
        self.attend = nn.Linear(settings.width, 1)
        if settings.undecided:
            nn.init.zeros_(self.attend.weight)
            nn.init.zeros_(self.attend.bias)
        self.prototypes = nn.Linear(settings.width, settings.num_snippet_clusters, bias=False)

    def forward(
        self, features: Float[Tensor, "batch time channel"]
    ) -> tuple[
        Float[Tensor, "batch time cluster"],
        Float[Tensor, "batch time"],
        Float[Tensor, "batch time width"],
        Float[Tensor, "batch time group"],
    ]:
        """Logits, attention, embedding and cosines."""
        if self.training:
            # Weight decay would else shrink what only has a direction, and steps grow and grow.
            with torch.no_grad():
                self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))
        embedding = self.embed(features)
        cosines = F.linear(
            F.normalize(embedding, dim=2), F.normalize(self.prototypes.weight, dim=1)
        )
        attention = torch.sigmoid(self.attend(embedding))[:, :, 0]
        return self.classify(features), attention, embedding, cosines


class CaseNetwork(nn.Module):
    """All streams, fused. Padded snippets get 0 everywhere.

    In evaluation mode each stream's clusters of snippets vote on the fused activation as well.
    """

    def __init__(self, settings: Case, streams: tuple[int, ...], num_clusters: int) -> None:
        super().__init__()
        self.settings = settings
        self.widths = streams
        self.streams = nn.ModuleList(CaseStream(settings, width, num_clusters) for width in streams)
        self.foreground: Tensor
        self.register_buffer("foreground", torch.full((settings.num_snippet_clusters,), 0.5))

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> CaseOutput:
        """The streams, and their fused activation."""
        present = mask[:, :, None]
        parts = features.split(self.widths, dim=2)
        raw = [stream(part) for stream, part in zip(self.streams, parts, strict=True)]
        logits = [each[0] * present for each in raw]
        attention = torch.stack([each[1] for each in raw], dim=2) * present
        cas = self._fused(logits, attention, [each[3] for each in raw]) * present
        members = top_members(cas, mask, self.settings.top_ratio)
        streams = tuple(
            StreamOutput(
                logits=own,
                pooled=member_mean(own, members),
                attention=attention[:, :, number],
                embedding=embedding * present,
                cosines=cosines * present,
            )
            for number, (own, (_, _, embedding, cosines)) in enumerate(
                zip(logits, raw, strict=True)
            )
        )
        scores = Scores(
            embedding=torch.cat([each.embedding for each in streams], dim=2),
            cas=cas,
            attention=attention.mean(dim=2),
            probability=_mean([torch.softmax(each.pooled, dim=1) for each in streams]),
        )
        return CaseOutput(scores, streams, members, self.settings.temperature, self.foreground)

    def _fused(self, logits: list[Tensor], attention: Tensor, cosines: list[Tensor]) -> Tensor:
        """Classes and attention; and, in evaluation mode, what the clusters of snippets say."""
        voters = [attention]
        if not self.training:
            voters += [
                torch.softmax(self.settings.temperature * each, dim=2) @ self.foreground[:, None]
                for each in cosines
            ]
        share = _mean([torch.softmax(each, dim=2) for each in logits])
        return fused_activation(share, torch.cat(voters, dim=2))


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean(dim=0)
