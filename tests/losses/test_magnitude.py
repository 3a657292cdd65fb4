"""Magnitude separation: by hand, against the loop, the released values, and what cannot matter."""

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import apsl as reference
from utal.losses.magnitude import magnitude_separation

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("batch")}
MARGIN = 150.0


def loss(action: torch.Tensor, background: torch.Tensor, margin: float = MARGIN) -> torch.Tensor:
    return magnitude_separation(action.mean(1), background.mean(1), margin=margin)


@pytest.mark.parametrize(
    ("action", "background", "expected"),
    [
        ([3.0, 4.0], [0.0, 0.0], 25.0),  # 10 - 5, squared
        ([6.0, 8.0], [0.0, 0.0], 0.0),  # long enough
        ([60.0, 80.0], [0.0, 2.0], 4.0),  # no reward for being longer
        ([3.0, 4.0], [1.0, 0.0], 36.0),  # both goals missed: (5 + 1)^2, not 25 + 1
        ([0.0, 0.0], [0.0, 0.0], 100.0),
    ],
)
def test_by_hand(action: list[float], background: list[float], expected: float) -> None:
    found = magnitude_separation(torch.tensor([action]), torch.tensor([background]), margin=10.0)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ORACLE)
def test_released_values_and_gradients(name: str) -> None:
    case = ORACLE[name]
    small = float(case["separation_small_margin"])
    for margin, key in (
        (MARGIN, "separation_correct"),
        (MARGIN, "separation_released"),
        (small, "separation_small_margin_released"),
    ):
        action = torch.tensor(case["EA"], requires_grad=True)
        background = torch.tensor(case["EB"], requires_grad=True)
        found = loss(action, background, margin).mean()
        assert found.item() == pytest.approx(float(case[key]), rel=1e-9)
        found.backward()
        # Exactly on the hinge's edge any slope between its two is right.
        smooth = abs(np.linalg.norm(case["EA"].mean(1), axis=1) - margin) > 1e-9
        assert smooth.sum() >= len(smooth) - 1
        for ours, theirs in ((action, "EA"), (background, "EB")):
            expected = case[f"{key}__grad_{theirs}"]
            np.testing.assert_allclose(ours.grad[smooth], expected[smooth], rtol=0, atol=1e-8)


def test_plain_loop() -> None:
    rng = np.random.default_rng(0)
    action, background = 4 * rng.normal(size=(2, 5, 3, 4))
    found = loss(torch.tensor(action), torch.tensor(background), 3.0)
    np.testing.assert_allclose(found, reference.magnitude_separation(action, background, 3.0))


def test_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    action, background = torch.randn(
        2, 6, 4, dtype=torch.float64, generator=generator
    ).requires_grad_()
    assert (torch.linalg.vector_norm(action, dim=1) > 2).any()  # both sides of the hinge
    assert (torch.linalg.vector_norm(action, dim=1) < 2).any()
    assert torch.autograd.gradcheck(
        lambda a, b: magnitude_separation(a, b, margin=2.0), (action, background)
    )


def test_zero_vectors_have_a_finite_gradient() -> None:
    """A dead embedding is zero everywhere; the derivative of a length there must not be NaN."""
    action = torch.zeros(2, 3, requires_grad=True)
    background = torch.zeros(2, 3, requires_grad=True)
    magnitude_separation(action, background, margin=MARGIN).sum().backward()
    assert action.grad is not None
    assert background.grad is not None
    assert torch.isfinite(action.grad).all()
    assert torch.isfinite(background.grad).all()


def test_videos_do_not_see_each_other() -> None:
    action, background = torch.rand(2, 5, 4, generator=torch.Generator().manual_seed(1))
    whole = magnitude_separation(action, background, margin=3.0)
    torch.testing.assert_close(
        magnitude_separation(action[2:3], background[2:3], margin=3.0), whole[2:3]
    )
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(
        magnitude_separation(action[order], background[order], margin=3.0), whole[order]
    )
