import re
from pathlib import Path

import numpy as np
import pytest

from utal.errors import ConfigError
from utal.sampling import AllOrUniform, RandomSnippets, Uniform, perturbed_indices

DATA = np.load(Path(__file__).parent / "oracles" / "sampling.npz", allow_pickle=False)
PAIRS = sorted({tuple(map(int, re.findall(r"\d+", key)[:2])) for key in DATA.files if "__" in key})


@pytest.mark.parametrize(("length", "samples"), PAIRS)
def test_released_indices(length: int, samples: int) -> None:
    prefix = f"L{length}_T{samples}__"
    ours = AllOrUniform(samples).indices(length)
    np.testing.assert_array_equal(ours, DATA[prefix + "uniform_cola"])
    np.testing.assert_array_equal(Uniform(samples).indices(length), DATA[prefix + "uniform_basnet"])
    low, high = DATA[prefix + "random_low"], DATA[prefix + "random_high"]
    rng = np.random.default_rng(0)
    draws = np.stack([perturbed_indices(length, samples, rng) for _ in range(200)])
    assert (draws >= low).all()
    assert (draws <= high).all()
    assert (np.diff(draws, axis=1) >= 0).all()
    narrow = high - low <= 3  # 200 draws meet both ends of a range of four
    np.testing.assert_array_equal(draws.min(axis=0)[narrow], low[narrow])
    np.testing.assert_array_equal(draws.max(axis=0)[narrow], high[narrow])


def test_oracle_has_all_its_pairs() -> None:
    assert len(PAIRS) >= 10
    assert any(length < samples for length, samples in PAIRS)


def test_open_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="not settled"):
        AllOrUniform().indices(10)
    with pytest.raises(ConfigError, match="at least 1"):
        RandomSnippets(0)
