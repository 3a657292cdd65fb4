"""Contrast of labelled videos: by hand, the loop, the released values, and what cannot matter."""

import math

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import hc_utal as reference
from utal.losses.instance_contrast import instance_contrast

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("batch")}


def batch(videos: int = 9, clusters: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Descriptors and labels; every third video has two labels, the last cluster is empty."""
    generator = torch.Generator().manual_seed(seed)
    descriptors = torch.randn(videos, 5, generator=generator).double()
    numbers = torch.arange(videos)
    targets = torch.eye(clusters)[numbers % (clusters - 1)]
    targets[::3] += torch.eye(clusters)[(numbers[::3] + 1) % (clusters - 1)]
    return descriptors, targets.double()


def contrast(
    descriptors: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    weights = torch.ones_like(descriptors[:, 0]) if weights is None else weights
    return instance_contrast(descriptors, targets, weights, temperature=0.3)


@pytest.mark.parametrize("name", ORACLE)
@pytest.mark.parametrize(("key", "temperature"), [("tau007", 0.07), ("tau010", 0.1)])
def test_released_values_and_gradients(name: str, key: str, temperature: float) -> None:
    case = ORACLE[name]
    targets = torch.tensor(case["labels"])
    weights = torch.ones(len(targets)).double()
    for form, count in (("mean", None), ("sum_over_batch", len(targets))):
        embedding = torch.tensor(case["embeddings"], requires_grad=True)
        losses, valid = instance_contrast(
            embedding.mean(1), targets, weights, temperature=temperature
        )
        value = losses.sum() / (count or valid.sum())
        expected = f"instance_correct_{form}_{key}"
        assert value.item() == pytest.approx(float(case[expected]), rel=1e-9)
        value.backward()
        gradient = case[f"{expected}__grad_embeddings"]
        np.testing.assert_allclose(embedding.grad, gradient, rtol=0, atol=1e-8)
    pairs = case["instance_correct_class_anchor_positive"][:, :2]
    np.testing.assert_array_equal(valid.nonzero(), sorted(map(tuple, pairs)))


def test_plain_loop() -> None:
    descriptors, targets = batch()
    losses, valid = contrast(descriptors, targets)
    expected = reference.instances(descriptors.numpy(), targets.numpy(), 0.3)
    assert [tuple(pair) for pair in valid.nonzero().tolist()] == sorted(expected)
    for (cluster, anchor), value in expected.items():
        assert losses[cluster, anchor].item() == pytest.approx(value)
    assert not losses[~valid].any()


def test_by_hand() -> None:
    """Two clusters of two videos along the axes: one at 1, two at 0."""
    descriptors = 7 * torch.eye(2)[[0, 0, 1, 1]]
    targets = torch.eye(2)[[0, 0, 1, 1]]
    losses, valid = contrast(descriptors, targets)
    assert valid.T.tolist() == [[True, False], [True, False], [False, True], [False, True]]
    np.testing.assert_allclose(losses[valid], math.log(1 + 2 * math.exp(-1 / 0.3)), rtol=1e-5)


@pytest.mark.parametrize(
    "rows",
    [[0, 0, 0], [0, 1, 2], [0]],
    ids=["nobody to leave", "nobody to go to", "alone"],
)
def test_without_a_pair_there_is_no_loss_and_no_gradient(rows: list[int]) -> None:
    descriptors = torch.rand(len(rows), 4, requires_grad=True)
    losses, valid = contrast(descriptors, torch.eye(3)[rows])
    assert not valid.any()
    losses.sum().backward()
    assert descriptors.grad is not None
    assert (descriptors.grad == 0).all()


def test_the_nearest_video_is_the_positive() -> None:
    """A member that moves farther away changes nothing."""
    descriptors, targets = torch.eye(4)[[0, 0, 1, 2]], torch.eye(2)[[0, 0, 0, 1]]
    losses, _ = contrast(descriptors, targets)
    moved = descriptors.clone()
    moved[2] = -moved[0]
    assert contrast(moved, targets)[0][0, 0] == losses[0, 0]


def test_length_of_descriptors_does_not_matter() -> None:
    descriptors, targets = batch()
    scaled = descriptors * torch.arange(1, 10)[:, None]
    torch.testing.assert_close(contrast(scaled, targets), contrast(descriptors, targets))


def test_a_video_of_weight_zero_is_absent() -> None:
    descriptors, targets = batch()
    weights = torch.ones(9).double()
    weights[4] = 0
    kept = weights > 0
    losses, valid = contrast(descriptors, targets, weights)
    fewer, fewer_valid = contrast(descriptors[kept], targets[kept])
    torch.testing.assert_close(losses[:, kept], fewer)
    assert torch.equal(valid[:, kept], fewer_valid)
    assert not valid[:, 4].any()


def test_order_of_videos_and_numbering_of_clusters_do_not_matter() -> None:
    descriptors, targets = batch()
    losses, _ = contrast(descriptors, targets)
    order, numbers = torch.tensor([3, 8, 0, 5, 7, 1, 4, 2, 6]), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(contrast(descriptors[order], targets[order])[0], losses[:, order])
    torch.testing.assert_close(contrast(descriptors, targets[:, numbers])[0], losses[numbers])


def test_gradient() -> None:
    descriptors, targets = batch()
    weights = torch.ones(9).double()
    weights[4] = 0
    assert torch.autograd.gradcheck(
        lambda given: contrast(given, targets, weights)[0], descriptors.requires_grad_()
    )
