"""Finding video files and opening them: every way in which a file can be wrong becomes one line.

What is inside the opened file is `frames`' business.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from utal.errors import DataError, missing_extra

try:
    import av
except ModuleNotFoundError as error:
    raise missing_extra("av", "video") from error

TIMES_MAY_RESTART = 0x0200  # AVFMT_TS_DISCONT

EXTENSIONS = frozenset(
    f".{suffix}"
    for suffix in (
        *("3g2", "3gp", "asf", "avi", "dv", "f4v", "flv", "m2ts", "m2v", "m4v", "mjpeg", "mjpg"),
        *(
            "mkv",
            "mov",
            "mp4",
            "mpeg",
            "mpg",
            "mts",
            "mxf",
            "ogv",
            "ts",
            "vob",
            "webm",
            "wmv",
            "y4m",
        ),
    )
)
"""Names by which `find_videos` knows a video; a file that is named outright may have any other."""


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """An opened file and the stream of it that is looked at.

    Attributes:
        path: the file.
        container: the demultiplexer.
        stream: the first real video stream.
    """

    path: Path
    container: av.container.InputContainer
    stream: av.VideoStream

    @property
    def tick_s(self) -> float:
        """Seconds per unit of the stream's time stamps."""
        return seconds(self.stream.time_base) or 1e-3

    @property
    def fps(self) -> float:
        """Frames per second as the headers claim, 25 where they claim nothing."""
        return seconds(self.stream.average_rate) or seconds(self.stream.guessed_rate) or 25.0

    @property
    def duration_s(self) -> float | None:
        """Length of the file as its headers claim, `None` where they claim nothing."""
        ticks = self.container.duration
        return ticks / av.time_base if ticks and ticks > 0 else None

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return bool(self.container.streams.audio)

    @property
    def has_presentation_times(self) -> bool:
        """Whether packets say when they are shown. AVI only has an order of decoding."""
        return "avi" not in self.container.format.name.split(",")

    @property
    def may_restart(self) -> bool:
        """Whether time stamps may start anew in the middle: transport and programme streams."""
        return bool(self.container.format.flags & TIMES_MAY_RESTART)


def seconds(value: Fraction | None) -> float:
    """A rational number of FFmpeg's as a float; 0 where it is not set."""
    return float(value) if value else 0.0


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Opens a video file for decoding in one thread, which gives the same frames everywhere.

    Raises:
        DataError: there is no such file, or it is not a video.
    """
    _check_file(path)
    try:
        container = av.open(os.fspath(path))
    except av.error.FFmpegError as error:
        raise DataError(
            f"{path}: expected a video file, FFmpeg finds none in it ({error.strerror}); "
            "it is damaged, incomplete or another kind of file: copy it again or remove it"
        ) from error
    with container:
        yield Source(path, container, _video_stream(path, container))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path}: expected a video file, found a folder; name a file in it")
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path}: may not be read; change its permissions")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); copy it again or remove it")


def _video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    """The first video stream that is not the cover picture of an audio file."""
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if stream.disposition & cover:
            continue
        if stream.codec_context is None:
            raise DataError(
                f"{path}: FFmpeg has no decoder for its video stream; convert it to H.264"
            )
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        return stream
    kinds = sorted({stream.type for stream in container.streams})
    found = f"only {', '.join(kinds)}" if kinds else "no stream at all"
    raise DataError(f"{path}: expected a video stream, found {found}; remove this file")


def find_videos(where: Path) -> list[tuple[str, Path]]:
    """All videos of a folder and the folders in it, or the one file given, with unique names.

    A video is called by its path below the folder, with `/` between folders and without its
    suffix; with its suffix where another video would have the same name. Hidden files and folders
    are left out; links to folders are not followed.

    Returns:
        Name and path of each, sorted by path.

    Raises:
        DataError: there is no such file or folder, or no video in it.
    """
    if not where.is_dir():
        _check_file(where)
        return [(where.stem, where)]
    found = sorted(_walk(where), key=lambda path: path.relative_to(where).parts)
    if not found:
        raise DataError(
            f"{where}: found no video in this folder or below; looked for files named "
            f"{' '.join(sorted(EXTENSIONS))}"
        )
    full = [path.relative_to(where) for path in found]
    short = [name.with_suffix("") for name in full]
    taken = Counter(short) + Counter(full)
    return [
        (_as_text((s if taken[s] == 1 else f).as_posix()), path)
        for s, f, path in zip(short, full, found, strict=True)
    ]


def _as_text(name: str) -> str:
    """A file name as text that can be written; bytes that are no UTF-8 appear as their numbers."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in EXTENSIONS and path.is_file():
                yield path
