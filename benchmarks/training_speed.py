"""A training step against the bare network on the same tensors.

    python -m benchmarks.training_speed

The bare step is forward, backward of a mean, and Adam. Ours adds: choosing and copying snippets
from the corpus, the pseudo-labels, both losses with mining, and the training curve.
"""

import time

import numpy as np
import torch

from benchmarks.machine import machine
from utal.corpus import Corpus
from utal.fitting import batches, fit, new_optimiser
from utal.localizers.cola import Cola
from utal.method import Training
from utal.methods.cola import ClassifyAndContrast
from utal.records import PseudoLabels, Timeline, Video
from utal.sampling import RandomSnippets

CPU = torch.device("cpu")
SIZES = {  # name: videos, snippets each, T, channels, embedding, batch, steps
    "demo": (42, 47, 47, 1024, 512, 16, 30),
    "THUMOS14, batch of 4": (8, 900, 750, 2048, 2048, 4, 3),
}


def corpus_of(num_videos: int, length: int, channels: int) -> Corpus:
    rng = np.random.default_rng(0)
    timeline = Timeline(25.0, 16.0, 16, length * 0.64)
    return Corpus(
        tuple(
            Video(f"v{n}", rng.random((length, channels), np.float32), timeline)
            for n in range(num_videos)
        )
    )


def seconds(size: tuple[int, ...]) -> tuple[float, float]:
    """Seconds per step, bare and ours, the median of alternating repetitions."""
    num_videos, length, num_snippets, channels, width, batch, steps = size
    corpus = corpus_of(num_videos, length, channels)
    targets = torch.eye(20)[torch.arange(num_videos) % 20]
    labels = PseudoLabels(torch.arange(num_videos), targets, torch.ones(num_videos))
    plan = Training(steps=steps, batch_size=batch, snippets=RandomSnippets(num_snippets))
    network = Cola(width=width).build((channels,), 20)
    objective = ClassifyAndContrast().loss(labels, None)
    optimiser = new_optimiser(network, objective, plan)
    one = next(batches(corpus, labels, plan, np.random.default_rng(0)))

    def bare() -> None:
        for _ in range(steps):
            output = network(one.features, one.mask)
            optimiser.zero_grad(set_to_none=True)
            (output.cas.mean() + output.embedding.mean()).backward()
            optimiser.step()

    def ours() -> None:
        fit(network, objective, optimiser, corpus, labels, plan, steps=steps, seed=0, device=CPU)

    network.train()
    taken: dict[str, list[float]] = {"bare": [], "ours": []}
    bare()
    for _ in range(5):
        for name, run in (("bare", bare), ("ours", ours)):
            start = time.perf_counter()
            run()
            taken[name].append((time.perf_counter() - start) / steps)
    return float(np.median(taken["bare"])), float(np.median(taken["ours"]))


if __name__ == "__main__":
    print(machine())
    for name, size in SIZES.items():
        bare, ours = seconds(size)
        print(f"{name}: bare {bare * 1e3:.1f} ms, ours {ours * 1e3:.1f} ms, {ours / bare:.3f} x")
