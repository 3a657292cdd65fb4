"""The BaS-Net network: a background class, and a branch in which background is suppressed."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.pooling import top_mean
from utal.records import Scores


@dataclass(frozen=True, eq=False, slots=True)
class BackgroundOutput:
    """What a network with a background class says; that class is the last column.

    Attributes:
        scores: without the background column.
        cas_base: activations of the features as they are.
        cas_suppressed: activations after what is not foreground was suppressed.
        probability_base: softmax of the pooled `cas_base`.
        probability_suppressed: softmax of the pooled `cas_suppressed`.
        foreground: how much each snippet is left in the suppressed branch, in [0, 1].
    """

    scores: Scores
    cas_base: Float[Tensor, "batch time column"]
    cas_suppressed: Float[Tensor, "batch time column"]
    probability_base: Float[Tensor, "batch column"]
    probability_suppressed: Float[Tensor, "batch column"]
    foreground: Float[Tensor, "batch time"]


@dataclass(frozen=True, slots=True)
class BasNet:
    """Localizer of BaS-Net, and in another form that of DCC.

    `Scores.probability` is the suppressed branch's without the background column, normalised again.

    Attributes:
        width: of the embedding; `None`: as wide as the features, as in the papers.
        foreground_width: hidden width of the foreground weights.
        foreground_slope: of their hidden activation where it is negative; 0 is a plain ReLU.
        kernel: of the two embedding convolutions, odd.
        dropout: of the embedding before the classifier.
        top_ratio: a video's score is the mean of the top T // top_ratio activations.
        suppress_features: the suppressed branch sees the features times their foreground weights;
            else its activations are the base branch's times those weights, as in DCC.
        localise_base: segments are cut from the softmax of the base branch's activations, as in
            DCC, whose thresholds lie in [0, 0.9]; else from the suppressed branch's activations.
            (A cluster that wins may yet have negative activations everywhere.)

    Source: BaS-Net (Lee et al., AAAI 2020) Sec. 3 and the released code; DCC Sec. 3.1 and 3.3.
    """

    width: int | None = None
    foreground_width: int = 512
    foreground_slope: float = 0.01
    kernel: int = 3
    dropout: float = 0.7
    top_ratio: int = 8
    suppress_features: bool = True
    localise_base: bool = False

    def __post_init__(self) -> None:
        check_embedding(self.width, self.kernel, self.dropout)
        for name in ("foreground_width", "top_ratio"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def output(self) -> type:
        """Scores and those of the background class."""
        return BackgroundOutput

    @property
    def learns_embedding(self) -> bool:
        """Yes: the two convolutions."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network for features of these streams."""
        return BasNetNetwork(self, sum(streams), num_clusters)


class BasNetNetwork(nn.Module):
    """Both branches; they share all weights. Padded snippets get activation and foreground 0."""

    def __init__(self, settings: BasNet, channels: int, num_clusters: int) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width or channels
        self.foreground = nn.Sequential(
            nn.Linear(channels, settings.foreground_width),
            nn.LeakyReLU(settings.foreground_slope),
            nn.Linear(settings.foreground_width, 1),
            nn.Sigmoid(),
        )
        self.embed = TwoConvolutions(channels, width, settings.kernel)
        self.dropout = nn.Dropout(settings.dropout)
        self.classify = nn.Linear(width, num_clusters + 1, bias=False)

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> BackgroundOutput:
        """The features as they are, then with what is not foreground suppressed."""
        foreground = self.foreground(features) * mask[:, :, None]  # (batch, time, 1)
        embedding = self.embed(features, mask)
        cas_base = self.classify(self.dropout(embedding))
        if self.settings.suppress_features:
            suppressed = self.embed(foreground * features, mask)
            cas_suppressed = self.classify(self.dropout(suppressed))
        else:
            cas_suppressed = foreground * cas_base
        return background_output(
            embedding,
            cas_base,
            cas_suppressed,
            foreground[:, :, 0],
            mask,
            top_ratio=self.settings.top_ratio,
            localise_base=self.settings.localise_base,
        )


def background_output(
    embedding: Float[Tensor, "batch time width"],
    cas_base: Float[Tensor, "batch time column"],
    cas_suppressed: Float[Tensor, "batch time column"],
    foreground: Float[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    top_ratio: int,
    localise_base: bool,
) -> BackgroundOutput:
    """The output of a network from its activations: pooled over time and made probabilities.

    Source: top-k pooling and softmax of BaS-Net and DCC Sec. 3.1; settings as in `BasNet`.
    """
    base = top_mean(cas_base, mask, top_ratio)
    suppressed = top_mean(cas_suppressed, mask, top_ratio)
    localised = cas_suppressed
    if localise_base:
        localised = torch.softmax(cas_base, dim=2) * mask[:, :, None]
    scores = Scores(
        embedding=embedding,
        cas=localised[:, :, :-1],
        attention=foreground,
        probability=torch.softmax(suppressed[:, :-1], dim=1),
    )
    return BackgroundOutput(
        scores=scores,
        cas_base=cas_base,
        cas_suppressed=cas_suppressed,
        probability_base=torch.softmax(base, dim=1),
        probability_suppressed=torch.softmax(suppressed, dim=1),
        foreground=foreground,
    )


class TwoConvolutions(nn.Module):
    """Embedding by two temporal convolutions with leaky activations; 0 at padded snippets.

    Source: released BaS-Net code.
    """

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, width, kernel, padding="same")
        self.second = nn.Conv1d(width, width, kernel, padding="same")

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time width"]:
        """The embedding of each snippet."""
        # Zeroed where padded, so that the next convolution sees no bias.
        hidden = F.leaky_relu(self.first(features.mT)) * mask[:, None]
        return (F.leaky_relu(self.second(hidden)) * mask[:, None]).mT


def check_embedding(width: int | None, kernel: int, dropout: float) -> None:
    """Refuses settings of an embedding that are out of range, by name.

    Raises:
        ConfigError: a width below 1, an even kernel or a dropout outside [0, 1).
    """
    if width is not None and width < 1:
        raise ConfigError(f"width must be at least 1, got {width}")
    if kernel < 1 or kernel % 2 != 1:
        raise ConfigError(f"kernel must be odd, got {kernel}")
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout must lie in [0, 1), got {dropout}")
