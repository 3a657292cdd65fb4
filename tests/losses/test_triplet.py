"""Hardest triplets: by hand, against the loop, the reference numbers, and what cannot matter."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import tcam as reference
from utal.losses.classification import cross_entropy
from utal.losses.triplet import cosine_distance, hardest_triplets

ORACLE = cases("tcam.npz", listed_as="loss_cases")


def circle(*degrees: float) -> torch.Tensor:
    """Points at these angles; lengths differ and must not matter."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    lengths = torch.arange(1, len(degrees) + 1)
    return lengths[:, None] * torch.stack([angles.cos(), angles.sin()], dim=1)


def one_hot(*labels: int, count: int | None = None) -> torch.Tensor:
    return torch.eye(count or max(labels) + 1, dtype=torch.float64)[list(labels)]


def total(points: torch.Tensor, targets: torch.Tensor, margin: float = 0.5) -> torch.Tensor:
    weights = torch.ones(len(points), dtype=points.dtype)
    return hardest_triplets(points, targets, weights, margin=margin)[0].sum()


@pytest.mark.parametrize(
    ("degrees", "labels", "expected"),
    [
        # The negative is farther than the positive by 1.5 and by 1.
        ((0, 60, 180), (0, 0, 1), [0.0, 0.0]),
        ((0, 90, 60), (0, 0, 1), [1 - 0.5 + 0.5, 1 - (1 - math.cos(math.pi / 6)) + 0.5]),
        # The farthest of two positives and the nearest of two negatives count.
        ((0, 60, 90, 180, 270), (0, 0, 0, 1, 1), [1 - 1 + 0.5]),
    ],
)
def test_by_hand(degrees: tuple[float, ...], labels: tuple[int, ...], expected: list[float]):
    points, targets = circle(*degrees), one_hot(*labels)
    hinges, valid = hardest_triplets(points, targets, torch.ones(len(points)).double(), margin=0.5)
    assert hinges.shape == valid.shape == (2, len(labels))
    assert hinges[0, : len(expected)].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "weights", "expected"),
    [
        ((0, 0, 1), (1, 1, 1), [[1, 1, 0], [0, 0, 0]]),  # one video of cluster 1: no positive
        ((0, 0, 0), (1, 1, 1), [[0, 0, 0], [0, 0, 0]]),  # no negative
        ((0, 0, 1), (1, 1, 0), [[0, 0, 0], [0, 0, 0]]),  # the negative does not count
        ((0, 0, 1), (1, 0, 1), [[0, 0, 0], [0, 0, 0]]),  # the positive does not count
        ((0, 0, 1, 1), (2, 0.5, 1, 1), [[1, 1, 0, 0], [0, 0, 1, 1]]),
    ],
)
def test_where_there_is_a_triplet(labels, weights, expected) -> None:
    points, targets = circle(*range(0, 40 * len(labels), 40)), one_hot(*labels, count=2)
    hinges, valid = hardest_triplets(points, targets, torch.tensor(weights).double(), margin=3.0)
    assert valid.int().tolist() == expected
    assert torch.equal(hinges > 0, valid)  # such a margin is never reached


def test_plain_loop() -> None:
    """Videos of one to three labels."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(14, 5))
    targets = (rng.random((14, 4)) < 0.1).astype(float)
    targets[np.arange(14), rng.integers(0, 4, 14)] = 1
    points[:, :4] += 6 * targets
    hinges, valid = hardest_triplets(
        torch.tensor(points), torch.tensor(targets), torch.ones(14).double(), margin=0.3
    )
    assert valid.sum() > 10
    assert (hinges == 0)[valid].any()
    for cluster in range(4):
        for anchor in range(14):
            expected = reference.triplet(points, targets, 0.3, anchor, cluster)
            assert valid[cluster, anchor] == (expected is not None)
            assert hinges[cluster, anchor].item() == pytest.approx(expected or 0.0)


@pytest.mark.parametrize("name", ORACLE)
def test_reference_values_and_gradients(name: str) -> None:
    """The pooled descriptors of TCAM, from attended features; both ways to attend."""
    case = ORACLE[name]
    offsets, attention = case["offsets"], torch.tensor(case["S"], requires_grad=True)
    features = torch.tensor(case["X_ca"], requires_grad=True)
    targets = one_hot(*case["labels"].tolist(), count=int(case["num_clusters"]))
    spans = [slice(*pair) for pair in pairwise(offsets)]
    raw = torch.stack([attention[span] @ features[span] for span in spans])
    assert total(raw, targets).item() == pytest.approx(float(case["L_trip_raw_S"]), rel=1e-9)
    pooled = torch.stack([attention[span].softmax(0) @ features[span] for span in spans])
    np.testing.assert_allclose(pooled.detach(), case["H"], rtol=1e-9)
    found = total(pooled, targets)
    assert found.item() == pytest.approx(float(case["L_trip"]), rel=1e-9)
    found.backward()
    for ours, theirs in ((features, "X_ca"), (attention, "S")):
        np.testing.assert_allclose(ours.grad, case[f"grad_L_trip__{theirs}"], rtol=0, atol=1e-8)


def test_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(8, 3, dtype=torch.float64, generator=generator).requires_grad_()
    targets = one_hot(0, 0, 0, 1, 1, 2, 2, 3)
    assert torch.autograd.gradcheck(lambda p: total(p, targets), (points,))


def test_a_zero_vector_has_a_finite_gradient() -> None:
    points = torch.zeros(4, 3, requires_grad=True)
    total(points, one_hot(0, 0, 1, 1).float()).backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    ones = torch.ones(2, 3)
    assert cosine_distance(torch.zeros(2, 3), ones).tolist() == [1, 1]


def test_what_cannot_matter() -> None:
    """Numbers of clusters, order of videos, lengths, and videos of weight zero."""
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(9, 4, dtype=torch.float64, generator=generator)
    targets = one_hot(0, 0, 1, 1, 2, 2, 2, 0, 1)
    weights = torch.ones(9, dtype=torch.float64)
    hinges, valid = hardest_triplets(points, targets, weights, margin=0.5)
    clusters, videos = torch.tensor([2, 0, 1]), torch.randperm(9, generator=generator)
    found = hardest_triplets(3 * points[videos], targets[videos][:, clusters], weights, margin=0.5)
    torch.testing.assert_close(found, (hinges[clusters][:, videos], valid[clusters][:, videos]))
    weights[[1, 4]] = 0
    kept = weights > 0
    hinges, valid = hardest_triplets(points, targets, weights, margin=0.5)
    found = hardest_triplets(points[kept], targets[kept], weights[kept], margin=0.5)
    torch.testing.assert_close((hinges[:, kept], valid[:, kept]), found)
    assert not valid[:, ~kept].any()


@pytest.mark.parametrize("name", ORACLE)
def test_cross_entropy(name: str) -> None:
    case = ORACLE[name]
    probability = torch.tensor(case["p_hat"])
    targets = one_hot(*case["labels"].tolist(), count=int(case["num_clusters"]))
    found = cross_entropy(probability, targets)
    assert found.sum().item() == pytest.approx(float(case["L_cls"]), rel=1e-9)
    targets[0] = 1  # a video of every cluster
    expected = reference.cross_entropy(probability.numpy(), targets.numpy())
    np.testing.assert_allclose(cross_entropy(probability, targets), expected)
    probability.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: cross_entropy(p, targets), (probability,))


@pytest.mark.parametrize("gap", [50.0, 90.0, 100.0, 500.0])
def test_cross_entropy_of_a_hopeless_video_is_finite(gap: float) -> None:
    logits = torch.tensor([[0.0, gap, 1.0]], requires_grad=True)
    loss = cross_entropy(logits.softmax(1), torch.tensor([[1.0, 0.0, 0.0]]))
    loss.sum().backward()
    assert loss.item() >= 50
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
