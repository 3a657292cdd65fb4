import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.planted import planted_corpus
from utal.cli.main import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def utal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Runs the command line in this process."""

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["utal", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else int(code is not None), told.out, told.err)

    return call


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint feature pack with planted actions; no annotation anywhere near it."""
    folder = tmp_path_factory.mktemp("pack")
    corpus, _, _ = planted_corpus(12)
    for video in corpus.videos:
        np.save(folder / f"{video.name}.npy", video.features)
    return folder


QUICK = (
    *("--set", "localizer.width=24", "--set", "training.steps=12"),
    *("--set", "training.batch_size=8", "--set", "num_rounds=3"),
)
