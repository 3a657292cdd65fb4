"""Optical flow between two frames and histograms of orientations in small cells of a frame."""

import numpy as np
from jaxtyping import Float, Float32, UInt8

from utal.errors import missing_extra

try:
    import cv2
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "cv2", "video") from error

CONTRAST = 40.0  # brightness steps from which on an edge counts in full


def dense_flow() -> cv2.DISOpticalFlow:
    """A new flow estimator; it keeps buffers, so every process and video needs its own."""
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)


def estimated(
    estimator: cv2.DISOpticalFlow,
    before: UInt8[np.ndarray, "height width"],
    after: UInt8[np.ndarray, "height width"],
) -> Float32[np.ndarray, "height width 2"]:
    """Where each pixel of `before` went, in pixels; DIS (Kroeger et al., ECCV 2016)."""
    start = np.zeros((*before.shape, 2), np.float32)
    return np.asarray(estimator.calc(before, after, start), np.float32)


def camera_free(
    flow: Float32[np.ndarray, "height width 2"],
) -> Float32[np.ndarray, "height width 2"]:
    """Flow minus its median over the frame: the camera's, where most of the frame stands."""
    median = np.median(flow[::4, ::4].reshape(-1, 2), axis=0)
    return np.asarray(flow - median.astype(np.float32))


def cell_histogram(
    angle: Float32[np.ndarray, "height width"],
    weight: Float32[np.ndarray, "height width"],
    *,
    cell: int,
    num_bins: int,
) -> Float[np.ndarray, "row column bin"]:
    """Weights summed over square cells and orientations; each goes to its two nearest bins.

    Args:
        angle: in [0, 2 pi); bin k is centred at k * 2 pi / num_bins.
        weight: >= 0.
        cell: side of a cell in pixels; incomplete cells at the right and lower border are left out.
        num_bins: orientations.
    """
    rows, columns = angle.shape[0] // cell, angle.shape[1] // cell
    place = angle[: rows * cell, : columns * cell] * np.float32(num_bins / (2 * np.pi))
    kept = weight[: rows * cell, : columns * cell]
    lower = place.astype(np.int32)
    upper_share = (place - lower) * kept
    lower %= num_bins
    upper = np.where(lower + 1 == num_bins, 0, lower + 1)
    row = np.repeat(np.arange(rows), cell)[:, None] * columns
    base = (row + np.repeat(np.arange(columns), cell)) * num_bins
    size = rows * columns * num_bins
    total = np.bincount((base + lower).ravel(), (kept - upper_share).ravel(), size)
    total += np.bincount((base + upper).ravel(), upper_share.ravel(), size)
    return total.reshape(rows, columns, num_bins)


def gradient(
    picture: Float32[np.ndarray, "height width"],
) -> tuple[Float32[np.ndarray, "height width"], Float32[np.ndarray, "height width"]]:
    """Length and angle, in [0, 2 pi), of the central differences."""
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=1)
    length, angle = cv2.cartToPolar(across, down)
    return length, angle


def moving_histograms(
    frame: UInt8[np.ndarray, "height width"],
    flow: Float32[np.ndarray, "height width 2"],
    *,
    cell: int,
    num_bins: int,
    still: float,
) -> Float[np.ndarray, "row column 4*bin"]:
    """HOG, HOF and the two MBH histograms of what moves, per cell; the rest of the frame is zero.

    Args:
        frame: brightness.
        flow: in pixels, free of the camera's.
        cell: side of a cell in pixels.
        num_bins: orientations of each histogram.
        still: shorter flow, in pixels, is no motion.

    Returns:
        In the last axis: edges without direction, weighted by contrast where something moves
        (HOG); flow weighted by its length (HOF); edges of the flow's horizontal and of its vertical
        part (MBHx, MBHy).

    Source: HOG, HOF and MBH as in dense trajectories (Wang et al., IJCV 2013), which also describe
    only what moves; here on a grid instead of along trajectories.
    """
    length, direction = cv2.cartToPolar(flow[..., 0], flow[..., 1])
    speed = np.maximum(length - np.float32(still), 0)
    contrast, edge = gradient(frame.astype(np.float32))
    edge_weight = np.minimum(contrast / np.float32(CONTRAST), 1) * np.minimum(speed, 1)
    parts = [((2 * edge) % np.float32(2 * np.pi), edge_weight), (direction, speed)]
    for component in (0, 1):
        strength, angle = gradient(np.ascontiguousarray(flow[..., component]))
        parts.append((angle, strength * (speed > 0)))
    histograms = [cell_histogram(a, w, cell=cell, num_bins=num_bins) for a, w in parts]
    return np.concatenate(histograms, axis=2)
