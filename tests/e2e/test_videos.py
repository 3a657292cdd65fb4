"""The commands on raw videos, as a user types them."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Result
from tests.video.making import NTSC, cut, moving_square, write_sound, write_video

Utal = Callable[..., Result]
QUICK = (
    *("-k", 2, "--set", "localizer.width=16", "--set", "training.steps=8"),
    *("--set", "num_rounds=2", "--workers", 1),
)
NAMES = ("across 1", "across 2", "across 3", "sub/up 1", "up 2", "up 3")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos of two motions, each of another kind of file; nobody changes them."""
    folder = tmp_path_factory.mktemp("footage")
    (folder / "sub").mkdir()
    across, up = (14, 0), (0, 14)
    write_video(folder / "across 1.mp4", moving_square(75, swing=across), fps=25)
    frames = moving_square(72, swing=across, size=(200, 112), seed=1)
    write_video(folder / "across 2.avi", frames, fps=24, codec="mpeg4")
    frames = moving_square(90, swing=across, size=(121, 161), seed=2)
    write_video(folder / "across 3.mov", frames, fps=NTSC, codec="mjpeg")
    frames = moving_square(90, swing=up, seed=3)
    write_video(folder / "sub" / "up 1.mkv", frames, fps=30)
    frames = moving_square(80, swing=up, size=(144, 144), seed=4)
    write_video(folder / "up 2.webm", frames, fps=25, codec="libvpx-vp9")
    write_video(folder / "up 3.m4v", moving_square(50, swing=up, seed=5), fps=15, pixels="gray")
    return folder


def files(folder: Path) -> dict[str, int]:
    """All files with the time they were written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def told(result: Result, text: str) -> None:
    """The command was refused in one line that says this."""
    assert result.code == 2, result.out
    assert result.err.startswith("utal: error: ")
    assert result.err.count("\n") == 1
    assert text in result.err


def test_videos_become_segments_and_a_report(utal: Utal, footage: Path, tmp_path: Path) -> None:
    run, before = tmp_path / "run", files(footage)
    done = utal("discover", footage, "-o", run, *QUICK)
    assert done.code == 0, done.err
    assert done.err == ""
    assert f"Report: {run / 'report.html'}" in done.out
    assert "Left out" not in done.out
    assert files(footage) == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]

    content = json.loads((run / "detections.json").read_text())
    assert set(content["results"]) <= set(NAMES)
    assert any(content["results"].values())
    lengths = [3.0, 3.0, 3.0, 3.0, 3.2, 50 / 15]
    ends = dict(zip(NAMES, lengths, strict=True))
    with (run / "segments.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert 0 <= float(row["start_s"]) < float(row["end_s"]) <= ends[row["video"]] + 0.05

    page = (run / "report.html").read_text()
    assert re.search(r'src="data:image/webp;base64,[A-Za-z0-9+/]{100}', page)
    assert "Pictures are missing" not in page
    assert all(name in page for name in NAMES)
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_a_resumed_run_does_not_extract_again(utal: Utal, footage: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert utal("discover", footage, "-o", run, *QUICK).code == 0
    features = {name: at for name, at in files(run / "features").items() if ".npy" in name}
    assert len(features) == 12
    detections = (run / "detections.json").read_bytes()
    shutil.rmtree(run / "round_01")
    (run / "detections.json").unlink()
    again = utal("discover", footage, "-o", run, *QUICK, "--resume")
    assert again.code == 0, again.err
    assert features.items() <= files(run / "features").items()
    assert (run / "detections.json").read_bytes() == detections


def test_the_number_of_workers_changes_nothing(utal: Utal, footage: Path, tmp_path: Path) -> None:
    for number, name in ((1, "one"), (2, "two")):
        done = utal("discover", footage, "-o", tmp_path / name, *QUICK, "--workers", number)
        assert done.code == 0, done.err
    for name in ("detections.json", "segments.csv", "features/features.json"):
        one, two = (tmp_path / run / name for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_broken_video_is_left_out_and_named(utal: Utal, footage: Path, tmp_path: Path) -> None:
    videos, run = tmp_path / "videos", tmp_path / "run"
    shutil.copytree(footage, videos)
    cut(videos / "across 1.mp4", 0.5)
    (videos / "zero [bold].mp4").touch()
    done = utal("discover", videos, "-o", run, *QUICK)
    assert done.code == 0, done.err
    left_out = [line for line in done.out.splitlines() if line.startswith("Left out: ")]
    assert len(left_out) == 2
    assert f"{videos / 'across 1.mp4'}: expected a video file" in left_out[0]
    assert f"{videos / 'zero [bold].mp4'}: is empty" in left_out[1]
    assert set(json.loads((run / "corpus.json").read_text())["videos"]) == set(NAMES[1:])
    assert "across 1.mp4" in (run / "report.html").read_text()


def test_one_video_in_hand_is_enough_for_one_class(
    utal: Utal, footage: Path, tmp_path: Path
) -> None:
    done = utal("discover", footage / "up 2.webm", "-o", tmp_path / "run", *QUICK, "-k", 1)
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "report.html").is_file()


def no_folder(folder: Path) -> str:
    return f"{folder}: no such file or folder"


def nothing(folder: Path) -> str:
    folder.mkdir()
    return f"{folder}: found no video"


def text_beside(folder: Path) -> str:
    folder.mkdir()
    (folder / "notes.txt").write_text("hello")
    return f"{folder}: found no video"


def text(folder: Path) -> str:
    folder.mkdir()
    (folder / "text.mp4").write_text("hello\n" * 100)
    return f"{folder / 'text.mp4'}: expected a video file"


def zero(folder: Path) -> str:
    folder.mkdir()
    (folder / "zero.mp4").touch()
    return f"{folder / 'zero.mp4'}: is empty"


def sound(folder: Path) -> str:
    folder.mkdir()
    write_sound(folder / "sound.mp4")
    return f"{folder / 'sound.mp4'}: expected a video stream, found only audio"


BAD = (no_folder, nothing, text_beside, text, zero, sound)


@pytest.mark.parametrize("make", BAD)
def test_bad_input_is_one_line(utal: Utal, tmp_path: Path, make: Callable[[Path], str]) -> None:
    videos, run = tmp_path / "videos", tmp_path / "run"
    expected = make(videos)
    before = files(tmp_path)
    told(utal("discover", videos, "-o", run, *QUICK), expected)
    left = {name: at for name, at in files(tmp_path).items() if not name.startswith("run/")}
    assert left == before
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("make", [no_folder, nothing, text_beside])
def test_probing_and_extracting_nothing_is_refused(
    utal: Utal, tmp_path: Path, make: Callable[[Path], str]
) -> None:
    expected = make(tmp_path / "videos").partition(" or folder")[0]
    before = files(tmp_path)
    told(utal("probe", tmp_path / "videos"), expected)
    told(utal("extract", tmp_path / "videos", "-o", tmp_path / "pack"), expected)
    assert files(tmp_path) == before
    assert not (tmp_path / "pack").exists()


def test_fewer_videos_than_classes_is_refused(utal: Utal, footage: Path, tmp_path: Path) -> None:
    told(
        utal("discover", footage / "sub", "-o", tmp_path / "run", *QUICK),
        f"{footage / 'sub'}: 1 videos cannot form 2 classes",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_probe_tells_what_is_there(utal: Utal, footage: Path) -> None:
    found = utal("probe", footage)
    assert found.code == 0, found.err
    for cell in (*NAMES, "h264", "mpeg4", "mjpeg", "vp9", "121x161", "29.97"):
        assert cell in found.out


@pytest.mark.parametrize("full", ["--full", "--no-full"])
def test_probe_fails_if_a_file_cannot_be_used(
    utal: Utal, footage: Path, tmp_path: Path, full: str
) -> None:
    shutil.copy(footage / "up 2.webm", tmp_path)
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    found = utal("probe", tmp_path, full)
    assert found.code == 1
    assert found.err == ""
    shown = " ".join(found.out.split())
    assert "up 2" in shown
    assert "text" in shown
    assert "expected" in shown


@pytest.mark.parametrize("name", ["a [red]", "a [/b]"])
def test_probe_shows_names_as_they_are(utal: Utal, tmp_path: Path, name: str) -> None:
    """A folder that ends with `[` makes a closing tag of the path."""
    path = tmp_path / f"{name}.mp4"
    path.parent.mkdir(exist_ok=True)
    write_video(path, moving_square(18))
    found = utal("probe", tmp_path)
    assert found.code == 0
    assert name in found.out


def test_an_extracted_pack_can_be_discovered_in(utal: Utal, footage: Path, tmp_path: Path) -> None:
    pack, run = tmp_path / "pack", tmp_path / "run"
    done = utal("extract", footage, "-o", pack, "--workers", 1)
    assert done.code == 0, done.err
    assert len(list(pack.glob("*.npy"))) == len(NAMES)
    found = utal("discover", pack, "-o", run, *QUICK)
    assert found.code == 0, found.err
    assert "data:image" in (run / "report.html").read_text()


def test_extract_names_what_it_left_out(utal: Utal, footage: Path, tmp_path: Path) -> None:
    videos, pack = tmp_path / "videos", tmp_path / "pack"
    videos.mkdir()
    shutil.copy(footage / "up 2.webm", videos)
    (videos / "zero.mp4").touch()
    done = utal("extract", videos, "-o", pack, "--workers", 1)
    assert done.code == 1
    assert f"Left out: {videos / 'zero.mp4'}: is empty" in done.out
    assert (pack / "up%202.npy").is_file() or (pack / "up 2.npy").is_file()


def test_stopped_extraction_says_how_to_go_on(
    utal: Utal, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("utal.video.extract.extract", stopped)
    ended = utal("extract", footage, "-o", tmp_path / "pack", "--workers", 1)
    assert ended.code == 130
    assert "--resume" not in ended.out
