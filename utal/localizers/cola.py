"""The CoLA network: one temporal convolution, one classifier, actionness as the sum of the CAS."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.pooling import top_mean
from utal.records import Scores


@dataclass(frozen=True, slots=True)
class Cola:
    """Localizer of CoLA, FEEL, APSL and HC-UTAL.

    Attributes:
        width: of the embedding; `None`: as wide as the features, as in the paper.
        kernel: of the embedding convolution, odd.
        classifier_kernel: of the classifier, odd.
        smoothing_kernel: of a depth-wise convolution (dilation 2) over the CAS; 0 leaves it out.
        dropout: of the embedding before the classifier.
        easy_ratio: a video's score is the mean of the top T // easy_ratio activations.
        split_streams: give each feature stream an embedding of its own and add them up, as the
            released APSL and HC-UTAL code; their paper, and CoLA, embed all channels together.

    Source: CoLA (CVPR 2021) and the released code, branches `main` and `anet12`.
    """

    width: int | None = None
    kernel: int = 3
    classifier_kernel: int = 1
    smoothing_kernel: int = 0
    dropout: float = 0.7
    easy_ratio: int = 5
    split_streams: bool = False

    def __post_init__(self) -> None:
        for name in ("kernel", "classifier_kernel"):
            if getattr(self, name) % 2 != 1:
                raise ConfigError(f"{name} must be odd, got {getattr(self, name)}")
        if self.smoothing_kernel and self.smoothing_kernel % 2 != 1:
            raise ConfigError(f"smoothing_kernel must be 0 or odd, got {self.smoothing_kernel}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")
        if self.easy_ratio < 1:
            raise ConfigError(f"easy_ratio must be at least 1, got {self.easy_ratio}")

    @property
    def output(self) -> type:
        """Plain scores."""
        return Scores

    @property
    def learns_embedding(self) -> bool:
        """Yes: the convolution."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network for features of these streams."""
        return ColaNetwork(self, streams, num_clusters)


class ColaNetwork(nn.Module):
    """Scores of a batch; the CAS is >= 0. Padded snippets get embedding and activation 0."""

    def __init__(self, settings: Cola, streams: tuple[int, ...], num_clusters: int) -> None:
        super().__init__()
        width = settings.width or sum(streams)
        self.easy_ratio = settings.easy_ratio
        self.widths = streams if settings.split_streams else (sum(streams),)
        self.embed = nn.ModuleList(
            nn.Conv1d(channels, width, settings.kernel, padding="same") for channels in self.widths
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.classify = nn.Conv1d(
            width, num_clusters, settings.classifier_kernel, padding="same", bias=False
        )
        self.smooth = (
            nn.Conv1d(
                num_clusters,
                num_clusters,
                settings.smoothing_kernel,
                padding="same",
                dilation=2,
                groups=num_clusters,
                bias=False,
            )
            if settings.smoothing_kernel
            else nn.Identity()
        )

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> Scores:
        """Embedding, CAS, actionness (sum of the CAS) and the distribution over clusters."""
        parts = features.mT.split(self.widths, dim=1)
        embedded = [torch.relu(conv(part)) for conv, part in zip(self.embed, parts, strict=True)]
        # (batch, width, time); zeroed where padded, so that the next convolution sees no bias.
        embedding = torch.stack(embedded).sum(dim=0) * mask[:, None]
        classified = self.classify(self.dropout(embedding)) * mask[:, None]
        cas = torch.relu(self.smooth(classified)).mT * mask[:, :, None]
        return Scores(
            embedding=embedding.mT,
            cas=cas,
            attention=cas.sum(dim=2),
            probability=torch.softmax(top_mean(cas, mask, self.easy_ratio), dim=1),
        )
