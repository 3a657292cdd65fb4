"""What the script of the page gets to draw: names, segments and curves as JSON."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jaxtyping import Bool, Float

from utal.records import Segments
from utal.report.charts import curve
from utal.report.contents import ReportScores, ReportVideo

MAX_POINTS = 400_000  # of all curves together, so that a page stays below some megabytes


def timeline_data(
    segments: Segments,
    strength: Float[np.ndarray, " segment"],
    clear: Bool[np.ndarray, " segment"],
    videos: Sequence[ReportVideo],
    truth: dict[str, list[object]],
    folder: Path,
) -> list[dict[str, object]]:
    """One entry per video, in order.

    Args:
        segments: everything that is to be in the page.
        strength: of every segment, see `readable.strengths`.
        clear: true where no stronger segment overlaps.
        videos: in the order of `segments.names`.
        truth: what `truth_marks` returns.
        folder: where the page will be; video files are named relative to it.
    """
    max_points = min(400, max(40, MAX_POINTS // max(1, len(videos))))
    rows = _rows_by_video(segments)
    return [
        {
            "name": printable(video.name),
            "duration": round(_length(video, segments.end_s[here]), 3),
            "source": source_address(video.source, folder),
            "cluster": video.cluster,
            "notes": [printable(note) for note in video.notes],
            "curve": [] if video.actionness is None else curve(video.actionness, max_points),
            "curve_s": _curve_length(video),
            "segments": [_segment(row, segments, strength, clear) for row in here],
            "truth": truth.get(video.name, []),
        }
        for video, here in zip(videos, rows, strict=True)
    ]


def _rows_by_video(segments: Segments) -> list[list[int]]:
    """Rows of each video's segments, by start."""
    rows: list[list[int]] = [[] for _ in segments.names]
    for row in np.lexsort((segments.end_s, segments.start_s)):
        rows[int(segments.video[row])].append(int(row))
    return rows


def _segment(
    row: int,
    segments: Segments,
    strength: Float[np.ndarray, " segment"],
    clear: Bool[np.ndarray, " segment"],
) -> list[object]:
    score = float(segments.score[row])
    return [
        row,
        round(float(segments.start_s[row]), 2),
        round(float(segments.end_s[row]), 2),
        int(segments.cluster[row]),
        round(score, 3) if np.isfinite(score) else None,
        int(100 * min(1.0, float(strength[row])) + 1e-9),
        int(clear[row]),
    ]


def _length(video: ReportVideo, ends: Float[np.ndarray, " segment"]) -> float:
    """The duration, or more if something lies beyond it: nothing is drawn outside its row."""
    return max(video.duration_s, float(ends.max()) if len(ends) else 0.0, 0.1)


def _curve_length(video: ReportVideo) -> float:
    """Seconds that the curve covers, at most the video."""
    if video.actionness is None:
        return 0.0
    return round(min(len(video.actionness) * video.actionness_step_s, video.duration_s), 3)


def truth_marks(truth: Segments | None, scores: ReportScores | None) -> dict[str, list[object]]:
    """Start, end, class name and matched cluster of each true segment, by name of the video."""
    marks: dict[str, list[object]] = {}
    if truth is None:
        return marks
    names = () if scores is None else scores.class_names
    clusters = {} if scores is None else {c: k for k, c in scores.cluster_classes.items()}
    for video, label, start, end, _ in zip(*truth.columns(), strict=True):
        name = names[label] if 0 <= label < len(names) else f"class {label}"
        mark = [round(float(start), 2), round(float(end), 2), printable(name), clusters.get(name)]
        marks.setdefault(truth.names[video], []).append(mark)
    return marks


def source_address(source: str | None, folder: Path) -> str | None:
    """Address of a video file as seen from a page in `folder`; `None` if there is no such file.

    Relative, so that folder and videos can be moved together; absolute where that is impossible.
    """
    if source is None or not Path(source).is_file():
        return None
    try:
        relative = os.path.relpath(os.path.abspath(source), os.path.abspath(folder))
    except ValueError:  # on another drive
        return Path(source).resolve().as_uri()
    # The leading dot keeps a name such as `javascript:x.mp4` a name.
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


def printable(text: str) -> str:
    """The text with what cannot stand in a page, as control characters, replaced by U+FFFD."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", whole)


def script_json(data: object) -> str:
    """JSON that can neither end the `<script>` it stands in nor begin a comment there."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
