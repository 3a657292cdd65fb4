"""The CASE network: its published size, the plain formulas in both modes, and padding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from tests.reference import aicl as reference
from utal.errors import ConfigError
from utal.localizers.case import Case, CaseOutput

STREAMS = (4, 3)
LENGTHS = (20, 13, 1)
SMALL = Case(width=6, num_snippet_clusters=5, top_ratio=4)


def built(streams: tuple[int, ...] = STREAMS) -> torch.nn.Module:
    torch.manual_seed(0)
    network = SMALL.build(streams, 3).double()
    network.foreground.copy_(torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0]))
    return network.eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(3, 20, 7, generator=generator, dtype=torch.float64)
    mask = torch.arange(20) < torch.tensor(LENGTHS)[:, None]
    return features * mask[:, :, None], mask


def numbers(output: CaseOutput) -> list[torch.Tensor]:
    s = output.scores
    own = [
        value
        for each in output.streams
        for value in (each.logits, each.attention, each.embedding, each.cosines)
    ]
    return [s.embedding, s.cas, s.attention, output.members, *own]


def test_published_size() -> None:
    network = Case().build((1024, 1024), 20)
    assert sum(p.numel() for p in network.parameters()) == 2_137_130


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("streams", [(7,), (4, 3), (2, 2, 3)])
def test_plain_formulas(streams: tuple[int, ...], training: bool) -> None:
    features, mask = inputs()
    network = built(streams).train(training)
    output = network(features, mask)
    parts = features.split(streams, dim=2)
    for video, length in enumerate(LENGTHS):
        shares, attentions, terms = [], [], []
        for stream, part, own in zip(network.streams, parts, output.streams, strict=True):
            snippets = part[video, :length]
            embedding = stream.embed(snippets)
            attention = torch.sigmoid(stream.attend(embedding))[:, 0]
            cosines = torch.stack(
                [F.cosine_similarity(embedding, row, dim=1) for row in stream.prototypes.weight], 1
            )
            torch.testing.assert_close(own.cosines[video, :length], cosines)
            torch.testing.assert_close(own.attention[video, :length], attention)
            torch.testing.assert_close(own.logits[video, :length], stream.classify(snippets))
            torch.testing.assert_close(own.embedding[video, :length], embedding)
            shares.append(torch.softmax(stream.classify(snippets), 1))
            attentions.append(attention)
            terms.append(torch.softmax(10 * cosines, 1) @ network.foreground)
        voters = attentions if training else attentions + terms
        fused = (sum(shares) / len(streams) + sum(voters)[:, None]) / (1 + len(voters))
        members = reference.top_members(fused.detach().numpy(), 4)
        assert np.array_equal(output.members[video, :length], members)
        scores = output.scores
        torch.testing.assert_close(scores.cas[video, :length], fused)
        torch.testing.assert_close(scores.attention[video, :length], sum(attentions) / len(streams))
        pooled = [
            torch.stack([own.logits[video, :length][members[:, c], c].mean() for c in range(3)])
            for own in output.streams
        ]
        torch.testing.assert_close(
            scores.probability[video], sum(torch.softmax(p, 0) for p in pooled) / len(streams)
        )
    assert 0 <= output.scores.cas.min() <= output.scores.cas.max() <= 1


def test_padding_and_the_rest_of_the_batch_change_nothing() -> None:
    features, mask = inputs()
    network = built()
    together = network(features, mask)
    for video, length in enumerate(LENGTHS):
        own = features[video : video + 1, :length], mask[video : video + 1, :length]
        alone = network(*own)
        longer = network(F.pad(own[0], (0, 0, 0, 30)), F.pad(own[1], (0, 30)))
        for one, other, padded in zip(
            numbers(together), numbers(alone), numbers(longer), strict=True
        ):
            torch.testing.assert_close(other, one[video : video + 1, :length])
            torch.testing.assert_close(padded[:, :length], other)
            assert not padded[:, length:].any()
        for other in (alone, longer):
            torch.testing.assert_close(
                other.scores.probability[0], together.scores.probability[video]
            )


def test_clusters_of_snippets_vote_only_once_trained() -> None:
    features, mask = inputs()
    network = built()
    before = network(features, mask)
    network.foreground.fill_(1.0)
    after = network(features, mask)
    assert (after.scores.cas > before.scores.cas)[mask].all()
    assert torch.equal(after.scores.attention, before.scores.attention)
    network.train()
    one = network(features, mask)
    network.foreground.fill_(0.0)
    torch.testing.assert_close(network(features, mask).scores.cas, one.scores.cas)


def test_what_is_remembered_is_saved() -> None:
    network, other = built(), SMALL.build(STREAMS, 3).double()
    assert not torch.equal(network.foreground, other.foreground)
    other.load_state_dict(network.state_dict())
    assert torch.equal(network.foreground, other.foreground)


def test_undecided() -> None:
    features, mask = inputs()
    assert built()(features, mask).scores.attention[mask].std() > 0
    undecided = replace(SMALL, undecided=True).build(STREAMS, 3).double()(features, mask)
    assert undecided.scores.attention[mask].unique().tolist() == [0.5]


def test_prototypes_keep_their_length_in_training() -> None:
    features, mask = inputs()
    network = built()
    with torch.no_grad():
        network.streams[0].prototypes.weight.mul_(7)
    cosines = network(features, mask).streams[0].cosines
    assert network.streams[0].prototypes.weight.norm(dim=1).max() > 2
    again = network.train()(features, mask).streams[0].cosines
    torch.testing.assert_close(again, cosines)
    torch.testing.assert_close(
        network.streams[0].prototypes.weight.norm(dim=1), torch.ones(5).double()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be at least 1"),
        ({"num_snippet_clusters": 0}, "num_snippet_clusters must be at least 1"),
        ({"top_ratio": 0}, "top_ratio must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Case(**settings)
