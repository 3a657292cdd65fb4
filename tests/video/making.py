"""Tiny videos: a textured square that moves over a textured background."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

NTSC = Fraction(30000, 1001)
OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "20", "threads": "1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "threads": "1"},
}
PIXELS = {"mjpeg": "yuvj420p"}


@cache
def texture(width: int, height: int, seed: int) -> np.ndarray:
    """Blobs a few pixels across, of all brightnesses."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(np.clip(128 + 50 * smooth / smooth.std(), 0, 255), np.uint8)


def moving_square(
    num_frames: int,
    *,
    size: tuple[int, int] = (160, 120),
    side: int = 36,
    centre: tuple[float, float] = (0.5, 0.5),
    swing: tuple[float, float] = (12, 0),
    period: int = 24,
    seed: int = 0,
) -> list[np.ndarray]:
    """Frames of a square that goes to and fro about a place.

    Args:
        num_frames: how many.
        size: width and height of a frame.
        side: of the square.
        centre: middle of the way, in shares of the frame.
        swing: how far it goes to either side, across and down; (0, 0) is a still.
        period: frames until it is back.
        seed: of the textures.
    """
    width, height = size
    back = texture(width, height, seed)
    square = 255 - texture(side, side, seed + 1)
    frames = []
    for index in range(num_frames):
        phase = np.sin(2 * np.pi * index / period)
        x = round(centre[0] * width + swing[0] * phase - side / 2)
        y = round(centre[1] * height + swing[1] * phase - side / 2)
        frame = back.copy()
        frame[y : y + side, x : x + side] = square
        frames.append(frame)
    return frames


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    fps: int | Fraction = 25,
    codec: str = "libx264",
    pixels: str = "",
    front: bool = False,
) -> Path:
    """Writes grey frames to a video file; the suffix decides its container.

    Args:
        path: the file.
        frames: brightness, all of one size.
        fps: rate.
        codec: an encoder of FFmpeg's.
        pixels: pixel format; the usual one of the codec if empty.
        front: puts the index of an `.mp4` at its beginning, so that a cut file can be read.
    """
    options = {"movflags": "faststart"} if front else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps, options=OPTIONS.get(codec, {}))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = pixels or PIXELS.get(codec, "yuv420p")
        stream.gop_size = 12
        stream.bit_rate = 1_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A second of silence, in a Matroska file whatever its name."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for start in range(0, 16000, 1024):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """Leaves only the beginning of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
