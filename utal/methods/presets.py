"""Named methods: a function that builds one, and a line that says what it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from utal.method import Method


@dataclass(frozen=True, slots=True)
class Preset:
    """A named method.

    Attributes:
        build: makes it.
        about: one line for `utal show`.
    """

    build: Callable[[], Method]
    about: str


@dataclass(frozen=True, slots=True)
class Variant:
    """A change to methods: an ablation or a combination, by `dataclasses.replace`.

    Attributes:
        change: makes the changed method.
        about: one line that follows the changed method's own.
    """

    change: Callable[[Method], Method]
    about: str

    def of(self, preset: Preset) -> Preset:
        """The changed preset."""
        return Preset(lambda: self.change(preset.build()), f"{preset.about}: {self.about}")


def with_variants(
    bases: Mapping[str, Preset], variants: Mapping[str, Variant]
) -> dict[str, Preset]:
    """The bases, and every variant of every base, named `base-variant`.

    The base with the empty name is the paper's adaptive method; its variants are named plainly.
    """
    changed = {
        f"{base}-{name}" if base else name: variant.of(preset)
        for base, preset in bases.items()
        for name, variant in variants.items()
    }
    return {**bases, **changed}
