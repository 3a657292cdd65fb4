"""FEEL's self-paced grouping around the localizers of others.

FEEL's Table 4 has TCAM, STPN, CASE and AICL, at constant speed in four rounds. What is exchanged is
the grouping: K-means, re-ranking and growing selection, and training in proportion to the share of
videos selected. Network, losses, batches, descriptor and decoder stay the other method's. The rows
without FEEL are `stpn`, `case` and `aicl` (K-means, one round) and `tcam` themselves.

APSL, HC-UTAL and BaS-Net under FEEL are ours: no paper has them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from utal.grouping.clustering import KMeans
from utal.grouping.refining import ReciprocalJaccard
from utal.grouping.selecting import ConstantSpeed
from utal.method import Method
from utal.methods import aicl, apsl, basnet, case, feel, hc_utal, stpn, tcam
from utal.methods.presets import Preset

NUM_ROUNDS = 4  # FEEL Table 4: beta = 1/4, 1/2, 3/4, 1


def under_feel(method: Method, grouping: Method) -> Method:
    """The method, grouped and paced as `grouping` is, at constant speed in four rounds.

    A network of the last round has learned the labels that are to be improved, so that each round
    begins with a new one.
    """
    return replace(
        method,
        clusterer=grouping.clusterer,
        refiner=grouping.refiner,
        selector=ConstantSpeed(),
        training=replace(method.training, restart=True, scale_steps=True),
        num_rounds=NUM_ROUNDS,
        weak_rounds=1,
    )


def under_printed_feel(method: Method) -> Method:
    """With the settings of FEEL's text."""
    return under_feel(method, replace(method, clusterer=KMeans(), refiner=ReciprocalJaccard()))


def _presets(
    name: str, adaptive: Callable[[], Method], **of_data: Callable[[], Method]
) -> dict[str, Preset]:
    """Combinations of one method: the adaptive one, and one for each data set."""
    found = {
        "": Preset(
            lambda: under_feel(adaptive(), feel.adaptive()),
            f"FEEL-F in four rounds on {name} for corpora of any size",
        )
    }
    for key, build in of_data.items():
        found[key] = Preset(
            lambda build=build: under_printed_feel(build()),  # type: ignore[misc]
            f"FEEL Table 4, FEEL-F in four rounds on {name}, {key}",
        )
    return found


COMBINATIONS: dict[str, Mapping[str, Preset]] = {
    "feel+tcam": _presets(
        "TCAM", tcam.adaptive, thumos14=tcam.thumos14, activitynet12=tcam.activitynet12
    ),
    "feel+stpn": _presets("STPN", stpn.adaptive, thumos14=stpn.thumos14),
    "feel+case": _presets(
        "CASE", case.adaptive, thumos14=case.thumos14, activitynet12=case.activitynet12
    ),
    "feel+aicl": _presets(
        "AICL", aicl.adaptive, thumos14=aicl.thumos14, activitynet12=aicl.activitynet12_feel
    ),
    "feel+apsl": _presets("APSL (ours, in no paper)", apsl.adaptive),
    "feel+hc_utal": _presets("HC-UTAL's localizer (ours, in no paper)", hc_utal.adaptive),
    "feel+basnet": _presets("BaS-Net (ours, in no paper)", basnet.adaptive),
}
"""Presets of each combination by the first part of their names."""

EQUATIONS: dict[str, Mapping[str, Any]] = {
    name: {
        **{f"FEEL, {equation}": code for equation, code in feel.EQUATIONS.items()},
        **{f"{own}, {equation}": code for equation, code in table.items()},
    }
    for name, own, table in (
        ("feel+tcam", "TCAM", tcam.EQUATIONS),
        ("feel+stpn", "STPN", stpn.EQUATIONS),
        ("feel+case", "CASE", case.EQUATIONS),
        ("feel+aicl", "AICL", aicl.EQUATIONS),
        ("feel+apsl", "APSL", apsl.EQUATIONS),
        ("feel+hc_utal", "HC-UTAL", hc_utal.EQUATIONS),
        ("feel+basnet", "BaS-Net", basnet.EQUATIONS),
    )
}
