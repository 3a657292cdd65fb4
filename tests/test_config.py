import json
from dataclasses import replace

import pytest

from utal import config
from utal.errors import ConfigError
from utal.grouping.refining import Keep
from utal.grouping.selecting import ConstantSpeed, TakeAll
from utal.methods import catalogue
from utal.parts import PARTS


@pytest.mark.parametrize("name", config.METHODS)
def test_json_round_trip(name: str) -> None:
    method = config.method_named(name)
    text = config.to_json(method)
    assert config.from_json(text) == method
    assert json.loads(text)["localizer"]["part"] == type(method.localizer).__name__


def test_every_part_can_be_named() -> None:
    assert len(PARTS) == len({part.__name__ for part in PARTS})
    assert len(PARTS) >= 14


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("selector.rate=1.5", ("selector", "rate"), 1.5),
        ("training.steps=7", ("training", "steps"), 7),
        ("training.learning_rate=1", ("training", "learning_rate"), 1.0),
        ("training.snippets.num_snippets=9", ("training", "snippets", "num_snippets"), 9),
        ("refiner=Keep", ("refiner",), Keep()),
        ("selector=TakeAll", ("selector",), TakeAll()),
        ("decoder.cas_thresholds=[0.1,0.2]", ("decoder", "cas_thresholds"), (0.1, 0.2)),
        ("localizer.width=null", ("localizer", "width"), None),
    ],
)
def test_setting(setting: str, path: tuple[str, ...], value: object) -> None:
    changed: object = config.with_setting(config.method_named("feel/thumos14"), setting)
    for name in path:
        changed = getattr(changed, name)
    assert changed == value
    assert type(changed) is type(value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("selctor.rate=1.5", "Method has no field 'selctor'; did you mean 'selector'?"),
        ("selector.rat=1.5", "did you mean 'rate'?"),
        ("selector.rate=fast", "expected float, got 'fast'"),
        ("training.steps=1.5", "expected int"),
        ("training.steps=0", "steps must be at least 1"),
        ("training.restart=1", "expected bool"),
        ("refiner=Kep", "unknown part 'Kep'; did you mean 'Keep'?"),
        ("refiner=TakeAll", "TakeAll cannot serve as Refiner"),
        ("objective=Cola", "Cola cannot serve as Objective"),
        ("localizer.kernel=4", "kernel must be odd"),
        ("num_rounds.x=4", "has no fields of its own"),
        ("num_rounds", "expected FIELD=VALUE"),
    ],
)
def test_bad_setting(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.with_setting(config.method_named("feel/thumos14"), setting)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_method_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'feel/thumos14'"):
        config.method_named("feel/thumos")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(extra=1), "extra"),
        (lambda c: c["refiner"].update(part="os.system"), "unknown part 'os.system'"),
        (lambda c: c["refiner"].update(depth=1), "depth"),
        (lambda c: c.pop("num_rounds"), "num_rounds"),
        (lambda c: c.update(num_rounds="3"), "expected int"),
        (lambda c: c.update(refiner="Keep"), "unknown part"),
    ],
)
def test_foreign_json_is_refused(change, message: str) -> None:
    content = json.loads(config.to_json(config.method_named("feel")))
    change(content)
    with pytest.raises(ConfigError) as error:
        config.from_json(json.dumps(content))
    assert message in str(error.value)


def test_broken_json_is_refused() -> None:
    with pytest.raises(ConfigError, match="not valid JSON"):
        config.from_json("{")


def test_ablations_change_one_thing_each() -> None:
    base = config.method_named("feel/thumos14")
    assert config.method_named("feel/thumos14-constant") == replace(base, selector=ConstantSpeed())
    assert config.method_named("feel/thumos14-without-cci") == replace(base, refiner=Keep())
    assert config.method_named("feel/thumos14-without-iis") == replace(base, selector=TakeAll())


NUMBERED = {"tcam", "apsl", "feel", "hc_utal", "dcc", "cola"}  # others are cited from their code


def test_equations_point_at_code_of_the_package() -> None:
    assert set(catalogue.EQUATIONS) == {name.partition("/")[0] for name in config.METHODS}
    for paper, table in catalogue.EQUATIONS.items():
        assert len(table) >= 5
        for equation, code in table.items():
            assert equation.startswith("Eq. ") or paper not in NUMBERED
            assert callable(code)
            assert code.__module__.startswith("utal.")
            assert code.__doc__, equation


def test_settings_are_checked_together() -> None:
    """A localizer and its objective can be exchanged in either order, but not one alone."""
    settings = ["localizer=Cola", "objective=ClassifyAndContrast", "decoder.anchor=0.25"]
    decoder = ["decoder.nms_threshold=0.4"]
    method = config.method_named("dcc")
    for order in (settings, settings[::-1]):
        changed = config.with_settings(method, [*order, *decoder])
        assert type(changed.localizer).__name__ == "Cola"
        assert changed.decoder.anchor == 0.25
    with pytest.raises(ConfigError, match="SuppressBackground reads"):
        config.with_settings(method, ["localizer=Cola"])


def test_what_cannot_work_together_says_so_by_name() -> None:
    for name, setting, message in (
        ("dcc/stpn", "localizer.localizer.width=null", "but Stpn learns none"),
        ("tcam", "localizer=Cola", "wrap Cola in LateFusion"),
        ("aicl", "localizer=Case", "ClassifyAndAgree reads AiclOutput, but Case gives CaseOutput"),
        ("hc_utal", "objective.video_weight=1.0", "reads Headed, but Cola gives Scores"),
    ):
        with pytest.raises(ConfigError, match=message):
            config.with_setting(config.method_named(name), setting)
