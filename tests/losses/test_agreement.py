"""Agreement losses: against the loops, by hand, and what cannot matter."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from tests.reference import aicl as reference
from utal.losses import agreement

LENGTHS = (40, 27, 9, 1)


def judged(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings, actionness, votes and mask of videos of several lengths."""
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(4, 40, 5, dtype=torch.float64, generator=generator)
    actionness = torch.rand(4, 40, dtype=torch.float64, generator=generator)
    votes = torch.randint(0, 3, (4, 40), generator=generator)
    return embedding, actionness, votes, torch.arange(40) < torch.tensor(LENGTHS)[:, None]


@pytest.mark.parametrize(
    ("probability", "is_positive", "exponent", "expected"),
    [
        ([1.0, 0.0], [True, False], 0.7, 0.0),  # all right
        ([0.0, 1.0], [True, False], 0.7, 2 / 0.7),  # all wrong: bounded
        ([0.25, 0.5], [True, False], 1.0, 0.75 + 0.5),  # q = 1: the absolute error
        ([0.25, 0.25], [True, True], 0.5, 1.0),  # (1 - 0.5) / 0.5, and no negatives
        ([0.0, 0.25, 0.25, 0.25], [True, True, False, False], 1.0, 0.875 + 0.25),
        ([0.25, 0.25], [False, False], 1.0, 0.25),
    ],
)
def test_generalised_cross_entropy_by_hand(
    probability: list[float], is_positive: list[bool], exponent: float, expected: float
) -> None:
    found = agreement.generalised_cross_entropy(
        torch.tensor([probability], dtype=torch.float64),
        torch.tensor([is_positive]),
        torch.ones(1, len(probability), dtype=torch.bool),
        exponent=exponent,
    )
    assert found.item() == pytest.approx(expected, abs=1e-4)


def test_small_exponents_approach_the_cross_entropy() -> None:
    probability = torch.tensor([[0.9, 0.2, 0.6]], dtype=torch.float64)
    is_positive = torch.tensor([[True, False, False]])
    found = agreement.generalised_cross_entropy(
        probability, is_positive, torch.ones(1, 3, dtype=torch.bool), exponent=1e-4
    )
    assert found.item() == pytest.approx(-math.log(0.9) - math.log(0.8 * 0.4) / 2, rel=1e-3)


def test_generalised_cross_entropy_is_the_loop() -> None:
    _, probability, votes, mask = judged()
    found = agreement.generalised_cross_entropy(probability, votes > 0, mask, exponent=0.7)
    for video, length in enumerate(LENGTHS):
        expected = reference.generalised_cross_entropy(
            probability[video, :length].tolist(), (votes[video, :length] > 0).tolist(), 0.7
        )
        assert found[video].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_gradient_of_sure_mistakes_is_finite(extreme: float) -> None:
    probability = torch.full((1, 4), extreme, requires_grad=True)
    is_positive = torch.tensor([[True, True, False, False]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    agreement.generalised_cross_entropy(probability, is_positive, mask, exponent=0.7).backward()
    assert torch.isfinite(probability.grad).all()
    assert (probability.grad[0, :2] < 0).all()
    assert (probability.grad[0, 2:] > 0).all()


def test_labelled_members_by_hand() -> None:
    members = torch.tensor([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]]).bool()
    for targets, expected in (
        ([1.0, 0.0, 0.0], [True, False, False, True]),
        ([0.5, 0.0, 0.5], [True, False, True, True]),
        ([0.0, 0.0, 0.0], [False] * 4),
    ):
        found = agreement.labelled_members(members, torch.tensor([targets]))
        assert found[0].tolist() == expected


def test_disagreement() -> None:
    first, second = torch.tensor([[0.0, 1.0, 9.0]]), torch.tensor([[0.5, 1.0, 0.0]])
    mask = torch.tensor([[True, True, False]])
    found = agreement.squared_disagreement(first, second, mask)
    assert found.item() == pytest.approx(0.125)
    # The two halves of the released code.
    halves = [F.mse_loss(first[:, :2], second[:, :2]), F.mse_loss(second[:, :2], first[:, :2])]
    assert found.item() == pytest.approx(0.5 * float(halves[0]) + 0.5 * float(halves[1]))
    both = torch.stack([first, second], dim=2)
    torch.testing.assert_close(agreement.mean_disagreement(both, mask), found)
    three = torch.stack([first, second, second], dim=2)
    torch.testing.assert_close(agreement.mean_disagreement(three, mask), found * 2 / 3)
    assert agreement.mean_disagreement(both[:, :, :1], mask).item() == 0


def contrast(
    embedding: torch.Tensor,
    actionness: torch.Tensor,
    votes: torch.Tensor,
    mask: torch.Tensor,
    *,
    ratio: int,
    temperature: float,
) -> torch.Tensor:
    sets = agreement.consistency_sets(actionness, votes, mask, ratio=ratio)
    return agreement.consistency_contrast(embedding, sets, temperature=temperature)


@pytest.mark.parametrize("ratio", [3, 20])
def test_contrast_is_the_loop(ratio: int) -> None:
    embedding, actionness, votes, mask = judged()
    votes[1] = votes[1].clamp(min=1)  # a video without sure background
    found = contrast(embedding, actionness, votes, mask, ratio=ratio, temperature=0.1)
    for video, length in enumerate(LENGTHS):
        expected = reference.consistency_contrast(
            embedding[video, :length].numpy(),
            actionness[video, :length].tolist(),
            votes[video, :length].tolist(),
            ratio=ratio,
            temperature=0.1,
        )
        assert found[video].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found[3] == 0  # one snippet has nothing to be compared with


def test_contrast_by_hand() -> None:
    """Each set one snippet, sure and likely alike, action and background at right angles."""
    embedding = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 1.0]]])
    actionness = torch.tensor([[0.9, 0.7, 0.3, 0.1]])
    votes = torch.tensor([[2, 1, 1, 0]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    found = contrast(embedding, actionness, votes, mask, ratio=4, temperature=0.5)
    assert found.item() == pytest.approx(4 * math.log(1 + math.exp(-2)))


def test_contrast_moves_what_is_chosen_and_not_the_choice() -> None:
    embedding, actionness, votes, mask = judged()
    embedding.requires_grad_()
    actionness.requires_grad_()
    contrast(embedding, actionness, votes, mask, ratio=10, temperature=0.1).sum().backward()
    assert actionness.grad is None
    moved = embedding.grad.abs().sum(dim=2) > 0
    assert not (moved & ~mask).any()
    # At most four sets of a tenth, of which those of one vote may be the same.
    assert (moved.sum(dim=1) <= 4 * torch.tensor([4, 2, 1, 1])).all()
    assert (moved.sum(dim=1)[:2] >= 4).all()


def test_size_and_order_in_time_do_not_matter() -> None:
    embedding, actionness, votes, mask = (each[:1] for each in judged())
    settings = {"ratio": 10, "temperature": 0.1}
    found = contrast(embedding, actionness, votes, mask, **settings)
    other = torch.tensor(np.random.default_rng(0).permutation(40))
    shuffled = contrast(
        7 * embedding[:, other], 5 * actionness[:, other] - 2, votes[:, other], mask, **settings
    )
    # The mean of a set depends on the size of its members, all of which grow alike.
    torch.testing.assert_close(found, shuffled)


def test_gradients() -> None:
    embedding, probability, votes, mask = (each[:3, :12] for each in judged(1))
    mask = torch.arange(12) < torch.tensor([[12], [7], [5]])
    probability = (0.1 + 0.8 * probability).requires_grad_()
    second = probability.detach().flip(1).requires_grad_()
    embedding = embedding.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p: agreement.generalised_cross_entropy(p, votes > 0, mask, exponent=0.7),
        (probability,),
    )
    assert torch.autograd.gradcheck(
        lambda a, b: agreement.squared_disagreement(a, b, mask), (probability, second)
    )
    assert torch.autograd.gradcheck(
        lambda e: contrast(e, probability.detach(), votes, mask, ratio=4, temperature=0.5),
        (embedding,),
    )
