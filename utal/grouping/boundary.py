"""Describing a video by the snippets near a boundary: what a method that leaves them out gains."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from utal.errors import ConfigError
from utal.grouping.describing import unit_length
from utal.losses import mining
from utal.records import Output, View


@dataclass(frozen=True, slots=True)
class BoundaryEmbedding:
    """Mean of the localizer's embedding over action snippets near a boundary; first the raw mean.

    Attributes:
        ratio: at most one snippet in `ratio` is taken from the boundaries, at least one.
        positive_ratio: one snippet in `positive_ratio` is taken from the most attended ones, too;
            `None`: none.
        window: of the narrow erosion, in snippets.
        wide_window: of the wide one.
        threshold: see `mining.above_threshold`; `None`: the video's median decides.
        l2: scale the descriptor to unit length.

    Source: APSL Table 5, action-negative features alone and with the action-positive ones.
    """

    ratio: int = 20
    positive_ratio: int | None = None
    window: int = 3
    wide_window: int = 6
    threshold: float | None = None
    l2: bool = True

    def __post_init__(self) -> None:
        for name in ("ratio", "positive_ratio"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        mining.check_windows(self.window, self.wide_window)
        mining.check_threshold(self.threshold)

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """One video's descriptor: the embedding's width, in the first round the features'."""
        chosen = features if output is None else self._chosen(output)
        vector = chosen.mean(dim=0).detach()
        return View(unit_length(vector) if self.l2 else vector)

    def _chosen(self, output: Output) -> Float[Tensor, "selected width"]:
        """The embeddings at the snippets that count."""
        scores = output.scores
        length = scores.attention.shape[1]
        found = mining.mined_indices(
            scores.attention,
            torch.ones_like(scores.attention),
            num_easy=max(1, length // self.positive_ratio) if self.positive_ratio else 1,
            num_hard=max(1, length // self.ratio),
            window=self.window,
            wide_window=self.wide_window,
            threshold=self.threshold,
        )
        rows = [found.hard_action[0]]
        if self.positive_ratio:
            rows.append(found.easy_action[0])
        return scores.embedding[0, torch.cat(rows)]
