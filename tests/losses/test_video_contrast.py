"""Contrast of two views: by hand, against the loop, the released values, and what cannot matter."""

import math

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import hc_utal as reference
from utal.losses.video_contrast import (
    assignment_entropy,
    horizontal_contrast,
    vertical_contrast,
    vertical_row_contrast,
    view_contrast,
)

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("contrast")}


def views(rows: int = 6, width: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(2, rows, width, generator=generator).double()
    return both[0], both[1]


def assignments(rows: int = 6, width: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = views(rows, width, seed)
    return torch.softmax(2 * first, dim=1), torch.softmax(2 * second, dim=1)


@pytest.mark.parametrize("name", ORACLE)
def test_released_values_and_gradients(name: str) -> None:
    case = ORACLE[name]
    tau = float(case["tau"])
    found = {
        "horizontal_correct": lambda a, b: horizontal_contrast(a, b, temperature=tau).mean(),
        "horizontal_released": lambda a, b: view_contrast(a, b, temperature=tau).sum(),
        "vertical_correct_tau4": lambda a, b: vertical_contrast(a, b, temperature=0.4),
        "vertical_correct_tau9": lambda a, b: vertical_contrast(a, b, temperature=0.9),
        "vertical_released": lambda a, b: vertical_row_contrast(a, b, temperature=tau),
    }
    for key, loss in found.items():
        inputs = ("z_a", "z_b") if key.startswith("horizontal") else ("p_a", "p_b")
        given = [torch.tensor(case[each], requires_grad=True) for each in inputs]
        value = loss(*given)
        assert value.item() == pytest.approx(float(case[key]), rel=1e-9)
        value.backward()
        for each, tensor in zip(inputs, given, strict=True):
            np.testing.assert_allclose(tensor.grad, case[f"{key}__grad_{each}"], atol=1e-8)


@pytest.mark.parametrize("name", ORACLE)
def test_released_entropies(name: str) -> None:
    case = ORACLE[name]
    for side in "ab":
        found = assignment_entropy(torch.tensor(case[f"p_{side}"]))
        assert found.item() == pytest.approx(float(case[f"entropy_{side}"]), rel=1e-9)


def test_plain_loops() -> None:
    first, second = views()
    a, b = first.numpy(), second.numpy()
    found = horizontal_contrast(first, second, temperature=0.3)
    np.testing.assert_allclose(found, reference.horizontal(a, b, 0.3))
    np.testing.assert_allclose(
        view_contrast(first, second, temperature=0.3), reference.one_way(a, b, 0.3)
    )
    first, second = assignments()
    a, b = first.numpy(), second.numpy()
    vertical = vertical_contrast(first, second, temperature=0.3).item()
    assert vertical == pytest.approx(reference.vertical(a, b, 0.3))
    rows = vertical_row_contrast(first, second, temperature=0.3).item()
    entropies = reference.entropy(a) + reference.entropy(b)
    assert rows == pytest.approx(sum(reference.one_way(a, b, 0.3)) + 2 * math.log(4) - entropies)


def test_orthogonal_videos_by_hand() -> None:
    """One positive at 1 and 2N - 2 negatives at 0."""
    eye = torch.eye(3)
    found = horizontal_contrast(eye, eye, temperature=0.5)
    np.testing.assert_allclose(found, 3 * [math.log(1 + 4 * math.exp(-2))], rtol=1e-6)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], math.log(2)),  # sure of each, and spread over both
        ([[0.5, 0.5], [0.5, 0.5]], math.log(2)),
        ([[1.0, 0.0], [1.0, 0.0]], 0.0),
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], 2 * math.log(2) - 0.75 * math.log(3)),
    ],
)
def test_entropy_by_hand(assignment: list[list[float]], expected: float) -> None:
    found = assignment_entropy(torch.tensor(assignment))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_what_every_cluster_should_look_like_is_best() -> None:
    """Sure, spread and the same in both halves beats unsure, all in one cluster, and crossed."""
    sure = torch.eye(3)[[0, 1, 2, 0, 1, 2]].double()
    best = vertical_contrast(sure, sure, temperature=0.9)
    unsure = torch.full((6, 3), 1 / 3).double()
    one = torch.eye(3)[[0] * 6].double()
    for first, second in ((unsure, unsure), (one, one), (sure, sure.roll(1, 0))):
        assert vertical_contrast(first, second, temperature=0.9) > best + 0.1


def test_with_its_constant_the_vertical_loss_is_never_negative() -> None:
    for seed in range(20):
        first, second = assignments(seed=seed)
        assert vertical_contrast(first, second, temperature=0.9) + 2 * math.log(4) > 0


def test_a_video_alone_has_nothing_to_leave() -> None:
    first, second = views(rows=1)
    assert horizontal_contrast(first, second, temperature=0.4).tolist() == [0.0]


def test_a_single_cluster_is_no_loss() -> None:
    ones = torch.ones(4, 1)
    assert vertical_contrast(ones, ones, temperature=0.4).item() == 0


def test_an_absent_video_is_as_if_left_out() -> None:
    present = torch.tensor([True, True, False, True, False, True])
    first, second = views()
    found = horizontal_contrast(first, second, temperature=0.4, present=present)[present]
    fewer = horizontal_contrast(first[present], second[present], temperature=0.4)
    torch.testing.assert_close(found, fewer)
    first, second = assignments()
    torch.testing.assert_close(
        vertical_contrast(first, second, temperature=0.9, present=present),
        vertical_contrast(first[present], second[present], temperature=0.9),
    )


def test_absent_videos_get_no_gradient_and_spoil_none() -> None:
    present = torch.tensor([True, True, False, True, True, True])
    given = [*views(), *assignments()]
    for each in given:
        each.requires_grad_()
    horizontal = horizontal_contrast(given[0], given[1], temperature=0.4, present=present)
    vertical = vertical_contrast(given[2], given[3], temperature=0.9, present=present)
    (horizontal[present].sum() + vertical).backward()
    for each in given:
        assert torch.isfinite(each.grad).all()
        assert not each.grad[2].any()
        assert each.grad[present].any()


def test_order_of_videos_numbering_of_clusters_and_of_halves_do_not_matter() -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    first, second = views()
    found = horizontal_contrast(first, second, temperature=0.4)
    torch.testing.assert_close(horizontal_contrast(second, first, temperature=0.4), found)
    torch.testing.assert_close(
        horizontal_contrast(first[order], second[order], temperature=0.4), found[order]
    )
    first, second = assignments()
    once = vertical_contrast(first, second, temperature=0.9)
    for a, b in (
        (second, first),
        (first[order], second[order]),
        (first[:, [2, 0, 3, 1]], second[:, [2, 0, 3, 1]]),
    ):
        torch.testing.assert_close(vertical_contrast(a, b, temperature=0.9), once)


def test_sure_assignments_have_a_finite_gradient() -> None:
    """A share of exactly 0 has an infinite slope of its entropy."""
    sure = torch.eye(3)[[0, 0, 1]].requires_grad_()
    vertical_contrast(sure, sure, temperature=0.9).backward()
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()


def test_gradient() -> None:
    given = [each.requires_grad_() for each in (*views(), *assignments())]
    present = torch.tensor([True, True, False, True, True, True])
    assert torch.autograd.gradcheck(
        lambda a, b: horizontal_contrast(a, b, temperature=0.4, present=present), given[:2]
    )
    assert torch.autograd.gradcheck(
        lambda a, b: vertical_contrast(a, b, temperature=0.9, present=present), given[2:]
    )
    assert torch.autograd.gradcheck(
        lambda a, b: vertical_row_contrast(a, b, temperature=0.4), given[2:]
    )
