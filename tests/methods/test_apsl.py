"""APSL's presets: the paper's table of settings, and every row of its ablations."""

import re
from dataclasses import fields

import numpy as np
import pytest
import torch

from utal.batching import PairsAndRandom
from utal.grouping.boundary import BoundaryEmbedding
from utal.grouping.describing import TopEmbedding
from utal.grouping.one_stream import DescribeStream
from utal.grouping.spectral import Spectral
from utal.localizers.cola import Cola
from utal.localizers.one_stream import OneStream
from utal.method import Method, weakly
from utal.methods import apsl
from utal.methods.action_positives import SeparateActionPositives

BASES = ("", "thumos14")


def built(name: str) -> Method:
    return apsl.PRESETS[name].build()


def variant(base: str, name: str) -> tuple[Method, Method]:
    return built(base), built(f"{base}-{name}" if base else name)


def changed_fields(one: Method, other: Method) -> set[str]:
    return {f.name for f in fields(Method) if getattr(one, f.name) != getattr(other, f.name)}


@pytest.mark.parametrize("name", ["thumos14", "thumos14-paper", "thumos14-release"])
def test_table_1(name: str) -> None:
    """What text and code agree on."""
    objective = built(name).objective
    assert isinstance(objective, SeparateActionPositives)
    assert (objective.triplet_margin, objective.magnitude, objective.temperature) == (
        0.8,
        150,
        0.07,
    )
    assert (objective.positive_ratio, objective.negative_ratio) == (5, 20)
    assert (objective.window, objective.wide_window) == (3, 6)


def test_weights_printed_and_released() -> None:
    weights = {
        name: (m.triplet_weight, m.separation_weight, m.contrast_weight)
        for name in ("thumos14", "thumos14-paper", "thumos14-release", "activitynet12-paper")
        for m in [built(name).objective]
    }
    released, printed = (0.005, 0.0005, 0.01), (0.005, 0.01, 0.005)
    assert weights == {
        "thumos14": released,
        "thumos14-paper": printed,
        "thumos14-release": released,
        "activitynet12-paper": printed,
    }
    assert built("thumos14-paper").objective.threshold == 0.8
    assert built("thumos14").objective.threshold is None


@pytest.mark.parametrize(("name", "millions"), [("thumos14-paper", 9530), ("thumos14", 9468)])
def test_multiplications_of_table_7(name: str, millions: int) -> None:
    """The paper counts 9.53 G for 750 snippets: a classifier of three taps, not of one."""
    with torch.device("meta"):
        network = built(name).localizer.build((1024, 1024), 20)
    taps = sum(weight.numel() for weight in network.parameters() if weight.ndim == 3)
    assert round(taps * 750 / 1e6) == pytest.approx(millions, abs=1)


def test_one_run_regrouped_every_500_steps() -> None:
    method = built("thumos14")
    assert method.num_rounds * method.training.steps == 5000
    assert not method.training.restart
    assert method.training.batch_size == 64
    assert method.training.batching == PairsAndRandom()
    assert weakly(method).num_rounds == 10  # with given labels it trains as long


def test_thresholds() -> None:
    decoder = built("thumos14").decoder
    assert decoder.cas_thresholds == (0.325, 0.35)
    for found, first, last, count in (
        (decoder.actionness_thresholds, 0.075, 0.875, 33),
        (decoder.magnitude_thresholds, 0.6, 0.825, 10),
    ):
        assert found == pytest.approx(np.linspace(first, last, count))
    assert (decoder.class_threshold, decoder.nms_threshold) == (0.2, 0.5)
    activity = built("activitynet12").decoder
    assert (activity.class_threshold, activity.cas_thresholds[-1]) == (0.1, 0.135)
    printed = built("thumos14-paper").decoder
    assert printed.cas_thresholds == (0.325, 0.35)
    assert printed.actionness_thresholds == printed.magnitude_thresholds == ()


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("only-cls", set()),
        ("cls-abs", {"separation"}),
        ("cls-abs-con", {"separation", "contrast"}),
    ],
)
def test_losses_of_table_4(base: str, name: str, left: set[str]) -> None:
    whole, method = variant(base, name)
    assert changed_fields(whole, method) == {"objective"}
    for term in ("triplet", "separation", "contrast"):
        weight = getattr(method.objective, f"{term}_weight")
        assert weight == (getattr(whole.objective, f"{term}_weight") if term in left else 0)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("name", "describer"),
    [
        ("all-features", TopEmbedding(ratio=1, l2=True)),
        ("negative-features", BoundaryEmbedding()),
        ("positive-and-negative-features", BoundaryEmbedding(positive_ratio=5)),
    ],
)
def test_features_of_table_5(base: str, name: str, describer: object) -> None:
    whole, method = variant(base, name)
    assert changed_fields(whole, method) == {"describer"}
    assert whole.describer == TopEmbedding(ratio=5, l2=True)
    assert method.describer == describer


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("name", "stream"), [("only-rgb", 0), ("only-flow", 1)])
def test_streams_of_table_6(base: str, name: str, stream: int) -> None:
    whole, method = variant(base, name)
    assert method.localizer == OneStream(whole.localizer, stream)
    assert method.describer == DescribeStream(whole.describer, stream)
    assert changed_fields(whole, method) == {"localizer", "describer"}


def test_release_embeds_streams_apart_and_scores_a_fifth() -> None:
    method = built("thumos14-release")
    assert method.localizer == Cola(split_streams=True, easy_ratio=5)
    assert method.objective.binary_classification
    assert method.clusterer == Spectral()


def test_every_equation_is_there_once() -> None:
    found = []
    for name in apsl.EQUATIONS:
        first, last = re.match(r"Eq\. (\d+)(?:-(\d+))?", name).groups()
        found += range(int(first), int(last or first) + 1)
    assert found == list(range(1, 15))
