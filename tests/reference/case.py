"""CASE's transport written as the sums and quotients it consists of; every sample counts once."""

import math

import numpy as np


def transport_targets(
    cosines: np.ndarray,
    marginal: np.ndarray,
    *,
    sharpness: float,
    iterations: int,
    prior: np.ndarray | None = None,
) -> np.ndarray:
    """Of [sample, label]."""
    plan = np.exp(sharpness * cosines)
    if prior is not None:
        plan = plan * prior
    samples, labels = plan.shape
    for _ in range(iterations):
        for label in range(labels):
            plan[:, label] = plan[:, label] / plan[:, label].sum() * marginal[label]
        for sample in range(samples):
            plan[sample] = plan[sample] / plan[sample].sum() / samples
    return plan * samples


def rank_prior(attention: np.ndarray, foreground: np.ndarray, deviation: float) -> np.ndarray:
    prior = np.zeros((len(attention), len(foreground)))
    for sample, own in enumerate(attention):
        rank = sum(other >= own for other in attention) / len(attention)
        for label, surely in enumerate(foreground):
            distance = rank - (1 - surely)
            prior[sample, label] = math.exp(-(distance**2) / (2 * deviation**2))
    return prior


def label_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    losses = []
    for row, target in zip(logits, targets, strict=True):
        total = sum(math.exp(value) for value in row)
        losses.append(
            -sum(t * math.log(math.exp(v) / total) for v, t in zip(row, target, strict=True))
        )
    return sum(losses) / len(losses)


def prototypes(embedding: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    rows = []
    for label in range(assignment.shape[1]):
        mean = sum(assignment[n, label] * embedding[n] for n in range(len(embedding)))
        rows.append(mean / np.linalg.norm(mean))
    return np.array(rows)
