"""Features of snippets together with those around them and with those of the whole video.

Every module maps (batch, channel, time) and a mask to (batch, width, time); padding stays 0 and
changes nothing at snippets that exist.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Convolution(nn.Module):
    """ReLU of a temporal convolution that keeps the length; 0 where the video has ended."""

    def __init__(self, channels: int, width: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__()
        self.convolve = nn.Conv1d(channels, width, kernel, padding="same", dilation=dilation)

    def forward(
        self, values: Float[Tensor, "batch channel time"], mask: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width time"]:
        """The convolved values."""
        return torch.relu(self.convolve(values)) * mask[:, None]


class NonLocal(nn.Module):
    """Each snippet plus what it finds alike in the whole video; at first plus nothing.

    Source: embedded Gaussian of Wang et al. (CVPR 2018), as in TCAM Sec. 3.4.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.project = nn.Linear(inner, width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(
        self, values: Float[Tensor, "batch width time"], mask: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width time"]:
        """Adds project(softmax(query(x) key(x)') value(x)) to x; padding is not looked at."""
        snippets = values.mT[:, None]  # one head: (batch, 1, time, width)
        # A fused kernel: it need not keep a number for every pair of snippets.
        found = F.scaled_dot_product_attention(
            self.query(snippets),
            self.key(snippets),
            self.value(snippets),
            attn_mask=mask[:, None, None],
            scale=1.0,
        )
        added: Tensor = self.project(found)[:, 0].mT * mask[:, None]
        return values + added


class GlobalContext(nn.Module):
    """A non-local block behind a convolution of kernel 1 that spares it channels."""

    def __init__(self, channels: int, width: int, inner: int) -> None:
        super().__init__()
        self.reduce = Convolution(channels, width, kernel=1)
        self.context = NonLocal(width, inner)

    def forward(
        self, values: Float[Tensor, "batch channel time"], mask: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width time"]:
        """Global context of each snippet."""
        context: Tensor = self.context(self.reduce(values, mask), mask)
        return context


class SideBySide(nn.Module):
    """Several modules on the same input, their channels one after the other."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(
        self, values: Float[Tensor, "batch channel time"], mask: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width time"]:
        """All channels."""
        return torch.cat([part(values, mask) for part in self.parts], dim=1)


class LocalGlobal(nn.Module):
    """The local-global feature aggregation block: four branches, fused and added to the input.

    The branches are a temporal convolution, a pyramid of two dilated ones (dilations 2 and 3), and
    global context.

    Source: TCAM Sec. 3.4 and Fig. 3.
    """

    def __init__(self, channels: int, width: int, context_width: int) -> None:
        super().__init__()
        near = [Convolution(channels, width, dilation=dilation) for dilation in (1, 2, 3)]
        self.branches = SideBySide(*near, GlobalContext(channels, width, context_width))
        self.fuse = Convolution(4 * width, channels, kernel=1)

    def forward(
        self, values: Float[Tensor, "batch channel time"], mask: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch channel time"]:
        """The input with its context."""
        fused: Tensor = self.fuse(self.branches(values, mask), mask)
        return values + fused


def near_context(channels: int, width: int) -> SideBySide:
    """Quarters of the width from kernel 1 and from kernel 3 with dilations 1, 2 and 3.

    Source: released TCAM code.
    """
    near = [Convolution(channels, width // 4, dilation=dilation) for dilation in (1, 2, 3)]
    return SideBySide(*near, Convolution(channels, width // 4, kernel=1))
