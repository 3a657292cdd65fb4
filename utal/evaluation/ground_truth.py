"""True annotations of a subset of videos: nothing above the firewall may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64

from utal.errors import DataError
from utal.formats.activitynet import read_json, segment_limits

_SYNONYMS = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))


@dataclass(frozen=True, eq=False, slots=True)
class GroundTruth:
    """The annotated segments of one subset, in the order of the file.

    Attributes:
        names: the videos of the subset, also those without an annotation.
        class_names: classes that occur in the subset, sorted.
        video: index into `names`, one per annotation.
        label: index into `class_names`.
        start_s, end_s: limits in seconds, start < end; they may lie beyond the video's end.
        subset: name of the subset as the file spells it.
        sha256: of the file; empty for annotations that come from no file.
        num_ambiguous: annotations left out because they are marked `Ambiguous`.
        num_empty: annotations left out because they have no length.

    Raises:
        DataError: no annotation at all, a class without one, or an annotation without length.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    video: Int64[np.ndarray, " annotation"]
    label: Int64[np.ndarray, " annotation"]
    start_s: Float[np.ndarray, " annotation"]
    end_s: Float[np.ndarray, " annotation"]
    subset: str = "all"
    sha256: str = ""
    num_ambiguous: int = 0
    num_empty: int = 0

    def __post_init__(self) -> None:
        if not len(self.video):
            raise DataError(f"subset {self.subset!r} has no annotations to evaluate against")
        if tuple(np.unique(self.label)) != tuple(range(len(self.class_names))):
            raise DataError(f"subset {self.subset!r}: every class needs an annotation")
        if not 0 <= int(self.video.min()) <= int(self.video.max()) < len(self.names):
            raise DataError(f"subset {self.subset!r}: video index out of range")
        if not np.all(self.start_s < self.end_s):
            raise DataError(f"subset {self.subset!r}: an annotation has no length")

    def __len__(self) -> int:
        return len(self.video)

    def video_labels(self, names: Sequence[str] | None = None) -> Bool[np.ndarray, "video class"]:
        """Which classes occur in each of the videos `names`, in that order; `None`: in all.

        Raises:
            DataError: a video is not in the subset.
        """
        table = np.zeros((len(self.names), len(self.class_names)), np.bool_)
        table[self.video, self.label] = True
        if names is None:
            return table
        index = {name: row for row, name in enumerate(self.names)}
        absent = [name for name in names if name not in index]
        if absent:
            raise DataError(
                f"{len(absent)} of {len(names)} videos are not in subset {self.subset!r}, "
                f"the first is {absent[0]!r}"
            )
        return table[[index[name] for name in names]]


def read_ground_truth(path: Path, subset: str | None = None) -> GroundTruth:
    """Reads one subset of an ActivityNet annotation file.

    Both the data set's own file and the THUMOS14 `gt.json` of the released CoLA and BaS-Net code
    (segment limits as text, no duration) are such files. What annotators left behind survives:
    duplicates count twice, as in the official evaluator, and segments may end after the video.
    Annotations without length and those labelled `Ambiguous` are left out and counted.

    Args:
        path: JSON file with `{"database": {video: {"subset", "annotations"}}}`.
        subset: the wanted subset. The exact name is taken if the file has it; else one that differs
            in case only; else a synonym out of train/training, val/valid/validation, test/testing.
            THUMOS' habit of training on "validation" is never guessed. `None` takes the only
            subset of the file. Videos that name no subset belong to "all".

    Raises:
        DataError: not such a file, no or more than one such subset, a malformed segment, or nothing
            annotated.
    """
    content, sha256 = read_json(path)
    database = content.get("database")
    if not isinstance(database, dict):
        found = ", ".join(f"{key!r:.40}" for key in list(content)[:3]) or "nothing"
        raise DataError(
            f'{path}: expected an object "database" with "subset" and "annotations" of each video, '
            f"found {found}"
        )
    for name, entry in database.items():
        if not isinstance(entry, dict):
            raise DataError(f"{path}: video {name!r}: expected an object, found {entry!r:.80}")
    chosen = _chosen({str(entry.get("subset", "all")) for entry in database.values()}, subset, path)
    entries = {n: e for n, e in database.items() if str(e.get("subset", "all")) == chosen}
    rows = [row for index, name in enumerate(entries) for row in _rows(path, entries, name, index)]
    kept = [row for row in rows if row[1].casefold() != "ambiguous" and row[2] < row[3]]
    num_ambiguous = sum(row[1].casefold() == "ambiguous" for row in rows)
    if not kept:
        raise DataError(f"{path}: subset {chosen!r} has no annotations to evaluate against")
    video, labels, start_s, end_s = zip(*kept, strict=True)
    class_names = sorted(set(labels))
    index_of = {name: index for index, name in enumerate(class_names)}
    return GroundTruth(
        names=tuple(entries),
        class_names=tuple(class_names),
        video=np.array(video, np.int64),
        label=np.array([index_of[name] for name in labels], np.int64),
        start_s=np.array(start_s),
        end_s=np.array(end_s),
        subset=chosen,
        sha256=sha256,
        num_ambiguous=num_ambiguous,
        num_empty=len(rows) - len(kept) - num_ambiguous,
    )


def _rows(
    path: Path, entries: dict[str, dict[str, object]], name: str, index: int
) -> list[tuple[int, str, float, float]]:
    """Annotations of one video: its index, label, start and end."""
    annotations = entries[name].get("annotations", [])
    if not isinstance(annotations, list):
        raise DataError(f"{path}: video {name!r}: expected a list of annotations")
    rows = []
    for number, annotation in enumerate(annotations):
        place = f"{path}: video {name!r}, annotation {number}"
        label = annotation.get("label") if isinstance(annotation, dict) else None
        if not isinstance(label, str):
            raise DataError(f'{place}: expected an object with a text as "label"')
        rows.append((index, label, *segment_limits(annotation.get("segment"), place)))
    return rows


def _chosen(present: set[str], wanted: str | None, path: Path) -> str:
    """The one subset of the file that is meant."""
    listed = ", ".join(repr(name) for name in sorted(present))
    if wanted is None:
        matches = present
    else:
        same = next((group for group in _SYNONYMS if wanted.casefold() in group), ())
        rules = (
            {name for name in present if name == wanted},
            {name for name in present if name.casefold() == wanted.casefold()},
            {name for name in present if name.casefold() in same},
        )
        matches = next((names for names in rules if names), set())
    if len(matches) != 1:
        asked = "choose one subset" if wanted is None else f"no single subset {wanted!r}"
        raise DataError(f"{path}: {asked}; the file has {listed or 'no videos'}")
    return matches.pop()
