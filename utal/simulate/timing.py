"""When the actions of a simulated corpus happen: invented, or taken from a real annotation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from utal.errors import DataError
from utal.formats.activitynet import finite, segment_limits
from utal.packs import Axis
from utal.simulate.randomness import generator
from utal.simulate.world import GAP, World

AXIS = Axis()
"""Time axis of simulated features: that of the I3D packs."""

SNIPPET_S = AXIS.stride / AXIS.fps


@dataclass(frozen=True, slots=True)
class Instance:
    """One action, in seconds."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class TimedVideo:
    """What happens in one video, and when.

    Attributes:
        name: of the video.
        duration_s: its length.
        instances: at least one, in the order of the annotation; they may overlap.
    """

    name: str
    duration_s: float
    instances: tuple[Instance, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes that occur, sorted."""
        return tuple(sorted({instance.label for instance in self.instances}))


@dataclass(frozen=True, slots=True)
class Timing:
    """The videos to learn from, and those to be scored on.

    Raises:
        DataError: no videos, or the same name twice.
    """

    train: tuple[TimedVideo, ...]
    test: tuple[TimedVideo, ...]

    def __post_init__(self) -> None:
        names = [video.name for video in (*self.train, *self.test)]
        if not self.train or not self.test:
            raise DataError("timing needs both videos to train on and videos to test on")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"timing: video {twice!r} occurs twice")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of all videos, sorted."""
        return tuple(sorted({name for v in (*self.train, *self.test) for name in v.labels}))


def timing_from(
    annotation: Mapping[str, object],
    subset: str,
    durations: Mapping[str, float] | None = None,
) -> tuple[TimedVideo, ...]:
    """The timing of one subset of a real annotation.

    Segments are cut at the end of their video; `Ambiguous` ones, those without length, and videos
    that are left without any, are passed over.

    Args:
        annotation: content of an ActivityNet annotation file.
        subset: as the file spells it.
        durations: seconds of the videos that the annotation gives no `duration` for, as THUMOS14's.

    Raises:
        DataError: not such an annotation, no such subset, or a duration is missing.
    """
    database = annotation.get("database")
    if not isinstance(database, dict):
        raise DataError('annotation: expected an object "database" of videos')
    entries = {name: e for name, e in database.items() if isinstance(e, dict)}
    chosen = {name: e for name, e in entries.items() if e.get("subset") == subset}
    if not chosen:
        known = ", ".join(sorted({repr(e.get("subset")) for e in entries.values()}))
        raise DataError(f"annotation: no subset {subset!r}; it has {known or 'no videos'}")
    videos = []
    for name, entry in chosen.items():
        duration_s = finite(entry.get("duration", (durations or {}).get(name)))
        if duration_s is None or duration_s <= 0:
            raise DataError(f"annotation: video {name!r} has no duration; give it apart")
        instances = _instances(entry.get("annotations", []), duration_s, name)
        if instances:
            videos.append(TimedVideo(name, duration_s, instances))
    if not videos:
        raise DataError(f"annotation: nothing is annotated in subset {subset!r}")
    return tuple(videos)


def _instances(annotations: object, duration_s: float, name: str) -> tuple[Instance, ...]:
    kept = []
    for number, item in enumerate(annotations if isinstance(annotations, list) else []):
        place = f"annotation: video {name!r}, annotation {number}"
        label = item.get("label") if isinstance(item, dict) else None
        if not isinstance(label, str):
            raise DataError(f'{place}: expected an object with a text as "label"')
        start_s, end_s = segment_limits(item.get("segment"), place)
        start_s, end_s = max(start_s, 0.0), min(end_s, duration_s)
        if label.casefold() != "ambiguous" and start_s < end_s:
            kept.append(Instance(label, start_s, end_s))
    return tuple(kept)


def invented(world: World, seed: int) -> Timing:
    """Timing drawn by the knobs of the world."""
    return Timing(
        tuple(_invented(world, seed, "train", index) for index in range(world.num_train)),
        tuple(_invented(world, seed, "test", index) for index in range(world.num_test)),
    )


def _invented(world: World, seed: int, subset: str, index: int) -> TimedVideo:
    name = f"{subset}_{index:04d}"
    rng = generator(seed, "layout", name)
    num_snippets = int(rng.integers(*world.snippets, endpoint=True))
    labels = _labels(world, seed, subset, index)
    count = max(int(rng.integers(*world.instances, endpoint=True)), len(labels))
    lengths = rng.uniform(*world.instance_snippets, size=count)
    # As many as fit; the world's check leaves room for the least number.
    fits = np.cumsum(lengths + GAP) + GAP <= num_snippets
    lengths = lengths[: max(int(fits.sum()), world.least_instances(len(labels)))]
    count = len(lengths)
    free = num_snippets - lengths.sum() - GAP * (count + 1)
    gaps = GAP + free * rng.dirichlet(np.ones(count + 1))
    starts = np.cumsum(gaps[:-1]) + np.cumsum(lengths) - lengths
    # Every class at least once, then at random.
    which = np.concatenate([np.arange(len(labels)), rng.integers(len(labels), size=count)])[:count]
    return TimedVideo(
        name,
        num_snippets * SNIPPET_S,
        tuple(
            Instance(labels[kind], start * SNIPPET_S, (start + length) * SNIPPET_S)
            for kind, start, length in zip(
                rng.permutation(which), starts.tolist(), lengths.tolist(), strict=True
            )
        ),
    )


def _labels(world: World, seed: int, subset: str, index: int) -> tuple[str, ...]:
    """One class, or two; every `num_classes` neighbouring videos have all as their first."""
    block, place = divmod(index, world.num_classes)
    order = generator(seed, "classes", subset, block).permutation(world.num_classes)
    rng = generator(seed, "second class", subset, index)
    chosen = [int(order[place])]
    if rng.random() < world.multi_label:
        other = int(rng.integers(world.num_classes - 1))
        chosen.append(other + (other >= chosen[0]))
    width = max(2, len(str(world.num_classes - 1)))
    return tuple(f"class_{label:0{width}d}" for label in chosen)
