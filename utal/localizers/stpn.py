"""The STPN network: snippets weighted by an attention, pooled, and classified."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.basnet import TwoConvolutions, check_embedding
from utal.localizers.pooling import masked_mean
from utal.records import Scores


@dataclass(frozen=True, eq=False, slots=True)
class StpnOutput:
    """Scores, and what they come from.

    Attributes:
        scores: the CAS is the weighted one, attention times sigmoid of the activation.
        logits: of each cluster for the whole video; each is meant for a sigmoid of its own.
        activation: temporal class activation map: the classifier without bias, on every snippet.
    """

    scores: Scores
    logits: Float[Tensor, "batch cluster"]
    activation: Float[Tensor, "batch time cluster"]


@dataclass(frozen=True, slots=True)
class Stpn:
    """Localizer of STPN, meant for one stream; see `utal.localizers.fusion.LateFusion`.

    Attributes:
        width: of an embedding by two convolutions that the paper does not have, so that others can
            train it; `None`: attention and classifier see the features.
        kernel: of those convolutions, odd.
        attention_width: hidden width of the attention.
        dropout: of what is pooled and classified.

    Source: STPN (Nguyen et al., CVPR 2018) Sec. 3 and its re-implementation bellos1203/STPN. DCC
    trains the embedding of its own STPN (Table 7) and does not say how that is built: here it is
    that of DCC's other localizer.
    """

    width: int | None = None
    kernel: int = 3
    attention_width: int = 256
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_embedding(self.width, self.kernel, self.dropout)
        if self.attention_width < 1:
            raise ConfigError(f"attention_width must be at least 1, got {self.attention_width}")

    @property
    def output(self) -> type:
        """Scores and logits."""
        return StpnOutput

    @property
    def learns_embedding(self) -> bool:
        """Only with a width."""
        return self.width is not None

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network for features of these streams, taken together."""
        return StpnNetwork(self, sum(streams), num_clusters)


class StpnNetwork(nn.Module):
    """Attention, pooled features and their class; padded snippets get attention 0."""

    def __init__(self, settings: Stpn, channels: int, num_clusters: int) -> None:
        super().__init__()
        width = settings.width or channels
        self.embed = TwoConvolutions(channels, width, settings.kernel) if settings.width else None
        self.dropout = nn.Dropout(settings.dropout)
        self.attend = nn.Sequential(
            nn.Linear(width, settings.attention_width),
            nn.ReLU(),
            nn.Linear(settings.attention_width, 1),
            nn.Sigmoid(),
        )
        self.classify = nn.Linear(width, num_clusters)

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> StpnOutput:
        """Attention of each snippet, class of their weighted mean, class of each snippet."""
        embedding = features if self.embed is None else self.embed(features, mask)
        attention = self.attend(embedding)[:, :, 0] * mask
        snippets = self.dropout(embedding)
        pooled = masked_mean(attention[:, :, None] * snippets, mask)
        logits = self.classify(pooled)
        activation = F.linear(snippets, self.classify.weight)
        scores = Scores(
            embedding=embedding,
            cas=attention[:, :, None] * activation.sigmoid(),
            attention=attention,
            probability=torch.softmax(logits, dim=1),
        )
        return StpnOutput(scores, logits, activation)
