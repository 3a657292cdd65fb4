import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.video.making import moving_square
from utal.errors import ConfigError
from utal.video.flow import cell_histogram
from utal.video.motion import Motion

SIZE = (168, 120)  # whole cells, so that a mirror image has the same ones


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Between the mean descriptors of two videos."""
    a, b = one.mean(0), other.mean(0)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.fixture(scope="module")
def across() -> list[np.ndarray]:
    """Three snippets of a square that goes to and fro."""
    return moving_square(48, size=SIZE, swing=(14, 0))


@pytest.fixture(scope="module")
def features(across: list[np.ndarray]) -> np.ndarray:
    return Motion().encode(across)


def test_there_is_a_finite_float32_row_per_snippet(features: np.ndarray) -> None:
    streams = Motion().streams
    assert features.shape == (3, sum(streams.values()))
    assert list(streams) == ["appearance", "motion"]
    assert 3 * streams["appearance"] == streams["motion"]
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_both_streams_say_something(features: np.ndarray) -> None:
    appearance = Motion().streams["appearance"]
    assert (np.linalg.norm(features[:, :appearance], axis=1) > 0.1).all()
    assert (np.linalg.norm(features[:, appearance:], axis=1) > 0.1).all()


def test_the_same_frames_give_the_same_features(
    across: list[np.ndarray], features: np.ndarray
) -> None:
    np.testing.assert_array_equal(Motion().encode(across), features)


def test_settings_decide_the_width() -> None:
    encoder = Motion(rows=3, columns=2, num_bins=4)
    found = encoder.encode(moving_square(16, size=SIZE))
    assert found.shape == (1, 4 * 3 * 2 * 4) == (1, sum(encoder.streams.values()))


def test_a_still_has_no_features() -> None:
    still = Motion().encode(moving_square(32, size=SIZE, swing=(0, 0)))
    np.testing.assert_allclose(still, 0, atol=1e-6)


def test_the_camera_is_no_motion(features: np.ndarray) -> None:
    scene = moving_square(1, size=(240, 120), swing=(0, 0))[0]
    panned = Motion().encode([np.ascontiguousarray(scene[:, i : i + 168]) for i in range(48)])
    assert np.linalg.norm(panned, axis=1).mean() < np.linalg.norm(features, axis=1).mean() / 2


def and_mirrored(encoder: Motion, centre: float) -> float:
    """How much a video's features are those of its mirror image, for a mover at some place."""
    frames = moving_square(48, size=SIZE, centre=(centre, 0.5), swing=(12, 10))
    mirror = [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]
    return cosine(encoder.encode(frames), encoder.encode(mirror))


@pytest.mark.parametrize("centre", [0.3, 0.4, 0.5])
def test_the_mirror_image_is_the_same_action(centre: float) -> None:
    assert and_mirrored(Motion(), centre) > 0.95
    assert and_mirrored(Motion(mirrored=False), centre) < 0.85


@pytest.mark.parametrize("centre", [0.3, 0.4])
def test_the_mirror_image_has_the_mirrored_grid(centre: float) -> None:
    assert and_mirrored(Motion(), centre) > 0.99


def test_a_mirrored_grid_is_symmetric(features: np.ndarray) -> None:
    """What is told about the left half is told about the right one, orientations mirrored."""
    shape = Motion().rows, Motion().columns, 8
    flow = features[0, np.prod(shape) :][: np.prod(shape)].reshape(shape)
    away = (4 - np.arange(8)) % 8
    np.testing.assert_allclose(flow, flow[:, ::-1, away], atol=1e-6)


@pytest.mark.parametrize("centre", [(0.35, 0.5), (0.6, 0.35), (0.5, 0.7)])
def test_the_place_in_the_frame_matters_little(
    features: np.ndarray, centre: tuple[float, float]
) -> None:
    moved = Motion().encode(moving_square(48, size=SIZE, swing=(14, 0), centre=centre))
    assert cosine(features, moved) > 0.9


def test_the_direction_of_motion_matters_much(features: np.ndarray) -> None:
    up = Motion().encode(moving_square(48, size=SIZE, swing=(0, 14)))
    motion = np.s_[:, Motion().streams["appearance"] :]
    assert cosine(features[motion], up[motion]) < 0.6


def test_frames_may_come_one_by_one(across: list[np.ndarray], features: np.ndarray) -> None:
    np.testing.assert_array_equal(Motion().encode(iter(across)), features)


@pytest.mark.parametrize(
    ("num_frames", "num_snippets"),
    [(1, 1), (7, 1), (16, 1), (17, 1), (23, 1), (24, 2), (32, 2), (33, 2), (39, 2), (40, 3)],
)
def test_half_a_window_at_the_end_is_a_snippet(num_frames: int, num_snippets: int) -> None:
    numbered = [np.full((1, 1), index, np.uint8) for index in range(num_frames)]
    snippets = [[int(frame[0, 0]) for frame in held] for held in Motion().cut(numbered)]
    assert len(snippets) == num_snippets
    for index, held in enumerate(snippets):
        wanted = [min(16 * index + step, num_frames - 1) for step in range(17)]
        assert held == wanted


def test_the_padded_end_is_encoded_as_a_still() -> None:
    frames = moving_square(24, size=SIZE)
    found = Motion().encode(frames)
    assert len(found) == 2
    np.testing.assert_array_equal(found, Motion().encode(frames + frames[-1:] * 8))


def test_a_single_frame_is_a_snippet_of_nothing() -> None:
    found = Motion().encode(moving_square(1))
    assert len(found) == 1
    np.testing.assert_array_equal(found, 0)


class Alive:
    """Counts how many of the arrays it was shown exist at a time."""

    def __init__(self) -> None:
        self.total = self.now = self.most = 0

    def watch(self, array: np.ndarray) -> np.ndarray:
        weakref.finalize(array, self.forget)
        self.total += 1
        self.now += 1
        self.most = max(self.most, self.now)
        return array

    def forget(self) -> None:
        self.now -= 1


def test_a_long_video_is_watched_in_constant_memory() -> None:
    """Frames are asked for when they are needed, and nothing is kept but the surroundings."""
    encoder = Motion(height_s=3.2, middle_s=0.64)  # five snippets before and after
    frames, snippets = Alive(), Alive()
    small = moving_square(48, size=(36, 24), side=12, swing=(6, 0))
    video = (frames.watch(small[index % 48].copy()) for index in range(3000))
    counted = map(snippets.watch, encoder.counted(video))
    num_snippets = 0
    for _ in encoder.surrounded(counted):
        assert frames.total <= 16 * (num_snippets + 6) + 1
        num_snippets += 1
    assert num_snippets == 188  # 3000 = 187 * 16 + 8
    assert frames.most <= 40  # of two snippets
    assert snippets.most <= 12  # five to either side and the one in the middle


def test_the_surroundings_are_those_within_reach() -> None:
    """A one in each of ten snippets: sums count the snippets that are looked at."""
    encoder = Motion(height_s=1.92, middle_s=0.64, num_bins=4)  # three, and one, to either side
    cells = [np.full((1, 1, 16), 0.25) for _ in range(10)]
    around = list(encoder.surrounded(iter(cells)))
    assert [round(wide.item()) for _, wide, _ in around] == [4, 5, 6, 7, 7, 7, 7, 6, 5, 4]
    assert [round(near.item()) for _, _, near in around] == [2, 3, 3, 3, 3, 3, 3, 3, 3, 2]
    assert [id(own) for own, _, _ in around] == [id(each) for each in cells]


def slow_histogram(
    angle: np.ndarray, weight: np.ndarray, cell: int, num_bins: int
) -> list[list[float]]:
    """Pixel by pixel: how near each is to its two bins decides their shares."""
    columns = angle.shape[1] // cell
    total = [[0.0] * num_bins for _ in range(columns * (angle.shape[0] // cell))]
    width = 2 * np.pi / num_bins
    for y in range(angle.shape[0]):
        for x in range(angle.shape[1]):
            own = total[y // cell * columns + x // cell]
            for number in range(num_bins):
                apart = abs(float(angle[y, x]) - number * width) % (2 * np.pi)
                apart = min(apart, 2 * np.pi - apart)
                own[number] += max(0.0, 1 - apart / width) * float(weight[y, x])
    return total


@pytest.mark.parametrize("num_bins", [4, 8])
def test_histograms_equal_their_slow_twin(num_bins: int) -> None:
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, 2 * np.pi, (12, 12)).astype(np.float32)
    angle[0, :3] = 0, np.pi, np.nextafter(np.float32(2 * np.pi), np.float32(0))
    weight = rng.uniform(0, 3, (12, 12)).astype(np.float32)
    y, x = np.indices((12, 12))
    place = (y // 6) * 2 + x // 6
    fast = cell_histogram(angle.ravel(), weight.ravel(), place.ravel(), 4, num_bins)
    np.testing.assert_allclose(fast, slow_histogram(angle, weight, 6, num_bins), atol=1e-5)
    assert fast.sum() == pytest.approx(weight.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"stride": 8}, "stride must equal window"),
        ({"flow_step": 3}, "flow_step must divide"),
        ({"num_bins": 6}, "num_bins must be a multiple of 4, got 6"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replace(Motion(), **changed)
