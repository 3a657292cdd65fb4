import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from tests.video.making import cut, moving_square, write_sound, write_video
from utal.packs import read_corpus
from utal.video import extract as extract_module
from utal.video.extract import Failure, extract, file_of
from utal.video.frames import resampled_frames
from utal.video.motion import Motion
from utal.video.sources import find_videos

QUICK = Motion(longest_side=96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of different rates and codecs; nobody changes them."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", moving_square(60), fps=25)
    write_video(folder / "b.avi", moving_square(72, swing=(0, 12)), fps=24, codec="mpeg4")
    write_video(folder / "c.mkv", moving_square(60, seed=5), fps=30, codec="mjpeg")
    return folder


def run(folder: Path, pack: Path, encoder: Motion = QUICK, workers: int = 1) -> list[Failure]:
    return extract(find_videos(folder), pack, encoder, workers=workers)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def times(folder: Path) -> dict[str, int]:
    """When each feature file was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}


def test_packs_are_byte_identical(folder: Path, tmp_path: Path) -> None:
    done: list[str] = []
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    assert run(folder, one) == []
    assert extract(find_videos(folder), two, QUICK, workers=2, on_done=done.append) == []
    assert contents(one) == contents(two)
    assert sorted(contents(one)) == sorted(
        [f"{name}.npy{end}" for name in "abc" for end in ("", ".json")] + ["features.json"]
    )
    assert sorted(done) == ["a", "b", "c"]


def test_a_pack_holds_what_the_encoder_makes_of_the_frames(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path)
    frames = resampled_frames(folder / "b.avi", fps=25, longest_side=96)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), QUICK.encode(frames))


def test_a_pack_is_read_as_a_corpus(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path)
    corpus = read_corpus(tmp_path)
    assert corpus.names == ("a", "b", "c")
    assert corpus.streams == Motion().streams
    lengths = [video.timeline.duration for video in corpus.videos]
    assert lengths == pytest.approx([2.4, 3.0, 2.0], abs=0.01)
    assert [video.num_snippets for video in corpus.videos] == [4, 5, 3]
    assert [video.source for video in corpus.videos] == [
        str(folder / name) for name in ("a.mp4", "b.avi", "c.mkv")
    ]
    assert corpus.videos[0].notes == ()
    timeline = corpus.videos[0].timeline
    assert (timeline.fps, timeline.stride, timeline.first_centre) == (25, 16, 0.32)


def test_a_second_run_does_nothing(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path)
    before, written = contents(tmp_path), times(tmp_path)
    run(folder, tmp_path)
    assert contents(tmp_path) == before
    assert times(tmp_path) == written


def test_content_and_not_its_date_decides_what_is_done(tmp_path: Path) -> None:
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    videos.mkdir()
    for name in ("a.mkv", "b.mkv"):
        write_video(videos / name, moving_square(40))
    run(videos, pack)
    before, written = contents(pack), times(pack)
    os.utime(videos / "a.mkv", (1, 1))
    run(videos, pack)
    assert times(pack) == written
    write_video(videos / "a.mkv", moving_square(40, swing=(0, 12)))
    run(videos, pack)
    after = contents(pack)
    assert times(pack)["b.npy"] == written["b.npy"]
    assert times(pack)["a.npy"] != written["a.npy"]
    assert after["a.npy"] != before["a.npy"]
    assert after["b.npy"] == before["b.npy"]


@pytest.mark.parametrize("lost", ["a.npy", "a.npy.json"])
def test_what_is_lost_is_made_again(folder: Path, tmp_path: Path, lost: str) -> None:
    run(folder, tmp_path)
    before = contents(tmp_path)
    (tmp_path / lost).unlink()
    run(folder, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "damage",
    [
        b'{"name": "a"',
        b"\xff\xfe",
        b"{}",
        b"[]",
    ],
)
def test_a_damaged_side_file_is_made_again(folder: Path, tmp_path: Path, damage: bytes) -> None:
    run(folder, tmp_path)
    before = contents(tmp_path)
    (tmp_path / "a.npy.json").write_bytes(damage)
    run(folder, tmp_path)
    assert contents(tmp_path) == before


def test_other_settings_make_everything_anew(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path)
    before = contents(tmp_path)
    run(folder, tmp_path, replace(QUICK, still=0.4))
    after = contents(tmp_path)
    assert all(after[f"{name}.npy"] != before[f"{name}.npy"] for name in "abc")
    assert json.loads(after["features.json"])["settings"]["still"] == 0.4
    run(folder, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_files_fail_and_the_others_are_done(tmp_path: Path, workers: int) -> None:
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    videos.mkdir()
    write_video(videos / "good.mp4", moving_square(40))
    (videos / "empty.mp4").touch()
    write_sound(videos / "sound.mkv")
    (videos / "text.mp4").write_text("hello\n" * 50)
    failures = run(videos, pack, workers=workers)
    assert [failure.name for failure in failures] == ["empty", "sound", "text"]
    for failure, name in zip(failures, ("empty.mp4", "sound.mkv", "text.mp4"), strict=True):
        assert str(failure).startswith(f"{videos / name}: ")
        assert "\n" not in str(failure)
    assert sorted(contents(pack)) == ["features.json", "good.npy", "good.npy.json"]
    assert read_corpus(pack).names == ("good",)


def test_a_file_that_may_not_be_read_fails_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guarded(path: Path, *arguments: Any, **settings: Any) -> Any:
        if path.name == "a.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *arguments, **settings)

    plain = Path.open
    monkeypatch.setattr(Path, "open", guarded)
    failures = run(folder, tmp_path)
    assert [failure.name for failure in failures] == ["a"]
    assert "Permission denied" in str(failures[0])


def test_no_good_video_leaves_an_empty_pack(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    gone = tmp_path / "gone.mp4"
    videos = [*find_videos(tmp_path), ("gone", gone)]
    failures = extract(videos, tmp_path / "pack", QUICK, workers=1)
    assert [failure.name for failure in failures] == ["empty", "gone"]
    assert "no such file" in str(failures[1])
    assert contents(tmp_path / "pack") == {}


HOSTILE = (
    'it\'s "quoted"',
    "<img onerror=x>",
    "a & b; $(touch x) `y`",
    "two .. dots",
    "percent %2F %s",
    "new\nline",
    "Ünïcödé 动作 🤸",
    "back\\slash",
    "x" * 246,
    "é" * 120,
)


def test_hostile_names_stay_inside_the_pack(tmp_path: Path) -> None:
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    for number, name in enumerate(HOSTILE):
        target = videos / f"folder {number % 2}" / f"{name}.avi"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / "new.avi", moving_square(18, seed=number), codec="mpeg4")
        (tmp_path / "new.avi").rename(target)
    before = contents(videos)
    assert run(videos, pack) == []
    assert contents(videos) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack", "videos"]
    assert all(path.is_file() and path.name.isascii() for path in pack.iterdir())
    assert len(list(pack.glob("*.npy"))) == len(HOSTILE)
    names = {f"folder {number % 2}/{name}" for number, name in enumerate(HOSTILE)}
    assert set(read_corpus(pack).names) == names


def test_videos_of_one_stem_do_not_meet(tmp_path: Path) -> None:
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    (videos / "sub").mkdir(parents=True)
    for number, name in enumerate(("v.mp4", "v.mkv", "sub/v.mp4", "sub%2Fv.mp4", "w.mp4.mkv")):
        write_video(videos / name, moving_square(18, seed=number))
    assert run(videos, pack) == []
    names = read_corpus(pack).names
    assert sorted(names) == ["sub%2Fv", "sub/v", "v.mkv", "v.mp4", "w.mp4"]
    assert len({np.load(path).tobytes() for path in pack.glob("*.npy")}) == 5


def test_a_name_that_is_no_text_is_extracted_too(tmp_path: Path) -> None:
    """Old archives hold names in other encodings."""
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    videos.mkdir()
    write_video(videos / "new.avi", moving_square(18), codec="mpeg4")
    try:
        os.rename(videos / "new.avi", os.fsencode(videos) + b"/caf\xe9.avi")
    except OSError:
        pytest.skip("the file system has names of text only")
    assert run(videos, pack) == []
    assert len(read_corpus(pack)) == 1


@pytest.mark.parametrize("length", [2, 199, 201, 4000])
def test_file_names_fit_and_differ(length: int) -> None:
    names = ["a" * length, "a" * (length - 1) + "b", "/" * length, "/" * (length - 1) + "b"]
    files = [file_of(name) for name in names]
    assert len(set(files)) == 4
    assert max(map(len, files)) < 230
    assert not any("/" in file for file in files)


def killed(times_before: int, *, halfway: bool) -> Callable[..., None]:
    """A `np.save` that stops the whole program in a file."""
    save, count = np.save, 0

    def stopping(file: IO[bytes], array: np.ndarray, **settings: Any) -> None:
        nonlocal count
        count += 1
        if count <= times_before:
            return save(file, array, **settings)
        if halfway:
            file.write(array.tobytes()[:1000])
        raise KeyboardInterrupt

    return stopping


@pytest.mark.parametrize("halfway", [False, True])
def test_a_killed_extraction_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halfway: bool
) -> None:
    whole, pack = tmp_path / "whole", tmp_path / "pack"
    run(folder, whole)
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", killed(1, halfway=halfway))
        with pytest.raises(KeyboardInterrupt):
            run(folder, pack)
    assert sorted(contents(pack)) == ["a.npy", "a.npy.json"]
    written = times(pack)
    assert run(folder, pack) == []
    assert times(pack)["a.npy"] == written["a.npy"]
    assert contents(pack) == contents(whole)


def test_features_without_a_side_file_are_not_trusted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two files of a video."""

    def stopping(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(extract_module, "write_text", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(folder, tmp_path)
    assert sorted(contents(tmp_path)) == ["a.npy"]
    (tmp_path / "a.npy").write_bytes(b"of an earlier day")
    assert run(folder, tmp_path) == []
    assert len(read_corpus(tmp_path)) == 3


@pytest.mark.parametrize("name", ["cut.ts", "cut.mkv", "front.mp4", "cut.avi"])
def test_a_cut_file_is_used_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    videos.mkdir()
    cut(write_video(videos / name, moving_square(75), codec=codec, front=name[0] == "f"), 0.6)
    assert run(videos, pack) == []
    (entry,) = json.loads((pack / "features.json").read_text())["videos"].values()
    assert entry["n_bad_packets"] >= 1
    assert 1 < entry["duration_s"] < 2.2
    (video,) = read_corpus(pack).videos
    assert video.num_snippets in (2, 3)
    assert "damaged" in video.notes[0]


def test_a_cut_mp4_without_its_index_fails(tmp_path: Path) -> None:
    cut(write_video(tmp_path / "cut.mp4", moving_square(75)), 0.6)
    (failure,) = run(tmp_path, tmp_path / "pack")
    assert str(failure).startswith(f"{tmp_path / 'cut.mp4'}: expected a video file")


class Deadly(Motion):
    """Ends its process after three snippets, as a broken codec would at one of the videos."""

    def encode(self, frames: Iterable[np.ndarray]) -> np.ndarray:
        array = Motion.encode(self, frames)
        if len(array) == 3:
            os._exit(1)
        return array


def test_only_the_culprit_is_lost_with_its_process(folder: Path, tmp_path: Path) -> None:
    failures = run(folder, tmp_path, Deadly(longest_side=96), workers=2)
    assert [failure.name for failure in failures] == ["c"]
    assert "c.mkv: reading it ended the process" in str(failures[0])
    assert read_corpus(tmp_path).names == ("a", "b")
