"""What is said about each cluster: its numbers, and which of its instances are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer

from utal.records import Segments
from utal.report.charts import Histogram, histogram
from utal.report.contents import ReportVideo


@dataclass(frozen=True, slots=True)
class Example:
    """One instance to be shown.

    Attributes:
        row: its row in the segments of the report.
        video: index of its video.
        start_s, end_s: limits in seconds.
        strength: see `readable.strengths`.
        clearest: true for a high score, false for one that was barely kept.
    """

    row: int
    video: int
    start_s: float
    end_s: float
    strength: float
    clearest: bool

    @property
    def moments(self) -> tuple[float, float, float]:
        """Where the three pictures are taken: just after the start, midway, just before the end."""
        length = self.end_s - self.start_s
        return (
            self.start_s + 0.05 * length,
            self.start_s + 0.5 * length,
            self.end_s - 0.05 * length,
        )


@dataclass(frozen=True, slots=True)
class Card:
    """One cluster, counted over its readable instances.

    Attributes:
        cluster: its number.
        num_instances, num_videos: instances, and videos with at least one.
        total_s: summed length of the instances, in seconds.
        mean_score: mean score of the instances.
        durations: their lengths; the cluster has at least one.
        inside, outside: mean actionness inside its instances, and in the same videos outside all
            instances; `None` if unknown.
        examples: instances to be shown, clearest first.
    """

    cluster: int
    num_instances: int
    num_videos: int
    total_s: float
    mean_score: float
    durations: Histogram
    inside: float | None
    outside: float | None
    examples: tuple[Example, ...]

    @property
    def stands_out(self) -> str | None:
        """How clearly the instances stand out of their videos, in one word."""
        return in_words(self.inside, self.outside)


def make_cards(
    segments: Segments,
    rows: Int64[np.ndarray, " kept"],
    strength: Float[np.ndarray, " segment"],
    videos: Sequence[ReportVideo],
) -> tuple[Card, ...]:
    """One card for each cluster that has an instance, by number.

    Args:
        segments: everything that was found.
        rows: the readable segments.
        strength: of every segment.
        videos: in the order of `segments.names`.
    """
    return tuple(
        _card(int(cluster), segments, rows, strength, videos)
        for cluster in np.unique(segments.cluster[rows])
    )


def _card(
    cluster: int,
    segments: Segments,
    kept: Int64[np.ndarray, " kept"],
    strength: Float[np.ndarray, " segment"],
    videos: Sequence[ReportVideo],
) -> Card:
    rows = kept[segments.cluster[kept] == cluster]
    durations = segments.end_s[rows] - segments.start_s[rows]
    lengths = histogram(durations)
    assert lengths is not None, "only clusters with an instance get a card"
    inside, outside = contrast(segments.take(kept), videos, cluster)
    return Card(
        cluster=cluster,
        num_instances=len(rows),
        num_videos=len(np.unique(segments.video[rows])),
        total_s=float(durations.sum()),
        mean_score=float(segments.score[rows].mean()),
        durations=lengths,
        inside=inside,
        outside=outside,
        examples=choose_examples(segments, rows, strength),
    )


def choose_examples(
    segments: Segments,
    rows: Integer[np.ndarray, " kept"],
    strength: Float[np.ndarray, " segment"],
    *,
    num_clearest: int = 3,
    num_borderline: int = 2,
) -> tuple[Example, ...]:
    """The highest scores, from different videos while there are any, and the lowest that remain.

    Args:
        segments: everything that was found.
        rows: the instances of one cluster to choose from.
        strength: of every segment.
        num_clearest: how many with a high score.
        num_borderline: how many with a low score.
    """
    ranked = [int(row) for row in rows[np.argsort(-segments.score[rows], kind="stable")]]
    firsts: dict[int, int] = {}
    for row in ranked:
        firsts.setdefault(int(segments.video[row]), row)
    others = [row for row in ranked if row not in set(firsts.values())]
    clearest = [*firsts.values(), *others][:num_clearest]
    rest = [row for row in ranked if row not in clearest]
    borderline = rest[max(0, len(rest) - num_borderline) :]
    return tuple(
        Example(
            row=row,
            video=int(segments.video[row]),
            start_s=float(segments.start_s[row]),
            end_s=float(segments.end_s[row]),
            strength=float(strength[row]),
            clearest=row in clearest,
        )
        for row in [*clearest, *borderline]
    )


def contrast(
    instances: Segments, videos: Sequence[ReportVideo], cluster: int | None = None
) -> tuple[float | None, float | None]:
    """Mean actionness inside instances, and outside all instances in the same videos.

    Args:
        instances: the readable segments.
        videos: in the order of `instances.names`.
        cluster: whose instances count as inside; `None` for those of all clusters.
    """
    mine = np.ones(len(instances), bool) if cluster is None else instances.cluster == cluster
    inside: list[np.ndarray] = []
    outside: list[np.ndarray] = []
    for index in np.unique(instances.video[mine]):
        video = videos[index]
        if video.actionness is None:
            continue
        here = instances.video == index
        inside.append(video.actionness[_cells(instances.take(here & mine), video)])
        outside.append(video.actionness[~_cells(instances.take(here), video)])
    return _mean(inside), _mean(outside)


def _cells(instances: Segments, video: ReportVideo) -> np.ndarray:
    """True for each actionness value whose middle lies inside an instance."""
    length = 0 if video.actionness is None else len(video.actionness)
    middle = (np.arange(length) + 0.5) * video.actionness_step_s
    inside = np.zeros(length, bool)
    for start, end in zip(instances.start_s, instances.end_s, strict=True):
        inside |= (middle >= start) & (middle < end)
    return inside


def _mean(parts: list[np.ndarray]) -> float | None:
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def in_words(inside: float | None, outside: float | None) -> str | None:
    """How clearly something stands out of its surroundings; `None` if that is unknown."""
    if inside is None or outside is None:
        return None
    if inside - outside >= 0.4:
        return "clearly"
    return "moderately" if inside - outside >= 0.2 else "hardly"
