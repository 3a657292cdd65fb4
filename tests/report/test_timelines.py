import json
from pathlib import Path

import numpy as np
import pytest

from utal.records import Segments
from utal.report.contents import ReportScores, ReportVideo
from utal.report.timelines import (
    printable,
    script_json,
    source_address,
    timeline_data,
    truth_marks,
)


def test_source_is_named_relative_to_the_page(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x#1?.mp4").touch()
    source = str(tmp_path / "a b" / "x#1?.mp4")
    assert source_address(source, tmp_path) == "./a%20b/x%231%3F.mp4"
    assert source_address(source, tmp_path / "run") == "./../a%20b/x%231%3F.mp4"


def test_a_name_cannot_become_another_scheme(tmp_path: Path) -> None:
    (tmp_path / "javascript:alert(1).mp4").touch()
    address = source_address(str(tmp_path / "javascript:alert(1).mp4"), tmp_path)
    assert address == "./javascript%3Aalert%281%29.mp4"


def test_no_file_no_address(tmp_path: Path) -> None:
    assert source_address(None, tmp_path) is None
    assert source_address(str(tmp_path / "gone.mp4"), tmp_path) is None
    assert source_address(str(tmp_path), tmp_path) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("مرحبا 🤸 \u202egnp.\u2028", "مرحبا 🤸 \u202egnp.\u2028"),
        ("a\x00\x1b\x85b", "a\ufffd\ufffd\ufffdb"),
        ("\udcff.mp4", "\ufffd.mp4"),
    ],
)
def test_what_cannot_stand_in_a_page_is_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_json_cannot_leave_its_script() -> None:
    data = ["</script><!-- & \u2028\u2029 \udc80"]
    text = script_json(data)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == data


def test_json_refuses_what_a_browser_cannot_read() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_json([float("nan")])


def test_entries_are_ordered_by_start_and_hold_everything(tmp_path: Path) -> None:
    segments = Segments(
        ("a", "b"),
        np.array([0, 0, 1]),
        np.array([1, 0, 1]),
        np.array([5.0, 1.0, 0.0]),
        np.array([7.123, 2.0, 12.0]),
        np.array([0.25, 0.5, np.nan]),
    )
    videos = [
        ReportVideo("a", 10.0, None, 1, np.array([0.5]), 10.0, ("3 bad packets",)),
        ReportVideo("b", 10.0, None, 0),
    ]
    first, second = timeline_data(
        segments, np.array([0.5, 1.3, 0.0]), np.array([True, False, True]), videos, {}, tmp_path
    )
    assert first["segments"] == [[1, 1.0, 2.0, 0, 0.5, 100, 0], [0, 5.0, 7.12, 1, 0.25, 50, 1]]
    assert (first["curve"], first["curve_s"], first["notes"]) == ([50], 10.0, ["3 bad packets"])
    assert second["segments"] == [[2, 0.0, 12.0, 1, None, 0, 1]]
    assert second["duration"] == 12.0  # a segment beyond the end stays inside its row


def test_truth_takes_the_colour_of_its_cluster() -> None:
    truth = Segments(
        ("a",), np.array([0, 0]), np.array([1, 0]), np.zeros(2), np.ones(2), np.ones(2)
    )
    scores = ReportScores((), cluster_classes={4: "run"}, class_names=("jump", "run"))
    assert truth_marks(truth, scores) == {"a": [[0.0, 1.0, "run", 4], [0.0, 1.0, "jump", None]]}
    assert truth_marks(truth, None)["a"][0] == [0.0, 1.0, "class 1", None]
    assert truth_marks(None, scores) == {}
