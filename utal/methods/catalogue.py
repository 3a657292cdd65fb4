"""Every named method and every paper's table of equations."""

from collections.abc import Callable, Mapping
from typing import Any

from utal.method import Method
from utal.methods import (
    aicl,
    apsl,
    basnet,
    case,
    cola,
    combinations,
    dcc,
    feel,
    hc_utal,
    stpn,
    tcam,
)
from utal.methods.presets import Preset

PAPERS: dict[str, Mapping[str, Preset]] = {
    "feel": feel.PRESETS,
    "cola": cola.PRESETS,
    "apsl": apsl.PRESETS,
    "hc_utal": hc_utal.PRESETS,
    "tcam": tcam.PRESETS,
    "basnet": basnet.PRESETS,
    "stpn": stpn.PRESETS,
    "dcc": dcc.PRESETS,
    "aicl": aicl.PRESETS,
    "case": case.PRESETS,
    **combinations.COMBINATIONS,
}
"""Presets of each paper by the first part of their names."""

PRESETS: dict[str, Preset] = {
    f"{paper}/{name}" if name else paper: preset
    for paper, presets in PAPERS.items()
    for name, preset in presets.items()
}
"""Every preset by its whole name."""

METHODS: dict[str, Callable[[], Method]] = {name: preset.build for name, preset in PRESETS.items()}
"""What builds each named method."""

EQUATIONS: dict[str, Mapping[str, Any]] = {
    "feel": feel.EQUATIONS,
    "cola": cola.EQUATIONS,
    "apsl": apsl.EQUATIONS,
    "hc_utal": hc_utal.EQUATIONS,
    "tcam": tcam.EQUATIONS,
    "basnet": basnet.EQUATIONS,
    "stpn": stpn.EQUATIONS,
    "dcc": dcc.EQUATIONS,
    "aicl": aicl.EQUATIONS,
    "case": case.EQUATIONS,
    **combinations.EQUATIONS,
}
"""Tables of equations by the first part of a method's name."""
