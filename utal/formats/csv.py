"""The plain table of segments, one row each, for spreadsheets and scripts.

RFC 4180, UTF-8, decimal points, with the columns

    video,start_s,end_s,label,cluster,score,instance_id,status

`cluster` is the stable number of the pseudo-action, `label` its name, which may be edited. Videos
in which nothing was found have no row, hence are not in the table.

A spreadsheet takes a cell that starts with one of `= + - @`, a tabulator or a line break for a
formula, and a file name from elsewhere may be a hostile one. Such a text gets an apostrophe in
front, and so does one in which only apostrophes come before one of these; reading takes it off
again. All other texts, and all numbers, are as they are.
"""

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utal.errors import DataError
from utal.files import write_text
from utal.formats.activitynet import checked_labels, cluster_names, finite
from utal.records import Segments

COLUMNS = ("video", "start_s", "end_s", "label", "cluster", "score", "instance_id", "status")

# The last four are the full-width forms, which some spreadsheets treat alike.
_FORMULA = re.compile("'*[-=+@\t\r\n\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True, eq=False, slots=True)
class SegmentTable:
    """What a table of segments says.

    Attributes:
        segments: the rows.
        labels: name of each cluster: that of its first row, `cluster_007` if it has none.
        row_labels: name in each row; differs from its cluster's where single rows were edited.
        instance_ids: identity of each row.
        statuses: free text of each row, such as "predicted" or "confirmed".
    """

    segments: Segments
    labels: tuple[str, ...]
    row_labels: tuple[str, ...]
    instance_ids: tuple[str, ...]
    statuses: tuple[str, ...]


def write_segments(
    path: Path,
    segments: Segments,
    labels: Sequence[str] | None = None,
    *,
    instance_ids: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
) -> None:
    """Writes the table atomically: times to the microsecond, scores without rounding.

    Args:
        path: the file to write.
        segments: what was found.
        labels: name of each cluster; `None` calls them `cluster_000`, `cluster_001`, ...
        instance_ids: identity of each segment; `None` numbers them from 0.
        statuses: state of each segment; `None` makes it "predicted".

    Raises:
        ConfigError: a cluster has no label.
        DataError: a time or score is not finite, or a name cannot be written as UTF-8.
    """
    labels = checked_labels(segments, labels)
    identities = range(len(segments)) if instance_ids is None else instance_ids
    states = ["predicted"] * len(segments) if statuses is None else statuses
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    columns = (column.tolist() for column in segments.columns())
    for video, cluster, start, end, score, identity, state in zip(
        *columns, identities, states, strict=True
    ):
        name, label = armoured(segments.names[video]), armoured(labels[cluster])
        texts = armoured(str(identity)), armoured(state)
        table.writerow((name, _time(start), _time(end), label, cluster, score, *texts))
    try:
        write_text(path, text.getvalue())
    except UnicodeEncodeError as error:
        name = text.getvalue()[error.start :].splitlines()[0]
        raise DataError(f"{path}: name {name!r:.80} cannot be written as UTF-8") from error


def read_segments(path: Path) -> SegmentTable:
    """Reads the table; of its columns only video, start_s, end_s and label or cluster are needed.

    Rows without a cluster belong to the first cluster with their label, or to a new one after all
    others. A missing score is 1, a missing instance_id the number of the row. Other columns are
    passed over, as is a byte order mark.

    Raises:
        DataError: no such table, or a cell that is not what its column needs; with the line.
    """
    rows, lines = _rows(path)
    columns: list[tuple[float, float, float]] = []
    for row, line in zip(rows, lines, strict=True):
        place = f"{path}:{line}"
        start, end, score = (
            _number(row, name, place, default)
            for name, default in (("start_s", None), ("end_s", None), ("score", 1.0))
        )
        if not row["video"]:
            raise DataError(f"{place}: the row names no video")
        if end < start:
            raise DataError(f"{place}: the segment ends at {end} before it starts at {start}")
        columns.append((start, end, score))
    clusters, labels = _clusters(rows, lines, path)
    videos = [plain(row["video"]) for row in rows]
    names = tuple(dict.fromkeys(videos))
    index = {name: number for number, name in enumerate(names)}
    start_s, end_s, scores = np.array(columns, np.float64).reshape(-1, 3).T.copy()
    video = np.array([index[name] for name in videos], np.int64)
    return SegmentTable(
        Segments(names, video, np.array(clusters, np.int64), start_s, end_s, scores),
        labels,
        tuple(
            plain(row.get("label") or "") or labels[cluster]
            for row, cluster in zip(rows, clusters, strict=True)
        ),
        tuple(plain(row.get("instance_id") or str(n)) for n, row in enumerate(rows)),
        tuple(plain(row.get("status") or "") for row in rows),
    )


def armoured(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(cell: str) -> str:
    """The text that `armoured` made the cell from."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _time(seconds: float) -> str:
    """Seconds with up to six decimals, at least one."""
    whole, _, part = f"{seconds:.6f}".partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


def _rows(path: Path) -> tuple[list[dict[str, str]], list[int]]:
    """The rows that are not blank, by column, and the line on which each ends."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            cells = [(row, reader.line_num) for row in reader if any(row)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a CSV table in UTF-8 ({error})") from error
    absent = {"video", "start_s", "end_s"} - set(header)
    if absent or not {"label", "cluster"} & set(header):
        hint = "; separate the cells by commas" if any(";" in name for name in header) else ""
        raise DataError(
            f"{path}: expected the columns video, start_s, end_s and label or cluster, "
            f"found {', '.join(header) or 'an empty file'!s:.80}{hint}"
        )
    for row, line in cells:
        if len(row) != len(header):
            raise DataError(f"{path}:{line}: expected {len(header)} cells, found {len(row)}")
    return [dict(zip(header, row, strict=True)) for row, _ in cells], [line for _, line in cells]


def _number(row: dict[str, str], column: str, place: str, default: float | None) -> float:
    cell = row.get(column, "")
    number = default if cell == "" else finite(cell)
    if number is None:
        raise DataError(f"{place}: expected a finite number as {column}, found {cell!r:.80}")
    return number


def _clusters(
    rows: list[dict[str, str]], lines: list[int], path: Path
) -> tuple[list[int], tuple[str, ...]]:
    """Cluster of each row, and the name of each cluster."""
    known: dict[str, int] = {}
    names: dict[int, str] = {}
    for row, line in zip(rows, lines, strict=True):
        cell, label = row.get("cluster", "").strip(), plain(row.get("label", ""))
        if cell and not re.fullmatch("[0-9]{1,6}", cell):
            raise DataError(f"{path}:{line}: expected the number of a cluster, found {cell!r:.80}")
        if not cell and not label:
            raise DataError(f"{path}:{line}: the row has neither a label nor a cluster")
        if cell:
            known.setdefault(label, int(cell))
            names.setdefault(int(cell), label)
    unused = itertools.count(1 + max(names, default=-1))
    clusters = []
    for row in rows:
        cell, label = row.get("cluster", "").strip(), plain(row.get("label", ""))
        cluster = int(cell) if cell else known.setdefault(label, -1)
        if cluster < 0:
            cluster = known[label] = next(unused)
            names[cluster] = label
        clusters.append(cluster)
    defaults = cluster_names(1 + max(names, default=-1))
    return clusters, tuple(names.get(k) or default for k, default in enumerate(defaults))
