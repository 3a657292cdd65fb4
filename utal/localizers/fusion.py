"""Late fusion: one network per feature stream, fused where their outputs meet."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.method import Localizer
from utal.records import Output, Scores


@dataclass(frozen=True, eq=False, slots=True)
class Fused:
    """The fused scores, the outputs they were fused from in channel order, and their channels."""

    scores: Scores
    streams: tuple[Output, ...]
    widths: tuple[int, ...]


def streams_of(output: Output) -> tuple[Output, ...]:
    """The outputs of the single streams; a network that looks at all channels has one."""
    return output.streams if isinstance(output, Fused) else (output,)


@dataclass(frozen=True, slots=True)
class LateFusion:
    """A network of its own for each feature stream.

    Activations and attention are averaged, embeddings set side by side. Probabilities are averaged
    as logarithms and normalised, which is the softmax of averaged logits.

    Attributes:
        localizer: what each stream gets.
        weights: of the streams in channel order; `None`: all alike.

    Source: TCAM Sec. 4.2 ("late fusion"; the released code weighs RGB to flow 2 : 1), STPN.
    """

    localizer: Localizer
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.localizer, LateFusion):
            raise ConfigError("LateFusion cannot fuse LateFusion; name the localizer of a stream")
        if self.weights is not None and not all(weight > 0 for weight in self.weights):
            raise ConfigError(f"weights must be positive, got {self.weights}")

    @property
    def output(self) -> type:
        """Always `Fused`."""
        return Fused

    @property
    def learns_embedding(self) -> bool:
        """As the localizer of a stream."""
        return self.localizer.learns_embedding

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """One network per stream.

        Raises:
            ConfigError: weights for another number of streams.
        """
        weights = self.weights or (1.0,) * len(streams)
        if len(weights) != len(streams):
            raise ConfigError(
                f"LateFusion has {len(weights)} weights, but the features have {len(streams)} "
                "streams; give one weight per stream"
            )
        networks = [self.localizer.build((width,), num_clusters) for width in streams]
        return FusionNetwork(networks, streams, tuple(w / sum(weights) for w in weights))


class FusionNetwork(nn.Module):
    """Splits the channels among its networks and fuses what they say."""

    def __init__(
        self, networks: list[nn.Module], widths: tuple[int, ...], shares: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.widths = widths
        self.shares = shares

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> Fused:
        """All outputs, and their fusion."""
        parts = features.split(self.widths, dim=2)
        outputs = [net(part, mask) for net, part in zip(self.networks, parts, strict=True)]
        scores = [output.scores for output in outputs]
        logits = self._mean([each.probability.clamp(min=1e-30).log() for each in scores])
        fused = Scores(
            embedding=torch.cat([each.embedding for each in scores], dim=2),
            cas=self._mean([each.cas for each in scores]),
            attention=self._mean([each.attention for each in scores]),
            probability=torch.softmax(logits, dim=1),
        )
        return Fused(fused, tuple(outputs), self.widths)

    def _mean(self, values: list[Tensor]) -> Tensor:
        weighted = [share * value for share, value in zip(self.shares, values, strict=True)]
        return torch.stack(weighted).sum(dim=0)
