"""From video files to a feature pack: one `.npy` per video, a side file each, and `features.json`.

Every file appears by a rename, and a video counts as done when its side file names the same
settings and the same source content. So the same call again only does what is missing, and two
packs of the same videos are byte-identical whatever the number of workers.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import av
import cv2
import numpy as np

from utal.errors import DataError
from utal.files import replaced, write_text
from utal.video.frames import Decoded, resampled_frames
from utal.video.motion import Motion

FORMAT = "utal-features-1"
IDENTITY_BYTES = 1 << 20  # of the head and of the tail of a file: enough to tell copies apart


@dataclass(frozen=True, slots=True)
class Failure:
    """A video that cannot be used, and why, in one line."""

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason


def extract(
    videos: Sequence[tuple[str, Path]],
    pack: Path,
    encoder: Motion,
    *,
    workers: int,
    on_done: Callable[[str], object] = lambda name: None,
) -> list[Failure]:
    """Encodes videos into a pack; what is there already with equal settings and source is kept.

    Args:
        videos: name and path of each, names unique.
        pack: folder of the pack; made if missing.
        encoder: what makes features of frames.
        workers: processes; 1 stays in this one.
        on_done: told the name of each video that is finished, in any order.

    Returns:
        The videos that cannot be used. All others are in the pack; nothing half-written is.
    """
    pack.mkdir(parents=True, exist_ok=True)
    failures: list[Failure] = []
    work = partial(_extracted, pack=pack, encoder=encoder)
    for name, failure in _worked(work, videos, workers):
        if failure is not None:
            failures.append(failure)
        on_done(name)
    lost = {failure.name for failure in failures}
    kept = [(name, path) for name, path in videos if name not in lost]
    if kept:
        _write_summary(pack, encoder, kept)
    order = {name: index for index, (name, _) in enumerate(videos)}
    return sorted(failures, key=lambda failure: order[failure.name])


def file_of(name: str) -> str:
    """File of a video in a pack: its name with everything unusual percent-encoded.

    A name too long for a file system keeps its beginning and gets its hash.
    """
    safe = quote(name, safe=" ", errors="surrogateescape")
    if len(safe) > 200:
        safe = f"{safe[:150]}-{hashlib.sha1(name.encode('utf-8', 'surrogateescape')).hexdigest()}"
    return f"{safe}.npy"


def _worked(
    work: Callable[[tuple[str, Path]], Failure | None],
    videos: Sequence[tuple[str, Path]],
    workers: int,
) -> Iterator[tuple[str, Failure | None]]:
    """Results as they come, from this process or from a pool."""
    if workers == 1 or len(videos) == 1:
        for video in videos:
            yield video[0], work(video)
        return
    left = dict(videos)
    with _pool(min(workers, len(videos))) as pool:
        tasks = {pool.submit(work, video): video[0] for video in videos}
        try:
            for task in as_completed(tasks):
                result = task.result()
                del left[tasks[task]]
                yield tasks[task], result
        except BrokenProcessPool:
            pass  # one of those that are left ended its process
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for name, path in left.items():
        yield name, _alone(work, name, path)


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # forked copies of FFmpeg and torch may hang
    return ProcessPoolExecutor(workers, context, initializer=_prepared)


def _alone(
    work: Callable[[tuple[str, Path]], Failure | None], name: str, path: Path
) -> Failure | None:
    """One video in a process of its own, so that only the culprit is lost with it."""
    with _pool(1) as pool:
        try:
            return pool.submit(work, (name, path)).result()
        except BrokenProcessPool:
            return Failure(
                name,
                f"{path}: reading it ended the process (out of memory, or a defect of a codec); "
                "convert it to H.264 or remove it",
            )


def _prepared() -> None:
    """Workers share the processors by being several, and end with the one who waits for them."""
    cv2.setNumThreads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ended)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _ended(number: int, frame: object) -> None:
    """Ends in order: what is being written is taken away."""
    sys.exit(128 + number)


def _end_with_parent() -> None:
    """A killed parent cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)  # the pool takes the first end for that of a task, and waits for the next one
        os._exit(1)


def _extracted(video: tuple[str, Path], *, pack: Path, encoder: Motion) -> Failure | None:
    """Encodes one video unless it is done; `None` if all went well."""
    name, path = video
    features, side = pack / file_of(name), pack / f"{file_of(name)}.json"
    settings = encoder.settings()
    try:
        identity = _identity(path)
        if features.is_file() and _is_done(side, identity, settings):
            return None
        found: list[Decoded] = []
        frames = resampled_frames(
            path, fps=encoder.fps, longest_side=encoder.longest_side, on_end=found.append
        )
        array = encoder.encode(frames)
    except DataError as error:
        return Failure(name, str(error))
    except (OSError, av.error.FFmpegError, cv2.error, MemoryError) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        return Failure(name, f"{path}: cannot be read to its end ({told}); check the file")
    with replaced(features) as file:
        np.save(file, array, allow_pickle=False)
    entry = {
        "name": name,
        "file": features.name,
        "source": str(path.resolve()),
        "duration_s": found[0].duration_s,
        "fps_native": found[0].fps,
        "vfr": found[0].has_variable_rate,
        "n_frames": found[0].num_frames,
        "n_bad_packets": found[0].bad_packets,
        "sha1_head": identity,
        "settings": settings,
    }
    write_text(side, json.dumps(entry, indent=1, sort_keys=True) + "\n")
    return None


def _identity(path: Path) -> str:
    """Hash of a file's size, head and tail: its content as far as can be told quickly."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path")
    size = path.stat().st_size
    digest = hashlib.sha1(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(IDENTITY_BYTES))
        file.seek(max(0, size - IDENTITY_BYTES))
        digest.update(file.read(IDENTITY_BYTES))
    return digest.hexdigest()


def _is_done(side: Path, identity: str, settings: dict[str, object]) -> bool:
    try:
        entry = json.loads(side.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(entry, dict):
        return False
    same_settings = entry.get("settings") == json.loads(json.dumps(settings))
    return entry.get("sha1_head") == identity and bool(same_settings)


def _write_summary(pack: Path, encoder: Motion, videos: Sequence[tuple[str, Path]]) -> None:
    """`features.json`: the pack's encoder, time axis and videos, without anything that varies."""
    entries = {}
    for name, path in videos:
        entry = json.loads((pack / f"{file_of(name)}.json").read_text("utf-8"))
        entries[name] = {k: v for k, v in entry.items() if k not in ("name", "settings")}
        entries[name]["source"] = str(path.resolve())  # it may have moved since it was encoded
    summary = {
        "format": FORMAT,
        "encoder": encoder.name,
        "weights_sha256": None,
        "settings": encoder.settings(),
        "streams": encoder.streams,
        "dim": sum(encoder.streams.values()),
        "dtype": "float32",
        "fps_sampled": encoder.fps,
        "window_frames": encoder.window,
        "stride_frames": encoder.stride,
        "offset_s": encoder.window / 2 / encoder.fps,
        "size": encoder.longest_side,
        "flow": "DIS, preset medium",
        "layout": "one .npy per video, time x channel",
        "n_videos": len(entries),
        "tool_version": version("utal"),
        "videos": entries,
    }
    write_text(pack / "features.json", json.dumps(summary, indent=1, sort_keys=True) + "\n")
