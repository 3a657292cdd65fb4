"""The network that groups videos by their halves: two heads on the mean of an embedding.

Shared by the clusterer that trains it alone and the localizer that carries it along.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from utal.localizers.pooling import masked_mean


def half_positions(
    count: Int64[Tensor, " video"], longest: int
) -> tuple[Int64[Tensor, "half video position"], Bool[Tensor, "half video position"]]:
    """Where the first and the second half of each video lie.

    The first half of n snippets has n // 2 of them, the second one the others; the halves of a
    single snippet are that snippet twice.

    Args:
        count: n, at least 1.
        longest: at least the largest n.

    Returns:
        Positions in [0, n), and true where there is one; elsewhere the position means nothing.

    Source: HC-UTAL Sec. 3.1.2, video-level pair augmentation.
    """
    half = torch.stack([count // 2, count - count // 2]).clamp(min=1)
    first = torch.stack([torch.zeros_like(count), count // 2])
    steps = torch.arange((longest + 1) // 2, device=count.device)
    exists = steps < half[:, :, None]
    return (first[:, :, None] + steps).where(exists, 0), exists


class VideoHeads(nn.Module):
    """Projects and assigns stretches of video by the mean of a temporal convolution.

    Padded snippets change nothing.
    """

    def __init__(
        self,
        channels: int,
        num_clusters: int,
        *,
        width: int | None,
        projection_width: int | None,
        kernel: int,
    ) -> None:
        super().__init__()
        width = width or channels
        self.embed = nn.Conv1d(channels, width, kernel, padding="same")
        self.project = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection_width or num_clusters)
        )
        self.assign = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_clusters)
        )

    def forward(
        self, snippets: Float[Tensor, "row time channel"], mask: Bool[Tensor, "row time"]
    ) -> tuple[Float[Tensor, "row width"], Float[Tensor, "row cluster"]]:
        """Projections of unit length, and assignments that sum to 1."""
        present = snippets * mask[:, :, None]
        embedding = torch.relu(self.embed(present.mT)).mT
        # Unit length whenever it is used; the released code leaves it out where it labels.
        summary = F.normalize(masked_mean(embedding, mask), dim=1)
        return F.normalize(self.project(summary), dim=1), torch.softmax(self.assign(summary), dim=1)
