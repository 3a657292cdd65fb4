"""The commands on feature packs, as a user types them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import QUICK, Result
from tests.planted import NUM_ACTIONS, planted_corpus

Utal = Callable[..., Result]


def annotation(path: Path) -> Path:
    corpus, labels, runs = planted_corpus(12)
    database = {
        video.name: {
            "subset": "test",
            "annotations": [
                {"segment": [str(first * 0.64), str(last * 0.64)], "label": f"action {label}"}
                for first, last in own
            ],
        }
        for video, label, own in zip(corpus.videos, labels.tolist(), runs, strict=True)
    }
    path.write_text(json.dumps({"database": database}))
    return path


def test_train_localize_evaluate(utal: Utal, pack: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = utal("train", pack, "--classes", NUM_ACTIONS, "-o", run, *QUICK)
    assert trained.code == 0, trained.err
    assert "taken as 25 fps" in trained.out
    content = json.loads((run / "detections.json").read_text())
    assert {"version", "method", "external_data", "results"} <= content.keys()
    assert len(content["results"]) == 12
    with (run / "segments.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {"video", "start_s", "end_s", "label", "score"} <= rows[0].keys()

    out = tmp_path / "new.json"
    applied = utal("localize", run, pack, "-o", out)
    assert applied.code == 0, applied.err
    assert json.loads(out.read_text())["results"] == content["results"]

    truth = annotation(tmp_path / "truth.json")
    scored = utal("evaluate", out, truth, "--run", run)
    assert scored.code == 0, scored.err
    assert "mAP@0.5" in scored.out
    assert "purity" in scored.out
    assert "truth sha256" in scored.out


def test_discover_on_a_feature_pack_writes_a_report(utal: Utal, pack: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = utal("discover", pack, "--classes", NUM_ACTIONS, "-o", run, *QUICK)
    assert done.code == 0, done.err
    page = (run / "report.html").read_text()
    assert "video_00" in page
    assert "http://" not in page
    for name in ("config.json", "environment.json", "request.json", "log.txt"):
        assert (run / name).is_file()


def test_labels_train_without_grouping(utal: Utal, pack: Path, tmp_path: Path) -> None:
    _, labels, _ = planted_corpus(12)
    table = tmp_path / "labels.csv"
    lines = [f"video_{n:02d},action {label}" for n, label in enumerate(labels)]
    table.write_text("\n".join(["video,label", *lines]) + "\n")
    run = tmp_path / "run"
    done = utal("train", pack, "--labels", table, "--method", "cola", "-o", run, *QUICK[:6])
    assert done.code == 0, done.err
    assert not (run / "round_00" / "clustering.csv").exists()
    truth = annotation(tmp_path / "truth.json")
    scored = utal("evaluate", run / "detections.json", truth)
    assert scored.code == 0, scored.err
    assert "by name" in scored.out

    table.write_text("video,label\nghost,x\n")
    refused = utal("train", pack, "--labels", table, "-o", tmp_path / "other")
    assert refused.code == 2
    assert "no video 'ghost'" in refused.err
    table.write_text("video,label\nvideo_00,\n")
    assert "is empty" in utal("train", pack, "--labels", table, "-o", tmp_path / "other").err
    table.write_text("video,label\nvideo_00,x\n")
    assert "has no label" in utal("train", pack, "--labels", table, "-o", tmp_path / "other").err


def rounds_of(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.glob("round_*/*"))
        if path.is_file()
    }


@pytest.mark.parametrize("after_round", [0, 1])
def test_killed_and_resumed_equals_uninterrupted(
    utal: Utal, pack: Path, tmp_path: Path, after_round: int
) -> None:
    arguments = ["train", str(pack), "--classes", str(NUM_ACTIONS), *QUICK]
    slow = ["--set", "training.steps=60"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert utal(*arguments, *slow, "-o", whole).code == 0
    with subprocess.Popen(
        [sys.executable, "-m", "utal", *arguments, *slow, "-o", str(killed)],
        stdout=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while not (killed / f"round_{after_round:02d}").is_dir():
            assert process.poll() is None, "ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert len(list(killed.glob("round_*"))) < 3
    assert not (killed / "detections.json").exists()
    refused = utal(*arguments, *slow, "-o", killed)
    assert refused.code == 2
    assert "--resume" in refused.err
    assert utal(*arguments, *slow, "-o", killed, "--resume").code == 0
    assert rounds_of(killed) == rounds_of(whole)
    assert len(rounds_of(whole)) == 3 * 5
    for name in ("detections.json", "segments.csv", "config.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_interrupt_leaves_a_resumable_run(utal: Utal, pack: Path, tmp_path: Path) -> None:
    arguments = ["train", str(pack), "--classes", str(NUM_ACTIONS), *QUICK]
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-m", "utal", *arguments, "--set", "num_rounds=100000", "-o", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not (run / "round_00").is_dir():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--resume" in out
    assert "Traceback" not in err
    assert not list(run.glob("**/*.tmp"))


def test_training_needs_neither_truth_nor_evaluation(pack: Path, tmp_path: Path) -> None:
    """The ground-truth package cannot even be imported, and no annotation file exists."""
    assert not list(pack.rglob("*.json"))
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("utal.evaluation"):
            raise ImportError("training asked for " + name)
sys.meta_path.insert(0, Block())
import torch
from pathlib import Path
from utal import discover as job, runs
from utal.packs import read_corpus
request = job.new_request(Path({str(pack)!r}), "feel", {list(QUICK[1::2])!r}, 4, 0)
runs.claim(Path({str(tmp_path / "run")!r}), request, resume=False)
corpus = read_corpus(Path({str(pack)!r}))
cpu = torch.device("cpu")
run, last = job.train(Path({str(tmp_path / "run")!r}), corpus, request, device=cpu)
job.write_results(job.look(run, last, corpus, device=cpu))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "detections.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--classes", 0), "--classes must be at least 1, got 0"),
        (("--classes", 13), "12 videos cannot form 13 classes; lower --classes or add videos"),
        (("--classes", 4, "--method", "fel"), "unknown method 'fel'; did you mean 'feel'?"),
        (("--classes", 4, "--set", "selctor=TakeAll"), "did you mean 'selector'?"),
        (("--classes", 4, "--device", "tpu"), "--device must be auto, cpu or cuda"),
    ],
)
def test_bad_options(
    utal: Utal, pack: Path, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    for command in ("discover", "train"):
        result = utal(command, pack, "-o", tmp_path / command, *arguments)
        assert result.code == 2
        assert message in result.err
        assert result.err.count("\n") == 1
        assert not list((tmp_path / command).glob("round_*"))


def test_unknown_option_gets_a_suggestion(utal: Utal, pack: Path) -> None:
    result = utal("discover", pack, "--clases", 4)
    assert result.code == 2
    assert "--classes" in result.err


def test_another_configuration_is_refused(utal: Utal, pack: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert utal("train", pack, "-k", 4, "-o", run, *QUICK).code == 0
    other = utal("train", pack, "-k", 3, "-o", run, *QUICK, "--resume")
    assert other.code == 2
    assert "holds another run (num_clusters was 4, now 3)" in other.err


def test_run_of_another_encoder_is_refused(utal: Utal, pack: Path, tmp_path: Path) -> None:
    import numpy as np

    run, other = tmp_path / "run", tmp_path / "other"
    assert utal("train", pack, "-k", 4, "-o", run, *QUICK).code == 0
    other.mkdir()
    np.save(other / "a.npy", np.ones((9, 31), np.float32))
    result = utal("localize", run, other, "-o", tmp_path / "x.json")
    assert result.code == 2
    assert "expected 32 channels" in result.err
    assert not (tmp_path / "x.json").exists()


def test_full_disk_is_one_line(
    utal: Utal, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("train", pack, "-k", 4, "-o", tmp_path / "run", *QUICK)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "weights.safetensors")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        result = utal(*arguments)
    assert result.code == 2
    assert "the disk is full" in result.err
    assert "--resume" in result.err
    assert utal(*arguments, "--resume").code == 0


def test_show(utal: Utal) -> None:
    listed = utal("show").out.split()
    assert {"feel", "feel/thumos14", "feel/activitynet12", "cola/thumos14"} <= set(listed)
    page = utal("show", "feel/thumos14").out
    assert "VariableSpeed(rate=1.05" in page
    assert "Eq. 12" in page
    assert utal("show", "feel/thumos").code == 2


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys, utal.cli.main; heavy = {'torch', 'numpy', 'av', 'cv2', 'sklearn', 'jinja2'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    environment = {**os.environ, "COLUMNS": "100"}
    shown = subprocess.run(
        [sys.executable, "-m", "utal", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert "discover" in shown.stdout
