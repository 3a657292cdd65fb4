"""What every part of a slot must keep to, whichever parts there are."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from tests.planted import CPU
from utal.batching import Batching
from utal.decoding.proposals import OuterInnerProposals
from utal.errors import ConfigError
from utal.localizers.fusion import LateFusion
from utal.localizers.stpn import Stpn
from utal.method import Clusterer, Decoder, Describer, Localizer, Objective, Refiner, Selector
from utal.methods import cola
from utal.methods.per_stream import PerStream
from utal.methods.stpn import AttendSparsely
from utal.parts import PARTS
from utal.records import Batch, Clustering, PseudoLabels, Scores, Timeline, Video, View
from utal.sampling import SnippetSampling, TrainingSnippets

NUM_CLUSTERS = 3
STREAMS = (4, 3)

# Parts without defaults: a decoder's thresholds belong to a data set, a wrapper wraps something.
EXAMPLES = {
    OuterInnerProposals: cola.thumos14_decoder(),
    LateFusion: LateFusion(Stpn()),
    PerStream: PerStream(AttendSparsely()),
}
MADE = {part: EXAMPLES[part] if part in EXAMPLES else part() for part in PARTS}


def of(slot: type) -> list[object]:
    return [part for part in MADE.values() if isinstance(part, slot)]


def views(seed: int = 0) -> list[View]:
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(NUM_CLUSTERS, 6, generator=generator)
    posteriors = torch.eye(NUM_CLUSTERS)
    found = []
    for number in range(15):
        snippets = centres[number % 3] + torch.randn(8, 6, generator=generator)
        found.append(View(snippets.mean(0), snippets, posteriors[number % 3]))
    return found


def clustering() -> Clustering:
    return Clustering(torch.arange(15) % NUM_CLUSTERS, -torch.arange(15).float())


def scores(time: int = 12) -> Scores:
    generator = torch.Generator().manual_seed(1)
    cas = torch.rand(2, time, NUM_CLUSTERS, generator=generator, requires_grad=True)
    embedding = torch.rand(2, time, 5, generator=generator, requires_grad=True)
    return Scores(embedding, cas, cas.sum(2), torch.softmax(cas.mean(1), 1))


SLOTS = (Localizer, Objective, Describer, Clusterer, Refiner, Selector, Decoder)


def test_every_part_has_one_slot() -> None:
    counts = {slot.__name__: len(of(slot)) for slot in SLOTS}
    assert counts == {
        "Localizer": 11,
        "Objective": 10,
        "Describer": 8,
        "Clusterer": 6,
        "Refiner": 2,
        "Selector": 3,
        "Decoder": 3,
    }
    others = of(SnippetSampling) + of(TrainingSnippets) + of(Batching)
    assert len(others) == 7
    assert sum(counts.values()) + len(others) == len(PARTS)


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
    first = part.describe(features, None, STREAMS)
    s = scores()
    parts = (s.embedding, s.cas, s.attention, s.probability)
    one = Scores(*(tensor[:1].detach() for tensor in parts))
    later = part.describe(features, one, STREAMS)
    for view in (first, later):
        assert view.vector.ndim == 1
        assert torch.isfinite(view.vector).all()
    assert torch.equal(later.vector, part.describe(features.clone(), one, STREAMS).vector)


def batch_of(lengths: tuple[int, ...], *, time: int = 40, kept: int | None = None) -> Batch:
    generator = torch.Generator().manual_seed(5)
    features = torch.rand(len(lengths), time, sum(STREAMS), generator=generator).double()
    mask = torch.arange(time) < torch.tensor(lengths)[:, None]
    targets = torch.eye(NUM_CLUSTERS)[torch.arange(len(lengths)) % 2].double()
    weights, videos = torch.ones(len(lengths)).double(), torch.arange(len(lengths))
    columns = features * mask[:, :, None], mask, targets, weights, videos
    return Batch(*(column[:kept] for column in columns))


def numbers_of(output: object) -> list[torch.Tensor]:
    s = output.scores
    return [s.embedding, s.cas, s.attention, s.probability]


@pytest.mark.parametrize("part", of(Localizer), ids=repr)
def test_localizer(part: Localizer) -> None:
    torch.manual_seed(0)
    network = part.build(STREAMS, NUM_CLUSTERS).double().eval()
    batch = batch_of((40, 31, 40))
    output = network(batch.features, batch.mask)
    assert type(output) is part.output
    scores = output.scores
    assert scores.cas.shape == (3, 40, NUM_CLUSTERS)
    assert scores.attention.shape == (3, 40)
    assert scores.embedding.shape[:2] == (3, 40)
    assert (scores.attention >= 0).all()
    torch.testing.assert_close(scores.probability.sum(1), torch.ones(3).double())
    # Neither the rest of a batch nor padding matters.
    alone = network(batch.features[1:2, :31], batch.mask[1:2, :31])
    for together, single in zip(numbers_of(output), numbers_of(alone), strict=True):
        expected = (
            together[1:2, :31] if together.ndim > 2 or together.shape[1] == 40 else together[1:2]
        )
        torch.testing.assert_close(single, expected, rtol=1e-8, atol=1e-10)
    assert part.learns_embedding or torch.equal(scores.embedding, batch.features)


def accepted_by(part: Objective | Decoder) -> list[Localizer]:
    """The localizers a part works with; it must refuse the others by name."""
    fitting = []
    for localizer in of(Localizer):
        refused = ""
        try:
            part.check(localizer)
            fitting.append(localizer)
        except ConfigError as error:
            refused = str(error)
        assert not refused or type(localizer).__name__ in refused
    assert fitting
    return fitting


def terms_of(
    part: Objective, network: nn.Module, teacher: nn.Module | None, batch: Batch
) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    labels = PseudoLabels(torch.arange(5), torch.eye(NUM_CLUSTERS)[[0, 1, 0, 1, 0]], torch.ones(5))
    loss = part.loss(labels, teacher).double().eval()
    terms: dict[str, torch.Tensor] = loss(network(batch.features, batch.mask), batch, 0.0)
    return terms


@pytest.mark.parametrize("part", of(Objective), ids=repr)
def test_objective(part: Objective) -> None:
    """A video of weight 0 is absent, padding is nothing, and gradients reach the network."""
    whole = batch_of((40,) * 5)
    weighted = replace(whole, weights=torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]).double())
    fewer = batch_of((40,) * 5, kept=4)
    padded = replace(
        fewer, features=F.pad(fewer.features, (0, 0, 0, 9)), mask=F.pad(fewer.mask, (0, 9))
    )
    for localizer in accepted_by(part):
        torch.manual_seed(0)
        network = localizer.build(STREAMS, NUM_CLUSTERS).double().eval()
        for teacher in (None, localizer.build(STREAMS, NUM_CLUSTERS).double().eval()):
            terms = terms_of(part, network, teacher, fewer)
            assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
            for other in (weighted, padded):
                found = terms_of(part, network, teacher, other)
                torch.testing.assert_close(found, terms, rtol=1e-7, atol=1e-9)
            network.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            assert any(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("part", of(Decoder), ids=repr)
def test_decoder(part: Decoder) -> None:
    """Decodes whatever it accepts; renumbering the clusters renumbers the segments."""
    timeline = Timeline(fps=25.0, stride=16.0, window=16, duration=40 * 16 / 25)
    video = Video("one", batch_of((40,)).features[0].float().numpy(), timeline)
    for localizer in accepted_by(part):
        torch.manual_seed(0)
        network = localizer.build(STREAMS, NUM_CLUSTERS).eval()
        batch = batch_of((40,))
        with torch.no_grad():
            found = part.decode(network(batch.features.float(), batch.mask), video)
        assert found.names == ("one",)
        assert (found.start_s < found.end_s).all()
        assert (found.cluster < NUM_CLUSTERS).all()
