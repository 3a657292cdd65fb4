"""What every part of a slot must keep to, whichever parts there are."""

from dataclasses import replace

import pytest
import torch

from tests.planted import CPU
from utal.config import PARTS
from utal.decoding.proposals import OuterInnerProposals
from utal.method import Clusterer, Decoder, Describer, Localizer, Objective, Refiner, Selector
from utal.records import Batch, Clustering, Scores, View
from utal.sampling import AllOrUniform, Uniform

# Decoders have no defaults: their thresholds belong to a data set.
MADE = {part: part() for part in PARTS if part is not OuterInnerProposals}
NUM_CLUSTERS = 3


def of(slot: type) -> list[object]:
    return [part for part in MADE.values() if isinstance(part, slot)]


def views(seed: int = 0) -> list[View]:
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(NUM_CLUSTERS, 6, generator=generator)
    return [View(centres[n % 3] + torch.randn(6, generator=generator)) for n in range(15)]


def clustering() -> Clustering:
    return Clustering(torch.arange(15) % NUM_CLUSTERS, -torch.arange(15).float())


def scores(time: int = 12) -> Scores:
    generator = torch.Generator().manual_seed(1)
    cas = torch.rand(2, time, NUM_CLUSTERS, generator=generator, requires_grad=True)
    embedding = torch.rand(2, time, 5, generator=generator, requires_grad=True)
    return Scores(embedding, cas, cas.sum(2), torch.softmax(cas.mean(1), 1))


def test_every_part_has_a_slot() -> None:
    slots = (Localizer, Objective, Describer, Clusterer, Refiner, Selector, Decoder)
    counts = {slot.__name__: sum(isinstance(p, slot) for p in MADE.values()) for slot in slots}
    assert counts == {
        "Localizer": 1,
        "Objective": 1,
        "Describer": 3,
        "Clusterer": 1,
        "Refiner": 2,
        "Selector": 3,
        "Decoder": 0,
    }
    samplers = [part for part in MADE.values() if isinstance(part, AllOrUniform | Uniform)]
    assert sum(counts.values()) + len(samplers) == len(MADE) == len(PARTS) - 1


@pytest.mark.parametrize("part", of(Clusterer), ids=repr)
def test_clusterer(part: Clusterer) -> None:
    given = views()
    before = [view.vector.clone() for view in given]
    found = part.cluster(given, NUM_CLUSTERS, seed=0, device=CPU)
    again = part.cluster(given, NUM_CLUSTERS, seed=0, device=CPU)
    assert torch.equal(found.labels, again.labels)
    assert torch.equal(found.confidence, again.confidence)
    assert 0 <= found.labels.min() <= found.labels.max() < NUM_CLUSTERS
    assert all(torch.equal(a.vector, b) for a, b in zip(given, before, strict=True))
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    other = part.cluster([given[i] for i in order], NUM_CLUSTERS, seed=0, device=CPU)
    same = found.labels[order][:, None] == found.labels[order]
    assert torch.equal(other.labels[:, None] == other.labels, same)  # up to numbering


@pytest.mark.parametrize("part", of(Refiner), ids=repr)
def test_refiner(part: Refiner) -> None:
    given = clustering()
    found = part.refine(views(), given, NUM_CLUSTERS)
    assert 0 <= found.labels.min() <= found.labels.max() < NUM_CLUSTERS
    assert torch.equal(given.labels, clustering().labels)
    renumbered = replace(given, labels=(given.labels + 1) % NUM_CLUSTERS)
    other = part.refine(views(), renumbered, NUM_CLUSTERS)
    assert torch.equal(other.labels, (found.labels + 1) % NUM_CLUSTERS)


@pytest.mark.parametrize("part", of(Selector), ids=repr)
def test_selector(part: Selector) -> None:
    sizes = []
    for index in range(5):
        found = part.select(clustering(), NUM_CLUSTERS, index, 5)
        assert torch.equal(found.videos, found.videos.unique())
        assert torch.equal(found.targets.argmax(1), clustering().labels[found.videos])
        assert (found.targets.sum(1) == 1).all()
        sizes.append(len(found.videos))
    assert sizes == sorted(sizes)
    assert sizes[-1] == 15  # the last round trains on everything


@pytest.mark.parametrize("part", of(Describer), ids=repr)
def test_describer(part: Describer) -> None:
    features = torch.rand(12, 7, generator=torch.Generator().manual_seed(2))
    first = part.describe(features, None)
    s = scores()
    parts = (s.embedding, s.cas, s.attention, s.probability)
    one = Scores(*(tensor[:1].detach() for tensor in parts))
    later = part.describe(features, one)
    for view in (first, later):
        assert view.vector.ndim == 1
        assert torch.isfinite(view.vector).all()
    assert torch.equal(later.vector, part.describe(features.clone(), one).vector)


@pytest.mark.parametrize("part", of(Localizer), ids=repr)
def test_localizer(part: Localizer) -> None:
    torch.manual_seed(0)
    network = part.build(7, NUM_CLUSTERS).eval()
    features = torch.rand(2, 40, 7)
    mask = torch.ones(2, 40, dtype=torch.bool)
    both = network(features, mask).scores
    alone = network(features[:1], mask[:1]).scores
    torch.testing.assert_close(both.cas[:1], alone.cas)  # the rest of a batch does not matter
    assert both.cas.shape == (2, 40, NUM_CLUSTERS)
    assert (both.attention >= 0).all()
    torch.testing.assert_close(both.probability.sum(1), torch.ones(2))


@pytest.mark.parametrize("part", of(Objective), ids=repr)
def test_objective(part: Objective) -> None:
    output = scores()
    loss = part.loss(NUM_CLUSTERS, None).eval()
    targets = torch.eye(NUM_CLUSTERS)[:2]
    batch = Batch(
        torch.rand(2, 12, 7),
        torch.ones(2, 12, dtype=torch.bool),
        targets,
        torch.ones(2),
        torch.arange(2),
    )
    terms = loss(output, batch, 0.0)
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    # Renumbering the clusters renumbers nothing that counts.
    turned = Scores(
        output.embedding, output.cas.roll(1, 2), output.attention, output.probability.roll(1, 1)
    )
    other = loss(turned, replace(batch, targets=targets.roll(1, 1)), 0.0)
    for name, term in terms.items():
        torch.testing.assert_close(other[name], term)
