"""How long it takes to decode a THUMOS14-sized test set, and how that compares with plain loops.

210 synthetic videos of 750 snippets and 20 clusters: about 15 smooth bumps in each of two kept
clusters, up-sampling 24, 10 activation and 33 actionness thresholds, suppression included.

    python -m benchmarks.decoding_speed [--videos 210] [--repeats 3] [--reference-videos 2]
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.machine import machine
from tests.reference import decoding as reference
from utal.decoding.proposals import OuterInnerProposals
from utal.records import Scores, Timeline, Video

DECODER = OuterInnerProposals(
    class_threshold=0.2,
    cas_thresholds=tuple(round(0.025 * i, 3) for i in range(10)),
    actionness_thresholds=tuple(round(0.1 + 0.025 * i, 3) for i in range(33)),
    nms_threshold=0.6,
    nms_plus_one=True,
)
CLUSTERS, SNIPPETS, BUMPS = 20, 750, 15


def synthetic(seed: int) -> tuple[Scores, Video]:
    """One video: bumps of 3 to 20 snippets over smooth noise, as many runs as in real videos."""
    rng = np.random.default_rng(seed)
    time_axis = np.arange(SNIPPETS)[:, None]
    noise = rng.normal(size=(SNIPPETS + 4, CLUSTERS))
    cas = sum(noise[i : i + SNIPPETS] for i in range(5)) / 5 - 0.3
    for cluster in rng.choice(CLUSTERS, 2, replace=False):
        centre, width = rng.uniform(0, SNIPPETS, BUMPS), rng.uniform(3, 20, BUMPS) / 2
        height = rng.uniform(1, 4, BUMPS)
        cas[:, cluster] += (np.exp(-(((time_axis - centre) / width) ** 2)) * height).sum(1)
    mean_of_best = np.sort(cas, axis=0)[-SNIPPETS // 5 :].mean(0)
    probability = np.exp(2 * mean_of_best)
    probability[np.argsort(-probability)[:2]] = probability.sum()  # two clusters stay
    arrays = cas[:, :1], cas, cas.sum(1), probability / probability.sum()
    output = Scores(*(torch.as_tensor(a, dtype=torch.float32)[None] for a in arrays))
    timeline = Timeline(25.0, 16.0, 16, duration=1800 * 16 / 25)
    return output, Video(f"video_{seed}", np.zeros((1800, 1), np.float32), timeline)


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def decode_all(corpus: Sequence[tuple[Scores, Video]]) -> int:
    """Number of segments found."""
    return sum(len(DECODER.decode(output, video)) for output, video in corpus)


def decode_all_slowly(corpus: Sequence[tuple[Scores, Video]]) -> int:
    """The same with the loop-written twin."""
    found = 0
    for output, video in corpus:
        lists = (x[0].double().tolist() for x in (output.cas, output.attention, output.probability))
        found += len(reference.decode(DECODER, *lists, video.num_snippets, 25.0, 16.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=210)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--reference-videos", type=int, default=2)
    options = parser.parse_args()
    corpus = [synthetic(seed) for seed in range(options.videos)]
    kept = [int((o.probability >= DECODER.class_threshold).sum()) for o, _ in corpus]
    print(machine())
    print(f"{len(corpus)} videos, {np.mean(kept):.2f} kept clusters each, one process")
    print(f"{decode_all(corpus)} segments after suppression")
    wall, processor = min(seconds(lambda: decode_all(corpus)) for _ in range(options.repeats))
    print(f"utal: {wall:.3f} s wall, {processor:.3f} s processor (best of {options.repeats})")
    part = corpus[: options.reference_videos]
    assert decode_all(part) == decode_all_slowly(part), "the twin finds other segments"
    slow = seconds(lambda: decode_all_slowly(part))[1] * len(corpus) / len(part)
    print(f"loops: {slow:.0f} s processor, scaled from {len(part)} videos")
    print(f"ratio: {slow / processor:.0f}")


if __name__ == "__main__":
    main()
