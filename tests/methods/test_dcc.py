"""DCC: its objective against the plain loop, what it must leave alone, and its presets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.planted import CPU, NUM_ACTIONS, planted_corpus, same
from tests.reference import dcc as reference
from utal import config
from utal.errors import ConfigError
from utal.localizers.basnet import BasNet
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion
from utal.localizers.stpn import Stpn
from utal.loop import localize, rounds
from utal.losses import regions
from utal.method import Method
from utal.methods import dcc
from utal.methods.basnet import SuppressBackground
from utal.methods.cola import ClassifyAndContrast
from utal.methods.denoised_contrast import DenoisedContrast, DenoisedContrastLoss, activation_of
from utal.methods.per_stream import PerStream
from utal.methods.stpn import AttendSparsely
from utal.records import Batch, PseudoLabels, Round
from utal.sizing import sized

SMALL = BasNet(width=6, foreground_width=4, suppress_features=False)
PARTS = {
    "basnet": (SMALL, DenoisedContrast(width=5)),
    "stpn": (Stpn(width=6, attention_width=4), DenoisedContrast(AttendSparsely(), width=5)),
    "cola": (Cola(width=6), DenoisedContrast(ClassifyAndContrast(), width=5)),
}
TARGETS = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]).double()
VIDEOS = torch.tensor([1, 2, 4, 5, 7, 9])
LENGTHS = torch.tensor([24, 24, 17, 24, 9, 24])


def batch_of(rows: list[int]) -> Batch:
    features = torch.rand(6, 24, 7, generator=torch.Generator().manual_seed(1)).double()
    mask = torch.arange(24) < LENGTHS[:, None]
    features = features * mask[:, :, None]
    columns = features, mask, TARGETS, torch.ones(6).double(), VIDEOS
    return Batch(*(column[rows] for column in columns))


def built(name: str, **settings: object) -> tuple[nn.Module, nn.Module, DenoisedContrastLoss]:
    """The network to train, the teacher, and the loss."""
    localizer, objective = PARTS[name]
    objective = replace(objective, **settings)
    torch.manual_seed(0)
    network, teacher = (localizer.build((7,), 3).double().eval() for _ in range(2))
    labels = PseudoLabels(VIDEOS, TARGETS, torch.ones(6).double())
    return network, teacher, objective.loss(labels, teacher).double().eval()


def reference_entries(
    teacher: nn.Module, projected: torch.Tensor, batch: Batch, settings: DenoisedContrast
) -> list[reference.Entry]:
    """All regions of a batch, video by video and cluster by cluster."""
    output = teacher(batch.features, batch.mask)
    entries: list[reference.Entry] = []
    embedding = nn.functional.normalize(output.scores.embedding, dim=2)
    groups = regions.snippet_groups(embedding, batch.mask, num_groups=settings.num_groups or 1)
    for row, video in enumerate(batch.videos.tolist()):
        length = int(batch.mask[row].sum())
        labels = reference.snippet_labels(activation_of(output)[row, :length].detach().numpy())
        for cluster in batch.targets[row].nonzero().flatten().tolist():
            trust = np.ones(length)
            if settings.num_groups:
                trust = reference.confidence(labels[:, cluster], groups[row, :length].tolist())
            entries += reference.entries_of(
                projected[row, :length].detach().numpy(),
                labels[:, cluster],
                trust,
                video=video,
                cluster=cluster,
                num_regions=settings.num_regions,
            )
    return entries


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("settings", [{}, {"num_groups": 0}, {"num_regions": 1}])
def test_two_steps_of_the_plain_loop(name: str, settings: dict[str, int]) -> None:
    """The second batch meets the first in the memory; a video of both is there once."""
    network, teacher, loss = built(name, **settings)
    clusters_of = {
        video: set(row.nonzero().flatten().tolist())
        for video, row in zip(VIDEOS.tolist(), TARGETS, strict=True)
    }
    banked: list[reference.Entry] = []
    for rows in ([0, 1, 2, 4], [5, 1, 3]):
        batch = batch_of(rows)
        output = network(batch.features, batch.mask)
        terms = loss(output, batch, 0.0)
        projected = loss.project(output.scores.embedding)
        live = reference_entries(teacher, projected, batch, loss.settings)
        visiting = set(batch.videos.tolist())
        banked = [entry for entry in banked if entry.video not in visiting]
        values = [
            reference.contrast(entry, live + banked, clusters_of, loss.settings.temperature)
            for entry in live
            if entry.is_action and entry.exists
        ]
        counted = [value for value in values if value is not None]
        assert counted
        assert terms["regions"].item() == pytest.approx(0.1 * np.mean(counted), rel=1e-8)
        banked += live


@pytest.mark.parametrize("name", PARTS)
def test_first_round_is_the_base(name: str) -> None:
    network, _, _ = built(name)
    objective = PARTS[name][1]
    labels = PseudoLabels(VIDEOS, TARGETS, torch.ones(6))
    loss, base = objective.loss(labels, None).eval(), objective.base.loss(labels, None).eval()
    assert not list(loss.parameters())
    batch = batch_of([0, 1, 2])
    output = network(batch.features, batch.mask)
    terms, own = loss(output, batch, 0.5), base(output, batch, 0.5)
    assert terms.keys() == own.keys()
    assert all(torch.equal(terms[key], own[key]) for key in own)


def test_the_teacher_is_left_alone() -> None:
    """It is neither trained nor put into training mode; network and projection are trained."""
    network, teacher, loss = built("basnet")
    loss.train()
    assert not teacher.training
    batch = batch_of([0, 1, 2])
    terms = loss(network(batch.features, batch.mask), batch, 0.0)
    terms["regions"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    learned = dict(loss.named_parameters())
    assert set(learned) == {f"project.{n}.{kind}" for n in (0, 2) for kind in ("weight", "bias")}
    for parameter in (*learned.values(), *network.embed.parameters()):
        assert parameter.grad is not None
        assert parameter.grad.any()
    assert not any(p.grad is not None and p.grad.any() for p in network.classify.parameters())


def test_memory_carries_no_gradient() -> None:
    network, _, loss = built("basnet")
    for rows in ([0, 1, 2], [3, 4, 5]):  # a second backward through the first graph would raise
        batch = batch_of(rows)
        loss(network(batch.features, batch.mask), batch, 0.0)["regions"].backward()


def regions_term(loss: DenoisedContrastLoss, network: nn.Module, batch: Batch) -> torch.Tensor:
    return loss(network(batch.features, batch.mask), batch, 0.0)["regions"]


@pytest.mark.parametrize("printed_mean", [False, True])
def test_video_of_weight_zero_is_absent(printed_mean: bool) -> None:
    whole, fewer = batch_of([0, 1, 2, 3]), batch_of([0, 1, 3])
    network, _, loss = built("basnet", printed_mean=printed_mean)
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0]).double()
    found = regions_term(loss, network, replace(whole, weights=weights))
    again = regions_term(loss, network, fewer)  # the same videos come from the batch, not the bank
    torch.testing.assert_close(found, again)
    network, _, loss = built("basnet", printed_mean=printed_mean)
    torch.testing.assert_close(regions_term(loss, network, fewer), found)


def test_order_of_the_batch_and_numbers_of_clusters_do_not_matter() -> None:
    network, teacher, loss = built("basnet")
    batch = batch_of([0, 1, 2, 3])
    found = regions_term(loss, network, batch)
    torch.testing.assert_close(regions_term(loss, network, batch_of([2, 0, 3, 1])), found)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        teacher.classify.weight[:3] = teacher.classify.weight[:3][order]
    labels = PseudoLabels(VIDEOS, TARGETS[:, order], torch.ones(6).double())
    other = PARTS["basnet"][1].loss(labels, teacher).double().eval()
    other.project = loss.project
    renumbered = replace(batch, targets=batch.targets[:, order])
    torch.testing.assert_close(regions_term(other, network, renumbered), found)


def test_printed_mean_is_over_one_more_than_it_divides_by() -> None:
    """(M + 1) / M times ours, where every region exists and has a positive."""
    values = []
    for printed_mean in (False, True):
        network, _, loss = built("basnet", printed_mean=printed_mean, num_regions=2)
        _, counted = regions.region_contrast(*_live_and_bank(loss, network), temperature=0.1)
        assert counted.sum() == counted.numel()
        batch = batch_of([0, 2, 3, 5])
        values.append(regions_term(loss, network, batch))
    torch.testing.assert_close(values[1], values[0] * 3 / 2)


def _live_and_bank(
    loss: DenoisedContrastLoss, network: nn.Module
) -> tuple[regions.RegionSets, None]:
    batch = batch_of([0, 2, 3, 5])
    numbers = loss.memory.numbers(batch.videos, batch.weights)
    weights = loss.snippet_weights(batch, numbers.cluster)
    members = regions.region_members(batch.mask, loss.settings.num_regions)
    projected = loss.project(network(batch.features, batch.mask).scores.embedding)
    live = loss.memory.sets(numbers, *regions.region_features(projected, weights, members))
    used = numbers.used.flatten()
    return regions.RegionSets(
        *(getattr(live, name)[used] for name in regions.RegionSets.__slots__)
    ), None


def test_without_memory_only_the_batch_counts() -> None:
    values = {}
    for memory in (True, False):
        network, _, loss = built("basnet", memory=memory)
        alone = regions_term(loss, network, batch_of([0, 1, 2]))
        regions_term(loss, network, batch_of([3, 4, 5]))
        values[memory] = alone, regions_term(loss, network, batch_of([0, 1, 2]))
    torch.testing.assert_close(values[False][1], values[False][0])
    torch.testing.assert_close(values[True][0], values[False][0])
    assert not torch.isclose(*values[True])
    network, _, loss = built("basnet", memory=False, across_videos=False)
    parts = [regions_term(loss, network, batch_of([row])) for row in (0, 3)]
    both = regions_term(loss, network, batch_of([0, 3]))
    assert min(parts) <= both <= max(parts)


@pytest.mark.parametrize(
    ("progress", "cap", "expected"),
    [(0.0, None, 0.1), (0.2, None, 1.0), (0.6, None, 100.0), (0.6, 10.0, 10.0), (0.0, 10.0, 0.1)],
)
def test_ramp(progress: float, cap: float | None, expected: float) -> None:
    objective = DenoisedContrast(max_weight=cap)
    assert objective.weight(progress) == pytest.approx(expected)
    network, _, loss = built("basnet", max_weight=cap)
    batch = batch_of([0, 1, 2])
    output = network(batch.features, batch.mask)
    ratio = loss(output, batch, progress)["regions"] / loss(output, batch, 0.0)["regions"]
    assert ratio.item() == pytest.approx(expected / 0.1)


@pytest.mark.parametrize(
    ("localizer", "objective", "message"),
    [
        (Stpn(), DenoisedContrast(AttendSparsely()), "but Stpn learns none"),
        (Cola(), DenoisedContrast(), "SuppressBackground reads BackgroundOutput, but Cola gives"),
        (BasNet(), DenoisedContrast(AttendSparsely()), "reads StpnOutput, but BasNet gives"),
        (LateFusion(BasNet()), DenoisedContrast(), "but LateFusion gives Fused"),
        (
            LateFusion(Stpn()),
            PerStream(DenoisedContrast(AttendSparsely())),
            "DenoisedContrast trains the embedding, but Stpn learns none",
        ),
    ],
)
def test_localizers_it_cannot_train_are_named(
    localizer: object, objective: DenoisedContrast | PerStream, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        objective.check(localizer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_regions": 0}, "num_regions must be at least 1, got 0"),
        ({"num_groups": -1}, "num_groups must be at least 0, got -1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"max_weight": -1.0}, "max_weight must be positive"),
        ({"across_videos": False}, "set memory=false"),
        ({"across_videos": False, "memory": False, "num_regions": 1}, "at least 2"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DenoisedContrast(**settings)


def objective_of(name: str) -> DenoisedContrast:
    objective = dcc.PRESETS[name].build().objective
    inner = objective.objective if isinstance(objective, PerStream) else objective
    assert isinstance(inner, DenoisedContrast)
    return inner


@pytest.mark.parametrize("base", ["", "thumos14-"])
def test_rows_of_the_tables(base: str) -> None:
    """What each ablation is, in the words of the tables: regions, groups and what is compared."""
    rows = {
        "without-denoising": (5, 0, True, True, True),
        "groups-3": (5, 3, True, True, True),
        "groups-100": (5, 100, True, True, True),
        "video-level-background": (1, 0, True, True, False),
        "video-level": (1, 0, True, True, True),
        "regions-3": (3, 0, True, True, True),
        "regions-10": (10, 0, True, True, True),
        "intra-video": (5, 0, False, False, True),
        "mini-batch": (5, 0, False, True, True),
        "utal": (5, 5, True, True, True),
    }
    for name, expected in rows.items():
        o = objective_of(base + name)
        found = o.num_regions, o.num_groups, o.memory, o.across_videos, o.across_clusters
        assert found == expected, name
    plain = dcc.PRESETS[f"{base}baseline"].build()
    assert plain.objective == SuppressBackground(max_divisor=1)
    assert (plain.num_rounds, plain.weak_rounds) == (1, 1)
    assert dcc.PRESETS[f"{base}utal"].build().num_rounds >= 3
    assert objective_of(f"{base}weight-1").weight(1.0) == 1.0
    assert objective_of(f"{base}weight-10").weight(1.0) == 10.0


def test_presets() -> None:
    for name, preset in dcc.PRESETS.items():
        method = preset.build()
        if not name.endswith("baseline"):
            assert method.weak_rounds == 2
            assert method.num_rounds >= 2
            assert method.training.restart
    printed = objective_of("thumos14-paper")
    assert printed.base == SuppressBackground(1e-5, True, False, 1)
    assert printed.printed_mean
    activitynet = objective_of("activitynet13")
    assert (activitynet.num_regions, activitynet.num_groups) == (2, 2)
    assert objective_of("thumos14-stpn").base == AttendSparsely(max_divisor=1)


def small(name: str) -> Method:
    method = config.method_named(name)
    localizers = {"dcc": replace(dcc.BASE, width=8, foreground_width=4)}
    localizer = localizers.get(name, LateFusion(Stpn(width=8, attention_width=4)))
    training = replace(method.training, steps=6, batch_size=6)
    return replace(method, localizer=localizer, training=training)


def run(method: Method, **arguments: object) -> list[Round]:
    corpus, _, _ = planted_corpus(12)
    return list(rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU, **arguments))


@pytest.mark.parametrize("name", ["dcc", "dcc/stpn"])
def test_rounds(name: str) -> None:
    """The first round is the base, the second has the contrast; resuming changes nothing."""
    method = small(name)
    first, second = run(method)
    contrasts = {"dcc": {"regions"}, "dcc/stpn": {"0_regions", "1_regions"}}[name]
    assert contrasts == second.losses.terms.keys() - first.losses.terms.keys()
    assert second.losses.terms[min(contrasts)][-1] > second.losses.terms[min(contrasts)][0]
    (resumed,) = run(method, after=first)
    assert same(resumed, second)
    corpus, _, _ = planted_corpus(12)
    assert len(list(localize(second, sized(method, corpus), corpus, device=CPU))) == 12


def test_mixed_precision_and_padded_videos() -> None:
    """Under autocast the projected features are narrower than the memory."""
    method = small("dcc")
    targets = torch.eye(NUM_ACTIONS)[torch.arange(12) % NUM_ACTIONS]
    targets[3, 0] = 1  # a video of two labels
    plan = replace(method.training, mixed_precision=True, steps=3)
    given = PseudoLabels(torch.arange(12), targets, torch.ones(12))
    last = run(replace(method, training=plan), given=given)[-1]
    assert all(np.isfinite(values).all() for values in last.losses.terms.values())


@pytest.mark.parametrize("name", [f"dcc/{name}" for name in dcc.PRESETS if name] + ["dcc"])
def test_json_round_trip(name: str) -> None:
    method = config.method_named(name)
    assert config.from_json(config.to_json(method)) == method
