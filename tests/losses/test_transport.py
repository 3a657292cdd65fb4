"""Transport: marginals, the released sums and quotients, and what cannot matter."""

import numpy as np
import pytest
import torch

from tests.reference import case as reference
from utal.losses import transport


def cosines(samples: int = 30, labels: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(samples, labels, dtype=torch.float64, generator=generator) - 1


def targets_of(given: torch.Tensor, **changes: object) -> torch.Tensor:
    settings = {
        "mass": torch.ones(len(given), dtype=given.dtype),
        "marginal": torch.full_like(given[0], 1 / given.shape[1]),
        "sharpness": 20.0,
        "iterations": 3,
    }
    return transport.transport_targets(given, **{**settings, **changes})


@pytest.mark.parametrize("marginal", [[0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
@pytest.mark.parametrize("with_prior", [False, True])
def test_is_the_loop(marginal: list[float], with_prior: bool) -> None:
    given, share = cosines(), torch.tensor(marginal, dtype=torch.float64)
    prior = cosines(seed=1).exp() if with_prior else None
    found = targets_of(given, marginal=share, log_prior=None if prior is None else prior.log())
    expected = reference.transport_targets(
        given.numpy(),
        share.numpy(),
        sharpness=20.0,
        iterations=3,
        prior=None if prior is None else prior.numpy(),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_samples_sum_to_one_and_labels_to_their_share() -> None:
    given, share = cosines(200), torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    errors = []
    for iterations in (1, 3, 300):
        found = targets_of(given, marginal=share, iterations=iterations)
        torch.testing.assert_close(found.sum(dim=1), torch.ones(200, dtype=torch.float64))
        errors.append(float((found.mean(dim=0) - share).abs().max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-6


def test_by_hand() -> None:
    """Two samples that both like the first label better: the one that likes it more gets it."""
    given = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    found = targets_of(given, iterations=100)
    assert found[0, 0] > 0.99
    assert found[1, 1] > 0.99
    everything = targets_of(given, marginal=torch.tensor([1.0, 0.0]))
    assert everything.tolist() == [[1, 0], [1, 0]]
    assert targets_of(torch.zeros(3, 2)).tolist() == [[0.5, 0.5]] * 3


def test_mass() -> None:
    """A sample without mass is absent; one of mass 2 is two."""
    given = cosines()
    mass = torch.ones(30, dtype=torch.float64)
    mass[:5], mass[29] = 0.0, 2.0
    found = targets_of(given, mass=mass)
    alone = targets_of(torch.cat([given[5:], given[29:]]))
    torch.testing.assert_close(found[5:], alone[:-1])
    assert torch.isfinite(found).all()


def test_no_sharpness_overflows() -> None:
    found = targets_of(cosines().float(), sharpness=5000.0)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(30))


def test_renumbering_labels_and_samples() -> None:
    given = cosines()
    labels, samples = torch.tensor([2, 0, 3, 1]), torch.arange(29, -1, -1)
    torch.testing.assert_close(
        targets_of(given[samples][:, labels]), targets_of(given)[samples][:, labels]
    )


def test_rank_prior_is_the_loop() -> None:
    attention, foreground = cosines(labels=1)[:, 0], torch.tensor([0.0, 0.3, 1.0]).double()
    mass = torch.ones(30, dtype=torch.float64)
    for deviation in (0.2, 10.0):
        found = transport.rank_log_prior(attention, mass, foreground, deviation=deviation)
        expected = reference.rank_prior(attention.numpy(), foreground.numpy(), deviation)
        np.testing.assert_allclose(found.exp(), expected, rtol=1e-12)
    absent = torch.cat([mass, torch.zeros(3).double()])
    padded = transport.rank_log_prior(
        torch.cat([attention, torch.tensor([-1.0, 0.0, 1.0]).double()]),
        absent,
        foreground,
        deviation=0.2,
    )
    alone = transport.rank_log_prior(attention, mass, foreground, deviation=0.2)
    torch.testing.assert_close(padded[:30], alone)


def test_attended_samples_go_to_the_foreground() -> None:
    """With a narrow prior, samples that are alike are told apart by their attention."""
    attention = torch.linspace(0, 1, 10)
    prior = transport.rank_log_prior(
        attention, torch.ones(10), torch.tensor([1.0, 0.0]), deviation=0.2
    )
    found = targets_of(torch.zeros(10, 2), log_prior=prior)
    assert (found[6:, 0] > 0.8).all()
    assert (found[:4, 0] < 0.2).all()


def test_losses_are_the_loops() -> None:
    logits, embedding = cosines(), cosines(labels=6, seed=2)
    targets = torch.softmax(cosines(seed=1), dim=1)
    mass = torch.ones(30, dtype=torch.float64)
    found = transport.label_cross_entropy(logits, targets, mass)
    assert found.item() == pytest.approx(
        reference.label_cross_entropy(logits.numpy(), targets.numpy()), rel=1e-12
    )
    np.testing.assert_allclose(
        transport.prototypes(embedding, targets, mass),
        reference.prototypes(embedding.numpy(), targets.numpy()),
        rtol=1e-9,
    )
    mass[20:] = 0
    torch.testing.assert_close(
        transport.label_cross_entropy(logits, targets, mass),
        transport.label_cross_entropy(logits[:20], targets[:20], mass[:20]),
    )
    torch.testing.assert_close(
        transport.prototypes(embedding, targets, mass),
        transport.prototypes(embedding[:20], targets[:20], mass[:20]),
    )


def test_a_label_that_nothing_has_gets_no_direction() -> None:
    embedding = torch.rand(5, 3, requires_grad=True)
    assignment = torch.tensor([[1.0, 0.0]]).expand(5, 2)
    found = transport.prototypes(embedding, assignment, torch.ones(5))
    assert (found[1] == 0).all()
    found.sum().backward()
    assert torch.isfinite(embedding.grad).all()


def test_gradients() -> None:
    logits, embedding = cosines(6).requires_grad_(), cosines(6, 3, seed=1).requires_grad_()
    targets, mass = torch.softmax(cosines(6, seed=2), dim=1), cosines(6, 1, seed=3)[:, 0].abs()
    assert torch.autograd.gradcheck(
        lambda x: transport.label_cross_entropy(x, targets, mass), (logits,)
    )
    assert torch.autograd.gradcheck(lambda x: transport.prototypes(x, targets, mass), (embedding,))
    assert not targets_of(logits).requires_grad  # labels are not learned
