"""The snippets of many videos of different lengths, and fast batches of their halves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from utal.errors import ConfigError, DataError
from utal.localizers.video_heads import half_positions
from utal.records import View


@dataclass(frozen=True, eq=False, slots=True)
class Snippets:
    """All snippets of all videos, one video after the other.

    Attributes:
        features: of every snippet.
        starts: where each video begins in them.
        counts: how many each video has, at least 1.
        lengths: the same numbers where Python can read them without waiting for a device.
    """

    features: Float[Tensor, "snippet channel"]
    starts: Int64[Tensor, " video"]
    counts: Int64[Tensor, " video"]
    lengths: Int64[np.ndarray, " video"]

    @staticmethod
    def of(views: Sequence[View], stretches: int | None) -> "Snippets":
        """The snippets of the views, on the CPU.

        Args:
            views: of all videos.
            stretches: to how many means over time each half is reduced; `None`: none are taken.

        Raises:
            ConfigError: the describer gives no snippets.
            DataError: no videos, widths that differ, or a snippet that is not finite.
        """
        if not views:
            raise DataError("there are no videos to group; add videos")
        videos = [_snippets_of(view) for view in views]
        widths = {each.shape[1] for each in videos}
        if len(widths) != 1:
            raise DataError(f"videos have snippets of different widths: {sorted(widths)}")
        for number, each in enumerate(videos):
            if not torch.isfinite(each).all():
                raise DataError(
                    f"a snippet of video number {number} holds NaN or infinity; check its features"
                )
        if stretches is not None:
            videos = [_reduced(each, stretches) for each in videos]
        return Snippets._joined(videos)

    @staticmethod
    def _joined(videos: Sequence[Float[Tensor, "_ channel"]]) -> "Snippets":
        lengths = np.array([len(each) for each in videos], np.int64)
        counts = torch.from_numpy(lengths.copy())
        return Snippets(torch.cat(list(videos)), counts.cumsum(0) - counts, counts, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def channels(self) -> int:
        """Width of a snippet."""
        return self.features.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the features are."""
        return self.features.device

    def half_means(self) -> Float[np.ndarray, "video descriptor"]:
        """Mean of the first half and mean of the second half of each video, side by side."""
        means = []
        for each in self.features.split(self.lengths.tolist()):
            middle = len(each) // 2
            first, second = each[: max(1, middle)], each[middle:]
            means.append(torch.cat([first.mean(dim=0), second.mean(dim=0)]))
        return torch.stack(means).numpy()

    def take(self, order: Int64[np.ndarray, " video"], *, centred: bool) -> "Snippets":
        """The videos in the given order.

        Args:
            order: numbers of videos.
            centred: subtract the mean over the videos of their means over time.
        """
        videos = self.features.split(self.lengths.tolist())
        videos = [videos[number] for number in order]
        if centred:
            mean = torch.stack([each.mean(dim=0) for each in videos]).mean(dim=0)
            videos = [each - mean for each in videos]
        return Snippets._joined(videos)

    def to(self, device: torch.device) -> "Snippets":
        """The same on a device."""
        parts = self.features.to(device), self.starts.to(device), self.counts.to(device)
        return Snippets(*parts, self.lengths)

    def halves(
        self, videos: Int64[np.ndarray, " batch"]
    ) -> tuple[Float[Tensor, "row time channel"], Bool[Tensor, "row time"]]:
        """First halves of the given videos, then their second halves; padded and masked."""
        rows = torch.from_numpy(videos).to(self.device)
        longest = int(self.lengths[videos].max())
        positions, exists = half_positions(self.counts[rows], longest)
        index = self.starts[rows][:, None] + positions
        return self.features[index.flatten(0, 1)], exists.flatten(0, 1)

    def wholes(
        self, videos: Int64[np.ndarray, " batch"]
    ) -> tuple[Float[Tensor, "row time channel"], Bool[Tensor, "row time"]]:
        """All snippets of the given videos; padded and masked."""
        rows = torch.from_numpy(videos).to(self.device)
        steps = torch.arange(int(self.lengths[videos].max()), device=self.device)
        exists = steps < self.counts[rows][:, None]
        index = self.starts[rows][:, None] + steps.where(exists, 0)
        return self.features[index], exists


def _reduced(video: Float[Tensor, "time channel"], stretches: int) -> Tensor:
    """Means over the stretches of the first half, then of the second."""
    middle = len(video) // 2
    halves = video[: max(1, middle)], video[middle:]
    return torch.cat([F.adaptive_avg_pool1d(half.T[None], stretches)[0].T for half in halves])


def _snippets_of(view: View) -> Float[Tensor, "selected channel"]:
    if view.snippets is None:
        raise ConfigError(
            "Halves learns from snippets, but the describer gives none; set describer=TopSnippets"
        )
    return view.snippets.detach().cpu().float()
