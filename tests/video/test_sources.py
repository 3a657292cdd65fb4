from pathlib import Path

import pytest

from tests.video.making import moving_square, write_sound, write_video
from utal.errors import DataError
from utal.video.sources import find_videos, opened


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_videos_are_found_below_a_folder_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.MP4", "a/z.mkv", "a/b/c.webm", "notes.txt", "b.jpg", "mp4")
    found = find_videos(tmp_path)
    assert [name for name, _ in found] == ["a/b/c", "a/z", "b"]
    assert [path for _, path in found] == [
        tmp_path / name for name in ("a/b/c.webm", "a/z.mkv", "b.MP4")
    ]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "._a.mp4", ".trash/b.mp4", "c/.d/e.mp4")
    assert [name for name, _ in find_videos(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.avi", "a.mp4", "b.mp4"], ["a.avi", "a.mp4", "b"]),
        (["a.mp4", "x/a.mp4"], ["a", "x/a"]),
        (["a.avi", "a.mp4", "a.mp4.mkv"], ["a.avi", "a.mp4", "a.mp4.mkv"]),
    ],
)
def test_names_are_short_but_unique(tmp_path: Path, files: list[str], names: list[str]) -> None:
    touch(tmp_path, *files)
    assert [name for name, _ in find_videos(tmp_path)] == names


def test_a_file_named_outright_may_have_any_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "recording.bin")
    path = tmp_path / "recording.bin"
    path.write_bytes(b"x")
    assert find_videos(path) == [("recording", path)]


def test_a_folder_without_videos_says_what_was_looked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(DataError, match=r"found no video .*\.avi .*\.mp4") as caught:
        find_videos(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        find_videos(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("text", "expected a video file, FFmpeg finds none"),
        ("empty", "is empty"),
        ("folder", "found a folder"),
        ("missing", "no such file"),
        ("sound", "expected a video stream, found only audio"),
    ],
)
def test_what_is_no_video_gets_one_line(tmp_path: Path, kind: str, told: str) -> None:
    path = tmp_path / "a.mp4"
    if kind == "text":
        path.write_text("hello, this is not a video\n" * 50)
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "sound":
        write_sound(path)
    with pytest.raises(DataError, match=told) as caught, opened(path):
        pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_headers_are_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving_square(48), fps=24)
    with opened(path) as source:
        assert source.fps == pytest.approx(24)
        assert source.duration_s == pytest.approx(2)
        assert not source.has_audio
        assert source.has_presentation_times
        assert not source.may_restart
