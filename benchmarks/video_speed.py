"""How many times faster than real time videos are decoded and encoded into features.

One minute of 320x240 H.264 at 25 fps in which a quarter of the picture moves over moving texture.
Decoding alone; decoding and the motion encoder in one process; four such videos in one and in two
processes. Required: ten times real time for decoding and encoding together, on two cores.

    python -m benchmarks.video_speed [--seconds 60] [--repeats 1]
"""

import argparse
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.machine import machine
from utal.video.extract import extract
from utal.video.frames import resampled_frames
from utal.video.motion import Motion

REQUIRED = 10
FPS, WIDTH, HEIGHT, SIDE = 25, 320, 240, 120
COPIES = 4


def texture(width: int, height: int, seed: int) -> np.ndarray:
    """Blobs a few pixels across, of all brightnesses."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(np.clip(128 + 50 * smooth / smooth.std(), 0, 255), np.uint8)


def scene(num_frames: int, seed: int) -> Iterator[np.ndarray]:
    """A textured square that wanders over a texture which the camera pans across."""
    back, square = texture(WIDTH + 64, HEIGHT, seed), 255 - texture(SIDE, SIDE, seed + 1)
    for index in range(num_frames):
        pan = round(32 + 31 * np.sin(index / 60))
        frame = back[:, pan : pan + WIDTH].copy()
        x = round((WIDTH - SIDE) / 2 * (1 + np.sin(index / 9)))
        y = round((HEIGHT - SIDE) / 2 * (1 + np.cos(index / 13)))
        frame[y : y + SIDE, x : x + SIDE] = square
        yield frame


def write_video(path: Path, seconds: int, seed: int) -> Path:
    """The scene as an H.264 file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in scene(seconds * FPS, seed):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """What the encoder is fed."""
    encoder = Motion()
    return resampled_frames(path, fps=encoder.fps, longest_side=encoder.longest_side)


def wall_and_processor(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and those this process and the ones it waited for were busy."""
    wall, busy = time.perf_counter(), os.times()
    action()
    now = os.times()
    return time.perf_counter() - wall, sum(now[:4]) - sum(busy[:4])


def report(title: str, content_s: float, repeats: int, action: Callable[[], object]) -> float:
    """Prints and returns the multiple of real time, the best of some repeats."""
    wall, busy = min(wall_and_processor(action) for _ in range(repeats))
    print(f"{title}: {content_s / wall:.1f} x real time, {content_s / busy:.1f} x per busy core")
    return content_s / wall


def extracted(videos: list[tuple[str, Path]], workers: int) -> None:
    """Encodes all videos into a pack that did not exist."""
    with tempfile.TemporaryDirectory() as pack:
        failures = extract(videos, Path(pack), Motion(), workers=workers)
    assert not failures, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{machine()}, PyAV {av.__version__}, OpenCV {cv2.__version__}")
    print(f"{options.seconds} s of {WIDTH}x{HEIGHT} H.264 at {FPS} fps; best of {options.repeats}")
    with tempfile.TemporaryDirectory() as folder:
        videos = [
            (name, write_video(Path(folder, f"{name}.mp4"), options.seconds, seed))
            for seed, name in enumerate(f"video_{index}" for index in range(COPIES))
        ]
        first, length = videos[0][1], float(options.seconds)
        report("decoding", length, options.repeats, lambda: deque(frames_of(first), maxlen=0))
        encode = Motion().encode
        report("decoding and motion", length, options.repeats, lambda: encode(frames_of(first)))
        for workers in (1, 2):
            speed = report(
                f"extract, {COPIES} videos, workers={workers}",
                COPIES * length,
                options.repeats,
                partial(extracted, videos, workers),
            )
    verdict = "met" if speed >= REQUIRED else "NOT met"
    print(f"required with two workers: {REQUIRED} x real time: {verdict} ({speed:.1f})")


if __name__ == "__main__":
    main()
