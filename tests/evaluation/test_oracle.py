"""Leaks, on purpose and by hand only."""

from pathlib import Path

import numpy as np
import pytest

from tests.planted import CPU, NUM_ACTIONS, planted_corpus, small
from utal.evaluation.ground_truth import GroundTruth
from utal.evaluation.oracle import oracle_best, oracle_labels, oracle_renamed
from utal.loop import rounds

CORPUS, LABELS, RUNS = planted_corpus(16)


def truth() -> GroundTruth:
    count = len(LABELS)
    names = tuple(f"action_{n}" for n in range(NUM_ACTIONS))
    zeros, ones = np.zeros(count), np.ones(count)
    return GroundTruth(CORPUS.names, names, np.arange(count), LABELS, zeros, ones)


def test_labels_are_the_true_ones() -> None:
    found = oracle_labels(truth(), CORPUS.names[::-1])
    assert found.targets.argmax(1).tolist() == LABELS[::-1].tolist()
    assert (found.targets.sum(1) == 1).all()


def test_renaming_merges_clusters_of_one_class() -> None:
    method = small(steps=4, num_rounds=1)
    merged = oracle_renamed(method, truth(), CORPUS.names)
    # Twice as many clusters as classes: each class has several, and they become one.
    (plain,) = rounds(method, CORPUS, 2 * NUM_ACTIONS, seed=0, device=CPU)
    (leaky,) = rounds(merged, CORPUS, 2 * NUM_ACTIONS, seed=0, device=CPU)
    before, after = plain.clustering.labels, leaky.clustering.labels
    assert len(after.unique()) <= NUM_ACTIONS < len(before.unique())
    for cluster in before.unique():
        assert len(after[before == cluster].unique()) == 1


def test_best_round_is_the_best_and_the_earlier_of_equals() -> None:
    done = list(rounds(small(steps=2), CORPUS, NUM_ACTIONS, seed=0, device=CPU))
    scores = {0: 0.2, 1: 0.5, 2: 0.5}
    best, score = oracle_best(done, lambda each: scores[each.index])
    assert (best.index, score) == (1, 0.5)
    with pytest.raises(ValueError, match="empty"):
        oracle_best([], lambda each: 0.0)


def test_nobody_calls_them() -> None:
    package = Path(__file__).parents[2] / "utal"
    callers = [
        path
        for path in package.rglob("*.py")
        if "oracle_" in path.read_text("utf-8") and path.name != "oracle.py"
    ]
    assert callers == []
