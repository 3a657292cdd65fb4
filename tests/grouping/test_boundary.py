"""Boundary descriptors: the snippets the loop finds, the first round, and refused settings."""

import pytest
import torch

from tests.reference import apsl as reference
from utal.errors import ConfigError
from utal.grouping.boundary import BoundaryEmbedding
from utal.grouping.describing import TopEmbedding
from utal.records import Scores

STREAMS = (4,)


def example(time: int = 40) -> tuple[torch.Tensor, Scores]:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(time, 4, generator=generator)
    rough = torch.rand(1, 1, time, generator=generator)
    attention = 3 * torch.nn.functional.avg_pool1d(rough, 7, 1, 3)[0]
    embedding = torch.rand(1, time, 5, generator=generator)
    return features, Scores(embedding, attention[..., None], attention, torch.ones(1, 1))


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_plain_loop(threshold: float | None) -> None:
    features, scores = example()
    action, _, near, _ = reference.mined(
        scores.attention[0].tolist(),
        num_easy=8,
        num_hard=4,
        window=3,
        wide=6,
        threshold=threshold,
    )
    alone = BoundaryEmbedding(ratio=10, threshold=threshold, l2=False)
    found = alone.describe(features, scores, STREAMS).vector
    torch.testing.assert_close(found, scores.embedding[0, near].mean(0))
    both = BoundaryEmbedding(ratio=10, positive_ratio=5, threshold=threshold, l2=False)
    found = both.describe(features, scores, STREAMS).vector
    torch.testing.assert_close(found, scores.embedding[0, near + action].mean(0))


def test_boundaries_are_other_snippets_than_the_most_attended() -> None:
    features, scores = example()
    near = BoundaryEmbedding().describe(features, scores, STREAMS).vector
    sure = TopEmbedding(l2=True).describe(features, scores, STREAMS).vector
    assert not torch.allclose(near, sure, atol=1e-2)
    assert near.norm().item() == pytest.approx(1)


def test_the_first_round_takes_the_plain_mean() -> None:
    features, _ = example()
    mean = features.mean(0)
    for positive_ratio in (None, 5):
        part = BoundaryEmbedding(positive_ratio=positive_ratio)
        torch.testing.assert_close(
            part.describe(features, None, STREAMS).vector, mean / mean.norm()
        )


def test_one_snippet_is_enough() -> None:
    features, scores = example(1)
    assert BoundaryEmbedding().describe(features, scores, STREAMS).vector.isfinite().all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"ratio": 0}, "ratio must be at least 1, got 0"),
        ({"positive_ratio": 0}, "positive_ratio must be at least 1, got 0"),
        ({"window": 7}, "window must lie in .1, wide_window., got 7 and 6"),
        ({"threshold": 0.0}, r"threshold must lie in \(0, 1\) or be null, got 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BoundaryEmbedding(**setting)
