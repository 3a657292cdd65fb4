"""What goes into parts and comes out of them: small frozen records, no behaviour beyond checks.

Axes are named `batch time channel|width|cluster`, `video`, `segment`, in that order. A *cluster*
is a pseudo-action found by grouping videos; a *class* is a true action and exists only below the
ground-truth firewall (`utal.evaluation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor

from utal.errors import DataError


@dataclass(frozen=True, slots=True)
class Timeline:
    """The time axis of one video's snippets: the only place where snippets become seconds.

    Attributes:
        fps: frames per second of the stream that was cut into snippets; never rounded.
        stride: frames from one snippet's start to the next one's.
        window: frames that one snippet sees.
        duration: length of the video, in seconds.
        offset_s: centre of the first snippet, in seconds; `None` means half a window.

    Raises:
        DataError: a number is not positive, or the duration is not finite.
    """

    fps: float
    stride: float
    window: int
    duration: float
    offset_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("fps", "stride", "window", "duration"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise DataError(f"time axis: {name} must be a positive number, got {value!r}")

    @property
    def first_centre(self) -> float:
        """Centre of the first snippet, in seconds."""
        return self.window / (2 * self.fps) if self.offset_s is None else self.offset_s

    def start(self, snippet: float) -> float:
        """Start of the cell of `snippet` in seconds; `snippet + 0.5` gives its centre.

        Source: centre(i) = offset + i * stride / fps (ActionFormer's grid). With window = stride,
        the cell of snippet i is [i * stride / fps, (i + 1) * stride / fps): the axis of I3D packs.
        """
        return self.first_centre + (snippet - 0.5) * self.stride / self.fps


@dataclass(frozen=True, eq=False, slots=True)
class Video:
    """One video as its snippet features.

    Attributes:
        name: how the video is called in every output; unique in its corpus.
        features: one row per snippet; may be a read-only memory map.
        timeline: where the snippets lie in time.
        source: the video file, if it is known.
        notes: what a user should know about the file, such as damage.
    """

    name: str
    features: Float[np.ndarray, "time channel"]
    timeline: Timeline
    source: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_snippets(self) -> int:
        """Number of snippets the video really has."""
        return int(self.features.shape[0])


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """The videos of one training step.

    Attributes:
        features: scaled snippet features.
        mask: true where a snippet exists; false is padding.
        targets: soft video-level pseudo-labels, each row sums to the number of labels of the video.
        weights: 1 for an ordinary video; 0 makes the losses ignore it.
        videos: index of each video in the corpus.
    """

    features: Float[Tensor, "batch time channel"]
    mask: Bool[Tensor, "batch time"]
    targets: Float[Tensor, "batch cluster"]
    weights: Float[Tensor, " batch"]
    videos: Int64[Tensor, " batch"]


@runtime_checkable
class Output(Protocol):
    """What a localizer returns: its scores, and whatever else its own objective asks for."""

    @property
    def scores(self) -> "Scores":
        """The common part."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """What every localizer must be able to say; the ranges are stated here and nowhere else.

    Attributes:
        embedding: features in the localizer's own space; the raw ones where it learns none.
        cas: class activation sequence; one column per cluster, no background column.
        attention: class-agnostic actionness, >= 0, larger means action.
        probability: video-level distribution over clusters; rows sum to 1.
    """

    embedding: Float[Tensor, "batch time width"]
    cas: Float[Tensor, "batch time cluster"]
    attention: Float[Tensor, "batch time"]
    probability: Float[Tensor, "batch cluster"]

    @property
    def scores(self) -> "Scores":
        """Itself, so that plain scores are an `Output`."""
        return self


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """What of one video may be clustered.

    Attributes:
        vector: one descriptor of the whole video.
        snippets: the attended snippets, for clusterers that learn from them; else `None`.
        posterior: the grouping that the localizer itself proposes, if it has one; sums to 1.
    """

    vector: Float[Tensor, " descriptor"]
    snippets: Float[Tensor, "selected channel"] | None = None
    posterior: Float[Tensor, " cluster"] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Clustering:
    """A grouping of all videos of a corpus.

    Attributes:
        labels: cluster of each video, 0 <= label < number of clusters.
        confidence: how sure the label is; larger is surer, comparable within one cluster.
    """

    labels: Int64[Tensor, " video"]
    confidence: Float[Tensor, " video"]


@dataclass(frozen=True, eq=False, slots=True)
class PseudoLabels:
    """The videos to train on and what to train them for.

    Attributes:
        videos: indices into the corpus, ascending.
        targets: one row per selected video; 1 for each cluster it belongs to.
        weights: >= 0, one per selected video.
    """

    videos: Int64[Tensor, " selected"]
    targets: Float[Tensor, "selected cluster"]
    weights: Float[Tensor, " selected"]


@dataclass(frozen=True, slots=True)
class Losses:
    """Training curve: each weighted loss term, averaged up to some steps, and their sum `total`."""

    steps: tuple[int, ...]
    terms: dict[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Round:
    """One alternation of grouping and localizing. Owns copies: later training never changes it.

    Attributes:
        index: 0 for the first round.
        clustering: the grouping after refinement; `None` where labels were given.
        pseudo_labels: what the localizer was trained on.
        losses: the training curve.
        scale: factor that the corpus' features were multiplied by.
        weights: the localizer's parameters and buffers, on the CPU.
        optimiser: state of the optimiser, kept only where the next round goes on with it.
    """

    index: int
    clustering: Clustering | None
    pseudo_labels: PseudoLabels
    losses: Losses
    scale: float
    weights: dict[str, Tensor]
    optimiser: dict[str, Tensor] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Segments:
    """Instances found in videos: a struct of arrays, one row per segment.

    Attributes:
        names: the videos that were searched, also those in which nothing was found.
        video: index into `names`.
        cluster: pseudo-action of the segment (after mapping: index of the class).
        start_s, end_s: limits in seconds, start < end.
        score: confidence; comparable across videos within one cluster.
    """

    names: tuple[str, ...]
    video: Integer[np.ndarray, " segment"] = field(default_factory=lambda: np.empty(0, np.int64))
    cluster: Integer[np.ndarray, " segment"] = field(default_factory=lambda: np.empty(0, np.int64))
    start_s: Float[np.ndarray, " segment"] = field(default_factory=lambda: np.empty(0))
    end_s: Float[np.ndarray, " segment"] = field(default_factory=lambda: np.empty(0))
    score: Float[np.ndarray, " segment"] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        lengths = {len(column) for column in self.columns()}
        if len(lengths) != 1:
            raise ValueError(f"columns differ in length: {sorted(lengths)}")
        if len(self.video) and not 0 <= int(self.video.min()) <= int(self.video.max()) < len(
            self.names
        ):
            raise ValueError(f"video index out of range for {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.video)

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The five columns video, cluster, start_s, end_s, score."""
        return self.video, self.cluster, self.start_s, self.end_s, self.score

    def take(self, rows: Integer[np.ndarray, " kept"] | Bool[np.ndarray, " segment"]) -> "Segments":
        """The given rows, in the given order; the searched videos stay."""
        return Segments(self.names, *(column[rows] for column in self.columns()))

    @staticmethod
    def concatenate(parts: Sequence["Segments"]) -> "Segments":
        """One table from several, in order; the videos of the parts must be distinct."""
        names = tuple(name for part in parts for name in part.names)
        if len(set(names)) != len(names):
            raise ValueError("a video occurs in two parts")
        if not parts:
            return Segments(())
        shifts = np.cumsum([0, *(len(part.names) for part in parts[:-1])])
        video = np.concatenate([p.video + s for p, s in zip(parts, shifts, strict=True)])
        rest = zip(*(part.columns()[1:] for part in parts), strict=True)
        return Segments(names, video, *(np.concatenate(column) for column in rest))


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """What a trained localizer says of one video.

    Attributes:
        segments: the instances, of this one video.
        attention: actionness of the fed snippets, >= 0.
        probability: of each cluster for the whole video.
    """

    segments: Segments
    attention: Float[np.ndarray, " time"]
    probability: Float[np.ndarray, " cluster"]
