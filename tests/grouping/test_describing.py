"""Descriptors: hand-computed pooling, the first round, and what must not matter."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.oracle_data import FOLDER
from utal.errors import ConfigError, DataError
from utal.grouping.describing import (
    AttentionRaw,
    StreamAttention,
    TopEmbedding,
    TopRaw,
    attended_mean,
    descriptors,
    top_snippets,
    unit_length,
)
from utal.localizers.fusion import Fused
from utal.records import Scores, View

PARTS = [AttentionRaw(), TopEmbedding(), TopRaw(), TopRaw(weighted=True)]


@dataclass(frozen=True, eq=False)
class Richer:
    """An output with more to say than its scores."""

    scores: Scores


def scores(attention: Tensor, embedding: Tensor | None = None) -> Scores:
    length = len(attention)
    return Scores(
        embedding=(torch.zeros(length, 3) if embedding is None else embedding)[None],
        cas=torch.zeros(1, length, 2),
        attention=attention[None],
        probability=torch.full((1, 2), 0.5),
    )


@pytest.fixture
def features() -> Tensor:
    return torch.randn(10, 4, generator=torch.Generator().manual_seed(0))


def test_attended_mean_by_hand():
    table = torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 4.0]])
    torch.testing.assert_close(
        attended_mean(table, torch.tensor([1.0, 3.0, 0.0])), torch.tensor([0.25, 1.5])
    )


def test_top_snippets_by_hand():
    attention = torch.tensor([0.1, 0.9, 0.5, 0.9, 0.2])
    assert top_snippets(attention, 2).tolist() == [1, 3]  # equal: the earlier one first
    assert top_snippets(attention, 1).tolist() == [1, 3, 2, 4, 0]
    assert top_snippets(attention, 9).tolist() == [1]  # at least one


def test_unit_length_keeps_zero():
    torch.testing.assert_close(unit_length(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]))
    assert unit_length(torch.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("part", PARTS)
def test_the_first_round_takes_the_plain_mean(part, features):
    mean = features.mean(dim=0)
    expected = mean / mean.norm() if part.l2 else mean
    torch.testing.assert_close(part.describe(features, None, ()).vector, expected)


def test_attention_raw_weighs_by_the_sigmoid():
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    output = scores(torch.tensor([0.0, math.log(3.0)]))  # sigmoid: 1/2 and 3/4
    vector = AttentionRaw(l2=False).describe(table, output, ()).vector
    torch.testing.assert_close(vector, torch.tensor([0.4, 0.6]))


def test_attention_raw_with_equal_attention_is_the_first_rounds(features):
    output = scores(torch.full((10,), 2.0))
    part = AttentionRaw()
    torch.testing.assert_close(
        part.describe(features, output, ()).vector, part.describe(features, None, ()).vector
    )


def test_top_parts_look_at_attended_snippets_only(features):
    attention = torch.tensor([0.0, 5.0, 1.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0])
    embedding = torch.arange(30.0).reshape(10, 3)
    output = scores(attention, embedding)
    raw = TopRaw(ratio=5, l2=False).describe(features, output, ()).vector
    torch.testing.assert_close(raw, (features[1] + features[5]) / 2)
    embedded = TopEmbedding(ratio=5).describe(features, output, ()).vector
    torch.testing.assert_close(embedded, (embedding[1] + embedding[5]) / 2)


def test_weighted_top_snippets_by_hand(features):
    part = TopRaw(ratio=3, l2=False, weighted=True)  # three of ten
    attention = torch.tensor([0.0, 0.6, 0.2, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
    vector = part.describe(features, scores(attention), ()).vector
    expected = (0.6 * features[1] + 0.2 * features[2] + 0.1 * features[4]) / 0.9
    torch.testing.assert_close(vector, expected)
    fewer = part.describe(features, scores(attention * (attention > 0.3)), ()).vector
    torch.testing.assert_close(fewer, features[1])  # what fills up has no weight
    nothing = part.describe(features, scores(torch.zeros(10)), ()).vector
    torch.testing.assert_close(nothing, features.mean(dim=0))


@pytest.mark.parametrize("part", PARTS)
def test_order_in_time_does_not_matter(part, features):
    attention = torch.rand(10, generator=torch.Generator().manual_seed(1))
    embedding = torch.rand(10, 3, generator=torch.Generator().manual_seed(2))
    shuffle = torch.randperm(10, generator=torch.Generator().manual_seed(3))
    straight = part.describe(features, scores(attention, embedding), ())
    shuffled = part.describe(features[shuffle], scores(attention[shuffle], embedding[shuffle]), ())
    torch.testing.assert_close(shuffled.vector, straight.vector)


@pytest.mark.parametrize("part", PARTS)
def test_views_carry_no_gradient_and_leave_inputs_alone(part, features):
    embedding = torch.rand(10, 3, requires_grad=True)
    before = features.clone()
    output = Richer(scores(torch.rand(10, requires_grad=True), embedding))
    view = part.describe(features, output, ())
    assert not view.vector.requires_grad
    assert view.snippets is None
    assert torch.equal(features, before)


@pytest.mark.parametrize("part", [AttentionRaw(l2=True), TopEmbedding(l2=True), TopRaw(l2=True)])
def test_l2_gives_length_one(part, features):
    view = part.describe(features, scores(torch.rand(10), torch.rand(10, 3)), ())
    assert view.vector.norm().item() == pytest.approx(1)


@pytest.mark.parametrize("part", PARTS)
def test_one_snippet_is_enough(part):
    view = part.describe(torch.ones(1, 3), scores(torch.ones(1), torch.ones(1, 3)), ())
    assert view.vector.isfinite().all()


@pytest.mark.parametrize("part", PARTS)
def test_an_output_of_another_length_is_refused(part, features):
    with pytest.raises(ValueError, match="one video of 10 snippets, got attention of shape"):
        part.describe(features, scores(torch.rand(9)), ())


@pytest.mark.parametrize("part", [TopEmbedding, TopRaw])
def test_ratio_below_one_is_refused(part):
    with pytest.raises(ConfigError, match="ratio must be at least 1, got 0"):
        part(ratio=0)


def test_descriptors_stack_in_order():
    table = descriptors([View(torch.tensor([1.0, 2.0])), View(torch.tensor([3.0, 4.0]))])
    np.testing.assert_array_equal(table, [[1, 2], [3, 4]])
    assert table.dtype == np.float64


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([], "there are no videos"),
        ([[1.0], [1.0, 2.0]], r"different lengths: \[1, 2\]"),
        ([[1.0], [math.inf]], "video number 1 holds NaN or infinity"),
    ],
)
def test_descriptors_refuse_what_cannot_be_grouped(vectors, message):
    with pytest.raises(DataError, match=message):
        descriptors([View(torch.tensor(vector)) for vector in vectors])


def attending(attention: Tensor) -> Scores:
    """Scores that say nothing but where to look."""
    time = len(attention)
    return Scores(
        torch.zeros(1, time, 1), torch.zeros(1, time, 1), attention[None], torch.ones(1, 1)
    )


def fused(*attentions: Tensor, widths: tuple[int, ...]) -> Fused:
    parts = tuple(attending(attention) for attention in attentions)
    return Fused(attending(torch.stack(attentions).mean(0)), parts, widths)


def test_stream_attention_by_hand() -> None:
    """Two streams of widths 2 and 1; each is pooled by its own attention, then of length one."""
    features = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 8.0]])
    output = fused(torch.tensor([0.6, 0.8]), torch.tensor([1.0, 0.0]), widths=(2, 1))
    describe = StreamAttention().describe
    torch.testing.assert_close(
        describe(features, output, (2, 1)).vector, torch.tensor([0.6, 0.8, 1.0])
    )
    half = 0.5**0.5
    plain = torch.tensor([half, half, 1.0])
    torch.testing.assert_close(describe(features, None, (2, 1)).vector, plain)
    # Another amount of attention is the same attention, and none at all is as the first round.
    double = fused(torch.tensor([1.2, 1.6]), torch.tensor([9.0, 0.0]), widths=(2, 1))
    assert torch.equal(
        describe(features, double, (2, 1)).vector, describe(features, output, (2, 1)).vector
    )
    none = fused(torch.zeros(2), torch.zeros(2), widths=(2, 1))
    torch.testing.assert_close(describe(features, none, (2, 1)).vector, plain)


def test_stream_attention_of_one_network_serves_all_streams() -> None:
    features = torch.tensor([[1.0, 0.0, -2.0], [0.0, 1.0, 8.0]])
    found = StreamAttention().describe(features, attending(torch.tensor([1.0, 0.0])), (2, 1))
    torch.testing.assert_close(found.vector, torch.tensor([1.0, 0.0, -1.0]))
    found = StreamAttention().describe(features, attending(torch.tensor([1.0, 0.0])), (3,))
    torch.testing.assert_close(found.vector, torch.tensor([1.0, 0.0, -2.0]) / 5**0.5)


def test_stream_attention_equals_released_descriptors() -> None:
    with np.load(FOLDER / "spectral.npz") as data:
        case = {key: data[f"pooled__{key}"] for key in ("rgb", "flow", "offsets")}
        attention = {key: data[f"pooled__attention_{key}"] for key in ("rgb", "flow")}
        expected = {key: data[f"pooled__descriptor_{key}"] for key in ("mean", "attention")}
    features = torch.tensor(np.concatenate([case["rgb"], case["flow"]], axis=1))
    widths = case["rgb"].shape[1], case["flow"].shape[1]
    for number, (start, end) in enumerate(pairwise(case["offsets"])):
        output = fused(
            *(torch.tensor(attention[key][start:end]) for key in ("rgb", "flow")), widths=widths
        )
        for name, given in (("mean", None), ("attention", output)):
            found = StreamAttention().describe(features[start:end], given, widths).vector
            np.testing.assert_allclose(found, expected[name][number], rtol=1e-9, atol=1e-12)
