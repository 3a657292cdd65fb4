"""Optical flow between two frames and histograms of orientations in small cells of a frame."""

import numpy as np
from jaxtyping import Float, Float32, Integer, UInt8

from utal.errors import missing_extra

try:
    import cv2
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "cv2", "video") from error

Estimator = cv2.DISOpticalFlow

CONTRAST = 40.0  # brightness steps from which on an edge counts in full
BLUR = 5  # pixels: changes of single pixels are noise


def dense_flow() -> Estimator:
    """A new flow estimator; it keeps buffers, so every process and video needs its own."""
    # The faster presets stop at a quarter of the resolution, at which an arm is one pixel wide.
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def estimated(
    estimator: Estimator,
    before: UInt8[np.ndarray, "height width"],
    after: UInt8[np.ndarray, "height width"],
) -> Float32[np.ndarray, "height width 2"]:
    """Where each pixel of `before` went, in pixels; DIS (Kroeger et al., ECCV 2016)."""
    start = np.zeros((*before.shape, 2), np.float32)
    return np.asarray(estimator.calc(before, after, start), np.float32)


def camera_motion(flow: Float32[np.ndarray, "height width 2"]) -> Float32[np.ndarray, " 2"]:
    """Median flow over the frame: the camera's, where most of the frame stands."""
    return np.asarray(np.median(flow[::4, ::4].reshape(-1, 2), axis=0), np.float32)


def evidence(
    before: UInt8[np.ndarray, "height width"],
    after: UInt8[np.ndarray, "height width"],
    camera: Float32[np.ndarray, " 2"],
) -> Float32[np.ndarray, "height width"]:
    """How surely something changed at each pixel beyond the camera's motion, 0 to 1.

    Where the picture is plain, flow is a guess that noise decides; there nothing changes either.
    Noise is the median change, because most of most frames stands still.
    """
    if np.abs(camera).max() > 0.05:
        shift = np.array([[1, 0, camera[0]], [0, 1, camera[1]]], np.float32)
        size = (before.shape[1], before.shape[0])
        before = np.asarray(cv2.warpAffine(before, shift, size, borderMode=cv2.BORDER_REPLICATE))
    change = np.asarray(cv2.absdiff(before, after), np.float32)
    noise = max(float(np.median(change)), 0.5)
    smooth = cv2.blur(change, (BLUR, BLUR))
    return np.asarray(np.clip((smooth - 2 * noise) / (3 * noise + 2), 0, 1), np.float32)


def cell_histogram(
    angle: Float[np.ndarray, " pixel"],
    weight: Float[np.ndarray, " pixel"],
    place: Integer[np.ndarray, " pixel"],
    num_cells: int,
    num_bins: int,
) -> Float[np.ndarray, "cell bin"]:
    """Weights summed over cells and orientations; each goes to its two nearest bins.

    Args:
        angle: in [0, 2 pi]; bin k is centred at k * 2 pi / num_bins.
        weight: >= 0.
        place: number of the cell that each pixel lies in.
        num_cells: cells there are.
        num_bins: orientations.
    """
    position = angle * (num_bins / (2 * np.pi))
    lower = position.astype(np.int64)
    upper_share = (position - lower) * weight
    base, size = place * num_bins, num_cells * num_bins
    total = np.bincount(base + lower % num_bins, weight - upper_share, size)
    total += np.bincount(base + (lower + 1) % num_bins, upper_share, size)
    return total.astype(np.float64).reshape(num_cells, num_bins)  # of no pixels, counts are int


def gradient(
    picture: Float32[np.ndarray, "height width"],
) -> tuple[Float32[np.ndarray, "height width"], Float32[np.ndarray, "height width"]]:
    """Central differences across and down."""
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=1)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def moving_histograms(
    frame: UInt8[np.ndarray, "height width"],
    flow: Float32[np.ndarray, "height width 2"],
    sureness: Float32[np.ndarray, "height width"],
    *,
    cell: int,
    num_bins: int,
    still: float,
) -> Float[np.ndarray, "row column channel"]:
    """HOG, HOF and the two MBH histograms of what moves, per cell; the rest of the frame is zero.

    Args:
        frame: brightness.
        flow: in pixels, free of the camera's.
        sureness: how surely each pixel moves, see `evidence`; weighs all that is counted.
        cell: side of a cell in pixels; incomplete cells at the right and lower border are left out.
        num_bins: orientations of each histogram.
        still: shorter flow, in pixels, is no motion.

    Returns:
        In the last axis: edges without direction, weighted by contrast where something moves
        (HOG); flow weighted by its length (HOF); edges of the flow's horizontal and of its vertical
        part (MBHx, MBHy).

    Source: HOG, HOF and MBH as in dense trajectories (Wang et al., IJCV 2013), which also describe
    only what moves; here on a grid instead of along trajectories.
    """
    rows, columns = frame.shape[0] // cell, frame.shape[1] // cell
    inside = np.s_[: rows * cell, : columns * cell]
    speed = np.hypot(flow[..., 0], flow[..., 1])[inside] - np.float32(still)
    # Most of most frames stands still: only the pixels that move are looked at from here on.
    y, x = np.nonzero((speed > 0) & (sureness[inside] > 0))
    place = (y // cell) * columns + x // cell
    sure = sureness[y, x]
    speed = speed[y, x] * sure
    contrast, edge = _polar(frame.astype(np.float32), y, x)
    edge_weight = np.minimum(contrast / CONTRAST, 1) * np.minimum(speed, 1)
    parts = [
        ((2 * edge) % (2 * np.pi), edge_weight),
        (_angle(flow[y, x, 0], flow[y, x, 1]), speed),
    ]
    for component in (0, 1):
        strength, angle = _polar(np.ascontiguousarray(flow[..., component]), y, x)
        parts.append((angle, strength * sure))
    histograms = [cell_histogram(a, w, place, rows * columns, num_bins) for a, w in parts]
    return np.concatenate(histograms, axis=1).reshape(rows, columns, 4 * num_bins)


def _polar(
    picture: Float32[np.ndarray, "height width"], y: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Length and angle of a picture's gradient at some pixels."""
    across, down = gradient(picture)
    return np.hypot(across[y, x], down[y, x]), _angle(across[y, x], down[y, x])


def _angle(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Angle in [0, 2 pi)."""
    return np.asarray(np.arctan2(down, across) % np.float32(2 * np.pi))
