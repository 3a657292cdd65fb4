"""The most attended snippets of a video as a video of their own: for what learns from snippets."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from utal.errors import ConfigError
from utal.grouping.describing import top_snippets, unit_length
from utal.records import Output, View
from utal.sampling import uniform_indices


@dataclass(frozen=True, slots=True)
class TopSnippets:
    """The raw features of the most attended snippets in order of time; first those of all snippets.

    The vector is the mean of the kept features.

    Attributes:
        ratio: one snippet in `ratio` is kept, at least one; 1 keeps all.
        max_first: while there is no attention, of more snippets than this so many uniform ones are
            kept; `None`: all are.
        l2: scale the vector to unit length.

    Source: released HC-UTAL code, ratio 5; FEEL Sec. 4.3, "top-k action-positive snippets", which
    leaves k open.
    """

    ratio: int = 5
    max_first: int | None = None
    l2: bool = True

    def __post_init__(self) -> None:
        for name in ("ratio", "max_first"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """One video's snippets and their mean, of the features' width."""
        if output is None:
            vector = features.mean(dim=0)
            kept = min(len(features), self.max_first or len(features))
            chosen = torch.from_numpy(uniform_indices(len(features), kept))
            snippets = features[chosen.to(features.device)]
        else:
            attention = output.scores.attention[0].detach()
            snippets = features[top_snippets(attention, self.ratio).sort().values]
            vector = snippets.mean(dim=0)
        vector = vector.detach()
        return View(unit_length(vector) if self.l2 else vector, snippets=snippets.detach())
