"""A corpus is a tuple of videos whose features have the same channels.

Reading feature folders is `utal.packs`; making them from raw video is `utal.video`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from utal.errors import DataError
from utal.records import Video

TARGET_RMS = 0.5
"""Root mean square of the features after scaling: the smallest size measured from which CoLA, at
the papers' learning rate, gets to a hundredth of the uniform loss (benchmarks/feature_scale.py)."""


@dataclass(frozen=True, eq=False, slots=True)
class Corpus:
    """Videos and the one factor their features are multiplied by.

    Attributes:
        videos: in the order in which they are numbered everywhere.
        streams: width of each feature stream by name, in channel order.
        scale: factor applied whenever features are handed out.

    Raises:
        DataError: no videos, a name twice, or videos of different width.
    """

    videos: tuple[Video, ...]
    streams: dict[str, int] = field(default_factory=dict)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.videos:
            raise DataError("a corpus needs at least one video")
        seen: set[str] = set()
        for video in self.videos:
            if video.name in seen:
                raise DataError(f"video {video.name!r} occurs twice; rename one of the two")
            seen.add(video.name)
            width = video.features.shape[1]
            if width != self.channels:
                raise DataError(
                    f"video {video.name!r}: expected {self.channels} channels as in "
                    f"{self.videos[0].name!r}, got {width}; all videos need the same encoder"
                )

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def channels(self) -> int:
        """Width of the features."""
        return int(self.videos[0].features.shape[1])

    @property
    def stream_widths(self) -> tuple[int, ...]:
        """Widths of the feature streams in channel order; one stream where none is named."""
        return tuple(self.streams.values()) or (self.channels,)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the videos."""
        return tuple(video.name for video in self.videos)

    def scaled(self, scale: float) -> "Corpus":
        """The same videos with another factor."""
        return replace(self, scale=scale)

    def features(
        self, index: int, snippets: Integer[np.ndarray, " sample"]
    ) -> Float[Tensor, "sample channel"]:
        """The given snippets of one video, scaled, as float32."""
        rows = np.asarray(self.videos[index].features[snippets], dtype=np.float32)
        return torch.from_numpy(rows).mul_(self.scale)

    def batch(
        self, videos: Sequence[int], snippets: Sequence[Integer[np.ndarray, " _"]]
    ) -> tuple[Float[Tensor, "batch time channel"], Bool[Tensor, "batch time"]]:
        """The given snippets of several videos, scaled, as float32; shorter ones padded with zeros.

        Returns:
            Features, and a mask that is true where a snippet exists.
        """
        lengths = torch.tensor([len(rows) for rows in snippets])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        out = torch.empty(*mask.shape, self.channels)
        view = out.numpy()
        for row, (index, rows) in enumerate(zip(videos, snippets, strict=True)):
            features, own = self.videos[index].features, view[row, : len(rows)]
            if features.dtype == np.float32:
                np.take(features, rows, axis=0, out=own, mode="clip")  # `raise` would buffer
            else:
                own[:] = features[rows]
            view[row, len(rows) :] = 0
        return out.mul_(self.scale), mask


def feature_scale(corpus: Corpus) -> float:
    """The factor that brings the corpus' features to a root mean square of `TARGET_RMS`.

    Localizers are trained at one learning rate from one initialisation, so the size of what they
    are fed decides whether they learn at all. The released CoLA code learns nothing from features a
    third of I3D's size; and encoders differ by orders of magnitude.

    Raises:
        DataError: all features are zero.
    """
    total = count = 0.0
    for video in corpus.videos:
        flat = np.asarray(video.features, dtype=np.float64)
        total += float(np.vdot(flat, flat))
        count += flat.size
    if total == 0:
        raise DataError("all features are zero; was the pack written completely?")
    return TARGET_RMS / float(np.sqrt(total / count))
