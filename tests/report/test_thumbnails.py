from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from utal.report import thumbnails
from utal.report.contents import ReportVideo
from utal.report.thumbnails import grab, take_pictures

av = pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")
FPS, NUM_FRAMES = 10, 100


def write_video(path: Path, *, keyframe_every: int = 12, shift_s: int = 0) -> Path:
    """Frame i is grey of the value 2 i + 20, so that a picture tells its time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.gop_size = 160, 96, keyframe_every
        stream.bit_rate = 2_000_000
        for index in range(NUM_FRAMES):
            grey = np.full((96, 160, 3), 20 + 2 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts = index + shift_s * FPS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def seconds(picture: bytes | None) -> float:
    """When a picture was taken."""
    assert picture is not None
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return float((image.mean() - 20) / 2 / FPS)


@pytest.mark.parametrize("keyframe_every", [1, 12, 600])
def test_pictures_show_their_moments_in_any_order(tmp_path: Path, keyframe_every: int) -> None:
    video = write_video(tmp_path / "v.mp4", keyframe_every=keyframe_every)
    moments = [9.5, 0.0, 4.0, 4.1, 8.7, 0.5, 4.0]
    assert [seconds(p) for p in grab(video, moments)] == pytest.approx(moments, abs=0.15)


def test_time_counts_from_the_first_frame(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mkv", shift_s=7)
    moments = [0.0, 0.4, 8.0, 8.6]
    assert [seconds(p) for p in grab(video, moments)] == pytest.approx(moments, abs=0.15)


def test_gaps_are_jumped_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "v.mp4")
    decoded: list[float] = []

    def counted(*arguments: Any) -> Iterator[Any]:
        for frame in original(*arguments):
            decoded.append(frame.time)
            yield frame

    original = thumbnails._decoded
    monkeypatch.setattr(thumbnails, "_decoded", counted)
    grab(video, [0.0, 9.5])
    assert len(decoded) < 30


def test_a_moment_outside_gives_the_nearest_frame(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4")
    assert [seconds(p) for p in grab(video, [-3.0, 99.0])] == pytest.approx([0.0, 9.9], abs=0.15)


def test_the_longer_side_has_the_asked_width(tmp_path: Path) -> None:
    (picture,) = grab(write_video(tmp_path / "v.mp4"), [1.0], width=100)
    assert picture is not None
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (60, 100, 3)


def test_damage_costs_at_most_a_few_pictures(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4")
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = bytes(500)
    video.write_bytes(content)
    pictures = grab(video, [0.5, 9.5])
    assert [seconds(p) for p in pictures] == pytest.approx([0.5, 9.5], abs=0.3)


def test_what_is_no_video_gives_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    assert grab(tmp_path / "text.mp4", [0.0, 1.0]) == [None, None]
    assert grab(tmp_path / "gone.mp4", [0.0]) == [None]


def test_missing_pictures_are_explained(tmp_path: Path) -> None:
    good = ReportVideo("good", 10.0, str(write_video(tmp_path / "v.mp4")), 0)
    lost = ReportVideo("lost", 10.0, str(tmp_path / "gone.mp4"), 0)
    told: list[str] = []
    taken = take_pictures([good, lost], {0: [1.0], 1: [2.0]}, on_progress=told.append)
    assert list(taken.images) == [(0, 1.0)]
    assert taken.images[0, 1.0].startswith("data:image/webp;base64,")
    assert taken.missing == "Pictures are missing where a file cannot be read: lost."
    assert told == ["good", "lost"]


def test_no_sources_no_pictures() -> None:
    taken = take_pictures([ReportVideo("v", 1.0, None, 0)], {0: [0.5]})
    assert "only features are known" in taken.missing


def test_without_the_video_packages_there_are_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "find_spec", lambda name: None if name == "av" else name)
    taken = take_pictures([ReportVideo("v", 1.0, "v.mp4", 0)], {0: [0.5]})
    assert not taken.images
    assert "pip install 'utal[video]'" in taken.missing
