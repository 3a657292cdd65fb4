"""The most attended snippets in time, and the posterior of what the localizer says itself."""

import pytest
import torch

from tests.planted import CPU
from utal.errors import ConfigError
from utal.grouping.attended import TopSnippets
from utal.grouping.clustering import KMeans
from utal.grouping.posterior import ArgMaxPosterior, WithPosterior
from utal.localizers.cola import Cola
from utal.localizers.headed import WithClusterHead
from utal.records import Clustering, Scores, View

STREAMS = (3, 2)


def scores(attention: list[float]) -> Scores:
    held = torch.tensor([attention])
    return Scores(torch.rand(1, len(attention), 4), held[:, :, None], held, torch.ones(1, 1))


def video(time: int) -> torch.Tensor:
    return torch.rand(time, 5, generator=torch.Generator().manual_seed(0))


def test_best_snippets_keep_their_order_in_time() -> None:
    features = video(7)
    output = scores([0.1, 0.9, 0.0, 0.5, 0.5, 0.7, 0.5])
    found = TopSnippets(ratio=2, l2=False).describe(features, output, STREAMS)
    assert found.snippets is not None
    assert torch.equal(found.snippets, features[[1, 3, 5]])  # of three equal ones the first
    assert torch.equal(found.vector, found.snippets.mean(0))
    assert found.posterior is None


def test_at_least_one_snippet_and_with_ratio_one_all() -> None:
    features, output = video(3), scores([0.1, 0.2, 0.3])
    one = TopSnippets(ratio=9).describe(features, output, STREAMS).snippets
    every = TopSnippets(ratio=1).describe(features, output, STREAMS).snippets
    assert torch.equal(one, features[[2]])
    assert torch.equal(every, features)


def test_first_all_snippets_count() -> None:
    features = video(10)
    found = TopSnippets().describe(features, None, STREAMS)
    assert torch.equal(found.snippets, features)
    torch.testing.assert_close(found.vector, torch.nn.functional.normalize(features.mean(0), dim=0))
    few = TopSnippets(max_first=4).describe(features, None, STREAMS)
    assert torch.equal(few.snippets, features[[0, 2, 5, 7]])
    assert torch.equal(few.vector, found.vector)  # which costs nothing, so it is of all
    short = TopSnippets(max_first=4).describe(features[:3], None, STREAMS)
    assert torch.equal(short.snippets, features[:3])


def test_posterior_of_the_head() -> None:
    torch.manual_seed(0)
    network = WithClusterHead(Cola(width=6), ratio=2).build(STREAMS, 3).eval()
    features, part = video(9), WithPosterior(TopSnippets(ratio=3))
    output = network(features[None], torch.ones(1, 9).bool())
    found = part.describe(features, output, STREAMS)
    plain = TopSnippets(ratio=3).describe(features, output.inner, STREAMS)
    assert torch.equal(found.posterior, output.posterior[0])
    assert not found.posterior.requires_grad
    assert torch.equal(found.vector, plain.vector)
    assert torch.equal(found.snippets, plain.snippets)
    assert part.describe(features, None, STREAMS).posterior is None


def test_without_a_head_the_posterior_is_the_probability() -> None:
    output = scores([0.1, 0.2, 0.3])
    found = WithPosterior().describe(video(3), output, STREAMS)
    assert torch.equal(found.posterior, output.probability[0])


def grouped(views: list[View]) -> Clustering:
    return ArgMaxPosterior(first=KMeans(num_starts=2)).cluster(views, 3, seed=0, device=CPU)


def test_likeliest_cluster() -> None:
    rows = [[0.1, 0.6, 0.3], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0]]
    found = grouped([View(torch.zeros(2), posterior=torch.tensor(row)) for row in rows])
    assert found.labels.tolist() == [1, 0, 2]
    assert found.confidence.tolist() == pytest.approx([0.6, 0.4, 1.0])


def test_without_posteriors_another_groups() -> None:
    views = [View(torch.rand(4, generator=torch.Generator().manual_seed(n))) for n in range(9)]
    found = grouped(views)
    expected = KMeans(num_starts=2).cluster(views, 3, seed=0, device=CPU)
    assert torch.equal(found.labels, expected.labels)
    assert torch.equal(found.confidence, expected.confidence)


@pytest.mark.parametrize("setting", [{"ratio": 0}, {"max_first": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1, got 0"):
        TopSnippets(**setting)
