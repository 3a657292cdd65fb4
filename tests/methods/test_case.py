"""CASE's objective against the loops, what it remembers, what must not matter; that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from tests.methods.localizing import share_found
from tests.oracle_data import no_labels
from tests.planted import CPU, NUM_ACTIONS, planted_corpus
from tests.reference import case as reference
from utal.errors import ConfigError
from utal.localizers.case import Case
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion
from utal.loop import rounds
from utal.methods import case
from utal.methods.case import ClassifyAndCluster
from utal.methods.per_stream import PerStream
from utal.records import Batch

LENGTHS = (40, 27, 33, 40)
# A narrow prior, so that a mistake in it would show.
OBJECTIVE = ClassifyAndCluster(prior_deviation=0.3)


def network(streams: tuple[int, ...] = (4, 3)) -> nn.Module:
    torch.manual_seed(0)
    built = Case(width=6, num_snippet_clusters=5, top_ratio=4).build(streams, 3).double()
    built.foreground.copy_(torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0]))
    return built


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(40) < torch.tensor(LENGTHS)[:, None]
    features = torch.rand(4, 40, 7, generator=generator).double() * mask[:, :, None]
    targets = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 0]]).double()
    return Batch(features, mask, targets, torch.ones(4).double(), torch.arange(4))


def terms(
    given: Batch,
    objective: ClassifyAndCluster = OBJECTIVE,
    progress: float = 0.5,
    streams: tuple[int, ...] = (4, 3),
) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = objective.loss(no_labels(3), None)(
        network(streams)(given.features, given.mask), given, progress
    )
    return found


def test_is_the_loop() -> None:
    given, net = batch(), network()
    output = net(given.features, given.mask)
    before = net.foreground.numpy().copy()
    found = OBJECTIVE.loss(no_labels(3), None)(output, given, 0.5)
    videos = [
        [
            {
                "logits": each.logits[video, :length].detach().numpy(),
                "attention": each.attention[video, :length].detach().numpy(),
                "embedding": each.embedding[video, :length].detach().numpy(),
                "cosines": each.cosines[video, :length].detach().numpy(),
            }
            for each in output.streams
        ]
        for video, length in enumerate(LENGTHS)
    ]
    labels = [row.nonzero()[:, 0].tolist() for row in given.targets]
    expected, foreground = reference.terms(videos, labels, before, top_ratio=4, deviation=0.3)
    assert list(found) == list(expected)
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name], rel=1e-9), name
    np.testing.assert_allclose(net.foreground, foreground, rtol=1e-9)


def test_what_was_found_is_remembered_in_training_only() -> None:
    given, net = batch(), network()
    loss = OBJECTIVE.loss(no_labels(3), None)
    before = net.foreground.clone()
    loss.eval()(net(given.features, given.mask), given, 0.5)
    assert torch.equal(net.foreground, before)
    loss.train()(net(given.features, given.mask), given, 0.5)
    assert not torch.equal(net.foreground, before)
    assert 0 <= net.foreground.min() <= net.foreground.max() <= 1


def test_a_weightless_video_is_absent_and_padding_is_nothing() -> None:
    given = batch()
    weights = torch.tensor([1.0, 1.0, 1.0, 0.0]).double()
    columns = (given.features, given.mask, given.targets, given.weights, given.videos)
    fewer = Batch(*(column[:3] for column in columns))
    longer = replace(
        given, features=pad(given.features, (0, 0, 0, 9)), mask=pad(given.mask, (0, 9))
    )
    torch.testing.assert_close(terms(replace(given, weights=weights)), terms(fewer))
    torch.testing.assert_close(terms(longer), terms(given))


def test_clusters_of_snippets_have_no_numbers() -> None:
    given, order = batch(), torch.tensor([4, 2, 0, 1, 3])
    one, other = network(), network()
    with torch.no_grad():
        for stream in other.streams:
            stream.prototypes.weight.copy_(stream.prototypes.weight[order])
        other.foreground.copy_(other.foreground[order])
    loss = OBJECTIVE.loss(no_labels(3), None)
    torch.testing.assert_close(
        loss(other(given.features, given.mask), given, 0.0),
        loss(one(given.features, given.mask), given, 0.0),
    )
    torch.testing.assert_close(other.foreground, one.foreground[order])


@pytest.mark.parametrize("streams", [(7,), (2, 2, 3)])
def test_any_number_of_streams(streams: tuple[int, ...]) -> None:
    assert all(torch.isfinite(value) for value in terms(batch(), streams=streams).values())


def test_videos_that_are_all_action() -> None:
    """Of a video of one snippet that snippet speaks for its cluster: there is no background."""
    given = batch()
    first = replace(given, features=given.features[:, :1], mask=given.mask[:, :1])
    net = network()
    found = OBJECTIVE.loss(no_labels(3), None)(net(first.features, first.mask), first, 0.5)
    assert all(torch.isfinite(value) for value in found.values())
    assert net.foreground.tolist() == [1] * 5
    torch.stack(list(found.values())).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in net.parameters())


def test_warm_up() -> None:
    late = replace(OBJECTIVE, warm_up=0.6)
    assert terms(batch(), late, 0.5)["attention"] == 0
    torch.testing.assert_close(terms(batch(), late, 0.6), terms(batch()))


def test_every_parameter_is_trained() -> None:
    given, net = batch(), network()
    found = OBJECTIVE.loss(no_labels(3), None)(net(given.features, given.mask), given, 0.0)
    torch.stack(list(found.values())).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_other_localizers_are_refused() -> None:
    with pytest.raises(ConfigError, match="ClassifyAndCluster reads CaseOutput, but Cola gives"):
        ClassifyAndCluster().check(Cola())
    PerStream(ClassifyAndCluster()).check(LateFusion(Case()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sharpness": 0.0}, "sharpness must be positive"),
        ({"prior_deviation": -1.0}, "prior_deviation must be positive"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"exponent": 0.0}, "exponent must lie in"),
        ({"warm_up": 1.0}, "warm_up must lie in"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassifyAndCluster(**settings)


def test_released_settings() -> None:
    released = case.thumos14()
    assert released.localizer == Case(width=512, num_snippet_clusters=16, temperature=10.0)
    assert (released.training.steps, released.training.batch_size) == (3600, 16)
    assert released.decoder.probability_weight == 0.15
    for method in (case.activitynet12(), case.activitynet13()):
        assert method.decoder.probability_weight == 0.15
        assert method.snippets.num_snippets == method.training.snippets.num_snippets == 50


@pytest.mark.parametrize("with_labels", [True, False])
def test_learns_to_localize(with_labels: bool) -> None:
    method = case.adaptive()
    plan = replace(method.training, steps=150, batch_size=8)
    # A random segment of this length overlaps enough in one case of ten.
    assert share_found(replace(method, training=plan), with_labels=with_labels) >= 0.6


def test_half_precision() -> None:
    corpus, _, _ = planted_corpus(8)
    method = case.adaptive()
    plan = replace(method.training, steps=3, batch_size=4, mixed_precision=True)
    method = replace(method, localizer=Case(width=8), training=plan)
    (last,) = rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU)
    assert last.losses.steps == (1, 2, 3)
