"""What the README shows is run as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.planted import planted_corpus

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "features").mkdir()
    for video in planted_corpus(12)[0].videos:
        np.save(tmp_path / "features" / f"{video.name}.npy", video.features)
    monkeypatch.chdir(tmp_path)
    quicker = code.replace(", 6, seed", ", 4, seed").replace(
        'method_named("feel")',
        '__import__("tests.planted", fromlist=["small"]).small(steps=8, num_rounds=2)',
    )
    assert quicker.count("small(") == 1
    exec(compile(quicker, "README.md", "exec"), {})
    assert "video_00" in capsys.readouterr().out


def test_commands_exist() -> None:
    from utal.cli.main import app

    shown = set(re.findall(r"`utal (\w+)", README))
    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert shown == known


def test_files_exist() -> None:
    root = Path(__file__).parent.parent
    for page in (root / "README.md", *(root / "docs").glob("*.md"), root / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
