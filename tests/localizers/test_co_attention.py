"""The co-attention networks: against the loop, the reference numbers, and what cannot matter."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from tests.oracle_data import cases
from tests.reference import tcam as reference
from utal.errors import ConfigError
from utal.localizers.co_attention import (
    CoAttention,
    CoAttentionNetwork,
    CoAttentionOutput,
    ConvCoAttention,
    ReleasedCoAttention,
    co_attended,
)
from utal.localizers.context import NonLocal
from utal.method import Localizer

ORACLE = cases("tcam.npz", listed_as="loss_cases")
PARTS = [
    CoAttention(width=3, context_width=2, branch_width=5),
    ConvCoAttention(branch_width=5),
    ReleasedCoAttention(base_width=6, branch_width=4),
]


def built(part: Localizer, channels: int = 8) -> CoAttentionNetwork:
    """A network whose every parameter matters: the non-local block begins at zero otherwise."""
    torch.manual_seed(0)
    network = part.build((channels,), 3).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


def videos(count: int = 3, time: int = 12, channels: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(count, time, channels, generator=generator, dtype=torch.float64)
    return features, torch.ones(count, time, dtype=torch.bool)


def numbers_of(output: CoAttentionOutput) -> dict[str, torch.Tensor]:
    return {
        "specific": output.specific,
        "agnostic": output.agnostic,
        "cas": output.scores.cas,
        "attention": output.scores.attention,
        "logits": output.logits,
        "probability": output.scores.probability,
        "specific_attention": output.specific_attention,
    }


def test_plain_loop() -> None:
    network = built(PARTS[0])
    features, mask = videos()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    with torch.no_grad():
        found = numbers_of(network(features, mask))
    for number, video in enumerate(features.numpy()):
        for name, expected in reference.network(video, weights).items():
            np.testing.assert_allclose(found[name][number], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ORACLE)
def test_reference_distribution(name: str) -> None:
    """From both attentions of ragged videos."""
    case = ORACLE[name]
    spans = [slice(*pair) for pair in pairwise(case["offsets"])]

    def padded(key: str) -> torch.Tensor:
        return pad_sequence([torch.tensor(case[key][span]) for span in spans], batch_first=True)

    mask = torch.arange(padded("S").shape[1]) < torch.tensor(np.diff(case["offsets"]))[:, None]
    output = co_attended(padded("A"), padded("S"), padded("X_cs"), padded("X_ca"), mask)
    np.testing.assert_allclose(output.scores.probability, case["p_hat"], rtol=1e-9)
    pooled = (output.scores.attention[:, None] @ output.agnostic)[:, 0]
    np.testing.assert_allclose(pooled, case["H"], rtol=1e-9)
    own = output.specific_attention.mT[torch.arange(len(spans)), torch.tensor(case["labels"])]
    np.testing.assert_allclose((own[:, None] @ output.specific)[:, 0], case["J"], rtol=1e-9)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_ranges(part: Localizer) -> None:
    assert part.output is CoAttentionOutput
    assert part.learns_embedding
    features, mask = videos()
    output = built(part)(features, mask)
    ones = torch.ones(3).double()
    torch.testing.assert_close(output.scores.attention.sum(1), ones)
    torch.testing.assert_close(output.scores.probability.sum(1), ones)
    torch.testing.assert_close(output.specific_attention.sum(1), ones[:, None].expand(3, 3))
    assert (output.scores.attention > 0).all()
    assert (output.scores.cas < 0).any()  # logits, as no ReLU follows


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("length", [1, 2, 7])
def test_padding_and_company_do_not_matter(part: Localizer, length: int) -> None:
    """Whatever stands in the padding."""
    network = built(part)
    features, mask = videos()
    mask[1, length:] = False
    features = features * mask[:, :, None]
    together = numbers_of(network(features, mask))
    alone = numbers_of(network(features[1:2, :length], mask[1:2, :length]))
    for name, single in alone.items():
        in_time = together[name].shape[1:2] == (12,)
        expected = together[name][1:2, :length] if in_time else together[name][1:2]
        torch.testing.assert_close(single, expected, rtol=1e-9, atol=1e-12)
        assert not (in_time and together[name][1, length:].any())


def test_a_shift_in_time_shifts_everything() -> None:
    """But for four snippets at the ends, where zeros lie beyond; global context knows no place."""
    network = built(PARTS[0])
    features, mask = videos(1, 30)
    features[:, :10] = features[:, 20:] = 0
    before, after = network(features, mask), network(features.roll(2, dims=1), mask)
    inside = slice(6, 26)
    torch.testing.assert_close(after.scores.cas[:, inside], before.scores.cas[:, 4:24])
    torch.testing.assert_close(after.scores.attention[:, inside], before.scores.attention[:, 4:24])
    torch.testing.assert_close(after.scores.probability, before.scores.probability)


@pytest.mark.parametrize(("part", "sees_far"), [(PARTS[0], True), (PARTS[1], False)])
def test_only_global_context_sees_far(part: Localizer, sees_far: bool) -> None:
    network = built(part)
    features, mask = videos(1, 40)
    changed = features.clone()
    changed[0, 35] += 1
    one, other = network(features, mask).scores.cas, network(changed, mask).scores.cas
    assert (not torch.equal(one[0, :25], other[0, :25])) == sees_far
    assert not torch.equal(one[0, 35], other[0, 35])


def test_non_local_begins_as_nothing() -> None:
    values, mask = torch.rand(2, 4, 9), torch.ones(2, 9, dtype=torch.bool)
    block = NonLocal(4, 2)
    assert torch.equal(block(values, mask), values)
    block(values, mask).square().sum().backward()
    assert block.project.weight.grad.any()  # and learns nevertheless


def test_dropout_leaves_whole_channels_out() -> None:
    network = ConvCoAttention(branch_width=5, input_dropout=0.5).build((64,), 3).train()
    seen: list[torch.Tensor] = []
    network.context.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = torch.rand(4, 9, 64) + 1
    network(features, torch.ones(4, 9, dtype=torch.bool))
    left_out = seen[0] == 0  # (batch, channel, time)
    assert torch.equal(left_out, left_out[:, :, :1].expand(-1, -1, 9))
    assert 0.3 < left_out.float().mean() < 0.7
    assert not torch.equal(left_out[0], left_out[1])
    network.eval()
    network(features, torch.ones(4, 9, dtype=torch.bool))
    assert torch.equal(seen[1], features.mT)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_gradients_are_finite_in_padded_batches(part: Localizer) -> None:
    network = built(part).train()
    features, mask = videos()
    mask[0, 1:] = False
    output = network(features * mask[:, :, None], mask)
    numbers = (value.square().sum() for value in numbers_of(output).values())
    torch.stack(list(numbers)).sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in network.parameters())


def test_widths_follow_the_channels() -> None:
    network = CoAttention().build((1024,), 20)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["context.branches.parts.0.convolve.weight"] == (256, 1024, 3)
    assert shapes["context.fuse.convolve.weight"] == (1024, 1024, 1)
    assert shapes["specific.convolve.weight"] == (256, 1024, 3)
    assert CoAttention().build((4, 3), 2).context.fuse.convolve.weight.shape == (7, 4, 1)
    assert CoAttention().build((2,), 2).context.fuse.convolve.weight.shape == (2, 4, 1)


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        (CoAttention, {"width": 0}, "width must be at least 1, got 0"),
        (CoAttention, {"context_width": 0}, "context_width must be at least 1"),
        (ConvCoAttention, {"branch_width": -1}, "branch_width must be at least 1, got -1"),
        (ReleasedCoAttention, {"base_width": 0}, "base_width must be at least 1, got 0"),
        (ReleasedCoAttention, {"branch_width": 6}, "must be a multiple of 4, got 6"),
        *(
            (part, {"input_dropout": 1.0}, r"input_dropout must lie in \[0, 1\), got 1.0")
            for part in (CoAttention, ConvCoAttention, ReleasedCoAttention)
        ),
    ],
)
def test_settings_out_of_range(part, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        part(**settings)
