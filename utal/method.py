"""The seven kinds of part, the training plan, and the method that holds them.

A part is a frozen dataclass: its fields are its hyper-parameters, its one verb is its behaviour. A
method is a frozen dataclass of parts. Adding a part never touches this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.records import Clustering, Output, PseudoLabels, Segments, Video, View
from utal.sampling import RandomSnippets, SnippetSampling


@runtime_checkable
class Localizer(Protocol):
    """Builds the network; its `forward(features, mask)` returns an `Output`."""

    def build(self, channels: int, num_clusters: int) -> nn.Module: ...


@runtime_checkable
class Objective(Protocol):
    """Makes the training loss; `teacher` is the previous round's network, frozen, or `None`.

    The loss is a module, because some hold state (banks, histories). Its `forward(output, batch,
    progress)` returns the weighted terms by name; `progress` is the share of steps done, in [0, 1).
    """

    def loss(self, num_clusters: int, teacher: nn.Module | None) -> nn.Module: ...


@runtime_checkable
class Describer(Protocol):
    """Turns one video into what is clustered; `output` is `None` before the first training."""

    def describe(self, features: Float[Tensor, "time channel"], output: Output | None) -> View: ...


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
    """Turns the localizer's output for one video into scored segments."""

    def decode(self, output: Output, video: Video) -> Segments: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How one round trains the localizer.

    Attributes:
        steps: optimiser steps of a round that trains on all videos; `None`: from the corpus, see
            `utal.sizing`.
        batch_size: videos per step; `None`: from the corpus.
        snippets: how a training video is cut to one length.
        learning_rate, weight_decay, betas: of Adam.
        restart: whether each round begins with a new network or goes on with the last one.
        scale_steps: whether a round's steps are in proportion to the share of videos it trains on.
        min_steps: no round has fewer steps than this.
    """

    steps: int | None = None
    batch_size: int | None = None
    snippets: RandomSnippets = RandomSnippets()
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    restart: bool = True
    scale_steps: bool = False
    min_steps: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "min_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Seven parts and a plan: the complete configuration of a run.

    Attributes:
        snippets: the deterministic sampling used for describing and decoding.
        num_rounds: alternations of grouping and training.
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

    def __post_init__(self) -> None:
        if self.num_rounds < 1:
            raise ConfigError(f"num_rounds must be at least 1, got {self.num_rounds}")
