"""The knobs of a simulated corpus: how many videos, and how hard they are to understand."""

import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import cattrs

from utal.errors import ConfigError

GAP = 1.0
"""Snippets that invented timing leaves at least before, between and after instances."""

TIMING_KNOBS = (
    *("num_classes", "num_train", "num_test", "snippets"),
    *("instances", "instance_snippets", "multi_label"),
)
"""Knobs that say nothing where the timing is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What videos are like; a seed then decides which.

    Strengths are standard deviations over channels, before features are made non-negative, so only
    their ratios matter. Pairs of strengths and widths are (rgb, flow); ranges are (least, most),
    ends included.

    Attributes:
        num_classes: kinds of action.
        num_train, num_test: videos to learn from, at least one per class; and to be scored on.
        channels: width of each stream.
        snippets: length of a video.
        instances: instances of action in a video.
        instance_snippets: length of an instance; it begins and ends within snippets, not at them.
        multi_label: share of videos that hold instances of a second class.
        action: strength of what tells classes apart while an instance lasts.
        phases: an instance passes through so many appearances of its class, one melting into
            the next.
        phase_change: share of a class's variance that differs from phase to phase, in [0, 1].
        speed: how unevenly instances pass through their phases; 0: all alike.
        intensity: instances are up to this part more or less pronounced, in [0, 1].
        confusable_pairs: so many pairs of classes resemble each other: the first with the second,
            the third with the fourth, ...
        confusable_cosine: cosine between the two classes of such a pair.
        scene: strength of what stays the same throughout a video, whatever its class.
        num_scenes: kinds of scene; videos of all classes share them.
        scene_shared: share of a scene's variance that all videos of its kind have in common.
        scene_typical: share of it that is typical of the video's classes, as pools are of diving:
            it groups videos by class, but says nothing about when something happens.
        scene_drift: slow change of the scene within a video, as a part of its strength.
        background: strength of what is seen where there is no action.
        num_backgrounds: kinds of background; videos of all classes share them.
        background_snippets: for how long one kind is seen before the next.
        context: part of its class's appearance that the surroundings of an instance have, though
            they are no action; in [0, 1].
        context_snippets: length of such surroundings, drawn for each side.
        noise: strength of what is new in every snippet.
        magnitude: root mean square of the features.

    Raises:
        ConfigError: a knob is out of range, or videos are too short for their instances.
    """

    num_classes: int = 8
    num_train: int = 60
    num_test: int = 40
    channels: tuple[int, int] = (32, 32)
    snippets: tuple[int, int] = (60, 120)
    instances: tuple[int, int] = (4, 9)
    instance_snippets: tuple[float, float] = (4.0, 12.0)
    multi_label: float = 0.1
    action: tuple[float, float] = (0.7, 1.0)
    phases: int = 3
    phase_change: float = 0.5
    speed: float = 0.3
    intensity: float = 0.2
    confusable_pairs: int = 3
    confusable_cosine: float = 0.8
    scene: tuple[float, float] = (0.9, 0.4)
    num_scenes: int = 6
    scene_shared: float = 0.5
    scene_typical: float = 0.0
    scene_drift: float = 0.3
    background: tuple[float, float] = (0.7, 0.7)
    num_backgrounds: int = 6
    background_snippets: tuple[int, int] = (5, 20)
    context: float = 0.6
    context_snippets: tuple[float, float] = (0.0, 4.0)
    noise: tuple[float, float] = (0.8, 0.8)
    magnitude: float = 0.45

    def __post_init__(self) -> None:
        for name in ("num_classes", "num_test", "channels", "phases"):
            self._within(name, 1)
        self._within("num_train", self.num_classes)
        for name in ("multi_label", "phase_change", "confusable_cosine", "context", "intensity"):
            self._within(name, 0, 1)
        for name in ("scene_shared", "scene_typical"):
            self._within(name, 0, 1)
        for name in ("action", "scene", "background", "noise", "speed", "scene_drift"):
            self._within(name, 0)
        for name in ("num_scenes", "num_backgrounds"):
            self._within(name, 1)
        self._within("confusable_pairs", 0)
        for name in ("snippets", "instances", "background_snippets"):
            self._within(name, 1)
            self._ascending(name)
        for name in ("instance_snippets", "context_snippets"):
            self._within(name, 0)
            self._ascending(name)
        if not self.magnitude > 0 or not self.instance_snippets[0] > 0:
            raise ConfigError("magnitude and instance_snippets must be positive")
        if self.scene_shared + self.scene_typical > 1:
            raise ConfigError("scene_shared and scene_typical must not add up to more than 1")
        if self.multi_label and self.num_classes < 2:
            raise ConfigError("multi_label needs at least 2 classes; set multi_label=0")
        self._check_room()

    def least_instances(self, num_labels: int) -> int:
        """Instances that a video with so many classes has at least."""
        return max(self.instances[0], num_labels)

    def _check_room(self) -> None:
        count = self.least_instances(2 if self.multi_label else 1)
        needed = count * (self.instance_snippets[1] + GAP) + GAP
        if self.snippets[0] < needed:
            raise ConfigError(
                f"a video of {self.snippets[0]} snippets cannot hold {count} instances of "
                f"{self.instance_snippets[1]:g}; raise snippets to at least {needed:g}"
            )

    def _within(self, name: str, least: float, most: float = float("inf")) -> None:
        value = getattr(self, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(least <= number <= most and number < float("inf") for number in numbers):
            allowed = f"at least {least}" if most == float("inf") else f"in [{least}, {most}]"
            raise ConfigError(f"{name} must be {allowed}, got {value}")

    def _ascending(self, name: str) -> None:
        least, most = getattr(self, name)
        if least > most:
            raise ConfigError(f"{name} must be (least, most), got {(least, most)}")


def tiny() -> World:
    """A few seconds of three easy classes: for tests of everything that reads and writes."""
    return World(
        num_classes=3,
        num_train=12,
        num_test=6,
        channels=(8, 8),
        snippets=(20, 30),
        instances=(1, 3),
        instance_snippets=(3.0, 6.0),
        confusable_pairs=0,
        num_scenes=3,
        scene=(0.4, 0.2),
        background_snippets=(3, 8),
    )


WORLDS: dict[str, Callable[[], World]] = {"default": World, "tiny": tiny}
"""Worlds by name."""


def world_named(name: str) -> World:
    """The world of that name.

    Raises:
        ConfigError: no such world.
    """
    if name not in WORLDS:
        raise ConfigError(f"unknown world {name!r}; there are {', '.join(WORLDS)}")
    return WORLDS[name]()


def with_knobs(world: World, settings: Iterable[str]) -> World:
    """The world with knobs changed, each as in `noise=[0.5,0.8]`; all are checked together.

    Raises:
        ConfigError: not `knob=value`, an unknown knob, or a value of the wrong type or range.
    """
    kinds = {field.name: field.type for field in fields(world)}
    changes: dict[str, Any] = {}
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign or not name:
            raise ConfigError(f"expected KNOB=VALUE as in noise=[0.5,0.8], got {setting!r}")
        if name not in kinds:
            near = difflib.get_close_matches(name, list(kinds), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"World has no knob {name!r}{hint}")
        changes[name] = _parsed(kinds[name], text, setting)
    return replace(world, **changes)


def _parsed(kind: Any, text: str, setting: str) -> Any:
    converter = cattrs.Converter()
    for exact in (int, float):
        converter.register_structure_hook(exact, _exactly)
    try:
        value = json.loads(text)
        if kind not in (int, float) and (type(value) is not list or len(value) != 2):
            raise TypeError
        return converter.structure(value, kind)
    except (json.JSONDecodeError, cattrs.BaseValidationError, TypeError) as error:
        raise ConfigError(f"{setting}: expected {_READABLE[kind]}, got {text!r}") from error


_READABLE: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    tuple[int, int]: "two whole numbers as in [1,2]",
    tuple[float, float]: "two numbers as in [0.5,2]",
}


def _exactly(value: Any, kind: type) -> Any:
    """A number of the right type; an int may stand for a float, nothing else is converted."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value
