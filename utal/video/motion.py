"""The weight-free encoder `motion`: classical descriptors of what moves, and where on the mover.

Two streams per 16-frame snippet at 25 fps, in the places of RGB and flow: appearance (HOG of what
moves) and motion (HOF, MBHx, MBHy) on DIS optical flow. The grid is laid over the mover and not
over the picture: its height is what moves within several seconds, its middle follows the mover.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, UInt8

from utal.errors import ConfigError
from utal.video.flow import (
    Estimator,
    camera_motion,
    dense_flow,
    estimated,
    evidence,
    moving_histograms,
)

Frame = UInt8[np.ndarray, "height width"]
Cells = Float[np.ndarray, "row column bin"]
Energy = Float[np.ndarray, "row column"]

# How strong each block (HOG, HOF, MBHx, MBHy) of a clearly moving snippet is: blocks are divided by
# their length plus this, so that what hardly moves stays small instead of being blown up to noise.
# Three quarters of the snippets of people who exercise, stand and walk lie below.
STRENGTH = (0.8, 1.4, 0.55, 0.5)


@dataclass(frozen=True, slots=True)
class Motion:
    """Settings of the encoder; equal settings give equal features.

    Attributes:
        fps: rate of the regular grid that frames are taken from.
        window: frames of a snippet.
        stride: frames from one snippet's start to the next one's; equal to `window`.
        longest_side: of the frames, in pixels.
        flow_step: frames between the two that flow is estimated from.
        cell: side of the smallest squares that are counted, in pixels.
        num_bins: orientations per histogram.
        rows: cells of the grid over the mover, from top to bottom.
        columns: from left to right.
        still: flow below this, in pixels, is no motion.
        height_s: the grid's height is what moves within so many seconds before and after.
        middle_s: the grid's middle is where it moves within so many seconds before and after.
        mirrored: an action and its mirror image are the same action.
    """

    fps: float = 25.0
    window: int = 16
    stride: int = 16
    longest_side: int = 160
    flow_step: int = 2
    cell: int = 8
    num_bins: int = 8
    rows: int = 6
    columns: int = 6
    still: float = 0.2
    height_s: float = 15.0
    middle_s: float = 0.64
    mirrored: bool = True

    def __post_init__(self) -> None:
        if self.stride != self.window or self.window % self.flow_step:
            raise ConfigError("stride must equal window, and flow_step must divide it")
        if self.num_bins % 4:
            raise ConfigError(f"num_bins must be a multiple of 4, got {self.num_bins}")

    @property
    def name(self) -> str:
        """How packs call the encoder."""
        return "motion"

    @property
    def streams(self) -> dict[str, int]:
        """Width of each stream, in channel order."""
        block = self.rows * self.columns * self.num_bins
        return {"appearance": block, "motion": 3 * block}

    def settings(self) -> dict[str, object]:
        """All settings with the encoder's name, to tell packs apart."""
        return {"encoder": self.name, **asdict(self)}

    def encode(self, frames: Iterable[Frame]) -> Float[np.ndarray, "time channel"]:
        """Features of a video from its frames on the regular grid, in constant memory but for them.

        A last snippet of at least half a window is filled with its last frame; a shorter rest is
        left out, unless there is nothing else.
        """
        rows = [self.described(*around) for around in self.surrounded(self.counted(frames))]
        return np.stack(rows).astype(np.float32)

    def counted(self, frames: Iterable[Frame]) -> Iterator[Cells]:
        """The histograms of each snippet, summed over time, on the cells of the whole frame."""
        estimator = dense_flow()
        for snippet in self.cut(frames):
            pairs = zip(
                snippet[:: self.flow_step], snippet[self.flow_step :: self.flow_step], strict=False
            )
            yield np.sum([self.moved(estimator, *pair) for pair in pairs], axis=0)

    def moved(self, estimator: Estimator, before: Frame, after: Frame) -> Cells:
        """The histograms of what moves between two frames."""
        flow = estimated(estimator, before, after)
        camera = camera_motion(flow)
        sureness = evidence(before, after, camera)
        return moving_histograms(
            before,
            flow - camera,
            sureness,
            cell=self.cell,
            num_bins=self.num_bins,
            still=self.still,
        )

    def cut(self, frames: Iterable[Frame]) -> Iterator[list[Frame]]:
        """Snippets of `window` frames and the one after, which closes the last interval."""
        held: list[Frame] = []
        count = 0
        for frame in frames:
            held.append(frame)
            if len(held) == self.window + 1:
                yield held
                count += 1
                held = [frame]
        if held and (len(held) >= self.window // 2 or not count):
            yield held + [held[-1]] * (self.window + 1 - len(held))

    def surrounded(self, snippets: Iterable[Cells]) -> Iterator[tuple[Cells, Energy, Energy]]:
        """Each snippet's histograms, with the motion near it: within `height_s` and `middle_s`."""
        far, near = (round(s * self.fps / self.window) for s in (self.height_s, self.middle_s))
        held: deque[Cells] = deque()
        energy: deque[np.ndarray] = deque()
        index = 0  # of the snippet to give out, within what is held
        for cells in snippets:
            held.append(cells)
            energy.append(self.energy(cells))
            if len(held) > index + far:
                yield self.around(held, energy, index, far, near)
                index += 1
            if index > far:
                held.popleft()
                energy.popleft()
                index -= 1
        for rest in range(index, len(held)):
            yield self.around(held, energy, rest, far, near)

    def around(
        self, held: deque[Cells], energy: deque[np.ndarray], index: int, far: int, near: int
    ) -> tuple[Cells, Energy, Energy]:
        """One snippet with the summed motion of its wide and its narrow surroundings."""
        whole = list(energy)
        wide = sum(whole[max(0, index - far) : index + far + 1])
        narrow = sum(whole[max(0, index - near) : index + near + 1])
        return held[index], np.asarray(wide), np.asarray(narrow)

    def energy(self, cells: Cells) -> Energy:
        """How much moves in each cell."""
        return np.asarray(cells[..., self.num_bins : 2 * self.num_bins].sum(axis=2))

    def described(
        self, cells: Cells, wide: np.ndarray, narrow: np.ndarray
    ) -> Float[np.ndarray, " channel"]:
        """The descriptor of one snippet on the grid over the mover."""
        upper, lower = _extent(wide.sum(axis=1))
        height = lower - upper
        # The middle of the cell, or the grid would lie half a cell to the left of the mover.
        middle = _quantile(narrow.sum(axis=0), 0.5) + 0.5 if narrow.any() else cells.shape[1] / 2
        down = _shares(cells.shape[0], upper, lower, self.rows)
        across = _shares(cells.shape[1], middle - height / 2, middle + height / 2, self.columns)
        # Areas in squares of the mover's height, flow in the same unit: size does not matter.
        scale = 1 / (height * self.cell) ** 2
        grid = np.einsum("gh,hwb,vw->gvb", down, cells, across, optimize=True) * scale
        blocks = np.split(grid, 4, axis=2)
        if self.mirrored:
            mirror = zip(blocks, _mirror_bins(self.num_bins), strict=True)
            blocks = [block + block[:, ::-1, bins] for block, bins in mirror]
        normalised = [
            _normalised(block.ravel(), strength)
            for block, strength in zip(blocks, STRENGTH, strict=True)
        ]
        return np.concatenate(normalised)


def _normalised(block: Float[np.ndarray, " value"], strength: float) -> np.ndarray:
    """Signed square root, then L2 with a floor."""
    root = np.sign(block) * np.sqrt(np.abs(block))
    return np.asarray(root / (np.linalg.norm(root) + strength))


def _mirror_bins(num_bins: int) -> tuple[np.ndarray, ...]:
    """Where each orientation comes from when left and right change places, per block.

    Edges without direction and the horizontal flow's gradient turn over (angle to minus angle);
    flow and the vertical flow's gradient point the other way across (angle to pi minus angle).
    """
    bins = np.arange(num_bins)
    over, across = -bins % num_bins, (num_bins // 2 - bins) % num_bins
    return over, across, over, across


def _extent(motion: Float[np.ndarray, " row"]) -> tuple[float, float]:
    """Between which rows all but the outermost hundredth moves; at least a tenth of the frame."""
    if not motion.any():
        return 0.0, float(len(motion))
    upper, lower = _quantile(motion, 0.01), _quantile(motion, 0.995) + 1
    lack = max(0.0, len(motion) / 10 - (lower - upper))
    return upper - lack / 2, lower + lack / 2


def _quantile(weights: Float[np.ndarray, " cell"], share: float) -> float:
    """The first cell up to which the given share of the weight lies."""
    total = np.cumsum(weights)
    return float(np.searchsorted(total, share * total[-1]))


def _shares(
    num_cells: int, first: float, last: float, num_parts: int
) -> Float[np.ndarray, "part cell"]:
    """How much of each cell belongs to each of the parts between two limits.

    Parts overlap linearly, so that a small shift changes little; what lies outside belongs to the
    outermost part.
    """
    place = (np.arange(num_cells) + 0.5 - first) / (last - first) * num_parts - 0.5
    place = np.clip(place, 0, num_parts - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(place - np.arange(num_parts)[:, None])))
