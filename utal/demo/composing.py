"""Makes the demo's videos and their truth: the one thing that a user of this package calls."""

import importlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from utal.demo.planning import Plan, planned
from utal.demo.recordings import annotation, recorded
from utal.demo.skeletons import load_skeletons
from utal.errors import ConfigError, DataError
from utal.files import write_text

_DRAWING = 1  # raise it when the same seed gives other videos
_Entry = dict[str, object]


def compose(
    folder: Path,
    *,
    num_videos: int = 42,
    seed: int = 0,
    workers: int | None = None,
    on_done: Callable[[str], None] | None = None,
) -> Path:
    """Composes, draws and encodes untrimmed recordings of exercises.

    Every video shows one person who repeats one of six exercises up to 6 times within 20 to 40
    seconds, and stands, walks or begins another exercise in between. The motion is real, its order,
    the walking and the pictures are made. Place, clothes, person and camera tell nothing about the
    exercise. The same seed gives the same videos.

    Args:
        folder: where `videos/` and `truth.json` go; must be missing or empty, or hold exactly
            what this call would write, which is then kept.
        num_videos: how many; with fewer than 10 not all people appear.
        seed: of everything left to chance.
        workers: number of processes; `None` means one per processor that may be used.
        on_done: called with the name of each finished video.

    Returns:
        The truth: an ActivityNet file, beside the folder `videos` and not in it.

    Raises:
        ConfigError: a number is not positive, or PyAV or OpenCV is missing.
        DataError: the folder holds something or cannot be written.

    Source: UI-PRMD, Vakanski et al., Data 2018, 3(1), 2.
    """
    if num_videos < 1 or (workers is not None and workers < 1) or seed < 0:
        raise ConfigError(
            f"num_videos and workers must be at least 1 and seed at least 0, "
            f"got {num_videos}, {workers} and {seed}"
        )
    importlib.import_module("utal.demo.rendering")  # says what is missing before anything is done
    report = on_done or (lambda name: None)
    plans = planned(num_videos, load_skeletons().num_people, seed)
    version = f"{num_videos} recordings composed from UI-PRMD, seed {seed}, drawing {_DRAWING}"
    truth, videos = folder / "truth.json", folder / "videos"
    if _is_finished(truth, videos, version, plans):
        for plan in plans:
            report(plan.name)
        return truth
    _make_empty(folder)
    try:
        videos.mkdir()
        entries = _render_all(plans, videos, workers or _num_processors(), report)
        database = {plan.name: entries[plan.name] for plan in plans}
        content = {"version": version, "taxonomy": [], "database": database}
        write_text(truth, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return truth


def _is_finished(truth: Path, videos: Path, version: str, plans: Sequence[Plan]) -> bool:
    """Whether an earlier call has written everything; the truth comes last."""
    try:
        content = json.loads(truth.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    is_same = isinstance(content, dict) and content.get("version") == version
    return is_same and all((videos / f"{plan.name}.mp4").is_file() for plan in plans)


def _make_empty(folder: Path) -> None:
    """Creates the folder, or checks that nothing is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        first = next(folder.iterdir(), None)
    except OSError as error:
        raise DataError(f"{folder}: is no folder to write to ({error.strerror})") from error
    if first is not None:
        raise DataError(f"{folder}: expected an empty folder, found {first.name}; choose another")


def _render_all(
    plans: Sequence[Plan], videos: Path, workers: int, report: Callable[[str], None]
) -> dict[str, _Entry]:
    """Renders here or in fresh processes: a forked one may hang on locks that threads held."""
    entries: dict[str, _Entry] = {}
    if workers == 1:
        for plan in plans:
            entries[plan.name] = _render(plan, videos)
            report(plan.name)
        return entries
    num = min(workers, len(plans))
    with ProcessPoolExecutor(num, mp_context=get_context("spawn"), initializer=_alone) as pool:
        waiting = {pool.submit(_render, plan, videos): plan.name for plan in plans}
        try:
            for done in as_completed(waiting):
                entries[waiting[done]] = done.result()
                report(waiting[done])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return entries


def _alone() -> None:
    """One thread per process; as many processes as processors are running already."""
    import cv2

    cv2.setNumThreads(1)


def _render(plan: Plan, videos: Path) -> _Entry:
    """Makes one video and returns what is true of it."""
    from utal.demo.rendering import frames, save_video, staged

    recording = recorded(plan, load_skeletons())
    stage = staged(plan, recording)
    save_video(videos / f"{plan.name}.mp4", frames(stage, recording, plan.seed), plan.fps)
    return annotation(plan, recording)


def _num_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
