"""Every named method and every paper's table of equations."""

from collections.abc import Callable, Mapping
from typing import Any

from utal.method import Method
from utal.methods import aicl, apsl, case, cola, feel, tcam
from utal.methods.presets import Preset

PAPERS: dict[str, Mapping[str, Preset]] = {
    "feel": feel.PRESETS,
    "cola": cola.PRESETS,
    "apsl": apsl.PRESETS,
    "tcam": tcam.PRESETS,
    "aicl": aicl.PRESETS,
    "case": case.PRESETS,
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
    "tcam": tcam.EQUATIONS,
    "aicl": aicl.EQUATIONS,
    "case": case.EQUATIONS,
}
"""Tables of equations by the first part of a method's name."""
