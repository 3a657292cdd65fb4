"""Late fusion: a network per stream, and what their outputs become."""

import pytest
import torch

from tests.oracle_data import no_labels
from utal.errors import ConfigError
from utal.fitting import new_optimiser
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion, streams_of
from utal.method import Training
from utal.methods.cola import ClassifyAndContrast
from utal.methods.per_stream import PerStream
from utal.records import Batch

STREAMS = (5, 3)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(4, 30, 8, generator=generator)
    mask = torch.ones(4, 30, dtype=torch.bool)
    return Batch(features, mask, torch.eye(2)[[0, 1, 0, 1]], torch.ones(4), torch.arange(4))


@pytest.mark.parametrize("weights", [None, (2.0, 1.0)])
def test_scores_are_fused(weights: tuple[float, float] | None) -> None:
    given = batch()
    network = LateFusion(Cola(width=4), weights).build(STREAMS, 2).eval()
    output = network(given.features, given.mask)
    first, second = (each.scores for each in streams_of(output))
    a, b = (2 / 3, 1 / 3) if weights else (0.5, 0.5)
    torch.testing.assert_close(output.scores.cas, a * first.cas + b * second.cas)
    torch.testing.assert_close(output.scores.attention, a * first.attention + b * second.attention)
    assert torch.equal(output.scores.embedding, torch.cat([first.embedding, second.embedding], 2))
    geometric = first.probability**a * second.probability**b
    torch.testing.assert_close(
        output.scores.probability, geometric / geometric.sum(1, keepdim=True)
    )


def test_a_stream_sees_its_own_channels_only() -> None:
    given = batch()
    network = LateFusion(Cola(width=4)).build(STREAMS, 2).eval()
    changed = given.features.clone()
    changed[:, :, 5:] = 0
    before, after = network(given.features, given.mask), network(changed, given.mask)
    assert torch.equal(before.streams[0].scores.cas, after.streams[0].scores.cas)
    assert not torch.equal(before.streams[1].scores.cas, after.streams[1].scores.cas)


def test_each_stream_is_trained_as_if_alone() -> None:
    """One step of the fused networks equals one step of each, with the same dropout."""
    given = batch()
    objective = ClassifyAndContrast()
    fused = LateFusion(Cola(width=4)).build(STREAMS, 2).eval()
    terms = (
        PerStream(objective)
        .loss(no_labels(2), None)
        .eval()(fused(given.features, given.mask), given, 0.0)
    )
    assert set(terms) == {"0_classification", "0_contrast", "1_classification", "1_contrast"}
    torch.stack(list(terms.values())).sum().backward()
    for number, part in enumerate(given.features.split(STREAMS, dim=2)):
        alone = Cola(width=4).build((STREAMS[number],), 2).eval()
        alone.load_state_dict(fused.networks[number].state_dict())
        own = objective.loss(no_labels(2), None).eval()(alone(part, given.mask), given, 0.0)
        torch.stack(list(own.values())).sum().backward()
        pairs = zip(alone.parameters(), fused.networks[number].parameters(), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(one.grad, other.grad)


def test_what_cannot_be_fused_is_refused() -> None:
    with pytest.raises(ConfigError, match="wrap Cola in LateFusion"):
        PerStream(ClassifyAndContrast()).check(Cola())
    with pytest.raises(ConfigError, match="2 weights, but the features have 1 streams"):
        LateFusion(Cola(), (1.0, 1.0)).build((8,), 2)
    with pytest.raises(ConfigError, match="cannot fuse LateFusion"):
        LateFusion(LateFusion(Cola()))
    with pytest.raises(ConfigError, match="weights must be positive"):
        LateFusion(Cola(), (1.0, 0.0))


def test_an_objective_that_learns_has_its_own_group() -> None:
    network = Cola(width=4).build((8,), 2)
    objective = torch.nn.Linear(3, 3)
    groups = new_optimiser(network, objective, Training()).param_groups
    assert [len(group["params"]) for group in groups] == [3, 2]
