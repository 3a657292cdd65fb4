"""What is in a video file, and what is broken in it."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from utal.errors import DataError
from utal.video.frames import Decoded, resampled_frames
from utal.video.sources import opened


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One file.

    Attributes:
        name: how commands call the video.
        path: the file.
        codec: of the video stream; empty if there is none.
        container: format of the file; empty if unknown.
        has_audio: whether there is sound.
        decoded: what decoding all of it found; `None` if it was not asked for or failed.
        duration_s: length by the headers, or by decoding where that was done.
        fps: average frame rate, likewise.
        problem: why the file cannot be used, in one line; `None` if it can.
    """

    name: str
    path: Path
    codec: str = ""
    container: str = ""
    has_audio: bool = False
    decoded: Decoded | None = None
    duration_s: float = 0.0
    fps: float = 0.0
    problem: str | None = None

    def row(self) -> tuple[str, ...]:
        """Cells of a table: video, length, fps, VFR, codec, size, turn, bad packets."""
        found = self.decoded
        if found is None:
            rest = ("", self.codec, "", "", "")
        else:
            rest = (
                "yes" if found.has_variable_rate else "no",
                self.codec,
                f"{found.width}x{found.height}",
                str(found.rotation),
                str(found.bad_packets),
            )
        length, fps = f"{self.duration_s:.2f} s", f"{self.fps:.3f}".rstrip("0").rstrip(".")
        if self.problem is not None:
            length = fps = "-"
        return (self.name, length, fps, *rest)


def probe(path: Path, *, name: str = "", full: bool = True) -> ProbeResult:
    """Looks at a file's headers and, if `full`, decodes it to the end.

    Never raises for a bad file: that is what `problem` is for.
    """
    name = name or path.stem
    try:
        with opened(path) as source:
            result = ProbeResult(
                name=name,
                path=path,
                codec=source.stream.codec_context.name,
                container=source.container.format.name,
                has_audio=source.has_audio,
                duration_s=source.duration_s or 0.0,
                fps=source.fps,
            )
        if not full:
            return result
        ends: list[Decoded] = []
        deque(resampled_frames(path, fps=1.0, longest_side=32, on_end=ends.append), maxlen=0)
    except DataError as error:
        return ProbeResult(name, path, problem=str(error))
    return ProbeResult(
        name=name,
        path=path,
        codec=result.codec,
        container=result.container,
        has_audio=result.has_audio,
        decoded=ends[0],
        duration_s=ends[0].duration_s,
        fps=ends[0].fps,
    )
