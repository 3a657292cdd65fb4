"""A tiny corpus with planted actions, and a method small enough for it."""

from dataclasses import replace

import numpy as np
import torch

from utal.config import method_named
from utal.corpus import Corpus
from utal.localizers.cola import Cola
from utal.method import Method
from utal.records import Round, Timeline, Video

NUM_ACTIONS = 4
CPU = torch.device("cpu")


def planted_corpus(
    num_videos: int = 24, *, channels: int = 32, seed: int = 0, scale: float = 1.0
) -> tuple[Corpus, np.ndarray, list[list[tuple[int, int]]]]:
    """Videos of one action each over background; the action of each video and its snippet runs."""
    rng = np.random.default_rng(seed)
    actions = np.abs(rng.normal(size=(NUM_ACTIONS, channels)))
    backgrounds = np.abs(rng.normal(size=(3, channels)))
    labels = np.arange(num_videos) % NUM_ACTIONS
    videos, runs = [], []
    for number, label in enumerate(labels):
        length = int(rng.integers(36, 48))
        features = backgrounds[rng.integers(3)] * rng.uniform(0.2, 0.5, size=(length, 1))
        own, first = [], int(rng.integers(2, 6))
        while first + 6 < length:
            last = first + int(rng.integers(4, 7))
            features[first:last] += actions[label] * rng.uniform(0.8, 1.2, size=(last - first, 1))
            own.append((first, last))
            first = last + int(rng.integers(5, 9))
        features = np.abs(features + rng.normal(scale=0.1, size=features.shape))
        # Rounded first, so that scaling by a power of two is exact.
        features = features.astype(np.float32) * np.float32(scale)
        timeline = Timeline(fps=25.0, stride=16.0, window=16, duration=length * 16 / 25)
        videos.append(Video(f"video_{number:02d}", features, timeline))
        runs.append(own)
    streams = {"appearance": channels // 2, "motion": channels - channels // 2}
    return Corpus(tuple(videos), streams), labels, runs


def small(name: str = "feel", *, steps: int = 40, num_rounds: int = 3) -> Method:
    """The named method with a small network and few steps."""
    method = method_named(name)
    return replace(
        method,
        localizer=Cola(width=24),
        training=replace(method.training, steps=steps, batch_size=8),
        num_rounds=num_rounds,
    )


def same(one: Round, other: Round) -> bool:
    """Whether two rounds are equal bit for bit."""
    labels = one.pseudo_labels, other.pseudo_labels
    pairs = [
        (labels[0].videos, labels[1].videos),
        (labels[0].targets, labels[1].targets),
        *((one.weights[name], other.weights[name]) for name in one.weights),
    ]
    if one.clustering is not None and other.clustering is not None:
        pairs += [
            (one.clustering.labels, other.clustering.labels),
            (one.clustering.confidence, other.clustering.confidence),
        ]
    return (
        one.index == other.index
        and one.scale == other.scale
        and one.losses == other.losses
        and one.weights.keys() == other.weights.keys()
        and all(torch.equal(a, b) for a, b in pairs)
    )
