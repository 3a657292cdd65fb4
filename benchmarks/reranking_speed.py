"""Seconds and memory of the re-ranking of a corpus as large as ActivityNet 1.2's training part.

Measured twice: on clear groups, and on groups that overlap so far that every centre is among the
nearest neighbours of nearly every video, the costly case. Then, on fewer videos, the plain full
re-ranking of the tests runs for two centres, its time is scaled to all centres, and the distances
of the two are compared.

    python -m benchmarks.reranking_speed [--videos 4819] [--clusters 100] [--reference-videos 800]
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from tests.reference.reranking import rerank_one
from utal.grouping.clustering import member_means
from utal.grouping.refining import distance_parts, reranked_distances

NUM_REFERENCE_CENTRES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=4819)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--channels", type=int, default=2048)
    parser.add_argument("--reference-videos", type=int, default=800)
    settings = parser.parse_args()
    print(machine())
    print(f"{settings.videos} videos, {settings.clusters} centres, {settings.channels} channels:")
    for name, spread in (("clear", 1.5), ("overlapping", 4.0)):
        points, centres = groups(settings.videos, settings.clusters, settings.channels, spread)
        before = resident_mib()
        wall, cpu = timed(points, centres)
        print(
            f"  {name:<12}{wall:.1f} s wall, {cpu:.1f} s processor, "
            f"memory at most +{peak_mib() - before:.0f} MiB"
        )
    points, centres = groups(settings.reference_videos, settings.clusters, settings.channels, 1.5)
    compare(points, centres)


def groups(
    num_videos: int, num_clusters: int, channels: int, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of length one around random centres, mostly spread in 64 directions."""
    rng = np.random.default_rng(0)
    labels = np.arange(num_videos) % num_clusters
    points = rng.standard_normal((num_clusters, channels))[labels]
    directions = rng.standard_normal((64, channels)) / 8
    points += spread * rng.standard_normal((num_videos, 64)) @ directions
    points += 0.3 * spread * rng.standard_normal((num_videos, channels))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, member_means(points, labels)[1]


def timed(points: np.ndarray, centres: np.ndarray) -> tuple[float, float]:
    """Wall and processor seconds of one re-ranking."""
    wall, cpu = time.perf_counter(), time.process_time()
    reranked_distances(points, centres)
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(points: np.ndarray, centres: np.ndarray) -> None:
    """Processor time against the plain full re-ranking, scaled from a few centres to all."""
    _, fast = timed(points, centres)
    start = time.process_time()
    plain = [rerank_one(points, centre) for centre in centres[:NUM_REFERENCE_CENTRES]]
    slow = (time.process_time() - start) / NUM_REFERENCE_CENTRES * len(centres)
    jaccard, _ = distance_parts(points, centres[:NUM_REFERENCE_CENTRES])
    worst = max(abs(row - one.jaccard).max() for row, one in zip(jaccard, plain, strict=True))
    print(
        f"  plain       {slow:.0f} s processor for {len(points)} videos (from "
        f"{NUM_REFERENCE_CENTRES} centres), here {fast:.2f} s: {slow / fast:.0f} times faster; "
        f"largest difference {worst:.0e}"
    )


def resident_mib() -> float:
    """Memory in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """Most memory ever in use; making the data may have needed more than the re-ranking."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
