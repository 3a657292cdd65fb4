import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.planted import CPU, NUM_ACTIONS, planted_corpus, same, small
from utal import config, runs
from utal.errors import ConfigError, DataError
from utal.loop import rounds
from utal.records import Round
from utal.round_files import folder_of, load_round, save_round
from utal.runs import Request
from utal.sizing import sized

CORPUS, LABELS, _ = planted_corpus(12)


def request_for(method: object, **changes: object) -> Request:
    base = Request("/videos", config.to_json(method), NUM_ACTIONS, 0)  # type: ignore[arg-type]
    return replace(base, **changes)


def some_rounds(restart: bool = True) -> tuple[object, list[Round]]:
    base = small(steps=6, num_rounds=2)
    method = sized(replace(base, training=replace(base.training, restart=restart)), CORPUS)
    return method, list(rounds(method, CORPUS, NUM_ACTIONS, seed=0, device=CPU))


@pytest.mark.parametrize("restart", [True, False])
def test_round_comes_back_bit_for_bit(tmp_path: Path, restart: bool) -> None:
    _, done = some_rounds(restart)
    for round_ in done:
        save_round(tmp_path, round_, CORPUS.names)
        back = load_round(tmp_path, round_.index, CORPUS.names)
        assert same(round_, back)
        if restart:
            assert back.optimiser is None
        else:
            assert round_.optimiser is not None
            assert back.optimiser is not None
            assert round_.optimiser.keys() == back.optimiser.keys()
            assert all(torch.equal(round_.optimiser[k], back.optimiser[k]) for k in back.optimiser)
    assert runs.count_rounds(tmp_path) == 2


def test_crash_while_writing_leaves_no_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, done = some_rounds()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "weights")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            save_round(tmp_path, done[0], CORPUS.names)
    assert runs.count_rounds(tmp_path) == 0
    assert not list(tmp_path.iterdir())
    save_round(tmp_path, done[0], CORPUS.names)
    assert same(load_round(tmp_path, 0, CORPUS.names), done[0])


def test_folder_is_claimed_once(tmp_path: Path) -> None:
    out, request = tmp_path / "run", request_for(small())
    runs.claim(out, request, resume=True)  # resuming what does not exist yet is beginning it
    with pytest.raises(ConfigError, match="go on with --resume"):
        runs.claim(out, request, resume=False)
    runs.claim(out, request, resume=True)
    with pytest.raises(ConfigError, match="seed was 0, now 1"):
        runs.claim(out, replace(request, seed=1), resume=True)
    with pytest.raises(ConfigError, match=r'"steps": 40 was asked, now "steps": 41'):
        runs.claim(out, request_for(small(steps=41)), resume=True)


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and not a run"):
        runs.claim(tmp_path, request_for(small()), resume=True)
    assert os.listdir(tmp_path) == ["holiday.txt"]
    with pytest.raises(ConfigError, match="is not empty and not a run"):
        runs.claim(tmp_path / "holiday.txt", request_for(small()), resume=False)


def test_run_is_read_back(tmp_path: Path) -> None:
    method, done = some_rounds()
    runs.claim(tmp_path / "run", request_for(method), resume=False)
    runs.settle(tmp_path / "run", method, CORPUS)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no round is complete yet"):
        runs.last_round(runs.load(tmp_path / "run"))
    for round_ in done:
        save_round(tmp_path / "run", round_, CORPUS.names)
    run = runs.load(tmp_path / "run")
    assert run.method == method
    assert run.names == CORPUS.names
    assert run.channels == CORPUS.channels
    assert same(runs.last_round(run), done[-1])
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["packages"]["torch"]


def test_other_videos_are_refused(tmp_path: Path) -> None:
    method = sized(small(), CORPUS)
    runs.claim(tmp_path / "run", request_for(method), resume=False)
    runs.settle(tmp_path / "run", method, CORPUS)
    runs.settle(tmp_path / "run", method, CORPUS)
    other, _, _ = planted_corpus(13)
    with pytest.raises(ConfigError, match="begun with other videos"):
        runs.settle(tmp_path / "run", method, other)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("request.json", "{", "damaged run folder"),
        ("config.json", "{}", "damaged run folder"),
        ("corpus.json", "[]", "damaged run folder"),
        ("corpus.json", None, "corpus.json is missing"),
    ],
)
def test_damage_is_named(tmp_path: Path, file: str, content: str | None, message: str) -> None:
    method = sized(small(), CORPUS)
    runs.claim(tmp_path / "run", request_for(method), resume=False)
    runs.settle(tmp_path / "run", method, CORPUS)
    path = tmp_path / "run" / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=message):
        runs.load(tmp_path / "run")


@pytest.mark.parametrize("file", ["weights.safetensors", "pseudo_labels.csv", "losses.csv"])
def test_damaged_round_is_named(tmp_path: Path, file: str) -> None:
    _, done = some_rounds()
    save_round(tmp_path, done[0], CORPUS.names)
    (folder_of(tmp_path, 0) / file).write_bytes(b"video,cluster\nx,y\n")
    with pytest.raises(DataError, match="damaged round"):
        load_round(tmp_path, 0, CORPUS.names)
