from pathlib import Path

import pytest

from tests.video.making import NTSC, cut, moving_square, write_sound, write_video
from utal.video.probe import probe

FRAMES = moving_square(60)


def test_a_good_file_is_described(tmp_path: Path) -> None:
    path = write_video(tmp_path / "run 1.mp4", FRAMES, fps=24)
    found = probe(path)
    assert (found.name, found.path, found.problem) == ("run 1", path, None)
    assert (found.codec, found.has_audio) == ("h264", False)
    assert "mp4" in found.container
    assert (found.duration_s, found.fps) == pytest.approx((2.5, 24))
    assert found.decoded is not None
    assert (found.decoded.num_frames, found.decoded.bad_packets) == (60, 0)
    assert found.row() == ("run 1", "2.50 s", "24", "no", "h264", "160x120", "0", "0")


@pytest.mark.parametrize(
    ("name", "codec", "told", "fps", "shown"),
    [
        ("a.avi", "mpeg4", "mpeg4", 24, "24"),
        ("a.webm", "libvpx-vp9", "vp9", 25, "25"),
        ("a.mov", "mjpeg", "mjpeg", NTSC, "29.97"),
        ("a.mkv", "libx264", "h264", 25, "25"),
        ("a.ts", "libx264", "h264", 30, "30"),
    ],
)
def test_every_usual_kind_of_file_is_known(
    tmp_path: Path, name: str, codec: str, told: str, fps: int, shown: str
) -> None:
    found = probe(write_video(tmp_path / name, FRAMES, fps=fps, codec=codec))
    assert found.problem is None
    row = found.row()
    assert row[:1] + row[2:] == ("a", shown, "no", told, "160x120", "0", "0")
    assert found.duration_s == pytest.approx(60 / fps, abs=0.01)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_sizes_may_be_odd(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "odd.mkv", moving_square(30, size=(121, 91)), codec=codec)
    assert probe(path).row()[5] == "121x91"


def test_videos_may_be_grey(tmp_path: Path) -> None:
    found = probe(write_video(tmp_path / "grey.mkv", FRAMES, pixels="gray"))
    assert (found.problem, found.row()[5]) == (None, "160x120")


def test_headers_alone_leave_open_what_only_decoding_tells(tmp_path: Path) -> None:
    found = probe(write_video(tmp_path / "v.mp4", FRAMES), name="folder/v", full=False)
    assert found.decoded is None
    assert found.row() == ("folder/v", "2.40 s", "25", "", "h264", "", "", "")


def test_headers_of_a_cut_file_claim_more_than_there_is(tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "cut.mkv", FRAMES), 0.6)
    claimed, found = probe(path, full=False), probe(path)
    assert claimed.duration_s == pytest.approx(2.4, abs=0.05)
    assert 1 < found.duration_s < 2
    assert found.decoded is not None
    assert found.decoded.bad_packets >= 1
    assert found.decoded.missing_s == pytest.approx(2.4 - found.duration_s, abs=0.1)
    assert int(found.row()[7]) >= 1


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not a video at all\n" * 20, "expected a video file"),
        (b"", "is empty (0 bytes)"),
        (None, "no such file"),
    ],
)
def test_what_is_no_video_has_a_problem(
    tmp_path: Path, content: bytes | None, told: str, full: bool
) -> None:
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    found = probe(path, full=full)
    assert found.problem is not None
    assert told in found.problem
    assert str(path) in found.problem
    assert "\n" not in found.problem
    assert found.row() == ("bad", "-", "-", "", "", "", "", "")


@pytest.mark.parametrize("name", ["sound.mp4", "sound.mkv"])
def test_sound_alone_is_no_video(tmp_path: Path, name: str) -> None:
    problem = probe(write_sound(tmp_path / name)).problem
    assert problem is not None
    assert f"{tmp_path / name}: expected a video stream, found only audio" in problem


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    assert "found a folder" in (probe(tmp_path).problem or "")
