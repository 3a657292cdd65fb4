"""How far CoLA gets from features of different size: why every run scales its features.

    python -m benchmarks.feature_scale

Trains the network at the papers' learning rate (1e-4, 300 steps) on planted features whose root
mean square is set to each value, with true video labels given, and prints the classification loss;
the uniform guess is the first line. `utal.corpus.TARGET_RMS` is the first size
whose loss is within a hundredth of it.
"""

import numpy as np
import torch

from benchmarks.machine import machine
from tests.planted import NUM_ACTIONS, planted_corpus
from utal.corpus import TARGET_RMS, feature_scale
from utal.fitting import fit, new_optimiser
from utal.localizers.cola import Cola
from utal.losses.classification import distribution_cross_entropy
from utal.method import Training
from utal.methods.cola import ClassifyAndContrast
from utal.records import PseudoLabels
from utal.sampling import RandomSnippets

SIZES = (0.005, 0.05, 0.15, 0.5, 1.5, 5.0, 50.0)
STEPS = 300
CPU = torch.device("cpu")


def final_loss(rms: float, seed: int) -> float:
    """Classification loss at the end of training on features of this size."""
    corpus, labels, _ = planted_corpus(40, channels=256, seed=seed)
    corpus = corpus.scaled(feature_scale(corpus) * rms / TARGET_RMS)
    targets = torch.eye(NUM_ACTIONS)[torch.tensor(labels)]
    given = PseudoLabels(torch.arange(40), targets, torch.ones(40))
    plan = Training(steps=STEPS, batch_size=16, snippets=RandomSnippets(40))
    torch.manual_seed(seed)
    network = Cola(width=256).build(corpus.stream_widths, NUM_ACTIONS)
    objective = ClassifyAndContrast().loss(given, None)
    losses = fit(
        network,
        objective,
        new_optimiser(network, objective, plan),
        corpus,
        given,
        plan,
        steps=STEPS,
        seed=seed,
        device=CPU,
    )
    return losses.terms["classification"][-1]


if __name__ == "__main__":
    print(machine())
    uniform = torch.full((1, NUM_ACTIONS), 1 / NUM_ACTIONS)
    guess = distribution_cross_entropy(uniform, torch.eye(NUM_ACTIONS)[:1], max_divisor=20)
    print(f"uniform guess: {guess.item():.4f}")
    for rms in SIZES:
        values = [final_loss(rms, seed) for seed in range(3)]
        mark = "  <- TARGET_RMS" if rms == TARGET_RMS else ""
        print(f"rms {rms:6g}: {np.mean(values):.4f} +- {np.std(values):.4f}{mark}")
