"""The seven kinds of part, the training plan, and the method that holds them.

A part is a frozen dataclass: its fields are its hyper-parameters, its one verb is its behaviour. A
method is a frozen dataclass of parts. Adding a part never touches this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from utal.batching import Batching, Shuffled
from utal.errors import ConfigError
from utal.records import Clustering, Output, PseudoLabels, Segments, Video, View
from utal.sampling import RandomSnippets, SnippetSampling, TrainingSnippets


@runtime_checkable
class Localizer(Protocol):
    """Builds the network; its `forward(features, mask)` returns an `output`.

    `streams` are the widths of the feature streams in channel order. Padded snippets, where the
    mask is false, change nothing at the others.
    """

    @property
    def output(self) -> type:
        """Class of what the network returns: `Scores`, or a record that has `scores`."""
        ...

    @property
    def learns_embedding(self) -> bool:
        """Whether `Scores.embedding` is learned; else it is the features."""
        ...

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module: ...


@runtime_checkable
class Objective(Protocol):
    """Makes the training loss; `teacher` is the previous round's network, frozen, or `None`.

    The loss is a module, because some hold state (banks, histories) or learn (projections). Its
    `forward(output, batch, progress)` returns the weighted terms by name; `progress` is the share
    of steps done, in [0, 1). `check` raises a `ConfigError` for a localizer it cannot train.
    """

    def check(self, localizer: Localizer) -> None: ...

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module: ...


@runtime_checkable
class Describer(Protocol):
    """Turns one video into what is clustered; `output` is `None` before the first training."""

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View: ...


@runtime_checkable
class Clusterer(Protocol):
    """Groups the videos."""

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering: ...


@runtime_checkable
class Refiner(Protocol):
    """Looks at the grouping again; may change labels and confidence."""

    def refine(
        self, views: Sequence[View], clustering: Clustering, num_clusters: int
    ) -> Clustering: ...


@runtime_checkable
class Selector(Protocol):
    """Chooses the videos that a round trains on."""

    def select(
        self, clustering: Clustering, num_clusters: int, round_index: int, num_rounds: int
    ) -> PseudoLabels: ...


@runtime_checkable
class Decoder(Protocol):
    """Turns the localizer's output for one video into scored segments.

    `check` raises a `ConfigError` for a localizer whose output it cannot decode.
    """

    def check(self, localizer: Localizer) -> None: ...

    def decode(self, output: Output, video: Video) -> Segments: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How one round trains the localizer.

    Attributes:
        steps: optimiser steps of a round that trains on all videos; `None`: from the corpus, see
            `utal.sizing`.
        batch_size: videos per step; `None`: from the corpus.
        batching: which videos make up a batch.
        snippets: how a training video is cut.
        learning_rate, weight_decay, betas: of Adam.
        late_factor: the learning rate is multiplied by it after half of a round's steps.
        gradient_norm: gradients are scaled down to at most this norm; `None`: never.
        mixed_precision: run network and losses under autocast to bfloat16.
        restart: whether each round begins with a new network or goes on with the last one.
        scale_steps: whether a round's steps are in proportion to the share of videos it trains on.
        min_steps: no round has fewer steps than this.
    """

    steps: int | None = None
    batch_size: int | None = None
    batching: Batching = Shuffled()
    snippets: TrainingSnippets = RandomSnippets()
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    late_factor: float = 1.0
    gradient_norm: float | None = None
    mixed_precision: bool = False
    restart: bool = True
    scale_steps: bool = False
    min_steps: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "min_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        for name in ("learning_rate", "late_factor", "gradient_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Seven parts and a plan: the complete configuration of a run.

    Attributes:
        snippets: the deterministic sampling used for describing and decoding.
        num_rounds: alternations of grouping and training.
        weak_rounds: rounds where labels are given and nothing is grouped: more than one only where
            a round needs the one before.

    Raises:
        ConfigError: a number out of range, or parts that cannot work together, by name.
    """

    localizer: Localizer
    objective: Objective
    describer: Describer
    clusterer: Clusterer
    refiner: Refiner
    selector: Selector
    decoder: Decoder
    training: Training
    snippets: SnippetSampling
    num_rounds: int
    weak_rounds: int = 1

    def __post_init__(self) -> None:
        for name in ("num_rounds", "weak_rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        self.objective.check(self.localizer)
        self.decoder.check(self.localizer)


def weakly(method: Method) -> Method:
    """The method for given labels: as many rounds as then make sense."""
    return replace(method, num_rounds=method.weak_rounds)


def expect_output(part: object, localizer: Localizer, kind: type) -> None:
    """Refuses a localizer whose output is not of the class that a part reads.

    Raises:
        ConfigError: with the names of all three.
    """
    if not issubclass(localizer.output, kind):
        raise ConfigError(
            f"{type(part).__name__} reads {kind.__name__}, but {type(localizer).__name__} gives "
            f"{localizer.output.__name__}; choose a localizer that gives {kind.__name__}"
        )


def expect_embedding(part: object, localizer: Localizer) -> None:
    """Refuses a localizer without an embedding of its own, which a part would train in vain.

    Raises:
        ConfigError: with the names of both.
    """
    if not localizer.learns_embedding:
        raise ConfigError(
            f"{type(part).__name__} trains the embedding, but {type(localizer).__name__} learns "
            "none; choose a localizer that does (Stpn and the like: set its width)"
        )
