"""Video labels that a user gives: weak supervision, not ground truth to score against."""

import csv
from pathlib import Path

import torch

from utal.errors import DataError
from utal.records import PseudoLabels


def read_labels(path: Path, names: tuple[str, ...]) -> tuple[PseudoLabels, tuple[str, ...]]:
    """The labels of a corpus' videos, from a table `video,label` with one row per video and label.

    Args:
        path: CSV with a header; more columns are ignored.
        names: the videos of the corpus, each of which needs a label.

    Returns:
        Targets for all videos, and the label of each column, in alphabetical order.

    Raises:
        DataError: no such table, an unknown video, an empty label, or a video without one.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot read the label table ({error})") from error
    if not rows or not {"video", "label"} <= rows[0].keys():
        raise DataError(f"{path}: expected a CSV table with the columns video,label")
    index = {name: number for number, name in enumerate(names)}
    for line, row in enumerate(rows, start=2):
        if row["video"] not in index:
            raise DataError(f"{path}:{line}: no video {row['video']!r} in the corpus")
        if not (row["label"] or "").strip():
            raise DataError(f"{path}:{line}: the label of {row['video']!r} is empty")
    labels = tuple(sorted({row["label"].strip() for row in rows}))
    column = {label: number for number, label in enumerate(labels)}
    targets = torch.zeros(len(names), len(labels))
    for row in rows:
        targets[index[row["video"]], column[row["label"].strip()]] = 1
    for number, name in enumerate(names):
        if not targets[number].any():
            raise DataError(f"{path}: video {name!r} has no label; every video needs one")
    return PseudoLabels(torch.arange(len(names)), targets, torch.ones(len(names))), labels
