"""Methods as values on disk and on the command line: `config.json` and `--set a.b=c`.

A part's class is looked up by name among `PARTS` and nowhere else, so that a foreign file cannot
make us import or run anything.
"""

import difflib
import json
import operator
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from functools import cache, partial
from types import UnionType
from typing import Any, get_args

import cattrs
from cattrs.gen import make_dict_structure_fn

from utal.errors import ConfigError
from utal.method import (
    Clusterer,
    Decoder,
    Describer,
    Localizer,
    Method,
    Objective,
    Refiner,
    Selector,
)
from utal.methods.catalogue import METHODS
from utal.parts import PARTS

SLOTS = (Localizer, Objective, Describer, Clusterer, Refiner, Selector, Decoder)


def method_named(name: str) -> Method:
    """The method of that name.

    Raises:
        ConfigError: no such method; the message suggests the nearest names.
    """
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}{_suggestion(name, METHODS)}; see utal show")
    return METHODS[name]()


def to_json(method: Method) -> str:
    """The method as text; `from_json` gives an equal one back."""
    return json.dumps(_converter().unstructure(method), indent=1) + "\n"


def from_json(text: str, *, parts: tuple[type, ...] = PARTS) -> Method:
    """The method that `to_json` wrote.

    Args:
        text: JSON.
        parts: the classes that may be named.

    Raises:
        ConfigError: not JSON, an unknown part or field, or a value out of range.
    """
    try:
        method: Method = _converter(parts).structure(json.loads(text), Method)
        return method
    except json.JSONDecodeError as error:
        raise ConfigError(f"not valid JSON: {error}") from error
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(_first_message(error)) from error


def with_setting(method: Method, setting: str) -> Method:
    """The method with one setting changed, such as `selector.rate=0.5` or `refiner=Keep`.

    Raises:
        ConfigError: not `a.b=c`, an unknown field or part, or a value of the wrong type or range.
    """
    return with_settings(method, [setting])


def with_settings(method: Method, settings: Iterable[str]) -> Method:
    """The method with several settings changed, in order.

    Whether the parts work together is asked once all are changed: a localizer and its objective can
    only be exchanged together.

    Raises:
        ConfigError: as `with_setting`, or parts that do not work together.
    """
    draft = _values(method)
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign or not path:
            raise ConfigError(f"expected FIELD=VALUE as in selector.rate=0.5, got {setting!r}")
        names = path.split(".")
        draft[names[0]] = _changed(Method, draft, names, text, path)
    return Method(**draft)


def _changed(owner: type, values: dict[str, Any], path: list[str], text: str, whole: str) -> Any:
    """The new value of the first field of `path`, of an owner with these values."""
    name, *rest = path
    kinds = {field.name: field.type for field in fields(owner)}
    if name not in kinds:
        raise ConfigError(
            f"{owner.__name__} has no field {name!r}{_suggestion(name, kinds)} (in {whole})"
        )
    if not rest:
        return _parsed(kinds[name], text, whole)
    part = values[name]
    if not is_dataclass(part) or isinstance(part, type):
        raise ConfigError(f"{whole}: {name} has no fields of its own")
    new = _changed(type(part), _values(part), rest, text, whole)
    return replace(part, **{rest[0]: new})


def _values(part: Any) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _parsed(kind: Any, text: str, whole: str) -> Any:
    """A value from the command line: a part by name, else JSON of the field's type."""
    by_name = {part.__name__: part for part in PARTS}
    if text in by_name:
        value: Any = {"part": text}
    elif kind in SLOTS or _is_choice(kind, PARTS):
        raise ConfigError(f"{whole}: unknown part {text!r}{_suggestion(text, by_name)}")
    else:
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{whole}: expected {_readable(kind)}, got {text!r}") from error
    try:
        return _converter().structure(value, kind)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{whole}: expected {_readable(kind)}, got {text!r}") from error


def _readable(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)) if isinstance(kind, type) else str(kind)


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _first_message(error: BaseException) -> str:
    """The innermost first cause of a tree of validation errors, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"unknown or missing entry {error}" if isinstance(error, KeyError) else str(error)


@cache
def _converter(parts: tuple[type, ...] = PARTS) -> cattrs.Converter:
    """Strict conversion: tagged parts, exact scalar types, no unknown keys."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    by_name = {part.__name__: part for part in parts}
    readers: dict[str, Callable[[Any, Any], Any]] = {}

    def write(part: Any) -> dict[str, Any]:
        plain = {f.name: converter.unstructure(getattr(part, f.name)) for f in fields(part)}
        return {"part": type(part).__name__, **plain}

    def read(value: Any, slot: Any) -> Any:
        if not isinstance(value, dict) or value.get("part") not in by_name:
            name = value.get("part") if isinstance(value, dict) else value
            raise ConfigError(f"unknown part {name!r}{_suggestion(str(name), by_name)}")
        name = value["part"]
        part = readers[name]({k: v for k, v in value.items() if k != "part"}, by_name[name])
        if not isinstance(part, slot):
            raise ConfigError(f"{name} cannot serve as {_readable(slot)}")
        return part

    for part in parts:
        converter.register_unstructure_hook(part, write)
    for slot in SLOTS:
        converter.register_structure_hook(slot, read)
        converter.register_unstructure_hook_func(partial(operator.is_, slot), write)
    choice = partial(_is_choice, parts=parts)
    converter.register_structure_hook_func(choice, read)
    converter.register_unstructure_hook_func(choice, write)
    for exact in (int, float, bool, str):
        converter.register_structure_hook(exact, _exactly)
    for kind in (int, float, tuple[float, ...]):
        converter.register_structure_hook_func(
            partial(operator.eq, kind | None), partial(_optional, converter, kind)
        )
    # Made last: a reader looks up the hooks of its part's fields, among them other parts.
    for name, part in by_name.items():
        readers[name] = make_dict_structure_fn(part, converter, _cattrs_forbid_extra_keys=True)
    return converter


def _is_choice(kind: Any, parts: tuple[type, ...]) -> bool:
    """Whether a field's type is a union of parts, such as `AllOrUniform | Uniform`."""
    return isinstance(kind, UnionType) and set(get_args(kind)) <= set(parts)


def _optional(converter: cattrs.Converter, kind: Any, value: Any, _: Any) -> Any:
    return None if value is None else converter.structure(value, kind)


def _exactly(value: Any, kind: type) -> Any:
    """A scalar of the right type; an int may stand for a float, nothing else is converted."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value
