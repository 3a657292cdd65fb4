"""Every named method goes from features to a score: train, save, load, localize, evaluate."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.planted import CPU, NUM_ACTIONS, planted_corpus, same
from tests.shrinking import shrunk
from utal import config
from utal.corpus import Corpus
from utal.evaluation.evaluate import evaluate
from utal.evaluation.ground_truth import GroundTruth
from utal.evaluation.mapping import map_clusters
from utal.loop import localize, rounds
from utal.method import weakly
from utal.methods.catalogue import METHODS, PAPERS, PRESETS
from utal.records import PseudoLabels, Segments
from utal.round_files import load_round, save_round
from utal.sizing import sized

CORPUS, LABELS, RUNS = planted_corpus(16)


def truth() -> GroundTruth:
    rows = [
        (video, label, *(np.array(run) * 16 / 25))
        for video, (label, runs) in enumerate(zip(LABELS, RUNS, strict=True))
        for run in runs
    ]
    video, label, start_s, end_s = (np.array(column) for column in zip(*rows, strict=True))
    names = tuple(f"action_{n}" for n in range(NUM_ACTIONS))
    return GroundTruth(CORPUS.names, names, video, label, start_s, end_s)


def trip(name: str, folder: Path, corpus: Corpus, given: PseudoLabels | None) -> None:
    method = config.method_named(name)
    method = sized(shrunk(weakly(method) if given is not None else method), corpus)
    method = config.from_json(config.to_json(method))
    for last in rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU, given=given):
        save_round(folder, last, corpus.names)
    assert last.index == method.num_rounds - 1
    read = load_round(folder, last.index, corpus.names)
    assert same(last, read)
    segments = Segments.concatenate(
        [found.segments for found in localize(read, method, corpus, device=CPU)]
    )
    labels = read.pseudo_labels.targets.argmax(1).numpy()
    known = truth().video_labels()[read.pseudo_labels.videos.numpy()]
    mapping = map_clusters(labels, known, NUM_ACTIONS, truth().class_names)
    assert 0 <= evaluate(segments, truth(), mapping).average <= 1


@pytest.mark.parametrize("name", METHODS)
def test_without_labels(name: str, tmp_path: Path) -> None:
    trip(name, tmp_path, CORPUS, None)


@pytest.mark.parametrize("name", PAPERS)
def test_with_labels(name: str, tmp_path: Path) -> None:
    """Some videos have two labels."""
    targets = torch.eye(NUM_ACTIONS)[torch.tensor(LABELS)]
    targets[::5, 1] = 1
    trip(name, tmp_path, CORPUS, PseudoLabels(torch.arange(16), targets, torch.ones(16)))


@pytest.mark.parametrize("name", PAPERS)
def test_one_stream(name: str, tmp_path: Path) -> None:
    """Features need not come in two streams."""
    trip(name, tmp_path, Corpus(CORPUS.videos), None)


def test_every_paper_and_enough_methods() -> None:
    assert set(PAPERS) >= {"cola", "feel"}
    assert all(preset.about and "\n" not in preset.about for preset in PRESETS.values())
