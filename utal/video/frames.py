"""Decoding a video into a regular grid of frames, by the times at which its frames are shown.

Frame numbers are never trusted: rates vary, streams start late, damage leaves holes. Everything
runs in constant memory, packet by packet, so that a damaged packet costs its own frames only.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from math import ceil
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from utal.errors import DataError, missing_extra
from utal.video.sources import Source, opened, seconds
from utal.video.timing import pace

try:
    import av
    import cv2
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "av", "video") from error

Pixels = Callable[[av.VideoFrame], np.ndarray]

EARLIEST_S = 0.1  # no frame stands in for a time longer than this before it is shown
TIE_S = 1e-6  # a grid time this near to the middle between two frames shows the earlier one
JUMP_S = 1.0  # a time stamp further back than this belongs to damage or to another recording
LEAP_S = 10.0  # and so does one that leaps further ahead, past the end that the headers claim
PERSISTENCE = 5  # so many strange frames in a row are not damage
MANY_READ_ERRORS = 1000  # in a row: the rest of the file cannot be read
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding a whole video found.

    Attributes:
        duration_s: from the time of the first frame to the end of the last one.
        num_frames: frames of the file.
        fps: average rate of the file's frames.
        has_variable_rate: more than one frame in fifty is shown for an unusual time.
        bad_packets: packets that could not be read or decoded in full. A hole in an otherwise
            regular stream and an end before the one that the headers claim count as one each,
            unless packets are known to be bad.
        missing_s: how much earlier than the headers claim the file ends.
        width, height: size as shown, in pixels.
        rotation: degrees counterclockwise by which the stored pictures were turned.
    """

    duration_s: float
    num_frames: int
    fps: float
    has_variable_rate: bool
    bad_packets: int
    missing_s: float
    width: int
    height: int
    rotation: int


@dataclass(slots=True)
class _Tally:
    """Running counts of one decoding: the only thing in this module that changes."""

    bad_packets: int = 0
    num_packets: int = 0
    num_frames: int = 0
    last_s: float = 0.0  # time of the last frame after the first one
    end_s: float = 0.0  # and its end
    read_to_s: float = 0.0  # end of the last packet of any stream, in the file's own time
    gaps_ms: Counter[int] = field(default_factory=Counter)


def luma(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width"]:
    """Brightness of a frame as stored, without a copy where there is an 8-bit plane of it."""
    layout, plane = frame.format, frame.planes[0]
    bits = layout.components[0].bits
    is_plane = layout.components[0].is_luma and (layout.is_planar or len(layout.components) == 1)
    if not is_plane or bits < 8 or bits > 16 or layout.is_big_endian or plane.line_size <= 0:
        return np.asarray(frame.to_ndarray(format="gray"))
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    if bits == 8:
        return rows[: frame.height, : frame.width]
    words = rows.view(np.uint16)[: frame.height, : frame.width]
    # P010 and its kin keep their bits at the upper end of the word.
    used = 16 if layout.name[0] == "p" and layout.name[1].isdigit() else bits
    return np.asarray(words >> (used - 8)).astype(np.uint8)


def rgb(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of a frame as stored."""
    return np.asarray(frame.to_ndarray(format="rgb24"))


def resampled_frames(
    path: Path,
    *,
    fps: float,
    longest_side: int,
    pixels: Pixels = luma,
    on_end: Callable[[Decoded], None] = lambda decoded: None,
) -> Iterator[UInt8[np.ndarray, "height width *channel"]]:
    """Frames of a video on a regular grid of times, upright and small.

    Frame j stands for the time j / fps after the first frame. It is the frame nearest to that
    time, but never one that is shown more than a tenth of a second later: during a long still the
    old picture stays. There are as many as fit before the end of the last frame.

    Args:
        path: the file.
        fps: frames per second of the grid.
        longest_side: width or height of the result, whichever is longer; pictures keep the
            proportions in which they are shown.
        pixels: what to take of a frame.
        on_end: told what was found, after the last frame.

    Yields:
        Arrays of one size. A repeated frame is the same array again: do not write to them.

    Raises:
        DataError: not a video, or nothing in it can be decoded.
    """
    with opened(path) as source:
        tally = _Tally()
        index = 0
        size = (0, 0)
        for frame, until_s in _spans(source, tally):
            stop = ceil(until_s * fps)
            if stop <= index:
                continue
            size = size if index else fitted(shown_size(source, frame), longest_side)
            yield from repeat(_picture(pixels(frame), size, frame.rotation), stop - index)
            index = stop
        on_end(_decoded(source, tally, frame))


def shown_size(source: Source, frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height at which a frame is shown: pixels made square, then turned."""
    aspect = seconds(source.stream.sample_aspect_ratio) or 1.0
    width = max(1, round(frame.width * aspect)) if 0.2 < aspect < 5 else frame.width
    return (frame.height, width) if frame.rotation % 180 else (width, frame.height)


def fitted(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """Width and height scaled to a longest side; the other one is at least a quarter of it."""
    scale = longest_side / max(size)
    width, height = (max(longest_side // 4, round(side * scale)) for side in size)
    return width, height


def _picture(image: np.ndarray, size: tuple[int, int], rotation: int) -> np.ndarray:
    """A frame at its final size, turned upright; always memory of its own."""
    turn = TURNS.get(rotation % 360)
    if turn is not None and turn != cv2.ROTATE_180:
        size = size[::-1]
    shrinks = size[0] < image.shape[1]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.array(image) if turn is None else cv2.rotate(image, turn)


def _decoded(source: Source, tally: _Tally, frame: av.VideoFrame) -> Decoded:
    """The record of a decoding that came to its end with `frame`."""
    found = pace(tally.gaps_ms)
    claimed_s = source.duration_s or 0.0
    missing_s = claimed_s - tally.read_to_s
    ends_early = missing_s > 0.5 + claimed_s / 100  # headers round, and some are careless
    # AVI has no times that would show a hole, but a count of its packets.
    num_lost = 0 if source.has_presentation_times else source.stream.frames - tally.num_packets
    width, height = shown_size(source, frame)
    return Decoded(
        duration_s=tally.end_s,
        num_frames=tally.num_frames,
        fps=(tally.num_frames - 1) / tally.last_s if tally.last_s else source.fps,
        has_variable_rate=found.is_variable,
        bad_packets=max(tally.bad_packets, found.num_holes + ends_early, num_lost),
        missing_s=missing_s if ends_early else 0.0,
        width=width,
        height=height,
        rotation=frame.rotation,
    )


def _spans(source: Source, tally: _Tally) -> Iterator[tuple[av.VideoFrame, float]]:
    """Each frame with the time up to which the grid takes it, seconds after the first frame."""
    shown: av.VideoFrame | None = None
    for time_s, frame in _timed(source, tally):
        if shown is not None:
            gap_s = time_s - tally.last_s
            tally.gaps_ms[round(gap_s * 1000)] += 1
            yield shown, time_s - min(gap_s / 2, EARLIEST_S) + TIE_S
        tally.num_frames += 1
        tally.last_s, tally.end_s = time_s, time_s + _step_s(source, frame)
        shown = frame
    if shown is None:
        raise DataError(
            f"{source.path}: none of its frames can be decoded; copy it again or convert it to "
            "H.264"
        )
    yield shown, tally.end_s - TIE_S


def _step_s(source: Source, frame: av.VideoFrame) -> float:
    """How long a frame is shown if nothing follows."""
    return (frame.duration or 0) * source.tick_s or 1 / source.fps


def _timed(source: Source, tally: _Tally) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with ever later times, in seconds after the first one.

    A frame without a time stamp follows the one before. Damage leads to frames with the time stamp
    of an earlier one, which are left out. In a transport stream, strange time stamps that go on
    are those of another recording, which follows the one before.
    """
    origin: float | None = None  # what to subtract from the file's own times
    last_s, expected_s, num_strange = -1.0, 0.0, 0
    for frame in _frames(source, tally):
        stamp = frame.pts if source.has_presentation_times else frame.dts
        own_s = expected_s + (origin or 0.0) if stamp is None else stamp * source.tick_s
        origin = own_s if origin is None else origin
        time_s = own_s - origin
        num_strange = num_strange + 1 if _is_strange(time_s, last_s, source.duration_s) else 0
        if num_strange >= PERSISTENCE and source.may_restart:
            origin, time_s, num_strange = own_s - expected_s, expected_s, 0
        if num_strange or time_s <= last_s:
            continue
        last_s, expected_s = time_s, time_s + _step_s(source, frame)
        yield time_s, frame


def _is_strange(time_s: float, last_s: float, claimed_s: float | None) -> bool:
    is_past_end = claimed_s is not None and time_s > claimed_s + JUMP_S
    return time_s < last_s - JUMP_S or (is_past_end and time_s > last_s + LEAP_S)


def _frames(source: Source, tally: _Tally) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded, in the order of presentation."""
    for packet in _packets(source, tally):
        if packet.stream.index != source.stream.index:
            continue
        tally.num_packets += packet.dts is not None
        if packet.size == 0 and packet.dts is not None:
            continue  # AVI's mark of a repeated frame; to a decoder it would mean the end
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            tally.bad_packets += 1
            continue
        tally.bad_packets += packet.is_corrupt or any(frame.is_corrupt for frame in frames)
        yield from frames


def _packets(source: Source, tally: _Tally) -> Iterator[av.Packet]:  # type: ignore[type-arg]
    """Every packet that can be read, of all streams; those that end the stream come last."""
    errors = 0
    while errors < MANY_READ_ERRORS:
        try:
            for packet in source.container.demux():
                errors = 0
                if packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * seconds(packet.time_base)
                    tally.read_to_s = max(tally.read_to_s, end)
                yield packet
            return
        except av.error.FFmpegError:
            errors += 1
            tally.bad_packets += 1
