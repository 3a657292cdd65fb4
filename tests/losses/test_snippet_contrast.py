"""Snippet contrast: against the loop, the released values, and what cannot matter."""

import math

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import apsl as reference
from utal.losses.contrastive import hard_snippet_contrast, snippet_contrast

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("batch")}
SETS = ("EA", "EB", "HA", "HB")


def random_sets(videos: int = 4, *, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    sizes = (5, 5, 3, 3)
    return tuple(
        torch.randn(videos, size, 6, dtype=torch.float64, generator=generator) for size in sizes
    )


@pytest.mark.parametrize("name", ORACLE)
def test_released_values_and_gradients(name: str) -> None:
    case = ORACLE[name]
    sets = {kind: torch.tensor(case[kind], requires_grad=True) for kind in SETS}
    found = hard_snippet_contrast(*sets.values(), temperature=0.07).mean()
    for key in ("snico_released", "snico_correct"):
        assert found.item() == pytest.approx(float(case[key]), rel=1e-9)
    found.backward()
    for kind, ours in sets.items():
        np.testing.assert_allclose(
            ours.grad, case[f"snico_correct__grad_{kind}"], rtol=0, atol=1e-8
        )


def test_plain_loop() -> None:
    sets = random_sets()
    found = hard_snippet_contrast(*sets, temperature=0.3)
    easy_action, easy_background, hard_action, hard_background = (each.numpy() for each in sets)
    for video in range(4):
        expected = reference.contrast(
            hard_action[video].mean(0), easy_action[video].mean(0), easy_background[video], 0.3
        ) + reference.contrast(
            hard_background[video].mean(0), easy_background[video].mean(0), easy_action[video], 0.3
        )
        assert found[video].item() == pytest.approx(expected)


def test_orthonormal_negatives_by_hand() -> None:
    """A query equal to its positive and at right angles to n negatives: log(1 + n e^(-1/t))."""
    axes = torch.eye(4)
    found = snippet_contrast(axes[:1], 7 * axes[:1], axes[None, 1:], temperature=0.5)
    assert found.item() == pytest.approx(math.log(1 + 3 * math.exp(-2)))


def test_lengths_do_not_matter() -> None:
    """Vectors of length 150 would overflow the exponential as printed."""
    query, positive = torch.rand(2, 1, 4, generator=torch.Generator().manual_seed(0))
    negatives = torch.rand(1, 5, 4, generator=torch.Generator().manual_seed(1))
    small = snippet_contrast(query, positive, negatives, temperature=0.07)
    large = snippet_contrast(900 * query, 500 * positive, 300 * negatives, temperature=0.07)
    torch.testing.assert_close(small, large)
    assert torch.isfinite(small).all()


def test_snippets_that_do_not_count_are_absent() -> None:
    easy_action, easy_background, hard_action, hard_background = random_sets()
    kept_easy = (torch.arange(5) < 2).expand(4, 5)
    kept_hard = (torch.arange(3) < 1).expand(4, 3)
    found = hard_snippet_contrast(
        easy_action,
        easy_background,
        hard_action,
        hard_background,
        temperature=0.07,
        kept_easy=kept_easy,
        kept_hard=kept_hard,
    )
    fewer = hard_snippet_contrast(
        easy_action[:, :2],
        easy_background[:, :2],
        hard_action[:, :1],
        hard_background[:, :1],
        temperature=0.07,
    )
    torch.testing.assert_close(found, fewer)


def test_gradient() -> None:
    sets = [each.requires_grad_() for each in random_sets(2)]
    kept = (torch.arange(5) < torch.tensor([[5], [2]])).expand(2, 5)
    assert torch.autograd.gradcheck(
        lambda *each: hard_snippet_contrast(*each, temperature=0.5, kept_easy=kept), sets
    )
