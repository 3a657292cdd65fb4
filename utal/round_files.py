"""One round on disk: plain tables and tensors, complete or not there at all. Never unpickled."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from utal.errors import DataError
from utal.records import Clustering, Losses, PseudoLabels, Round


def folder_of(run: Path, index: int) -> Path:
    """Where a round lies in a run folder."""
    return run / f"round_{index:02d}"


def save_round(path: Path, done: Round, names: Sequence[str]) -> None:
    """Writes a round so that it exists completely or not at all."""
    final = folder_of(path, done.index)
    partial = path / f".{final.name}.tmp"
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed here
    partial.mkdir()
    try:
        _write_files(partial, done, names)
        _synchronise(partial)
        os.rename(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _synchronise(path)


def _write_files(folder: Path, done: Round, names: Sequence[str]) -> None:
    if done.clustering is not None:
        labels, confidence = done.clustering.labels, done.clustering.confidence
        rows = zip(names, labels.tolist(), confidence.tolist(), strict=True)
        _write_csv(folder / "clustering.csv", ("video", "cluster", "confidence"), rows)
    _write_csv(folder / "pseudo_labels.csv", _LABEL_COLUMNS, _label_rows(done, names))
    curve = zip(done.losses.steps, *done.losses.terms.values(), strict=True)
    _write_csv(folder / "losses.csv", ("step", *done.losses.terms), curve)
    facts = {"scale": done.scale, "num_clusters": done.pseudo_labels.targets.shape[1]}
    (folder / "round.json").write_text(json.dumps(facts) + "\n", "utf-8")
    _write_tensors(folder / "weights.safetensors", done.weights)
    if done.optimiser is not None:
        _write_tensors(folder / "optimiser.safetensors", done.optimiser)


def load_round(path: Path, index: int, names: Sequence[str]) -> Round:
    """One complete round of the run folder `path`, whose corpus has the videos `names`.

    Raises:
        DataError: a file of it is missing or damaged.
    """
    folder = folder_of(path, index)
    try:
        facts = json.loads((folder / "round.json").read_text("utf-8"))
        optimiser = folder / "optimiser.safetensors"
        return Round(
            index=index,
            clustering=_read_clustering(folder / "clustering.csv"),
            pseudo_labels=_read_labels(
                folder / "pseudo_labels.csv", names, int(facts["num_clusters"])
            ),
            losses=_read_losses(folder / "losses.csv"),
            scale=float(facts["scale"]),
            weights=_read_tensors(folder / "weights.safetensors"),
            optimiser=_read_tensors(optimiser) if optimiser.is_file() else None,
        )
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise DataError(f"{folder}: damaged round ({error}); delete it and use --resume") from error


_LABEL_COLUMNS = ("video", "cluster", "target", "weight")


def _label_rows(done: Round, names: Sequence[str]) -> Iterable[tuple[object, ...]]:
    labels = done.pseudo_labels
    for row, video in enumerate(labels.videos.tolist()):
        for cluster in labels.targets[row].nonzero()[:, 0].tolist():
            target, weight = labels.targets[row, cluster].item(), labels.weights[row].item()
            yield names[video], cluster, target, weight


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    path.write_text(text.getvalue(), "utf-8")


def _read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def _read_clustering(path: Path) -> Clustering | None:
    if not path.is_file():
        return None
    rows = _read_csv(path)
    return Clustering(
        labels=torch.tensor([int(row["cluster"]) for row in rows]),
        confidence=torch.tensor([float(row["confidence"]) for row in rows]),
    )


def _read_labels(path: Path, names: Sequence[str], num_clusters: int) -> PseudoLabels:
    index = {name: number for number, name in enumerate(names)}
    rows = _read_csv(path)
    videos = sorted({index[row["video"]] for row in rows})
    place = {video: number for number, video in enumerate(videos)}
    targets, weights = torch.zeros(len(videos), num_clusters), torch.zeros(len(videos))
    for row in rows:
        number = place[index[row["video"]]]
        targets[number, int(row["cluster"])] = float(row["target"])
        weights[number] = float(row["weight"])
    return PseudoLabels(torch.tensor(videos), targets, weights)


def _read_losses(path: Path) -> Losses:
    rows = _read_csv(path)
    terms = [name for name in rows[0] if name != "step"]
    return Losses(
        steps=tuple(int(row["step"]) for row in rows),
        terms={name: tuple(float(row[name]) for row in rows) for name in terms},
    )


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(path)


def _synchronise(folder: Path) -> None:
    """Forces a folder and the files in it to disk."""
    for path in (*(child for child in folder.iterdir() if child.is_file()), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
