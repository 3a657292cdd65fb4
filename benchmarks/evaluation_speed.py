"""How long average precision of a million detections takes, and how that compares with plain loops.

    python -m benchmarks.evaluation_speed [--detections 1000000] [--reference-detections 5000]

210 videos, 20 classes, 3,311 annotations as in THUMOS14's test set, 10 temporal IoUs. Measured on
detections of random classes, most of which meet no annotation, and on detections that all lie
around an annotation of their class, the costly case. The plain loops of the tests then see the
first of the same detections; their time grows in proportion to the number of detections, so it is
scaled. The two results must be equal.
"""

import argparse
import time

import numpy as np

from benchmarks.machine import machine
from tests.reference import detection as reference
from utal.evaluation.detection import average_precision
from utal.evaluation.ground_truth import GroundTruth
from utal.records import Segments

NUM_VIDEOS, NUM_CLASSES, NUM_ANNOTATIONS, DURATION_S = 210, 20, 3311, 200.0
THRESHOLDS = [round(0.1 + 0.05 * step, 2) for step in range(10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--reference-detections", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    settings = parser.parse_args()
    print(machine())
    print(
        f"problem    {settings.detections} detections, {NUM_ANNOTATIONS} annotations, {NUM_VIDEOS} "
        f"videos, {NUM_CLASSES} classes, {len(THRESHOLDS)} temporal IoUs"
    )
    rng = np.random.default_rng(0)
    truth = annotations(rng)
    for name, segments in (
        ("scattered", scattered(rng, settings.detections)),
        ("near", near(rng, truth, settings.detections)),
    ):
        measured = [timed(segments, truth) for _ in range(settings.repeats)]
        wall, cpu = map(min, zip(*measured, strict=True))
        few = segments.take(np.arange(settings.reference_detections))
        slow = reference_seconds(few, truth) * len(segments) / len(few)
        print(
            f"{name:<10} {wall:.2f} s wall, {cpu:.2f} s processor (best of {settings.repeats}); "
            f"plain loops {slow:.0f} s processor, scaled from {len(few)} detections: "
            f"ratio {slow / cpu:.0f}"
        )


def annotations(rng: np.random.Generator) -> GroundTruth:
    """Every video holds one class, every class some videos; about 16 annotations each."""
    more = rng.integers(0, NUM_VIDEOS, NUM_ANNOTATIONS - NUM_VIDEOS)
    video = np.sort(np.append(np.arange(NUM_VIDEOS), more))
    start = rng.uniform(0, DURATION_S, NUM_ANNOTATIONS)
    return GroundTruth(
        tuple(f"video_{index:03d}" for index in range(NUM_VIDEOS)),
        tuple(f"class_{index:02d}" for index in range(NUM_CLASSES)),
        video,
        video % NUM_CLASSES,
        start,
        start + rng.exponential(4.5, NUM_ANNOTATIONS) + 0.2,
    )


def scattered(rng: np.random.Generator, number: int) -> Segments:
    """Detections of any class anywhere."""
    start = rng.uniform(0, DURATION_S, number)
    end = start + rng.exponential(4.5, number) + 0.2
    video, label = rng.integers(0, (NUM_VIDEOS, NUM_CLASSES), (number, 2)).T
    return detections(rng, video, label, start, end)


def near(rng: np.random.Generator, truth: GroundTruth, number: int) -> Segments:
    """Detections whose limits lie a second or so from those of an annotation of their class."""
    row = rng.integers(0, len(truth), number)
    start = truth.start_s[row] + rng.normal(size=number)
    end = np.maximum(truth.end_s[row] + rng.normal(size=number), start + 0.1)
    return detections(rng, truth.video[row], truth.label[row], start, end)


def detections(
    rng: np.random.Generator,
    video: np.ndarray,
    label: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> Segments:
    """With random scores."""
    names = tuple(f"video_{index:03d}" for index in range(NUM_VIDEOS))
    return Segments(names, video, label, start, end, rng.random(len(video)))


def timed(segments: Segments, truth: GroundTruth) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    average_precision(segments, truth, THRESHOLDS)
    return time.perf_counter() - wall, time.process_time() - cpu


def reference_seconds(segments: Segments, truth: GroundTruth) -> float:
    """Processor seconds of the plain loops, after a check that they find the same."""
    cpu = time.process_time()
    expected = reference.average_precision(segments, truth, THRESHOLDS)
    cpu = time.process_time() - cpu
    found = average_precision(segments, truth, THRESHOLDS).table
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    return cpu


if __name__ == "__main__":
    main()
