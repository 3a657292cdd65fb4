"""Dynamic weights: by hand, against the loop, and against the reference's numbers."""

import math

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import hc_utal as reference
from utal.losses.weighing import DynamicWeightAverage, dynamic_weights

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("dwa")}


def along(history: torch.Tensor, *, window: int, temperature: float) -> torch.Tensor:
    """The weights at every step of a history of losses."""
    weighing = DynamicWeightAverage(history.shape[1], window=window, temperature=temperature)
    return torch.stack([weighing.double()(losses) for losses in history])


@pytest.mark.parametrize("name", ORACLE)
def test_values_of_the_oracle(name: str) -> None:
    case = ORACLE[name]
    for losses, temperature, weights in (
        ("losses_instance_cluster", 4.0, "weights_correct_two_terms_T4"),
        ("losses_cls_ins_feat", 3.0, "weights_correct_three_terms_T3"),
    ):
        found = along(torch.tensor(case[losses]), window=1, temperature=temperature)
        np.testing.assert_allclose(found, case[weights], rtol=1e-9)


@pytest.mark.parametrize("name", ORACLE)
def test_values_of_the_released_code(name: str) -> None:
    """It begins one step later."""
    case = ORACLE[name]
    found = along(torch.tensor(case["losses_instance_cluster"]), window=1, temperature=4.0)
    np.testing.assert_allclose(found[3:], case["weights_cluster_net_released"][3:], rtol=1e-9)


@pytest.mark.parametrize("window", [1, 3, 4])
def test_plain_loop(window: int) -> None:
    history = torch.rand(15, 3, generator=torch.Generator().manual_seed(0)).double()
    expected = reference.weights(history.tolist(), window, 2.0)
    np.testing.assert_allclose(along(history, window=window, temperature=2.0), expected)


@pytest.mark.parametrize(
    ("last", "before", "expected"),
    [
        ([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]),
        ([4.0, 0.5], [4.0, 0.5], [1.0, 1.0]),  # only the fall counts, not the size
        ([2.0, 1.0], [1.0, 1.0], [2 * math.e / (1 + math.e), 2 / (1 + math.e)]),
        ([0.0, 0.0], [0.0, 1.0], [2 * math.e / (1 + math.e), 2 / (1 + math.e)]),
        ([3.0], [1.0], [1.0]),
    ],
)
def test_by_hand(last: list[float], before: list[float], expected: list[float]) -> None:
    found = dynamic_weights(torch.tensor(last), torch.tensor(before), temperature=1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_falls_more_slowly_weighs_more_and_the_sum_stays() -> None:
    steps = torch.arange(1.0, 21.0)
    history = torch.stack([1 / steps, torch.ones(20)], dim=1)
    found = along(history, window=5, temperature=1.0)
    np.testing.assert_allclose(found.sum(1), 2)
    assert (found[:10] == 1).all()
    assert (found[10:, 1] > 1.1).all()


def test_weights_carry_no_gradient_and_keep_no_graph() -> None:
    weighing = DynamicWeightAverage(2, window=1, temperature=1.0)
    for _ in range(4):
        weights = weighing(torch.rand(2, requires_grad=True))
        assert not weights.requires_grad
    assert not any(buffer.requires_grad for buffer in weighing.buffers())


def test_evaluation_leaves_the_history_alone() -> None:
    weighing = DynamicWeightAverage(2, window=1, temperature=1.0)
    for losses in ([3.0, 1.0], [1.0, 1.0]):
        weighing(torch.tensor(losses))
    weighing.eval()
    before = weighing(torch.tensor([9.0, 1.0]))
    assert before[0] != before[1]
    assert torch.equal(weighing(torch.tensor([9.0, 1.0])), before)


def test_history_moves_along() -> None:
    weighing = DynamicWeightAverage(2, window=2, temperature=1.0).double()
    assert {buffer.dtype for buffer in weighing.buffers()} == {torch.float64}
