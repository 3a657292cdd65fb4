"""Any method, made small enough for a test: few steps, narrow networks, short videos."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from utal.method import Method

SMALL = {
    "steps": 3,
    "batch_size": 8,
    "num_snippets": 24,
    "num_rounds": 2,
    "weak_rounds": 2,
    "num_starts": 1,
}
WIDTHS = {"width": 12, "projection_width": 8}


def shrunk(method: Method) -> Method:
    """The same parts with small numbers."""
    small: Method = _shrunk(method)
    return small


def _shrunk(part: Any) -> Any:
    changes = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if is_dataclass(value):
            changes[field.name] = _shrunk(value)
        elif field.name in SMALL:
            most = SMALL[field.name]
            changes[field.name] = most if value is None else min(value, most)
        elif field.name in WIDTHS and value is not None:
            changes[field.name] = min(value, WIDTHS[field.name])
    return replace(part, **changes)
