"""Small pictures of moments in videos. A picture that cannot be had is missing, never an error."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from utal.report.contents import ReportVideo

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

WIDTH = 128  # longer side of a picture in pixels: three side by side fill a card


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures by video and moment, as data URIs.

    Attributes:
        images: what could be had, by index of the video and second.
        missing: one sentence that says why pictures are missing; empty if none is.
    """

    images: Mapping[tuple[int, float], str] = field(default_factory=dict)
    missing: str = ""


def take_pictures(
    videos: Sequence[ReportVideo],
    moments: Mapping[int, Sequence[float]],
    *,
    on_progress: Callable[[str], None] | None = None,
) -> Pictures:
    """Pictures of moments in several videos; each file is opened once.

    Args:
        videos: all videos.
        moments: seconds from the first frame, by index of the video.
        on_progress: told the name of each video, whether or not it needs pictures.
    """
    installed = find_spec("av") is not None and find_spec("cv2") is not None
    images: dict[tuple[int, float], str] = {}
    without: list[str] = []
    for index, video in enumerate(videos):
        times = moments.get(index, ())
        if installed and video.source is not None and times:
            found = grab(Path(video.source), times)
            images |= {
                (index, time): _data_uri(picture)
                for time, picture in zip(times, found, strict=True)
                if picture is not None
            }
            if None in found:
                without.append(video.name)
        if on_progress is not None:
            on_progress(video.name)
    if not installed:
        return Pictures({}, "There are no pictures: they need pip install 'utal[video]'.")
    return Pictures(images, _why_missing(videos, without))


def _why_missing(videos: Sequence[ReportVideo], without: Sequence[str]) -> str:
    if videos and all(video.source is None for video in videos):
        return "There are no pictures, because only features are known, not the video files."
    if not without:
        return ""
    rest = f" and {len(without) - 3:,} more" if len(without) > 3 else ""
    return f"Pictures are missing where a file cannot be read: {', '.join(without[:3])}{rest}."


def _data_uri(picture: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture).decode("ascii")


def grab(source: Path, times_s: Sequence[float], *, width: int = WIDTH) -> list[bytes | None]:
    """The frame at each moment as a small WebP picture, `None` where there is none.

    Frames are decoded in order, in one pass; a gap is jumped over by seeking to the keyframe
    before the next moment. At most two full frames are in memory. A moment after the last frame
    gets the last frame.

    Args:
        source: a video file.
        times_s: seconds from the first frame, in any order.
        width: longer side of a picture, in pixels.
    """
    import av

    pictures: list[bytes | None] = [None] * len(times_s)
    order = sorted(range(len(times_s)), key=lambda index: times_s[index])
    try:
        with av.open(str(source), metadata_errors="replace") as container:
            frames = _frames_at(container, [times_s[index] for index in order])
            for index, frame in zip(order, frames, strict=False):
                pictures[index] = None if frame is None else _encode(frame, width)
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return pictures  # what was found before the file gave out is still good
    return pictures


def _frames_at(
    container: "InputContainer", times_s: Sequence[float]
) -> Iterator["VideoFrame | None"]:
    """The first frame at or after each of some ascending moments, else the last one."""
    stream = container.streams.video[0]
    first = (stream.start_time or 0) * float(stream.time_base or 1)
    frames = _decoded(container, stream)
    frame: VideoFrame | None = None
    jump_s = 3.0
    for moment in times_s:
        position = -1e9 if frame is None else float(frame.time or 0.0)
        if first + moment - max(position, first) > jump_s:
            container.seek(int((first + moment) * 1e6), backward=True)
            frames = _decoded(container, stream)
            frame = next(frames, frame)
            if frame is not None and float(frame.time or 0.0) <= position:
                jump_s *= 2  # keyframes are far apart: we went back, so do that ever more rarely
        while frame is None or float(frame.time or 0.0) < first + moment - 1e-3:
            following = next(frames, None)
            if following is None:
                break
            frame = following
        yield frame


def _decoded(container: "InputContainer", stream: "VideoStream") -> Iterator["VideoFrame"]:
    """The frames from here on; packets that cannot be decoded are passed over."""
    import av

    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from (frame for frame in frames if frame.pts is not None)


def _encode(frame: "VideoFrame", width: int) -> bytes | None:
    import cv2
    import numpy as np

    scale = width / max(frame.width, frame.height)
    small = frame.reformat(
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="bgr24",
        interpolation="AREA",
    ).to_ndarray()
    upright = np.rot90(small, k=round(frame.rotation / 90)).astype(np.uint8)
    done, picture = cv2.imencode(".webp", upright, [cv2.IMWRITE_WEBP_QUALITY, 60])
    return picture.tobytes() if done else None
