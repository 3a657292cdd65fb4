"""The table of segments: round trip, hostile names, spreadsheets' habits, and broken files."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from utal.errors import ConfigError, DataError
from utal.formats.csv import COLUMNS, armoured, plain, read_segments, write_segments
from utal.records import Segments

SEGMENTS = Segments(
    names=("first", "unused", "=cmd|'/c calc'!A1"),
    video=np.array([2, 0, 2]),
    cluster=np.array([3, 0, 3]),
    start_s=np.array([1 / 3, 0.0, 12.8]),
    end_s=np.array([7.04, 1.0, 123456.7890123]),
    score=np.array([-0.25, 1 / 7, 2.0]),
)


def test_the_file_itself(tmp_path: Path) -> None:
    write_segments(tmp_path / "s.csv", SEGMENTS)
    assert (tmp_path / "s.csv").read_bytes().decode() == (
        "video,start_s,end_s,label,cluster,score,instance_id,status\r\n"
        "'=cmd|'/c calc'!A1,0.333333,7.04,cluster_003,3,-0.25,0,predicted\r\n"
        "first,0.0,1.0,cluster_000,0,0.14285714285714285,1,predicted\r\n"
        "'=cmd|'/c calc'!A1,12.8,123456.789012,cluster_003,3,2.0,2,predicted\r\n"
    )


def test_round_trip(tmp_path: Path) -> None:
    labels = ["run", "", "", '@"jump", high\r\n']
    write_segments(
        tmp_path / "s.csv",
        SEGMENTS,
        labels,
        instance_ids=["-7", "b", "'c"],
        statuses=["", "confirmed", "+1"],
    )
    table = read_segments(tmp_path / "s.csv")
    found = table.segments
    assert found.names == (SEGMENTS.names[2], "first")  # without those that have no row
    assert [found.names[v] for v in found.video] == [SEGMENTS.names[v] for v in SEGMENTS.video]
    np.testing.assert_array_equal(found.cluster, SEGMENTS.cluster)
    np.testing.assert_allclose(found.start_s, SEGMENTS.start_s, rtol=0, atol=5.1e-7)
    np.testing.assert_allclose(found.end_s, SEGMENTS.end_s, rtol=0, atol=5.1e-7)
    np.testing.assert_array_equal(found.score, SEGMENTS.score)
    assert table.labels == ("run", "cluster_001", "cluster_002", labels[3])
    assert table.row_labels == (labels[3], "run", labels[3])
    assert table.instance_ids == ("-7", "b", "'c")
    assert table.statuses == ("", "confirmed", "+1")


def test_a_second_round_trip_changes_nothing(tmp_path: Path) -> None:
    write_segments(tmp_path / "1.csv", SEGMENTS)
    table = read_segments(tmp_path / "1.csv")
    write_segments(
        tmp_path / "2.csv", table.segments, table.labels, instance_ids=table.instance_ids
    )
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


@given(st.text(min_size=1))
@example("=1+1")
@example("'=1+1")
@example("''-")
@example("'quoted'")
@example("\t=")
@example("\uff1d1")
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_text_is_a_formula_and_none_is_lost(text: str) -> None:
    assert armoured(text)[0] not in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
    assert plain(armoured(text)) == text


NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip),
    min_size=1,
    max_size=4,
    unique=True,
)


@given(NAMES, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_round_trip_of_any_name(tmp_path_factory, names: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = np.round(rng.uniform(-1, 1e5, len(names)), 6)
    index = np.arange(len(names))
    segments = Segments(tuple(names), index, index, start, start + 0.5, rng.normal(size=len(names)))
    file = tmp_path_factory.mktemp("x") / "s.csv"
    write_segments(file, segments, names)
    table = read_segments(file)
    assert table.segments.names == tuple(names)
    assert table.labels == tuple(names)
    np.testing.assert_allclose(table.segments.start_s, start, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(table.segments.score, segments.score)


def test_nothing_found(tmp_path: Path) -> None:
    write_segments(tmp_path / "s.csv", Segments(("v",)))
    table = read_segments(tmp_path / "s.csv")
    assert (len(table.segments), table.labels, table.segments.names) == (0, (), ())


def read(path: Path, text: str, encoding: str = "utf-8"):
    (path / "s.csv").write_bytes(text.encode(encoding))
    return read_segments(path / "s.csv")


def test_a_table_made_by_hand(tmp_path: Path) -> None:
    text = "label,video,note,end_s,start_s\nrun,v1,x,2,1\n\njump,v2,,4.5, 3\n,,,,\nrun,v2,,9,8\n"
    table = read(tmp_path, text, "utf-8-sig")
    assert table.segments.names == ("v1", "v2")
    assert table.segments.cluster.tolist() == [0, 1, 0]
    assert table.segments.start_s.tolist() == [1, 3, 8]
    assert table.segments.score.tolist() == [1, 1, 1]
    assert table.labels == ("run", "jump")
    assert table.instance_ids == ("0", "1", "2")
    assert table.statuses == ("", "", "")


def test_edited_rows(tmp_path: Path) -> None:
    text = (
        "video,start_s,end_s,label,cluster\n"
        "v,0,1,run,2\n"  # names cluster 2
        "v,1,2,walk,2\n"  # one row renamed
        "v,2,3,run,\n"  # added by hand, known label
        "v,3,4,new,\n"  # added by hand, new label
        "v,4,5,,0\n"  # cluster without a name
    )
    table = read(tmp_path, text)
    assert table.segments.cluster.tolist() == [2, 2, 2, 3, 0]
    assert table.labels == ("cluster_000", "cluster_001", "run", "new")
    assert table.row_labels == ("run", "walk", "run", "new", "cluster_000")


def test_clusters_alone(tmp_path: Path) -> None:
    table = read(tmp_path, "video,start_s,end_s,cluster\nv,0,1,1\n")
    assert table.labels == ("cluster_000", "cluster_001")
    assert table.row_labels == ("cluster_001",)


HEAD = ",".join(COLUMNS) + "\r\n"
BROKEN = [
    ("", "found an empty file"),
    ("video,start_s,label\n", "expected the columns .* found video, start_s, label"),
    ("video,start_s,end_s\n", "label or cluster"),
    ("video;start_s;end_s;label\nv;0;1;a\n", "separate the cells by commas"),
    (HEAD + "v,0,1,a,0,1,0\n", ":2: expected 8 cells, found 7"),
    (HEAD + "v,0,1,a,0,1,0,\nv,0,x,a,0,1,0,\n", ":3: expected a finite number as end_s, found 'x'"),
    (HEAD + 'v,"0,5",1,a,0,1,0,\n', "as start_s, found '0,5'"),
    (HEAD + "v,,1,a,0,1,0,\n", "as start_s, found ''"),
    (HEAD + "v,0,1,a,0,nan,0,\n", "as score, found 'nan'"),
    (HEAD + "v,2,1,a,0,1,0,\n", "ends at 1.0 before it starts at 2.0"),
    (HEAD + ",0,1,a,0,1,0,\n", ":2: the row names no video"),
    (HEAD + "v,0,1,,,1,0,\n", ":2: the row has neither a label nor a cluster"),
    (HEAD + "v,0,1,a,-1,1,0,\n", "expected the number of a cluster, found '-1'"),
    (HEAD + "v,0,1,a,1.5,1,0,\n", "expected the number of a cluster, found '1.5'"),
    (HEAD + "v,0,1,a,99999999,1,0,\n", "expected the number of a cluster"),
    (HEAD + f"{'v' * 200_000},0,1,a,0,1,0,\n", "field larger than"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[row[1] for row in BROKEN])
def test_broken_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "s.csv"))
    assert "\n" not in str(error.value)


def test_not_a_text_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a CSV table in UTF-8"):
        read(tmp_path, HEAD + "é", "latin-1")
    with pytest.raises(DataError, match="cannot be read"):
        read_segments(tmp_path / "absent.csv")


def test_errors_of_writing(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("old")
    with pytest.raises(ConfigError, match="no label for cluster 3"):
        write_segments(file, SEGMENTS, ["a"])
    strange = Segments(("bad \udcff",), *[np.array([0])] * 2, *np.array([[0.0], [1], [1]]))
    with pytest.raises(DataError, match="cannot be written as UTF-8"):
        write_segments(file, strange)
    with pytest.raises(ValueError, match="zip"):
        write_segments(file, SEGMENTS, statuses=["one"])
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_other_programs_read_it(tmp_path: Path) -> None:
    write_segments(tmp_path / "s.csv", SEGMENTS)
    with (tmp_path / "s.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [row["score"] for row in rows] == ["-0.25", str(1 / 7), "2.0"]
    assert tuple(rows[0]) == COLUMNS
