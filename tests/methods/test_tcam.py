"""TCAM: its objective against the reference numbers, its presets, and a run on planted actions."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch.nn.utils.rnn import pad_sequence

from tests.oracle_data import cases, no_labels
from tests.planted import CPU, NUM_ACTIONS, planted_corpus
from utal.batching import Grouped
from utal.config import from_json, method_named, to_json
from utal.decoding.mean_multiples import MeanMultiples
from utal.errors import ConfigError
from utal.grouping.clustering import KMeans
from utal.grouping.refining import ReciprocalJaccard
from utal.grouping.selecting import ConstantSpeed
from utal.localizers.co_attention import (
    CoAttention,
    CoAttentionOutput,
    ConvCoAttention,
    ReleasedCoAttention,
    co_attended,
)
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion
from utal.localizers.one_stream import OneStream
from utal.loop import localize, rounds
from utal.method import Method
from utal.methods import tcam
from utal.methods.co_attention import CoAttentionObjective
from utal.methods.per_stream import PerStream
from utal.records import Batch

ORACLE = cases("tcam.npz", listed_as="loss_cases")


def of_case(case: dict[str, np.ndarray]) -> tuple[dict[str, torch.Tensor], Batch]:
    """What a network computes of ragged videos, as leaves of the graph, and their batch."""
    spans = [slice(*pair) for pair in pairwise(case["offsets"])]
    computed = {
        key: pad_sequence(
            [torch.tensor(case[key][span]) for span in spans], batch_first=True
        ).requires_grad_()
        for key in ("A", "S", "X_cs", "X_ca")
    }
    mask = torch.arange(computed["S"].shape[1]) < torch.tensor(np.diff(case["offsets"]))[:, None]
    targets = torch.eye(int(case["num_clusters"])).double()[case["labels"]]
    count = len(spans)
    features = torch.zeros(*mask.shape, 1, dtype=torch.float64)
    return computed, Batch(features, mask, targets, torch.ones(count).double(), torch.arange(count))


def terms_of(
    computed: dict[str, torch.Tensor], batch: Batch, objective: CoAttentionObjective | None = None
) -> dict[str, torch.Tensor]:
    output = co_attended(*(computed[key] for key in ("A", "S", "X_cs", "X_ca")), batch.mask)
    loss = (objective or CoAttentionObjective()).loss(no_labels(4), None)
    terms: dict[str, torch.Tensor] = loss(output, batch, 0.0)
    return terms


@pytest.mark.parametrize("name", ORACLE)
def test_reference_values_and_gradients(name: str) -> None:
    case = ORACLE[name]
    computed, batch = of_case(case)
    terms = terms_of(computed, batch)
    assert {key: value.item() for key, value in terms.items()} == pytest.approx(
        {
            "classification": float(case["L_cls"]),
            "triplet": 0.5 * float(case["L_trip"]),
            "separation": 0.5 * float(case["L_abs"]),
        },
        rel=1e-9,
    )
    total = torch.stack(list(terms.values())).sum()
    assert total.item() == pytest.approx(float(case["L_total"]), rel=1e-9)
    total.backward()
    for key, value in computed.items():
        expected = case[f"grad_L_total__{key}"]
        np.testing.assert_allclose(value.grad[batch.mask], expected, rtol=0, atol=1e-8)
        assert not value.grad[~batch.mask].any()


def test_weights_of_videos() -> None:
    """0 is absent; in the classification, and for what a video anchors, 1/2 is half."""
    computed, batch = of_case(ORACLE["z4_k2"])
    weights = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]).double()
    kept = weights > 0
    absent = terms_of(computed, replace(batch, weights=weights))
    columns = (batch.features, batch.mask, batch.targets, batch.weights, batch.videos)
    fewer = terms_of(
        {key: value[kept] for key, value in computed.items()},
        Batch(*(column[kept] for column in columns)),
    )
    torch.testing.assert_close(absent, fewer)
    half = terms_of(computed, replace(batch, weights=batch.weights / 2))
    whole = terms_of(computed, batch)
    torch.testing.assert_close(half, {key: value / 2 for key, value in whole.items()})


def test_theta_weighs_separation_within_videos() -> None:
    case = ORACLE["z3_k3_tight"]
    computed, batch = of_case(case)
    found = terms_of(computed, batch, CoAttentionObjective(intra_weight=3.0, separation_weight=1.0))
    expected = case["L_inter_per_cluster"].sum() + 3 * case["L_intra_per_cluster"].sum()
    assert found["separation"].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("only-cls", {"classification"}),
        ("cls-abs", {"classification", "separation"}),
        ("cls-trip", {"classification", "triplet"}),
        ("", {"classification", "separation", "triplet"}),
        ("conv-only-cls", {"classification"}),
    ],
)
def test_rows_of_table_5(name: str, terms: set[str]) -> None:
    for base in ("", "thumos14"):
        method = tcam.PRESETS["-".join(part for part in (base, name) if part)].build()
        whole = tcam.PRESETS[base].build()
        assert set(terms_of(*of_case(ORACLE["z4_k2"]), method.objective.objective)) == terms
        plain = name == "conv-only-cls"
        assert isinstance(method.localizer.localizer, ConvCoAttention if plain else CoAttention)
        same = replace(method, objective=whole.objective, localizer=whole.localizer)
        assert same == whole  # and nothing else is changed


def test_numbers_of_the_paper() -> None:
    method = method_named("tcam/thumos14")
    plan = method.training
    assert plan.batching == Grouped(videos_per_cluster=2)
    assert (plan.batch_size, plan.learning_rate, plan.weight_decay) == (24, 1e-4, 1e-3)
    assert plan.restart
    assert method.num_rounds == 3
    assert method.decoder == MeanMultiples()
    assert method.localizer == LateFusion(CoAttention())
    objective = method.objective.objective
    assert (objective.triplet_weight, objective.separation_weight) == (0.5, 0.5)
    assert (objective.inter_margin, objective.intra_margin) == (0.0001, 0.25)
    assert (objective.intra_weight, objective.triplet_margin) == (1.0, 0.5)
    assert method_named("tcam/activitynet12").training.learning_rate == 1e-3
    released = method_named("tcam/activitynet12-release")
    assert released.localizer == LateFusion(ReleasedCoAttention(), (2.0, 1.0))
    assert released.decoder.probability_weight == 0.25


@pytest.mark.parametrize("name", tcam.PRESETS)
def test_presets_survive_json(name: str) -> None:
    method = tcam.PRESETS[name].build()
    assert from_json(to_json(method)) == method


def test_all_equations_are_told() -> None:
    numbers = set()
    for text, code in tcam.EQUATIONS.items():
        assert callable(code)
        listed = re.match(r"Eq\. ([\d, -]+)", text)
        assert listed
        for each in listed[1].replace(" ", "").split(","):
            first, _, last = each.partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == set(range(1, 15))


@pytest.mark.parametrize("localizer", [Cola(), OneStream(Cola())])
def test_networks_without_co_attention_are_refused(localizer: object) -> None:
    name = type(localizer).__name__
    message = f"CoAttentionObjective reads CoAttentionOutput, but {name} gives Scores"
    with pytest.raises(ConfigError, match=message):
        CoAttentionObjective().check(localizer)
    with pytest.raises(ConfigError, match=message):
        PerStream(CoAttentionObjective()).check(LateFusion(localizer))


@pytest.mark.parametrize("name", ["triplet_weight", "inter_margin", "intra_weight"])
def test_settings_out_of_range(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must not be negative, got -1"):
        CoAttentionObjective(**{name: -1.0})


def small(method: Method, *, num_rounds: int = 2, steps: int = 60) -> Method:
    """The method with small networks and few steps."""
    return replace(
        method,
        localizer=LateFusion(CoAttention(width=8, context_width=8, branch_width=16)),
        training=replace(method.training, steps=steps, batch_size=8),
        num_rounds=num_rounds,
    )


def test_planted_actions_are_found() -> None:
    """What the first descriptors mix up, those of the trained attention tell apart."""
    corpus, truth, runs = planted_corpus(24, channels=128)
    first, last = rounds(small(method_named("tcam")), corpus, NUM_ACTIONS, seed=0, device=CPU)
    scores = [adjusted_rand_score(truth, each.clustering.labels) for each in (first, last)]
    assert scores[0] < 0.9 < scores[1]
    inside = []
    method = small(method_named("tcam"))
    method = replace(method, snippets=replace(method.snippets, num_snippets=750))
    for found, own in zip(localize(last, method, corpus, device=CPU), runs, strict=True):
        assert len(found.segments)
        action = np.zeros(len(found.attention), bool)
        for start, end in own:
            action[start:end] = True
        inside.append(found.attention[action].sum())
        assert found.attention.sum() == pytest.approx(1, abs=1e-5)
    assert np.mean(inside) > 0.7


def test_grouping_of_feel_on_networks_of_tcam() -> None:
    corpus, truth, _ = planted_corpus(24, channels=64)
    method = replace(
        small(method_named("tcam"), steps=20),
        clusterer=KMeans(),
        refiner=ReciprocalJaccard(num_reciprocal=None, num_expansion=None),
        selector=ConstantSpeed(),
    )
    *_, last = rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU)
    assert len(last.pseudo_labels.videos) == len(truth)
    assert np.isfinite(last.losses.terms["total"]).all()


def test_one_stream_is_enough_unless_streams_have_weights() -> None:
    corpus, _, _ = planted_corpus(12, channels=16)
    corpus = replace(corpus, streams={"motion": 16})
    (done,) = rounds(
        small(method_named("tcam"), num_rounds=1, steps=3), corpus, 3, seed=0, device=CPU
    )
    assert set(done.losses.terms) == {"0_classification", "0_separation", "0_triplet", "total"}
    with pytest.raises(ConfigError, match="2 weights, but the features have 1 stream"):
        method_named("tcam/activitynet12-release").localizer.build((16,), 3)


def test_output_is_what_the_parts_say() -> None:
    output = CoAttention().build((8,), 3)(torch.rand(2, 5, 8), torch.ones(2, 5).bool())
    assert isinstance(output, CoAttentionOutput)
    assert output.agnostic is output.scores.embedding
