"""TCAM's network: attention of each cluster and of all together, over context near and far."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.context import (
    Convolution,
    GlobalContext,
    LocalGlobal,
    SideBySide,
    near_context,
)
from utal.localizers.pooling import masked_softmax
from utal.records import Scores


@dataclass(frozen=True, eq=False, slots=True)
class CoAttentionOutput:
    """What a network with class-specific and class-agnostic attention says.

    Attributes:
        scores: `cas` is A, the class-specific attention before its softmax; `attention` is the
            class-agnostic one after its own, so it sums to 1; `embedding` is X_ca.
        specific: X_cs, the features that A is read from.
        specific_attention: A after its softmax over time: each cluster's column sums to 1.
        logits: of the video, before the softmax over clusters.
    """

    scores: Scores
    specific: Float[Tensor, "batch time specific"]
    specific_attention: Float[Tensor, "batch time cluster"]
    logits: Float[Tensor, "batch cluster"]

    @property
    def agnostic(self) -> Float[Tensor, "batch time agnostic"]:
        """X_ca, the features that the class-agnostic attention is read from."""
        return self.scores.embedding


@dataclass(frozen=True, slots=True)
class CoAttention:
    """Localizer of TCAM: features with local and global context, then two branches.

    Attributes:
        width: of each of the four context branches; `None`: a quarter of the channels.
        context_width: inner width of the non-local block.
        branch_width: of X_cs and X_ca.
        input_dropout: share of channels that a training step leaves out of a whole video.

    Source: TCAM Sec. 3.2 and 3.4, which give no widths, kernels or dilations; these are ours. The
    dropout is the released code's.
    """

    width: int | None = None
    context_width: int = 128
    branch_width: int = 256
    input_dropout: float = 0.5

    def __post_init__(self) -> None:
        _check_widths(self, "width", "context_width", "branch_width")
        _check_dropout(self.input_dropout)

    @property
    def output(self) -> type:
        """Scores, and the features they are read from."""
        return CoAttentionOutput

    @property
    def learns_embedding(self) -> bool:
        """Yes: X_ca."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network that sees all these streams together."""
        channels, width = sum(streams), self.branch_width
        context = LocalGlobal(channels, self.width or max(1, channels // 4), self.context_width)
        specific, agnostic = (Convolution(channels, width) for _ in range(2))
        return CoAttentionNetwork(
            context, specific, agnostic, (width, width), num_clusters, self.input_dropout
        )


@dataclass(frozen=True, slots=True)
class ConvCoAttention:
    """`CoAttention` with a plain temporal convolution in place of local and global context.

    Attributes:
        branch_width: of X_cs and X_ca.
        input_dropout: share of channels that a training step leaves out of a whole video.

    Source: "Conv1D" of TCAM Table 5.
    """

    branch_width: int = 256
    input_dropout: float = 0.5

    def __post_init__(self) -> None:
        _check_widths(self, "branch_width")
        _check_dropout(self.input_dropout)

    @property
    def output(self) -> type:
        """Scores, and the features they are read from."""
        return CoAttentionOutput

    @property
    def learns_embedding(self) -> bool:
        """Yes: X_ca."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network that sees all these streams together."""
        channels, width = sum(streams), self.branch_width
        context, specific, agnostic = (
            Convolution(channels, outputs) for outputs in (channels, width, width)
        )
        return CoAttentionNetwork(
            context, specific, agnostic, (width, width), num_clusters, self.input_dropout
        )


@dataclass(frozen=True, slots=True)
class ReleasedCoAttention:
    """The released form of `CoAttention`: context is looked at in the branches, and not fused.

    X_cs is `branch_width` features of near context beside as many of global context, X_ca is
    `branch_width` features of near context.

    Attributes:
        base_width: of the convolution that both branches share.
        branch_width: a multiple of 4.
        input_dropout: share of channels that a training step leaves out of a whole video.

    Source: released TCAM code. Its configuration gives the class-agnostic branch kernel 1, with
    which it cannot run; here it has kernel 3 as the other branch.
    """

    base_width: int = 256
    branch_width: int = 128
    input_dropout: float = 0.5

    def __post_init__(self) -> None:
        _check_widths(self, "base_width", "branch_width")
        if self.branch_width % 4:
            raise ConfigError(f"branch_width must be a multiple of 4, got {self.branch_width}")
        _check_dropout(self.input_dropout)

    @property
    def output(self) -> type:
        """Scores, and the features they are read from."""
        return CoAttentionOutput

    @property
    def learns_embedding(self) -> bool:
        """Yes: X_ca."""
        return True

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """A new network that sees all these streams together."""
        base, width = self.base_width, self.branch_width
        specific = SideBySide(GlobalContext(base, width, width // 2), near_context(base, width))
        return CoAttentionNetwork(
            Convolution(sum(streams), base),
            specific,
            near_context(base, width),
            (2 * width, width),
            num_clusters,
            self.input_dropout,
        )


class CoAttentionNetwork(nn.Module):
    """Context, two branches, and the video's distribution. Padded snippets get 0 everywhere.

    Source: TCAM Sec. 3.2, 3.5 and 3.6.
    """

    def __init__(
        self,
        context: nn.Module,
        specific: nn.Module,
        agnostic: nn.Module,
        widths: tuple[int, int],
        num_clusters: int,
        input_dropout: float,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(input_dropout)
        self.context = context
        self.specific = specific
        self.agnostic = agnostic
        self.classify = nn.Linear(widths[0], num_clusters)
        self.attend = nn.Linear(widths[1], 1)

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> CoAttentionOutput:
        """Both attentions of every snippet and the distribution of the video."""
        context = self.context(self.dropout(features.mT), mask)
        specific, agnostic = self.specific(context, mask).mT, self.agnostic(context, mask).mT
        raw_attention = self.attend(agnostic)[:, :, 0]
        return co_attended(self.classify(specific), raw_attention, specific, agnostic, mask)


def co_attended(
    cas: Float[Tensor, "batch time cluster"],
    raw_attention: Float[Tensor, "batch time"],
    specific: Float[Tensor, "batch time specific"],
    agnostic: Float[Tensor, "batch time agnostic"],
    mask: Bool[Tensor, "batch time"],
) -> CoAttentionOutput:
    """The output of a network from the two attentions before their softmax, and their features.

    The video's distribution is p = softmax over clusters of sum_t softmax(S)_t A_t.

    Source: TCAM Sec. 3.5 and 3.6.
    """
    cas = cas * mask[:, :, None]
    attention = masked_softmax(raw_attention, mask)
    logits = (attention[:, None] @ cas)[:, 0]
    scores = Scores(agnostic, cas, attention, torch.softmax(logits, dim=1))
    return CoAttentionOutput(scores, specific, masked_softmax(cas, mask), logits)


def _check_widths(part: object, *names: str) -> None:
    for name in names:
        width = getattr(part, name)
        if width is not None and width < 1:
            raise ConfigError(f"{name} must be at least 1, got {width}")


def _check_dropout(share: float) -> None:
    if not 0 <= share < 1:
        raise ConfigError(f"input_dropout must lie in [0, 1), got {share}")
