"""Instance selection: by hand, against the loop, and padding."""

import numpy as np
import pytest
import torch

from tests.reference import aicl as reference
from utal.localizers.instances import fused_activation, member_mean, top_members
from utal.localizers.pooling import top_mean

LENGTHS = (24, 17, 3)


def values() -> tuple[torch.Tensor, torch.Tensor]:
    given = torch.randn(3, 24, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return given, torch.arange(24) < torch.tensor(LENGTHS)[:, None]


def test_fused_by_hand() -> None:
    share = torch.tensor([[[0.25, 0.75], [1.0, 0.0]]])
    actionness = torch.tensor([[[0.5, 1.0], [0.0, 0.5]]])
    found = fused_activation(share, actionness)
    torch.testing.assert_close(found, torch.tensor([[[1.75, 2.25], [1.5, 0.5]]]) / 3)
    assert torch.equal(fused_activation(share, actionness[:, :, :0]), share)


@pytest.mark.parametrize("ratio", [1, 8])
def test_members_are_the_loops(ratio: int) -> None:
    given, mask = values()
    found = top_members(given, mask, ratio)
    assert not found[~mask].any()
    for video, length in enumerate(LENGTHS):
        expected = reference.top_members(given[video, :length].numpy(), ratio)
        assert np.array_equal(found[video, :length], expected)
    torch.testing.assert_close(member_mean(given, found), top_mean(given, mask, ratio))


def test_of_equal_values_the_earlier() -> None:
    found = top_members(torch.zeros(1, 6, 1), torch.ones(1, 6, dtype=torch.bool), 3)
    assert found[0, :, 0].tolist() == [True, True, False, False, False, False]


def test_gradient_reaches_values_not_the_choice() -> None:
    given, mask = values()
    given.requires_grad_()
    members = top_members(given, mask, 8)
    member_mean(given, members).sum().backward()
    assert torch.equal(given.grad != 0, members)
