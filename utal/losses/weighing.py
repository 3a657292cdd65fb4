"""Weights of loss terms that follow how fast each of them falls."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def dynamic_weights(
    last: Float[Tensor, " term"], before: Float[Tensor, " term"], *, temperature: float
) -> Float[Tensor, " term"]:
    """Larger weights for terms that fall more slowly; they sum to the number of terms.

    K * softmax(r / t), r_k = L_k(last) / L_k(before)

    Args:
        last: each term's mean over the last stretch of training; >= 0.
        before: its mean over the stretch before that; where it is 0, r is 1.
        temperature: t, the larger the more alike the weights.

    Source: Dynamic Weight Average (Liu et al., CVPR 2019), which HC-UTAL Sec. 3.1.1 names without
    a formula.
    """
    is_zero = before <= 0
    ratio = torch.where(is_zero, 1.0, last / before.where(~is_zero, 1.0))
    return len(last) * torch.softmax(ratio / temperature, dim=0)


class DynamicWeightAverage(nn.Module):
    """Keeps the history of the terms' means and gives their weights; 1 until two means are there.

    Ratios of single steps are noise: means are taken over a stretch of several steps. In evaluation
    mode nothing is added to the history. Nothing is ever read back from the device.
    """

    weights: Tensor
    sums: Tensor
    last: Tensor

    def __init__(self, num_terms: int, *, window: int, temperature: float) -> None:
        super().__init__()
        self.window = window
        self.temperature = temperature
        self.num_steps = 0
        self.register_buffer("weights", torch.ones(num_terms))
        self.register_buffer("sums", torch.zeros(num_terms))
        self.register_buffer("last", torch.zeros(num_terms))

    def forward(self, losses: Float[Tensor, " term"]) -> Float[Tensor, " term"]:
        """Weights for this step, which its losses do not influence; they carry no gradient."""
        weights = self.weights
        if self.training:
            self.sums = self.sums + losses.detach()
            self.num_steps += 1
            if self.num_steps % self.window == 0:
                self._close()
        return weights

    def _close(self) -> None:
        """Ends a stretch: its means become the last, and from two of them come new weights."""
        before, self.last = self.last, self.sums / self.window
        self.sums = torch.zeros_like(self.sums)
        if self.num_steps > self.window:
            self.weights = dynamic_weights(self.last, before, temperature=self.temperature)
