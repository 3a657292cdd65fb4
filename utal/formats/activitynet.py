"""ActivityNet's JSON of detections, which every evaluator of the field reads."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utal.errors import ConfigError, DataError
from utal.files import write_text
from utal.records import Segments


def cluster_names(num_clusters: int) -> tuple[str, ...]:
    """What clusters are called as long as nobody named them: `cluster_000`, `cluster_001`, ..."""
    return tuple(f"cluster_{cluster:03d}" for cluster in range(num_clusters))


def write_detections(
    path: Path,
    segments: Segments,
    labels: Sequence[str] | None = None,
    *,
    external_data: str = "not stated",
) -> None:
    """Writes detections atomically, in the order of the rows, without rounding.

    All keys that some evaluator asks for are there: `version`, `method`, `external_data` and
    `results`. Every searched video has an entry, an empty one if nothing was found in it.

    Args:
        path: the file to write.
        segments: what was found.
        labels: name of each cluster; `None` calls them `cluster_000`, `cluster_001`, ...
        external_data: what was used besides the data set; an empty text declares "nothing".

    Raises:
        ConfigError: a cluster has no label.
        DataError: a time or score is not finite.

    Source: results format of the ActivityNet challenge; `method` is for the evaluator of CoLA.
    """
    labels = checked_labels(segments, labels)
    results: dict[str, list[dict[str, object]]] = {name: [] for name in segments.names}
    for video, cluster, start, end, score in zip(*map(_listed, segments.columns()), strict=True):
        detection = {"label": labels[int(cluster)], "score": score, "segment": [start, end]}
        results[segments.names[int(video)]].append(detection)
    content = {
        "version": "VERSION 1.3",
        "method": "utal",
        "external_data": {"used": bool(external_data), "details": external_data},
        "results": results,
    }
    write_text(path, json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")


def read_detections(path: Path) -> tuple[Segments, tuple[str, ...]]:
    """Reads detections of this or any other program; only `results` is needed.

    Args:
        path: JSON file with `{"results": {video: [{"label", "score", "segment"}, ...]}}`.

    Returns:
        The segments in file order, and the label of each value in their column `cluster`. Labels
        that are all of the form `cluster_007` keep their number; others are numbered in
        alphabetical order.

    Raises:
        DataError: not such a file, or an entry that is not finite or ends before it starts.
    """
    content, _ = read_json(path)
    results = content.get("results")
    if not isinstance(results, dict):
        raise DataError(f'{path}: expected an object "results" with a list of detections per video')
    video: list[int] = []
    found: list[str] = []
    numbers: list[tuple[float, float, float]] = []
    for index, (name, detections) in enumerate(results.items()):
        if not isinstance(detections, list):
            raise DataError(f"{path}: video {name!r}: expected a list of detections")
        for row, detection in enumerate(detections):
            place = f"{path}: video {name!r}, detection {row}"
            label, score = _label_and_score(detection, place)
            video.append(index)
            found.append(label)
            numbers.append((*segment_limits(detection.get("segment"), place), score))
    labels = _numbered(set(found))
    cluster = {label: index for index, label in enumerate(labels)}
    columns = np.array(numbers, np.float64).reshape(-1, 3)
    rows = np.array([cluster[label] for label in found], np.int64)
    start_s, end_s, score_column = (np.ascontiguousarray(column) for column in columns.T)
    segments = Segments(
        tuple(results), np.array(video, np.int64), rows, start_s, end_s, score_column
    )
    return segments, labels


def read_json(path: Path) -> tuple[dict[str, object], str]:
    """The object that a JSON file holds, and the SHA-256 of the file.

    Raises:
        DataError: the file cannot be read or holds anything else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found a {type(content).__name__}")
    return content, hashlib.sha256(data).hexdigest()


def segment_limits(value: object, place: str) -> tuple[float, float]:
    """Start and end in seconds from `[start, end]`, numbers or their text; `place` is for errors.

    Raises:
        DataError: not two finite numbers, or the end lies before the start.
    """
    limits = [finite(limit) for limit in value] if isinstance(value, list) else []
    if len(limits) != 2 or limits[0] is None or limits[1] is None:
        raise DataError(f"{place}: expected a segment [start, end] in seconds, found {value!r:.80}")
    if limits[1] < limits[0]:
        raise DataError(f"{place}: segment {value!r} ends before it starts")
    return limits[0], limits[1]


def finite(value: object) -> float | None:
    """A number or the text of one as a float; `None` for anything else, infinities and NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def checked_labels(segments: Segments, labels: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the clusters, after a check that the segments can be written under them.

    Raises:
        ConfigError: a cluster has no label.
        DataError: a time or score is not finite.
    """
    for name in ("start_s", "end_s", "score"):
        strange = np.flatnonzero(~np.isfinite(getattr(segments, name)))
        if len(strange):
            video = segments.names[segments.video[strange[0]]]
            raise DataError(f"segment {strange[0]} of video {video!r}: {name} is not finite")
    lowest, highest = (segments.cluster.min(), segments.cluster.max()) if len(segments) else (0, -1)
    names = cluster_names(int(highest) + 1) if labels is None else tuple(labels)
    if lowest < 0 or highest >= len(names):
        raise ConfigError(f"no label for cluster {min(lowest, 0) or highest}: {len(names)} labels")
    return names


def _label_and_score(detection: object, place: str) -> tuple[str, float]:
    if not isinstance(detection, dict):
        raise DataError(f"{place}: expected an object, found {detection!r:.80}")
    label, score = detection.get("label"), finite(detection.get("score"))
    if not isinstance(label, str):
        raise DataError(f'{place}: expected a text as "label", found {label!r:.80}')
    if score is None:
        found = detection.get("score")
        raise DataError(f'{place}: expected a finite number as "score", found {found!r:.80}')
    return label, score


def _numbered(found: set[str]) -> tuple[str, ...]:
    """Labels in the order of their number in `Segments.cluster`."""
    numbers = [re.fullmatch(r"cluster_(\d{3,6})", label) for label in found]
    if found and all(numbers):
        names = cluster_names(1 + max(int(match[1]) for match in numbers if match))
        if found <= set(names):
            return names
    return tuple(sorted(found))


def _listed(column: np.ndarray) -> list[float]:
    """Python numbers, which print as the shortest text that reads back the same."""
    numbers: list[float] = column.tolist()
    return numbers
