"""The main job: from a folder of videos or features to a run folder with segments and a report."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from utal import config, runs
from utal.corpus import Corpus
from utal.decoding.readable import readable
from utal.errors import ConfigError, DataError
from utal.formats.activitynet import cluster_names, write_detections
from utal.formats.csv import write_segments
from utal.health import complaints
from utal.loop import localize, rounds
from utal.method import weakly
from utal.packs import Axis, read_corpus
from utal.records import Found, PseudoLabels, Round, Segments
from utal.round_files import save_round
from utal.runs import Request, Run
from utal.sizing import sized

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True)
class Discovery:
    """A finished run and what it found in the videos it learned from.

    Attributes:
        run: the folder.
        last: the round that counts.
        corpus: the videos.
        found: the last round's findings, in the corpus' order.
        instances: the best non-overlapping segments, the ones a person looks at.
        warnings: what looks wrong, in plain words.
        failures: a line for each video that could not be used.
    """

    run: Run
    last: Round
    corpus: Corpus
    found: tuple[Found, ...]
    instances: Segments
    warnings: tuple[str, ...]
    failures: tuple[str, ...] = ()

    @property
    def segments(self) -> Segments:
        """All scored segments of all videos."""
        return Segments.concatenate([each.segments for each in self.found])

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """Names of the clusters: the given labels, else their numbers."""
        return names_of(self.run.request)


def names_of(request: Request) -> tuple[str, ...]:
    """Given labels where there were any, else `cluster_000` and so on."""
    return request.names or cluster_names(request.num_clusters)


def chosen_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device.

    Raises:
        ConfigError: another name, or no such device here.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"--device must be auto, cpu or cuda, got {name!r}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError("--device cuda: no CUDA device is here; use --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def check_classes(num_clusters: int) -> None:
    """Refuses a number of classes below 1, before any work is done."""
    if num_clusters < 1:
        raise ConfigError(f"--classes must be at least 1, got {num_clusters}")


def train(
    path: Path,
    corpus: Corpus,
    request: Request,
    *,
    device: torch.device,
    given: PseudoLabels | None = None,
) -> tuple[Run, Round]:
    """Trains in a claimed run folder, from the last complete round on, and saves every round.

    Raises:
        ConfigError: the folder was begun with other videos or settings.
        DataError: fewer videos than classes, or unusable features.
    """
    if given is None and len(corpus) < request.num_clusters:
        raise DataError(
            f"{request.input}: {len(corpus)} videos cannot form {request.num_clusters} classes; "
            "lower --classes or add videos"
        )
    method = sized(config.from_json(request.method), corpus)
    runs.settle(path, method, corpus)
    run = runs.load(path)
    last = runs.last_round(run) if runs.count_rounds(path) else None
    if last is not None:
        log.info("going on after round %d of %d", last.index + 1, method.num_rounds)
    to_come = rounds(
        method,
        corpus,
        request.num_clusters,
        seed=request.seed,
        device=device,
        after=last,
        given=given,
    )
    for last in to_come:
        save_round(path, last, corpus.names)
        log.info(
            "round %d of %d done: trained on %d of %d videos",
            last.index + 1,
            method.num_rounds,
            len(last.pseudo_labels.videos),
            len(corpus),
        )
    if last is None:
        raise DataError(f"{path}: the run has no rounds")
    return run, last


def look(
    run: Run,
    last: Round,
    corpus: Corpus,
    failures: tuple[str, ...] = (),
    *,
    device: torch.device,
) -> Discovery:
    """Localizes in the corpus that the run learned from, and judges the run by what it sees."""
    found = tuple(localize(last, run.method, corpus, device=device))
    segments = Segments.concatenate([each.segments for each in found])
    warnings = complaints(last, found)
    return Discovery(run, last, corpus, found, readable(segments), warnings, failures)


def write_results(discovery: Discovery) -> None:
    """Writes `detections.json` (everything, scored) and `segments.csv` (what a person looks at)."""
    folder, names = discovery.run.path, discovery.cluster_names
    write_detections(folder / "detections.json", discovery.segments, names)
    write_segments(folder / "segments.csv", discovery.instances, names)


def check_source(source: Path) -> None:
    """Refuses an input that does not exist."""
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")


def is_feature_pack(folder: Path) -> bool:
    """Whether a folder holds features rather than videos."""
    return folder.is_dir() and (
        (folder / "features.json").is_file()
        or any((folder / stream).is_dir() for stream in ("rgb", "flow", "features"))
        or any(folder.glob("*.npy"))
    )


def corpus_of(
    source: Path,
    features: Path,
    *,
    workers: int,
    on_start: Callable[[int], Callable[[str], None]],
    on_note: Callable[[str], None] = lambda note: None,
    subset: str | None = None,
    axis: Axis | None = None,
) -> tuple[Corpus, tuple[str, ...]]:
    """The corpus in `source`: a feature pack as it is, videos by way of a pack in `features`.

    Args:
        source: folder or file of the user.
        features: where features of videos are kept, and found again by a resumed run.
        workers: processes that extract.
        on_start: told how many videos there are; what it returns is told the name of each
            extracted one.
        on_note: told what was assumed of a feature pack.
        subset: of a feature pack with several.
        axis: of a feature pack without one.

    Returns:
        The corpus, and a line for each video that could not be used.

    Raises:
        DataError: no videos, or none that can be used.
    """
    if is_feature_pack(source):
        return read_corpus(source, subset=subset, axis=axis, on_note=on_note), ()
    check_source(source)
    from utal.video.extract import extract
    from utal.video.motion import Motion
    from utal.video.sources import find_videos

    videos = find_videos(source)
    on_done = on_start(len(videos))
    failures = extract(videos, features, Motion(), workers=workers, on_done=on_done)
    if len(failures) == len(videos):
        raise DataError(f"{source}: none of {len(videos)} videos can be used; {failures[0]}")
    return read_corpus(features), tuple(str(failure) for failure in failures)


def new_request(
    source: Path, method: str, settings: list[str], num_clusters: int, seed: int
) -> Request:
    """A request from what a user types.

    Raises:
        ConfigError: unknown method or setting, or a number out of range.
    """
    check_classes(num_clusters)
    chosen = config.with_settings(config.method_named(method), settings)
    return Request(str(source.resolve()), config.to_json(chosen), num_clusters, seed)


def with_labels(request: Request, names: tuple[str, ...]) -> Request:
    """The request for given labels: the clusters bear their names, and nothing is grouped."""
    method = config.to_json(weakly(config.from_json(request.method)))
    return replace(request, method=method, names=names, num_clusters=len(names))
