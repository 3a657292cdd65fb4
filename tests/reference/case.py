"""CASE's transport written as the sums and quotients it consists of; every sample counts once."""

import math

import numpy as np

from tests.reference.aicl import generalised_cross_entropy, top_members


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


def terms(
    videos: list[list[dict[str, np.ndarray]]],
    labels: list[list[int]],
    foreground: np.ndarray,
    *,
    top_ratio: int,
    deviation: float,
) -> tuple[dict[str, float], np.ndarray]:
    """The released weights on videos of streams; and how surely a cluster of snippets is action."""
    streams = range(len(videos[0]))
    classified, attended, action, attention = 0.0, 0.0, [], []
    for video, own in zip(videos, labels, strict=True):
        shares = [np.exp(s["logits"]) / np.exp(s["logits"]).sum(1, keepdims=True) for s in video]
        fused = (sum(shares) / len(streams) + sum(s["attention"] for s in video)[:, None]) / (
            1 + len(streams)
        )
        members = top_members(fused, top_ratio)
        is_action = members[:, own].any(axis=1)
        for stream in video:
            pooled = np.array(
                [stream["logits"][members[:, c], c].mean() for c in range(fused.shape[1])]
            )
            target = np.isin(np.arange(len(pooled)), own) / len(own)
            classified += label_cross_entropy(pooled[None], target[None]) / len(streams)
            attended += generalised_cross_entropy(
                stream["attention"].tolist(), is_action.tolist(), 0.7
            )
        action += is_action.tolist()
        attention += (sum(s["attention"] for s in video) / len(streams)).tolist()

    def every(stream: int, name: str) -> np.ndarray:
        return np.concatenate([video[stream][name] for video in videos])

    cosines = [every(s, "cosines") for s in streams]
    targets = transport_targets(
        sum(cosines) / len(streams),
        np.full(len(foreground), 1 / len(foreground)),
        sharpness=20,
        iterations=3,
        prior=rank_prior(np.array(attention), foreground, deviation),
    )
    sides = np.array([[yes, not yes] for yes in action], float)
    alike = [
        prototypes(every(s, "embedding"), targets) @ prototypes(every(s, "embedding"), sides).T
        for s in streams
    ]
    found = transport_targets(
        sum(alike) / len(streams), sides.mean(axis=0), sharpness=20, iterations=3
    )
    return {
        "classification": classified / len(videos),
        "attention": attended / len(videos),
        "snippets": sum(label_cross_entropy(10 * each, targets) for each in cosines),
        "clusters": 0.3 * sum(label_cross_entropy(10 * each, found) for each in alike),
    }, found[:, 0]
