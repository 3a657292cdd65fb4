"""Reading feature folders: our own packs and the layouts of weakly-supervised localization.

Every folder becomes a `Corpus` or one clear error. Files are never unpickled, and a layout is never
guessed from the numbers in a file.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from utal.corpus import Corpus
from utal.errors import DataError
from utal.records import Timeline, Video

KNOWN_WIDTHS = frozenset({400, 512, 768, 1024, 1280, 1408, 2048, 4096})
I3D_WIDTH = 1024  # of one stream; joint packs of the field hold RGB and then flow


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis of a pack that has none of its own; the default is that of the I3D packs."""

    fps: float = 25.0
    stride: float = 16.0
    window: int = 16

    def timeline(self, num_snippets: int) -> Timeline:
        """The axis of one video, which is taken to end with its last snippet."""
        duration = num_snippets * self.stride / self.fps
        return Timeline(self.fps, self.stride, self.window, duration)


def axis_of(fps: float | None, stride: float, window: int) -> Axis | None:
    """The axis that a user gave, or `None` if no frame rate was given."""
    return None if fps is None else Axis(fps, stride, window)


def read_array(path: Path) -> Float[np.ndarray, "time channel"]:
    """One feature file as a read-only memory map.

    Raises:
        DataError: missing, not `.npy`, pickled, not two-dimensional, empty, transposed, or holding
            a number that is not finite.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such feature file") from error
    except (ValueError, EOFError, OSError) as error:
        pickled = "allow_pickle" in str(error) or "Python objects" in str(error)
        found = "pickled Python objects, which are never loaded" if pickled else "something else"
        raise DataError(
            f"{path}: expected a .npy array of numbers, found {found}; save it with numpy.save as "
            "float32"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or 0 in array.shape:
        shape = getattr(array, "shape", "an archive")
        raise DataError(f"{path}: expected an array time x channel, got {shape}")
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{path}: expected floating-point features, got {array.dtype}")
    if array.shape[0] in KNOWN_WIDTHS and array.shape[1] not in KNOWN_WIDTHS:
        raise DataError(
            f"{path}: expected time x channel, got {array.shape[0]} x {array.shape[1]}, which "
            "looks transposed; transpose it (numpy: array.T) and save it again"
        )
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise DataError(f"{path}: snippet {row} holds NaN or infinity; extract this video again")
    return array


def read_corpus(
    folder: Path,
    *,
    subset: str | None = None,
    axis: Axis | None = None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Corpus:
    """A feature folder of any known layout.

    Layouts: a pack of `utal extract` (`features.json`); `rgb/` and `flow/` with one `.npy` per
    video, or one joint `.npy` per video; both also below `SUBSET/` or `features/SUBSET/`, with an
    optional `split_SUBSET.txt` beside (CoLA, BaS-Net).

    Args:
        folder: the pack, or the data set's root.
        subset: which of the folders `train`, `test` … to read, where there are several.
        axis: time axis of packs without one; `None` takes 25 fps and 16 frames, and says so.
        on_note: told what was assumed.

    Raises:
        DataError: one line that names the file or folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if (folder / "features.json").is_file():
        return _read_own(folder)
    root, listed = _subset_folder(folder, subset)
    if axis is None:
        axis = Axis()
        on_note(
            f"{root}: the pack has no time axis; taken as {axis.fps:g} fps and "
            f"{axis.window}-frame snippets every {axis.stride:g} frames (set --fps, --stride, "
            "--window if that is wrong)"
        )
    if (root / "rgb").is_dir() or (root / "flow").is_dir():
        return _read_streams(root, axis, listed)
    return _read_joint(root, axis, listed, on_note)


def _subset_folder(folder: Path, subset: str | None) -> tuple[Path, tuple[str, ...] | None]:
    """The folder that holds the files, and the videos that its split list names."""
    parent = folder / "features" if (folder / "features").is_dir() else folder
    if _holds_features(parent):
        return parent, None
    choices = sorted(child.name for child in parent.iterdir() if _holds_features(child))
    if not choices:
        raise DataError(
            f"{folder}: expected features.json, rgb/ and flow/ folders, or .npy files; found none"
        )
    if subset is None and len(choices) == 1:
        subset = choices[0]
    if subset not in choices:
        wish = "choose one" if subset is None else f"there is no {subset!r}"
        raise DataError(f"{folder}: holds the subsets {', '.join(choices)}; {wish} with --subset")
    split = folder / f"split_{subset}.txt"
    listed = tuple(split.read_text("utf-8").split()) if split.is_file() else None
    return parent / subset, listed


def _holds_features(folder: Path) -> bool:
    return folder.is_dir() and (
        (folder / "rgb").is_dir() or (folder / "flow").is_dir() or any(folder.glob("*.npy"))
    )


def _chosen(folder: Path, listed: Iterable[str] | None) -> list[str]:
    """Names of the videos of a folder of `.npy` files, or those of the split list."""
    names = sorted(path.stem for path in folder.glob("*.npy"))
    if listed is not None:
        missing = sorted(set(listed) - set(names))
        if missing:
            raise DataError(
                f"{folder}: the split list names {missing[0]!r} and {len(missing) - 1} more that "
                "have no .npy file"
            )
        names = list(listed)
    if not names:
        raise DataError(f"{folder}: expected .npy files, found none")
    return names


def _read_joint(
    folder: Path, axis: Axis, listed: Iterable[str] | None, on_note: Callable[[str], None]
) -> Corpus:
    videos = []
    for name in _chosen(folder, listed):
        features = read_array(folder / f"{name}.npy")
        videos.append(Video(name, features, axis.timeline(len(features))))
    channels = videos[0].features.shape[1]
    if channels != 2 * I3D_WIDTH:
        return _checked(folder, videos, {"features": channels})
    on_note(f"{folder}: {channels} channels, taken as RGB, then flow, of {I3D_WIDTH} each")
    return _checked(folder, videos, {"rgb": I3D_WIDTH, "flow": I3D_WIDTH})


def _read_streams(folder: Path, axis: Axis, listed: Iterable[str] | None) -> Corpus:
    for stream in ("rgb", "flow"):
        if not (folder / stream).is_dir():
            raise DataError(f"{folder}: expected both rgb/ and flow/, found no {stream}/")
    videos = []
    for name in _chosen(folder / "rgb", listed):
        rgb = read_array(folder / "rgb" / f"{name}.npy")
        flow = read_array(folder / "flow" / f"{name}.npy")
        if len(rgb) != len(flow):
            raise DataError(
                f"{folder / 'flow' / name}.npy: has {len(flow)} snippets, but rgb has {len(rgb)}; "
                "extract both streams from the same frames"
            )
        features = np.concatenate([rgb, flow], axis=1)
        videos.append(Video(name, features, axis.timeline(len(features))))
    width = videos[0].features.shape[1]
    first = read_array(folder / "rgb" / f"{videos[0].name}.npy").shape[1]
    return _checked(folder, videos, {"rgb": first, "flow": width - first})


def _read_own(folder: Path) -> Corpus:
    path = folder / "features.json"
    try:
        pack = json.loads(path.read_text("utf-8"))
        axis = Axis(
            float(pack["fps_sampled"]), float(pack["stride_frames"]), int(pack["window_frames"])
        )
        offset_s = float(pack["offset_s"])
        entries = pack["videos"].items()
        videos = [
            Video(
                name,
                read_array(folder / Path(entry["file"]).name),
                Timeline(axis.fps, axis.stride, axis.window, float(entry["duration_s"]), offset_s),
                entry["source"],
                _damage(int(entry.get("n_bad_packets", 0))),
            )
            for name, entry in entries
        ]
        streams = {str(name): int(width) for name, width in pack["streams"].items()}
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise DataError(
            f"{path}: not a features.json of utal ({error}); run utal extract again"
        ) from error
    if not videos:
        raise DataError(f"{path}: lists no videos")
    return _checked(folder, videos, streams)


def _damage(num_bad_packets: int) -> tuple[str, ...]:
    return (f"{num_bad_packets} damaged packets left out",) if num_bad_packets else ()


def _checked(folder: Path, videos: list[Video], streams: dict[str, int]) -> Corpus:
    widths = {video.features.shape[1] for video in videos}
    lengths = {video.num_snippets for video in videos}
    if len(widths) > 1 and len(lengths) == 1:
        raise DataError(
            f"{folder}: every file has {lengths.pop()} rows but the columns differ; the arrays "
            "look transposed, expected time x channel"
        )
    return Corpus(tuple(videos), streams)
