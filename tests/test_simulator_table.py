"""The table of methods on simulated corpora: cells, resuming, means."""

import json
from pathlib import Path

import pytest

from benchmarks import simulator_table
from benchmarks.simulator_table import (
    Cell,
    Score,
    append,
    finished,
    main,
    markdown,
    score_of,
    table_of,
)

QUICK = ("training.steps=8",)


def score(map_average: float, purity: float | None = 0.5) -> Score:
    return Score(purity, purity, purity, map_average, 0.25, 2.0)


@pytest.mark.parametrize("mode", simulator_table.MODES)
def test_a_cell(mode: str) -> None:
    one = score_of(Cell("cola", mode, 0, "tiny", QUICK))
    again = score_of(Cell("cola", mode, 0, "tiny", QUICK))
    assert (one.map_average, one.map_50, one.nmi_first) == (
        again.map_average,
        again.map_50,
        again.nmi_first,
    )
    assert 0 < one.map_average < 1
    assert one.wall_s > 0
    assert (one.purity is None) == (mode == "WS")
    if mode == "US":
        assert one.purity is not None
        assert 1 / 3 < one.purity <= 1


def test_command_runs_what_is_missing_and_writes_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--methods", "cola", "--seeds", "0", "--world", "tiny", "--set", QUICK[0]]
    arguments += ["--cells", str(tmp_path / "cells.jsonl"), "--out", str(tmp_path / "out" / "t.1")]
    known = Cell("cola", "WS", 0, "tiny", QUICK)
    append(tmp_path / "cells.jsonl", known, score(0.125, None), "here")
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "1 of 2 cells to run" in told
    assert "cola US seed 0: mAP" in told
    assert "cola WS" not in told.partition("| method")[0]
    assert len(finished(tmp_path / "cells.jsonl")) == 2
    table = (tmp_path / "out" / "t.1.md").read_text("utf-8")
    assert "| `cola` | WS |  |  |  | 0.125 ± 0.000 | 0.250 ± 0.000 | 1 | 2 |" in table
    assert "torch" in table
    content = json.loads((tmp_path / "out" / "t.1.json").read_text("utf-8"))
    assert [row["mode"] for row in content["rows"]] == ["US", "WS"]
    assert content["world"]["num_classes"] == 3
    assert content["settings"] == list(QUICK)
    assert main(arguments) == 0
    assert "0 of 2 cells to run" in capsys.readouterr().out


def test_a_failed_cell_is_told_and_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        simulator_table, "run", lambda cells, jobs: [(cell, None) for cell in cells]
    )
    cells = tmp_path / "cells.jsonl"
    arguments = ["--methods", "cola", "--seeds", "0", "--cells", str(cells)]
    assert main([*arguments, "--out", str(tmp_path / "table")]) == 1
    assert "cola US seed 0: failed" in capsys.readouterr().out
    assert not finished(cells)


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cells.jsonl"
    assert finished(path) == {}
    one, two = Cell("cola", "US", 0, "tiny"), Cell("cola", "US", 1, "tiny", QUICK)
    append(path, one, score(0.5), "here")
    with path.open("ab") as file:
        file.write(b'{"cell": {"method": "co')
    append(path, two, score(0.25), "here")
    assert finished(path) == {one: score(0.5), two: score(0.25)}


def test_rows_are_means_over_seeds() -> None:
    cells = [Cell("feel", mode, seed, "tiny") for seed in (0, 1) for mode in ("US", "WS")]
    scores = {cells[0]: score(0.2), cells[2]: score(0.6), cells[1]: score(0.9, None)}
    rows = table_of(scores, cells)
    assert [(row["method"], row["mode"], row["seeds"]) for row in rows] == [
        ("feel", "US", 2),
        ("feel", "WS", 1),
    ]
    assert rows[0]["map_average"] == {"mean": pytest.approx(0.4), "std": pytest.approx(0.2)}
    assert "purity" not in rows[1]
    assert "0.400 ± 0.200" in markdown(rows, "heading")
