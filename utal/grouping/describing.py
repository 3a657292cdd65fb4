"""What of a video may be clustered: a descriptor from its features and the localizer's output.

Here live the describers that pool snippets by attention. Descriptors of clusterers that learn their
own space live with those clusterers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from utal.errors import ConfigError, DataError
from utal.localizers.fusion import streams_of
from utal.records import Output, View


def attended_mean(
    features: Float[Tensor, "time channel"], weights: Float[Tensor, " time"]
) -> Float[Tensor, " channel"]:
    """Weighted mean over time, sum_t s_t x_t / sum_t s_t.

    Args:
        features: one row per snippet.
        weights: how much each snippet counts, >= 0, not all zero.

    Source: FEEL Eq. 1, divided by the sum of the weights: the plain sum would encode how many
    snippets the video has.
    """
    return weights @ features / weights.sum()


def top_snippets(attention: Float[Tensor, " time"], ratio: int) -> Int64[Tensor, " selected"]:
    """Indices of the max(1, T // ratio) most attended snippets, by falling attention.

    Of equally attended snippets the earlier one comes first.

    Source: the easy actions of released CoLA code, there with ratio 5.
    """
    count = max(1, len(attention) // ratio)
    return attention.argsort(descending=True, stable=True)[:count]


def unit_length(vector: Float[Tensor, " channel"]) -> Float[Tensor, " channel"]:
    """The vector divided by its Euclidean length; a zero vector stays zero."""
    return torch.nn.functional.normalize(vector, dim=0)


def descriptors(
    views: Sequence[View], *, centred: bool = False
) -> Float[np.ndarray, "video descriptor"]:
    """The vectors of all views as one float64 table, one row per video.

    Args:
        views: of all videos.
        centred: subtract the mean over the videos, then make rows unit length. What all videos
            have in common, the look of standing and walking people for one, then no longer
            hides in what they differ.

    Raises:
        DataError: there is no video, the vectors differ in length or one is not finite.
    """
    if not views:
        raise DataError("there are no videos to group; add videos")
    lengths = {len(view.vector) for view in views}
    if len(lengths) != 1:
        raise DataError(f"videos have descriptors of different lengths: {sorted(lengths)}")
    table = torch.stack([view.vector.detach().cpu() for view in views]).double().numpy()
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        raise DataError(
            f"descriptor of video number {int(finite.argmin())} holds NaN or infinity; "
            "check its features"
        )
    return _centred(table) if centred else table


def _centred(table: Float[np.ndarray, "video descriptor"]) -> np.ndarray:
    table = table - table.mean(axis=0)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.where(lengths > 0, lengths, 1))


@dataclass(frozen=True, slots=True)
class AttentionRaw:
    """Mean of the raw features, weighted by sigmoid(attention); the plain mean in the first round.

    Attributes:
        l2: scale the descriptor to unit length.

    Source: FEEL Eq. 1. The paper leaves the sum un-normalised; its released ActivityNet code
    normalises. A non-negative attention never weighs less than one half, so this pools nearly
    all of a video; `TopEmbedding` and `TopRaw` are what the released code uses.
    """

    l2: bool = True

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """One video's descriptor, of the features' width."""
        if output is None:
            return _view(features.mean(dim=0), l2=self.l2)
        weights = _attention(output, len(features)).sigmoid()
        return _view(attended_mean(features, weights.to(features.dtype)), l2=self.l2)


@dataclass(frozen=True, slots=True)
class TopEmbedding:
    """Mean of the localizer's embedding over the most attended snippets; first the raw mean.

    Attributes:
        ratio: one snippet in `ratio` is kept, at least one.
        l2: scale the descriptor to unit length.

    Source: APSL's mean of the action positives; released FEEL code for CoLA: ratio 5, and unit
    length on ActivityNet only.
    """

    ratio: int = 5
    l2: bool = False

    def __post_init__(self) -> None:
        _check_ratio(self.ratio)

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """One video's descriptor: the embedding's width, in the first round the features'."""
        if output is None:
            return _view(features.mean(dim=0), l2=self.l2)
        chosen = top_snippets(_attention(output, len(features)), self.ratio)
        return _view(output.scores.embedding[0, chosen].mean(dim=0), l2=self.l2)


@dataclass(frozen=True, slots=True)
class TopRaw:
    """Mean of the raw features over the most attended snippets; all snippets in the first round.

    Attributes:
        ratio: one snippet in `ratio` is kept, at least one.
        l2: scale the descriptor to unit length.
        weighted: weigh the kept snippets by their attention; if none has any, the plain mean of all
            is taken. Otherwise the kept snippets count alike.

    Source: released FEEL code for AICL: ratio 20, weighted. The attention of `Aicl` is that of the
    consistent-action snippets, which alone are kept there.
    """

    ratio: int = 5
    l2: bool = True
    weighted: bool = False

    def __post_init__(self) -> None:
        _check_ratio(self.ratio)

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """One video's descriptor, of the features' width."""
        if output is None:
            return _view(features.mean(dim=0), l2=self.l2)
        attention = _attention(output, len(features))
        chosen = top_snippets(attention, self.ratio)
        if not self.weighted:
            return _view(features[chosen].mean(dim=0), l2=self.l2)
        weights = attention[chosen].to(features.dtype)
        if not weights.any():
            return _view(features.mean(dim=0), l2=self.l2)
        return _view(attended_mean(features[chosen], weights), l2=self.l2)


@dataclass(frozen=True, slots=True)
class StreamAttention:
    """Mean of each stream's raw features, weighted by attention, in unit length; side by side.

    A stream counts as its own network of a `LateFusion` attends to it, else as the only network
    does. Where nothing is attended to, and in the first round, every snippet counts alike.

    Source: TCAM Eq. 2 and Sec. 3.3.
    """

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """One video's descriptor, of the features' width; its length is the root of the streams."""
        parts = features.split(streams, dim=1)
        if output is None:
            return View(torch.cat([unit_length(part.mean(dim=0)) for part in parts]).detach())
        outputs = streams_of(output)
        if len(outputs) == 1:
            outputs = outputs * len(parts)
        pooled = []
        for part, each in zip(parts, outputs, strict=True):
            attention = _attention(each, len(part))
            weights = attention.where(attention.sum() > 0, 1.0).to(part.dtype)
            pooled.append(unit_length(attended_mean(part, weights)))
        return View(torch.cat(pooled).detach())


def _check_ratio(ratio: int) -> None:
    """A ratio below 1 would keep more snippets than there are."""
    if ratio < 1:
        raise ConfigError(f"ratio must be at least 1, got {ratio}")


def _attention(output: Output, num_snippets: int) -> Float[Tensor, " time"]:
    """The attention of the only video of a batch."""
    attention = output.scores.attention
    if tuple(attention.shape) != (1, num_snippets):
        raise ValueError(
            f"expected the output of one video of {num_snippets} snippets, "
            f"got attention of shape {tuple(attention.shape)}"
        )
    return attention[0].detach()


def _view(vector: Float[Tensor, " channel"], *, l2: bool) -> View:
    """A view that holds its own numbers and no gradient."""
    return View(unit_length(vector.detach()) if l2 else vector.detach())
