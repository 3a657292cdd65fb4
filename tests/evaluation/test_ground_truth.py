"""Reading annotations: both dialects, spellings of a subset, and what annotators leave behind."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.oracle_data import FOLDER
from utal.errors import DataError
from utal.evaluation.ground_truth import GroundTruth, read_ground_truth


def annotation(label: str, *segment: object) -> dict:
    return {"label": label, "segment": list(segment)}


def written(path: Path, database: object) -> Path:
    file = path / "gt.json"
    file.write_text(json.dumps({"database": database}), encoding="utf-8")
    return file


DATABASE = {
    "a": {
        "subset": "training",
        "duration": 9.5,
        "annotations": [annotation("Jump", 1, 3), annotation("Ämbiguous", "2.5", " 4 ")],
    },
    "b": {"subset": "validation", "annotations": [annotation("Run", 0, 1)]},
    "c": {"subset": "training", "annotations": []},
    "d": {"subset": "training"},
    "e": {"subset": "training", "annotations": [annotation("Jump", 8, 99)] * 2},
}


def test_one_subset(tmp_path: Path) -> None:
    file = written(tmp_path, DATABASE)
    truth = read_ground_truth(file, "training")
    assert truth.names == ("a", "c", "d", "e")
    assert truth.class_names == ("Jump", "Ämbiguous")
    assert truth.video.tolist() == [0, 0, 3, 3]  # duplicates stay
    assert truth.label.tolist() == [0, 1, 0, 0]
    assert truth.start_s.tolist() == [1, 2.5, 8, 8]
    assert truth.end_s.tolist() == [3, 4, 99, 99]  # past the end of the video
    assert truth.subset == "training"
    assert truth.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (len(truth), truth.num_ambiguous, truth.num_empty) == (4, 0, 0)
    assert truth.video_labels().tolist() == [[1, 1], [0, 0], [0, 0], [1, 0]]
    assert truth.video_labels(["e", "a"]).tolist() == [[1, 0], [1, 1]]
    with pytest.raises(DataError, match=r"1 of 2 videos are not in subset 'training'.*'b'"):
        truth.video_labels(["a", "b"])


def test_thumos_dialect(tmp_path: Path) -> None:
    example = json.loads((FOLDER / "detection_example.json").read_text())["ground_truth"]
    file = tmp_path / "gt.json"
    file.write_text(json.dumps(example))
    truth = read_ground_truth(file, "test")
    expected = [
        (name, a["label"], *map(float, a["segment"]))
        for name, entry in example["database"].items()
        if entry["subset"] == "test"
        for a in entry["annotations"]
    ]
    found = [
        (truth.names[v], truth.class_names[c], s, e)
        for v, c, s, e in zip(truth.video, truth.label, truth.start_s, truth.end_s, strict=True)
    ]
    assert found == expected
    assert list(truth.class_names) == sorted({row[1] for row in expected})


def test_ambiguous_and_empty_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [annotation("Ambiguous", 0, 5), annotation("Run", 4, 4), annotation("Run", 4, 5)]
    file = written(tmp_path, {"a": {"subset": "x", "annotations": rows}})
    truth = read_ground_truth(file)
    assert (truth.class_names, truth.num_ambiguous, truth.num_empty) == (("Run",), 1, 1)
    assert truth.start_s.tolist() == [4]


SPELLINGS = [
    (["test", "Test", "testing"], "test", "test"),  # exact first
    (["Test", "testing"], "test", "Test"),  # then case
    (["testing", "train"], "test", "testing"),  # then synonym
    (["Validation", "Test"], "val", "Validation"),
    (["training", "validation"], "Train", "training"),
    (["only"], None, "only"),
    ([None], None, "all"),
    ([None], "all", "all"),
]


@pytest.mark.parametrize(("present", "wanted", "expected"), SPELLINGS)
def test_spelling_of_subsets(tmp_path: Path, present, wanted, expected) -> None:
    entries = {
        f"v{index}": {"subset": name, "annotations": [annotation(str(name), 0, 1)]}
        for index, name in enumerate(present)
    }
    for entry in entries.values():
        if entry["subset"] is None:
            del entry["subset"]
    truth = read_ground_truth(written(tmp_path, entries), wanted)
    assert truth.subset == expected
    assert len(truth) == 1


BROKEN = [
    ('{"database": ', None, "expected a JSON file"),
    ("[1]", None, "expected a JSON object, found a list"),
    ('{"v_abc": {"annotations": []}}', None, "\"database\" .* found 'v_abc'"),
    ('{"database": []}', None, "database"),
    ('{"database": {"a": 3}}', None, "video 'a': expected an object, found 3"),
    ('{"database": {}}', None, "the file has no videos"),
    (DATABASE, None, "choose one subset; the file has 'training', 'validation'"),
    (DATABASE, "testing", "no single subset 'testing'; the file has 'training', 'validation'"),
    ({"a": {"subset": "s"}}, "s", "subset 's' has no annotations"),
    ({"a": {"annotations": [annotation("Run", 3, 3)]}}, None, "has no annotations"),
    ({"a": {"annotations": [annotation("Run", 3, 2)]}}, None, "'a', annotation 0: .* ends before"),
    ({"a": {"annotations": [annotation("Run", 3)]}}, None, r"'a', annotation 0: .*found \[3\]"),
    ({"a": {"annotations": [annotation("Run", 3, 4, 5)]}}, None, "expected a segment"),
    ({"a": {"annotations": [annotation("Run", "x", 4)]}}, None, "expected a segment"),
    ({"a": {"annotations": [annotation("Run", True, 4)]}}, None, "expected a segment"),
    ({"a": {"annotations": [annotation("Run", 0, float("nan"))]}}, None, "expected a segment"),
    ({"a": {"annotations": [{"label": "Run"}]}}, None, "expected a segment"),
    ({"a": {"annotations": [{"label": 4, "segment": [1, 2]}]}}, None, 'a text as "label"'),
    ({"a": {"annotations": [7]}}, None, 'a text as "label"'),
    ({"a": {"annotations": {}}}, None, "expected a list of annotations"),
]


@pytest.mark.parametrize(("content", "subset", "message"), BROKEN)
def test_broken_files(tmp_path: Path, content, subset, message: str) -> None:
    file = tmp_path / "gt.json"
    file.write_text(content) if isinstance(content, str) else written(tmp_path, content)
    with pytest.raises(DataError, match=message) as error:
        read_ground_truth(file, subset)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_ground_truth(tmp_path / "absent.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_ground_truth(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="expected a JSON file"):
        read_ground_truth(tmp_path / "binary")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ("a", "b", "c")}, "every class"),
        ({"video": np.array([0, 2])}, "out of range"),
        ({"end_s": np.array([1.0, 0.0])}, "no length"),
        (
            dict.fromkeys(("video", "label"), np.empty(0, np.int64))
            | dict.fromkeys(("start_s", "end_s"), np.empty(0)),
            "no annotations",
        ),
    ],
)
def test_impossible_records(change: dict, message: str) -> None:
    fields = {
        "names": ("v", "w"),
        "class_names": ("a", "b"),
        "video": np.array([0, 1]),
        "label": np.array([1, 0]),
        "start_s": np.array([0.0, 0.0]),
        "end_s": np.array([1.0, 2.0]),
    }
    assert len(GroundTruth(**fields)) == 2
    with pytest.raises(DataError, match=message):
        GroundTruth(**{**fields, **change})
