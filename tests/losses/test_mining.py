import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import apsl as reference
from utal.losses import mining

CASES = cases("morphology.npz")


@pytest.mark.parametrize("name", CASES)
def test_released_regions(name: str) -> None:
    for prefix in ("", "median__"):
        case = {
            key.removeprefix(prefix): value
            for key, value in CASES[name].items()
            if key.startswith(prefix)
        }
        if "binary" not in case:
            continue
        binary = torch.tensor(case["binary"] > 0.5)
        narrow, wide = int(CASES[name]["m"]), int(CASES[name]["M"])
        for ours, theirs in (
            (mining.eroded(binary, narrow), "erosion_m"),
            (mining.eroded(binary, wide), "erosion_M"),
            (mining.dilated(binary, narrow), "dilation_m"),
            (mining.dilated(binary, wide), "dilation_M"),
            (mining.inner_region(binary, narrow, wide), "inner"),
            (mining.outer_region(binary, narrow, wide), "outer"),
        ):
            np.testing.assert_array_equal(ours.numpy(), case[theirs] > 0.5, err_msg=theirs)


def test_median_of_an_even_number_is_the_mean_of_the_middle_two() -> None:
    actionness = torch.tensor([[0.0, 1.0, 2.0, 10.0]])
    assert mining.above_median(actionness).tolist() == [[False, False, True, True]]
    assert mining.above_median(torch.ones(1, 5)).sum() == 0


def test_equal_scores_are_taken_from_the_start() -> None:
    score = torch.tensor([[1.0, 3.0, 3.0, 3.0, 0.0]])
    assert mining.strongest(score, 2).tolist() == [[1, 2]]


def random_actionness(videos: int, time: int, seed: int = 0) -> torch.Tensor:
    return 4 * torch.rand(videos, time, generator=torch.Generator().manual_seed(seed)) ** 2


SETTINGS = {"num_easy": 4, "num_hard": 3, "window": 3, "wide_window": 6}
SETS = ("easy_action", "easy_background", "hard_action", "hard_background")


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_plain_loop(threshold: float | None) -> None:
    smooth = torch.nn.functional.avg_pool1d(random_actionness(8, 30)[:, None], 5, 1, 2)[:, 0]
    found = mining.mined_indices(smooth, torch.ones(8, 30), **SETTINGS, threshold=threshold)
    for video in range(8):
        expected = reference.mined(
            smooth[video].tolist(), num_easy=4, num_hard=3, window=3, wide=6, threshold=threshold
        )
        ours = tuple(getattr(found, kind)[video].tolist() for kind in SETS)
        assert ours == expected


def test_threshold_is_of_the_sigmoid() -> None:
    """Sigmoid 0.8 is reached at a sum of log 4 = 1.386; nothing is action before training."""
    actionness = torch.tensor([[0.0, 1.38, 1.39, 9.0]])
    assert mining.above_threshold(actionness, 0.8).tolist() == [[False, False, True, True]]
    assert not mining.above_threshold(0.01 * random_actionness(2, 9), 0.8).any()


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_padding_is_never_mined(threshold: float | None) -> None:
    """Sets of a padded video begin with the sets of the video alone, as far as it has snippets."""
    lengths = (24, 17, 6, 1)
    actionness = random_actionness(4, 24, seed=1)
    mask = torch.arange(24) < torch.tensor(lengths)[:, None]
    sizes = {"num_easy": 24 // 5, "num_hard": 24 // 8, "window": 3, "wide_window": 6}
    found = mining.mined_indices(
        actionness, torch.ones(4, 24), **sizes, mask=mask, threshold=threshold
    )
    for row, length in enumerate(lengths):
        own = {**sizes, "num_easy": max(1, length // 5), "num_hard": max(1, length // 8)}
        alone = mining.mined_indices(
            actionness[row : row + 1, :length], torch.ones(1, length), **own, threshold=threshold
        )
        for kind, ratio in zip(SETS, (5, 5, 8, 8), strict=True):
            chosen = getattr(found, kind)
            kept = chosen[row][mining.kept_of(mask, ratio, chosen.shape[1])[row]]
            assert kept.tolist() == getattr(alone, kind)[0].tolist(), (kind, length)


def test_kept_of_by_hand() -> None:
    mask = torch.arange(10) < torch.tensor([10, 7, 4, 1])[:, None]
    assert mining.kept_of(mask, 5, 2).tolist() == [
        [True, True],
        [True, False],
        [True, False],
        [True, False],
    ]
