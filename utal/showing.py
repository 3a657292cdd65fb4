"""A method as lines for people: its parts, settings and equations; docs/ print the same."""

import inspect
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any

from utal.method import Method
from utal.methods.catalogue import EQUATIONS, PRESETS


def names() -> Iterator[str]:
    """One line per named method: its name and what it is."""
    width = max(map(len, PRESETS))
    for name, preset in PRESETS.items():
        yield f"{name:<{width}}  {preset.about}"


def settings_of(method: Method) -> Iterator[str]:
    """One line per part with its settings; `auto` stands for what follows the corpus' size."""
    for field in fields(method):
        value = getattr(method, field.name)
        yield f"{field.name:<12} {_part(value) if is_dataclass(value) else value}"


def equations_of(name: str) -> Iterator[str]:
    """One line per equation of the method's paper, with the code that computes it."""
    for equation, code in EQUATIONS[name.partition("/")[0]].items():
        lines = inspect.getsourcelines(code)[1]
        yield f"{equation:<40} {code.__module__}.{code.__qualname__}:{lines}"


def _part(part: Any) -> str:
    values = (f"{field.name}={_short(getattr(part, field.name), field)}" for field in fields(part))
    return f"{type(part).__name__}({', '.join(values)})"


def _short(value: Any, field: Field[Any]) -> str:
    """A value in a few characters; an open number is sized, an open strength left out."""
    if value is None:
        return "off" if field.type == float | None else "auto"
    if is_dataclass(value):
        return _part(value)
    if isinstance(value, tuple) and len(value) > 3:
        return f"({value[0]}, {value[1]}, … {value[-1]}: {len(value)} values)"
    return repr(value)
