"""TCAM's losses written as plainly as possible: slow and obvious, one video at a time."""

import math
from collections.abc import Sequence

import numpy as np


def cosine_distance(one: np.ndarray, other: np.ndarray) -> float:
    return 1 - float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def cross_entropy(probability: np.ndarray, targets: np.ndarray) -> list[float]:
    """Of each video; a video of m labels counts as m videos of weight 1 / m."""
    losses = []
    for shares, labels in zip(probability, targets, strict=True):
        own = [c for c in range(len(labels)) if labels[c]]
        losses.append(sum(-math.log(shares[c]) for c in own) / len(own))
    return losses


def triplet(
    descriptors: np.ndarray,
    targets: np.ndarray,
    margin: float,
    anchor: int,
    cluster: int,
) -> float | None:
    """Hinge of one anchor in one cluster; `None` where a triplet cannot be formed."""
    if not targets[anchor, cluster]:
        return None
    positives, negatives = [], []
    for video in range(len(descriptors)):
        distance = cosine_distance(descriptors[anchor], descriptors[video])
        if not targets[video, cluster]:
            negatives.append(distance)
        elif video != anchor:
            positives.append(distance)
    if not positives or not negatives:
        return None
    return max(0.0, max(positives) - min(negatives) + margin)


def pooled(weights: Sequence[float], features: np.ndarray) -> np.ndarray:
    return sum(weight * row for weight, row in zip(weights, features, strict=True))


def action(features: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Of one video for one cluster."""
    return pooled(attention, features)


def background(features: np.ndarray, attention: np.ndarray) -> np.ndarray:
    return pooled([1 - share for share in attention], features) / (len(features) - 1)


def separation(
    videos: Sequence[tuple[np.ndarray, np.ndarray]], inter_margin: float, intra_margin: float
) -> tuple[float, float]:
    """Both losses of one cluster, from the features and attentions of its videos."""
    inter = intra = 0.0
    for m, one in enumerate(videos):
        for n, other in enumerate(videos):
            if m == n:
                continue
            apart = cosine_distance(action(*one), action(*other))
            inter += max(apart - inter_margin, 0.0)
            if len(one[0]) > 1:
                own = cosine_distance(action(*one), background(*one))
                intra += max(apart - own + intra_margin, 0.0)
    return inter, intra


def convolved(values: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int = 1):
    """ReLU of a convolution of (time, channel), tap by tap; nothing lies beyond the ends."""
    time, reach = len(values), weight.shape[2] // 2
    rows = []
    for t in range(time):
        row = bias.copy()
        for tap in range(weight.shape[2]):
            source = t + (tap - reach) * dilation
            if 0 <= source < time:
                row = row + weight[:, :, tap] @ values[source]
        rows.append(np.maximum(row, 0))
    return np.array(rows)


def softmax(values: np.ndarray) -> np.ndarray:
    shares = np.exp(values - values.max())
    return shares / shares.sum()


def non_local(values: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    def linear(row: np.ndarray, part: str) -> np.ndarray:
        return weights[f"{name}.{part}.weight"] @ row + weights[f"{name}.{part}.bias"]

    rows = []
    for row in values:
        alike = [float(linear(row, "query") @ linear(other, "key")) for other in values]
        found = pooled(softmax(np.array(alike)), [linear(other, "value") for other in values])
        rows.append(row + linear(found, "project"))
    return np.array(rows)


def network(features: np.ndarray, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The paper's network on one video, without dropout."""

    def conv(values: np.ndarray, name: str, dilation: int = 1) -> np.ndarray:
        parameters = (weights[f"{name}.convolve.{kind}"] for kind in ("weight", "bias"))
        return convolved(values, *parameters, dilation)

    branches = [conv(features, f"context.branches.parts.{i}", i + 1) for i in range(3)]
    reduced = conv(features, "context.branches.parts.3.reduce")
    branches.append(non_local(reduced, weights, "context.branches.parts.3.context"))
    context = features + conv(np.concatenate(branches, axis=1), "context.fuse")
    specific, agnostic = conv(context, "specific"), conv(context, "agnostic")
    cas = specific @ weights["classify.weight"].T + weights["classify.bias"]
    attention = softmax(agnostic @ weights["attend.weight"][0] + weights["attend.bias"][0])
    logits = pooled(attention, cas)
    return {
        "specific": specific,
        "agnostic": agnostic,
        "cas": cas,
        "attention": attention,
        "logits": logits,
        "probability": softmax(logits),
        "specific_attention": np.stack([softmax(column) for column in cas.T], axis=1),
    }
