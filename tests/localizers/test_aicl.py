"""The AICL network: its published size, the plain formulas, its sets, and padding."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from tests.reference import aicl as reference
from utal.errors import ConfigError
from utal.grouping.describing import TopRaw
from utal.localizers.aicl import Aicl, AiclOutput, branch_votes

STREAMS = (4, 3)
LENGTHS = (20, 13, 1)


def built(settings: Aicl, streams: tuple[int, ...] = STREAMS) -> torch.nn.Module:
    torch.manual_seed(0)
    return settings.build(streams, 3).double()


def inputs(channels: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(3, 20, channels, generator=generator, dtype=torch.float64)
    mask = torch.arange(20) < torch.tensor(LENGTHS)[:, None]
    return features * mask[:, :, None], mask


def numbers(output: AiclOutput) -> list[torch.Tensor]:
    s = output.scores
    own = [output.logits, output.actionness, output.members, output.votes]
    return [s.embedding, s.cas, s.attention, *own, *output.stream_embeddings]


def test_published_size() -> None:
    network = Aicl().build((1024, 1024), 20)
    assert sum(p.numel() for p in network.parameters()) == 6_304_278


@pytest.mark.parametrize("streams", [(7,), (4, 3), (2, 2, 3)])
def test_plain_formulas(streams: tuple[int, ...]) -> None:
    features, mask = inputs()
    network = built(Aicl(width=6, top_ratio=4), streams)
    output = network(features, mask)
    parts = features.mT.split(streams, dim=1)
    for video, length in enumerate(LENGTHS):
        embedding = torch.relu(network.embed(features.mT[video, :, :length]))
        logits = network.classify(embedding).T
        rated = []
        for number, part in enumerate(parts):
            own = torch.relu(network.embed_streams[number](part[video, :, :length]))
            torch.testing.assert_close(output.stream_embeddings[number][video, :length], own.T)
            rated.append(torch.sigmoid(network.rate_streams[number](own))[0])
        actionness = torch.stack(rated, dim=1)
        fused = (torch.softmax(logits, 1) + actionness.sum(1)[:, None]) / (1 + len(streams))
        members = reference.top_members(fused.detach().numpy(), 4)
        pooled = torch.stack([logits[members[:, c], c].mean() for c in range(3)])
        class_aware, mean = torch.sigmoid(logits.sum(1)), actionness.mean(1)
        votes = reference.votes(class_aware.tolist(), mean.tolist(), median_is_action=False)
        expected = torch.where(torch.tensor(votes) == 2, (class_aware + mean) / 2, 0)
        scores = output.scores
        torch.testing.assert_close(scores.embedding[video, :length], embedding.T)
        torch.testing.assert_close(scores.cas[video, :length], fused)
        torch.testing.assert_close(scores.attention[video, :length], expected)
        torch.testing.assert_close(scores.probability[video], torch.softmax(pooled, 0))
        assert np.array_equal(output.members[video, :length], members)
        assert output.votes[video, :length].tolist() == votes
    assert (output.scores.attention > 0).any()
    assert 0 <= output.scores.cas.min() <= output.scores.cas.max() <= 1


@pytest.mark.parametrize("settings", [Aicl(width=6), Aicl(width=6, median_is_action=True)])
def test_padding_and_the_rest_of_the_batch_change_nothing(settings: Aicl) -> None:
    features, mask = inputs()
    network = built(settings)
    together = network(features, mask)
    for video, length in enumerate(LENGTHS):
        own = features[video : video + 1, :length], mask[video : video + 1, :length]
        alone = network(*own)
        longer = network(pad(own[0], (0, 0, 0, 30)), pad(own[1], (0, 30)))
        for one, other, padded in zip(
            numbers(together), numbers(alone), numbers(longer), strict=True
        ):
            torch.testing.assert_close(other, one[video : video + 1, :length])
            torch.testing.assert_close(padded[:, :length], other)
            assert not padded[:, length:].any()
            assert not one[video, length:].any()
        for other in (alone, longer):
            torch.testing.assert_close(
                other.scores.probability[0], together.scores.probability[video]
            )


@pytest.mark.parametrize(
    ("class_aware", "class_agnostic", "at_median", "expected"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], False, [0, 0, 2, 2]),
        ([1, 2, 3, 4], [4, 3, 2, 1], False, [1, 1, 1, 1]),
        ([1, 2, 3], [1, 2, 3], False, [0, 0, 2]),  # the median itself is no action
        ([1, 2, 3], [1, 2, 3], True, [0, 2, 2]),  # but in FEEL's copy
        ([5, 5, 5, 5], [1, 2, 3, 4], False, [0, 0, 1, 1]),
        ([5, 5, 5, 5], [1, 2, 3, 4], True, [1, 1, 2, 2]),
        ([7], [7], False, [0]),
        ([7], [7], True, [2]),
    ],
)
@pytest.mark.parametrize("padding", [0, 9])
def test_votes_by_hand(
    class_aware: list[float],
    class_agnostic: list[float],
    at_median: bool,
    expected: list[int],
    padding: int,
) -> None:
    rows = torch.tensor([class_aware, class_agnostic]).double()
    mask = torch.ones(1, rows.shape[1], dtype=torch.bool)
    found = branch_votes(
        pad(rows[:1], (0, padding), value=100.0),
        pad(rows[1:], (0, padding), value=-100.0),
        pad(mask, (0, padding)),
        median_is_action=at_median,
    )
    assert found[0].tolist() == expected + [0] * padding


def test_votes_survive_a_saturated_sigmoid() -> None:
    """Of a hundred clusters the sum is so large that its sigmoid is 1 everywhere."""
    network = built(Aicl(width=6)).float()
    with torch.no_grad():
        network.classify.bias.fill_(100.0)
    features, mask = inputs()
    output = network(features.float()[:1], mask[:1])
    assert torch.sigmoid(output.logits.sum(2)).unique().tolist() == [1.0]
    assert (output.votes == 2).any()
    assert (output.votes == 0).any()


def test_undecided() -> None:
    features, mask = inputs()
    assert built(Aicl(width=6))(features, mask).actionness[mask].std() > 0
    undecided = built(Aicl(width=6, undecided=True))(features, mask)
    assert undecided.actionness[mask].unique().tolist() == [0.5]


def test_the_descriptor_pools_consistent_action_only() -> None:
    features, mask = inputs()
    features, mask = features[:1], mask[:1]
    output = built(Aicl(width=6))(features, mask)
    vector = TopRaw(ratio=5, l2=False, weighted=True).describe(features[0], output, STREAMS).vector
    both = (output.votes[0] == 2).nonzero()[:, 0].tolist()
    mean = (output.logits.sum(2).sigmoid() + output.actionness.mean(2))[0] / 2
    best = sorted(both, key=lambda time: -mean[time])[:4]
    expected = sum(mean[time] * features[0, time] for time in best) / sum(mean[t] for t in best)
    torch.testing.assert_close(vector, expected.detach())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": 2}, "kernel must be odd"),
        ({"width": 0}, "width must be at least 1"),
        ({"top_ratio": 0}, "top_ratio must be at least 1"),
    ],
)
def test_settings_out_of_range(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Aicl(**settings)
