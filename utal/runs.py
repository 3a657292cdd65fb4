"""Run folders: what a run was asked for, what it did, and how to go on with it after a crash.

RUN/
    request.json       what was asked: method, classes, seed, input
    config.json        the method with every setting settled
    corpus.json        which videos, how many snippets, feature streams
    environment.json   versions and machine
    round_00/ …        clustering.csv, pseudo_labels.csv, losses.csv, weights.safetensors, …

A round is written under a temporary name, synchronised and renamed: it exists completely or not at
all. Resuming is reading the last complete round. Nothing here is ever unpickled.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from utal import config
from utal.corpus import Corpus
from utal.errors import ConfigError, DataError
from utal.files import write_text
from utal.method import Method
from utal.records import Round
from utal.round_files import folder_of, load_round

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Request:
    """What a run was asked for; two runs with equal requests on equal videos give equal results.

    Attributes:
        input: the folder as the user gave it, made absolute.
        method: the method as JSON, before it is sized to the corpus.
        num_clusters: pseudo-actions.
        seed: of everything random.
        names: names of the clusters where labels were given, else empty.
    """

    input: str
    method: str
    num_clusters: int
    seed: int
    names: tuple[str, ...] = ()
    format: int = FORMAT


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """A run folder that was read back."""

    path: Path
    request: Request
    method: Method
    names: tuple[str, ...]
    streams: dict[str, int]

    @property
    def channels(self) -> int:
        """Width of the features that the run was trained on."""
        return sum(self.streams.values())


def claim(path: Path, request: Request, *, resume: bool) -> None:
    """Makes the folder ready for the request: a new one, or the same request's to go on with.

    Raises:
        ConfigError: the folder holds something else, another request, or a run and not `resume`.
    """
    known = path / "request.json"
    if known.is_file():
        difference = _difference(_read_request(known), request)
        if difference:
            raise ConfigError(
                f"{path}: holds another run ({difference}); choose another folder with -o"
            )
        if not resume:
            raise ConfigError(f"{path}: holds this run already; go on with --resume")
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"{path}: is not empty and not a run; choose another folder with -o")
    else:
        path.mkdir(parents=True, exist_ok=True)
        write_text(known, json.dumps(asdict(request), indent=1) + "\n")
        write_text(path / "environment.json", json.dumps(environment(), indent=1) + "\n")


def settle(path: Path, method: Method, corpus: Corpus) -> None:
    """Writes the sized method and the corpus' identity, or checks them against those of before.

    Raises:
        ConfigError: the folder was begun with other videos or other settings.
    """
    identity = {
        "streams": corpus.streams,
        "videos": {video.name: video.num_snippets for video in corpus.videos},
    }
    for name, text in (
        ("config.json", config.to_json(method)),
        ("corpus.json", json.dumps(identity, indent=1) + "\n"),
    ):
        file = path / name
        if not file.is_file():
            write_text(file, text)
        elif file.read_text("utf-8") != text:
            raise ConfigError(
                f"{file}: the run was begun with other videos or settings; choose another folder "
                "with -o"
            )


def load(path: Path) -> Run:
    """The run in a folder.

    Raises:
        DataError: not a run folder, or damaged.
    """
    try:
        request = _read_request(path / "request.json")
        method = config.from_json((path / "config.json").read_text("utf-8"))
        corpus = json.loads((path / "corpus.json").read_text("utf-8"))
        return Run(path, request, method, tuple(corpus["videos"]), dict(corpus["streams"]))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: not a finished run folder, {Path(str(error.filename)).name} is missing"
        ) from error
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged run folder: {error}") from error


def count_rounds(path: Path) -> int:
    """Number of complete rounds, counted from the first without a gap."""
    count = 0
    while folder_of(path, count).is_dir():
        count += 1
    return count


def last_round(run: Run) -> Round:
    """The last complete round; it is the one that counts.

    Raises:
        DataError: there is none yet.
    """
    done = count_rounds(run.path)
    if not done:
        raise DataError(f"{run.path}: no round is complete yet; finish it with --resume")
    return load_round(run.path, done - 1, run.names)


def environment() -> dict[str, Any]:
    """Versions and machine, to be kept beside results."""
    packages = (
        "utal",
        "torch",
        "numpy",
        "scipy",
        "scikit-learn",
        "av",
        "opencv-contrib-python-headless",
    )
    versions: dict[str, str | None] = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "packages": versions,
    }


def _read_request(path: Path) -> Request:
    values = json.loads(path.read_text("utf-8"))
    if values["format"] != FORMAT:
        raise ConfigError(
            f"{path}: written by another version of utal (format {values['format']}, expected "
            f"{FORMAT}); run it again into a new folder"
        )
    return Request(**{**values, "names": tuple(values["names"])})


def _difference(before: Request, now: Request) -> str:
    """The first thing two requests differ in, in words; empty where they agree."""
    for name, old in asdict(before).items():
        new = asdict(now)[name]
        if old != new:
            if name != "method":
                return f"{name} was {old!r}, now {new!r}"
            lines = zip(old.splitlines(), new.splitlines(), strict=False)
            pair = next((pair for pair in lines if pair[0] != pair[1]), ("", ""))
            return f"method: {pair[0].strip(' ,')} was asked, now {pair[1].strip(' ,')}"
    return ""
