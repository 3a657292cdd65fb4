"""How well a method localizes the planted actions."""

import torch

from tests.planted import CPU, NUM_ACTIONS, planted_corpus
from tests.test_loop import found_runs
from utal.loop import rounds
from utal.method import Method
from utal.records import PseudoLabels


def share_found(method: Method, *, with_labels: bool, seed: int = 0) -> float:
    """Share of actions that one of three segments per video overlaps by half, after training."""
    corpus, labels, runs = planted_corpus()
    targets = torch.eye(NUM_ACTIONS)[torch.tensor(labels)]
    given = PseudoLabels(torch.arange(len(corpus)), targets, torch.ones(len(corpus)))
    *_, last = rounds(
        method,
        corpus,
        NUM_ACTIONS,
        seed=seed,
        device=CPU,
        given=given if with_labels else None,
    )
    hits = [
        any(2 * (min(end, b) - max(first, a)) >= max(end, b) - min(first, a) for a, b in ours)
        for ours, truth in zip(found_runs(last, method, corpus), runs, strict=True)
        for first, end in truth[:3]
    ]
    return sum(hits) / len(hits)
