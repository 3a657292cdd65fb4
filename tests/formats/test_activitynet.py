"""The JSON of detections: round trip, what official evaluators ask for, and broken files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utal.errors import ConfigError, DataError
from utal.formats.activitynet import cluster_names, read_detections, write_detections
from utal.records import Segments

SEGMENTS = Segments(
    names=("first", "empty", "näme \udcff\n"),
    video=np.array([2, 0, 2]),
    cluster=np.array([7, 0, 7]),
    start_s=np.array([1 / 3, 0.0, 1e-7]),
    end_s=np.array([16 * 11 / 25, 1.0, 123456.7890123]),
    score=np.array([-0.25, 1 / 7, 2.0]),
)


def same(a: Segments, b: Segments) -> bool:
    """Equal up to the order of rows between videos."""
    rows = [
        sorted(
            (table.names[video], position, *rest)
            for position, (video, *rest) in enumerate(
                zip(*table.take(np.argsort(table.video, kind="stable")).columns(), strict=True)
            )
        )
        for table in (a, b)
    ]
    return a.names == b.names and rows[0] == rows[1]


def test_round_trip_is_exact(tmp_path: Path) -> None:
    write_detections(tmp_path / "d.json", SEGMENTS)
    found, labels = read_detections(tmp_path / "d.json")
    assert same(found, SEGMENTS)
    assert labels == cluster_names(8)


def test_keys_that_evaluators_ask_for(tmp_path: Path) -> None:
    write_detections(tmp_path / "d.json", SEGMENTS, external_data="I3D on Kinetics-400")
    content = json.loads((tmp_path / "d.json").read_bytes())
    assert list(content) == ["version", "method", "external_data", "results"]
    assert content["version"] == "VERSION 1.3"
    assert content["external_data"] == {"used": True, "details": "I3D on Kinetics-400"}
    assert content["results"]["empty"] == []
    assert content["results"]["first"] == [
        {"label": "cluster_000", "score": 1 / 7, "segment": [0.0, 1.0]}
    ]
    assert [d["label"] for d in content["results"][SEGMENTS.names[2]]] == ["cluster_007"] * 2


def test_own_labels(tmp_path: Path) -> None:
    labels = ["run", *"abcdef", "jump"]
    write_detections(tmp_path / "d.json", SEGMENTS, labels)
    found, read = read_detections(tmp_path / "d.json")
    assert read == ("jump", "run")  # alphabetical; only those that occur are in the file
    assert sorted(found.cluster.tolist()) == [0, 0, 1]


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), max_size=5))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_round_trip_of_any_number(tmp_path_factory, rows: list) -> None:
    file = tmp_path_factory.mktemp("x") / "d.json"
    numbers = np.array(rows, np.float64).reshape(-1, 3)
    start, end = np.minimum(*numbers.T[:2]), np.maximum(*numbers.T[:2])
    zeros = np.zeros(len(rows), np.int64)
    segments = Segments(("v",), zeros, zeros, start, end, numbers[:, 2].copy())
    write_detections(file, segments)
    assert same(read_detections(file)[0], segments)


def test_nothing_found(tmp_path: Path) -> None:
    write_detections(tmp_path / "d.json", Segments(("v",)))
    found, labels = read_detections(tmp_path / "d.json")
    assert (found.names, len(found), labels) == (("v",), 0, ())


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (["cluster_002"], ("cluster_000", "cluster_001", "cluster_002")),
        (["cluster_1000"], cluster_names(1001)),
        (["cluster_0002"], ("cluster_0002",)),  # not as we write it: a name like any other
        (["cluster_002", "run"], ("cluster_002", "run")),
        (["cluster_9999999"], ("cluster_9999999",)),
    ],
)
def test_numbers_of_labels(tmp_path: Path, used: list[str], expected: tuple[str, ...]) -> None:
    detections = [{"label": label, "score": 1, "segment": [0, 1]} for label in used]
    (tmp_path / "d.json").write_text(json.dumps({"results": {"v": detections}}))
    found, labels = read_detections(tmp_path / "d.json")
    assert labels == expected
    assert [labels[index] for index in found.cluster] == used


def test_errors_of_writing(tmp_path: Path) -> None:
    file = tmp_path / "d.json"
    file.write_text("old")
    with pytest.raises(ConfigError, match="no label for cluster 7: 7 labels"):
        write_detections(file, SEGMENTS, ["a"] * 7)
    negative = Segments(("v",), np.array([0]), np.array([-1]), *np.array([[0.0], [1], [1]]))
    with pytest.raises(ConfigError, match="no label for cluster -1"):
        write_detections(file, negative)
    broken = Segments(("v",), np.array([0]), np.array([0]), *np.array([[0.0], [np.nan], [1]]))
    with pytest.raises(DataError, match="segment 0 of video 'v': end_s is not finite"):
        write_detections(file, broken)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


DETECTION = {"label": "a", "score": 0.5, "segment": [0, 1]}
BROKEN = [
    ("{", "expected a JSON file"),
    ("7", "expected a JSON object, found a int"),
    ({}, 'expected an object "results"'),
    ({"results": []}, 'expected an object "results"'),
    ({"results": {"v": {}}}, "video 'v': expected a list"),
    ({"results": {"v": [DETECTION, 3]}}, "video 'v', detection 1: expected an object, found 3"),
    ({"results": {"v": [DETECTION | {"label": 1}]}}, 'expected a text as "label"'),
    ({"results": {"v": [DETECTION | {"score": None}]}}, 'a finite number as "score", found None'),
    ({"results": {"v": [DETECTION | {"score": float("nan")}]}}, "found nan"),
    ({"results": {"v": [DETECTION | {"score": 10**400}]}}, 'a finite number as "score"'),
    ({"results": {"v": [DETECTION | {"segment": [1]}]}}, r"expected a segment .* found \[1\]"),
    ({"results": {"v": [DETECTION | {"segment": "01"}]}}, "expected a segment"),
    ({"results": {"v": [DETECTION | {"segment": [2, 1]}]}}, "ends before it starts"),
    ({"results": {"v": [{}]}}, 'expected a text as "label", found None'),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_broken_files(tmp_path: Path, content: object, message: str) -> None:
    file = tmp_path / "d.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=message) as error:
        read_detections(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text('{"a":' * 200_000)
    with pytest.raises(DataError, match="expected a JSON file"):
        read_detections(tmp_path / "d.json")
