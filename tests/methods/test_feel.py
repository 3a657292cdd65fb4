"""FEEL's presets: every row of Table 3, and what the released code sets otherwise."""

import pytest

from utal.grouping.attended import TopSnippets
from utal.grouping.clustering import KMeans
from utal.grouping.describing import AttentionRaw
from utal.grouping.refining import Keep, ReciprocalJaccard
from utal.grouping.selecting import ConstantSpeed, TakeAll, VariableSpeed
from utal.grouping.snippet_votes import SnippetVotes
from utal.method import Method
from utal.methods import feel

CCI, RATE = ReciprocalJaccard(), {"thumos14": 1.05, "activitynet12": 1.03}

# Rows of Table 3: name, refiner, selector (a number of rounds stands for variable speed), rounds.
TABLE_3 = [
    ("cola-utal", Keep(), TakeAll(), 10),
    ("without-iis", CCI, TakeAll(), 10),
    ("constant-without-cci", Keep(), ConstantSpeed(), 10),
    ("without-cci", Keep(), None, 10),
    ("constant-4-rounds", CCI, ConstantSpeed(), 4),
    ("constant-5-rounds", CCI, ConstantSpeed(), 5),
    ("constant-6-rounds", CCI, ConstantSpeed(), 6),
    ("constant", CCI, ConstantSpeed(), 10),
    ("constant-15-rounds", CCI, ConstantSpeed(), 15),
    ("constant-20-rounds", CCI, ConstantSpeed(), 20),
    ("4-rounds", CCI, None, 4),
    ("5-rounds", CCI, None, 5),
    ("6-rounds", CCI, None, 6),
    ("", CCI, None, 10),
    ("15-rounds", CCI, None, 15),
    ("20-rounds", CCI, None, 20),
]


def built(name: str) -> Method:
    return feel.PRESETS[name].build()


@pytest.mark.parametrize("data", RATE)
@pytest.mark.parametrize(("row", "refiner", "selector", "num_rounds"), TABLE_3)
def test_table_3(data: str, row: str, refiner: object, selector: object, num_rounds: int) -> None:
    method = built(f"{data}-{row}" if row else data)
    assert method.refiner == refiner
    assert method.selector == (selector or VariableSpeed(rate=RATE[data]))
    assert method.num_rounds == num_rounds
    assert method.clusterer == KMeans()
    assert method.describer == AttentionRaw()
    assert method.training == built(data).training


@pytest.mark.parametrize("data", ["thumos14", "activitynet12", ""])
def test_snippet_wise(data: str) -> None:
    method = built(f"{data}-snippet-wise" if data else "snippet-wise")
    assert method.describer == TopSnippets()
    assert method.clusterer == SnippetVotes()
    assert (method.refiner, method.selector) == (Keep(), TakeAll())


def test_adaptive_ablations_change_what_they_name() -> None:
    whole = built("")
    assert whole.selector == ConstantSpeed()
    assert built("variable").selector == VariableSpeed()
    assert built("without-cci").refiner == Keep()
    assert built("without-cci").selector == whole.selector
    assert built("without-iis").refiner == whole.refiner
    assert built("without-iis").selector == TakeAll()
    assert built("cola-utal").clusterer == whole.clusterer


def test_released_settings() -> None:
    thumos, activity = built("thumos14-release"), built("activitynet12-release")
    for method in (thumos, activity):
        assert method.refiner == ReciprocalJaccard(jaccard_weight=0.3, expansion_strict=True)
        assert method.selector == ConstantSpeed(min_per_cluster=0)
        assert method.num_rounds == 4
        assert not method.training.scale_steps
        assert method.decoder.nms_threshold == 0.6
    assert (thumos.training.steps, thumos.training.batch_size) == (6000, 16)
    assert (activity.training.steps, activity.training.batch_size) == (8000, 256)
    assert activity.localizer == built("activitynet12").localizer


def test_printed_settings() -> None:
    method = built("thumos14-paper")
    assert method.localizer.easy_ratio == method.objective.easy_ratio == 8
    assert method.objective.hard_ratio == 32
