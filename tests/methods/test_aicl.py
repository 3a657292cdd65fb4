"""AICL's objective against the loops, what must not matter, its presets, and that it learns."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from tests.methods.localizing import share_found
from tests.oracle_data import no_labels
from tests.planted import CPU, NUM_ACTIONS, planted_corpus
from tests.reference import aicl as reference
from utal.errors import ConfigError
from utal.localizers.aicl import Aicl
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion
from utal.loop import rounds
from utal.methods import aicl
from utal.methods.aicl import ClassifyAndAgree
from utal.methods.per_stream import PerStream
from utal.records import Batch

LENGTHS = (40, 27, 33, 40)
OBJECTIVE = ClassifyAndAgree(contrast_ratio=8)


def network(streams: tuple[int, ...] = (4, 3)) -> nn.Module:
    torch.manual_seed(0)
    return Aicl(width=6, top_ratio=4).build(streams, 3).double()


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(40) < torch.tensor(LENGTHS)[:, None]
    features = torch.rand(4, 40, 7, generator=generator).double() * mask[:, :, None]
    targets = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 0]]).double()
    return Batch(features, mask, targets, torch.ones(4).double(), torch.arange(4))


def terms(
    given: Batch,
    objective: ClassifyAndAgree = OBJECTIVE,
    progress: float = 0.5,
    streams: tuple[int, ...] = (4, 3),
) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = objective.loss(no_labels(3), None)(
        network(streams)(given.features, given.mask), given, progress
    )
    return found


def test_is_the_loop() -> None:
    given = batch()
    output = network()(given.features, given.mask)
    expected = [
        reference.terms(
            output.logits[video, :length].detach().numpy(),
            output.actionness[video, :length].detach().numpy(),
            [
                each[video, :length].detach().numpy()
                for each in (output.scores.embedding, *output.stream_embeddings)
            ],
            given.targets[video].nonzero()[:, 0].tolist(),
            top_ratio=4,
            ratio=8,
        )
        for video, length in enumerate(LENGTHS)
    ]
    found = terms(given)
    assert list(found) == list(expected[0])
    for name, value in found.items():
        assert value.item() == pytest.approx(sum(e[name] for e in expected) / 4, rel=1e-9), name


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


def test_renumbering_the_clusters() -> None:
    given, order = batch(), torch.tensor([2, 0, 1])
    one, other = network(), network()
    with torch.no_grad():
        other.classify.weight.copy_(one.classify.weight[order])
        other.classify.bias.copy_(one.classify.bias[order])
    loss = OBJECTIVE.loss(no_labels(3), None)
    renumbered = replace(given, targets=given.targets[:, order])
    torch.testing.assert_close(
        loss(other(given.features, given.mask), renumbered, 0.0),
        loss(one(given.features, given.mask), given, 0.0),
    )


@pytest.mark.parametrize("streams", [(7,), (2, 2, 3)])
def test_any_number_of_streams(streams: tuple[int, ...]) -> None:
    found = terms(batch(), streams=streams)
    assert (found["streams"] > 0) == (len(streams) > 1)
    assert all(torch.isfinite(value) for value in found.values())


def test_warm_up() -> None:
    late = replace(OBJECTIVE, warm_up=0.6)
    assert terms(batch(), late, 0.5)["actionness"] == 0
    torch.testing.assert_close(terms(batch(), late, 0.6), terms(batch()))


def test_every_parameter_is_trained() -> None:
    given, net = batch(), network()
    found = OBJECTIVE.loss(no_labels(3), None)(net(given.features, given.mask), given, 0.0)
    torch.stack(list(found.values())).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_other_localizers_are_refused() -> None:
    with pytest.raises(ConfigError, match="ClassifyAndAgree reads AiclOutput, but Cola gives"):
        ClassifyAndAgree().check(Cola())
    with pytest.raises(ConfigError, match="but LateFusion gives Fused"):
        ClassifyAndAgree().check(LateFusion(Aicl()))
    PerStream(ClassifyAndAgree()).check(LateFusion(Aicl()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contrast_ratio": 0}, "contrast_ratio must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"exponent": 1.5}, "exponent must lie in"),
        ({"warm_up": 1.0}, "warm_up must lie in"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassifyAndAgree(**settings)


def test_released_settings() -> None:
    released, feel = aicl.thumos14(), aicl.activitynet12_feel()
    assert (released.localizer.width, released.localizer.top_ratio) == (512, 8)
    decoder = released.decoder
    assert decoder.cas_thresholds == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert (decoder.class_threshold, decoder.nms_threshold, decoder.soft_nms_sigma) == (
        0.25,
        0.4,
        0.35,
    )
    assert feel.localizer == Aicl(top_ratio=2, median_is_action=True)
    assert (feel.decoder.class_threshold, feel.decoder.nms_threshold) == (0.15, 0.6)
    assert feel.objective == released.objective == ClassifyAndAgree()


@pytest.mark.parametrize("with_labels", [True, False])
def test_learns_to_localize(with_labels: bool) -> None:
    method = aicl.adaptive()
    method = replace(
        method,
        localizer=replace(method.localizer, width=64),
        training=replace(method.training, steps=120, batch_size=8),
    )
    # A random segment of this length overlaps enough in one case of ten.
    assert share_found(method, with_labels=with_labels) >= 0.6


def test_half_precision() -> None:
    corpus, _, _ = planted_corpus(8)
    method = aicl.adaptive()
    plan = replace(method.training, steps=3, batch_size=4, mixed_precision=True)
    method = replace(method, localizer=Aicl(width=8), training=plan)
    (last,) = rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU)
    assert last.losses.steps == (1, 2, 3)
