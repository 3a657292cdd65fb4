import numpy as np
import pytest
import torch

from tests.oracle_data import cases
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
