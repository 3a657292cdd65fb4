"""`simulate`: two corpora with their truth, in memory or as a folder."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from utal.corpus import Corpus
from utal.errors import ConfigError
from utal.files import write_text
from utal.records import Video
from utal.simulate.rendering import STREAMS, rendered, streams_of
from utal.simulate.timing import TimedVideo, Timing, invented
from utal.simulate.world import World

Subset = Literal["train", "test"]


@dataclass(frozen=True)
class Simulated:
    """Simulated videos and all that is true of them.

    Features are computed when they are first asked for; `write` computes them video by video.

    Attributes:
        world: the knobs.
        seed: of every random number.
        timing: what happens in each video, and when.
    """

    world: World
    seed: int
    timing: Timing

    @cached_property
    def train(self) -> Corpus:
        """The videos to learn from."""
        return self._corpus("train")

    @cached_property
    def test(self) -> Corpus:
        """The videos to be scored on."""
        return self._corpus("test")

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The classes of every video to learn from: what weak supervision is given."""
        return {plan.name: plan.labels for plan in self.timing.train}

    @property
    def truth(self) -> dict[str, object]:
        """The annotation of both subsets in ActivityNet's format, ready for JSON."""
        database = {
            plan.name: _entry(plan, subset)
            for subset, plans in (("train", self.timing.train), ("test", self.timing.test))
            for plan in plans
        }
        return {"version": "VERSION 1.3", "taxonomy": [], "database": database}

    def videos(self, subset: Subset) -> Iterator[Video]:
        """The videos of one subset, each computed when its turn comes and kept nowhere."""
        class_names = self.timing.class_names
        streams = streams_of(self.world, self.seed, class_names)
        for plan in self.timing.train if subset == "train" else self.timing.test:
            yield rendered(self.world, self.seed, streams, class_names, plan)

    def _corpus(self, subset: Subset) -> Corpus:
        widths = dict(zip(STREAMS, self.world.channels, strict=True))
        return Corpus(tuple(self.videos(subset)), widths)


def simulate(world: World, *, seed: int, timing: Timing | None = None) -> Simulated:
    """Two corpora of one world with known truth; equal arguments give equal features bit for bit.

    Args:
        world: the knobs.
        seed: of every random number. What one number is for is hashed into its seed, so that more
            videos, classes or another knob leave everything else as it was.
        timing: durations, classes and segments, as of a real annotation; the knobs listed in
            `utal.simulate.world.TIMING_KNOBS` are then without effect.

    Raises:
        ConfigError: a negative seed, or more confusable pairs than there are classes for.
    """
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, got {seed}")
    timing = invented(world, seed) if timing is None else timing
    num_classes = len(timing.class_names)
    if 2 * world.confusable_pairs > num_classes:
        raise ConfigError(
            f"confusable_pairs: {world.confusable_pairs} pairs need {2 * world.confusable_pairs} "
            f"classes, there are {num_classes}"
        )
    return Simulated(world, seed, timing)


def write(simulated: Simulated, folder: Path) -> None:
    """Writes everything as a new folder: there completely, or not at all.

    FOLDER/
        features/{train,test}/{rgb,flow}/*.npy   read by `utal.packs.read_corpus(FOLDER, subset=…)`
        split_train.txt, split_test.txt          the order of the videos
        labels.csv                               video,label of the training videos
        truth.json                               annotation of both subsets
        world.json                               knobs and seed

    Raises:
        ConfigError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: is not empty; choose another folder with -o")
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:64]}.") as name:
        whole = Path(name) / "whole"
        whole.mkdir()
        _write_features(simulated, whole)
        world = {"seed": simulated.seed, "world": asdict(simulated.world)}
        write_text(whole / "world.json", json.dumps(world, indent=1) + "\n")
        write_text(whole / "truth.json", json.dumps(simulated.truth) + "\n")
        write_text(whole / "labels.csv", _label_table(simulated.labels))
        os.replace(whole, folder)


def _write_features(simulated: Simulated, folder: Path) -> None:
    subsets: tuple[Subset, Subset] = ("train", "test")
    for subset in subsets:
        for stream in STREAMS:
            (folder / "features" / subset / stream).mkdir(parents=True)
        names = []
        for video in simulated.videos(subset):
            parts = np.split(video.features, [simulated.world.channels[0]], axis=1)
            for stream, part in zip(STREAMS, parts, strict=True):
                np.save(folder / "features" / subset / stream / f"{video.name}.npy", part)
            names.append(video.name)
        write_text(folder / f"split_{subset}.txt", "\n".join(names) + "\n")


def _label_table(labels: dict[str, tuple[str, ...]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("video", "label"))
    table.writerows((name, label) for name, held in labels.items() for label in held)
    return text.getvalue()


def _entry(plan: TimedVideo, subset: str) -> dict[str, object]:
    annotations = [
        {"segment": [each.start_s, each.end_s], "label": each.label} for each in plan.instances
    ]
    return {"subset": subset, "duration": plan.duration_s, "annotations": annotations}
