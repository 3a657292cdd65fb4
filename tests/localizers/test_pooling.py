"""Pooling ignores padding."""

import torch

from utal.localizers.pooling import masked_mean, masked_softmax, top_mean

MASK = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] + [False] * 5])


def values() -> torch.Tensor:
    return torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(0)) - 0.5


def test_top_mean() -> None:
    given = values()
    found = top_mean(given, MASK, 2)
    for row, (length, count) in enumerate([(6, 3), (4, 2), (1, 1)]):
        for column in range(2):
            best = sorted(given[row, :length, column].tolist(), reverse=True)[:count]
            torch.testing.assert_close(found[row, column].item(), sum(best) / count)


def test_top_mean_has_no_gradient_at_padding() -> None:
    given = values().requires_grad_()
    top_mean(given, MASK, 2).sum().backward()
    assert torch.isfinite(given.grad).all()
    assert not given.grad[~MASK].any()


def test_masked_softmax_and_mean() -> None:
    given = values()
    shares = masked_softmax(given, MASK)
    mean = masked_mean(given, MASK)
    for row, length in enumerate([6, 4, 1]):
        own = given[row, :length]
        torch.testing.assert_close(shares[row, :length], torch.softmax(own, 0))
        torch.testing.assert_close(mean[row], own.mean(0))
        assert not shares[row, length:].any()
    torch.testing.assert_close(masked_mean(given[:, :, 0], MASK), mean[:, 0])
