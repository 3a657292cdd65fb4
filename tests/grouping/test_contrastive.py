"""Halves: known groups, halves of any length, settings, and what must not matter."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from tests.planted import CPU
from utal.errors import ConfigError, DataError
from utal.fitting import TrainingDivergedError
from utal.grouping import contrastive
from utal.grouping.clustering import KMeans
from utal.grouping.contrastive import Halves
from utal.grouping.halves import Snippets
from utal.losses import video_contrast
from utal.records import Clustering, View

SMALL = Halves(steps=150, learning_rate=1e-3, width=32, kernel=1, stretches=1, centred=True)
PAPER = Halves(steps=150, learning_rate=1e-3, width=32, batch_size=8)
Videos = tuple[list[View], np.ndarray]


def view(snippets: np.ndarray) -> View:
    held = torch.from_numpy(snippets).float()
    return View(held.mean(0), snippets=held)


def blobs(
    num_videos: int = 32,
    *,
    num_actions: int = 4,
    width: int = 16,
    own: float = 0.3,
    noise: float = 0.5,
    seed: int = 0,
) -> Videos:
    """Videos of one action each, somewhat their own, of five to twenty noisy snippets."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos) % num_actions
    actions = rng.normal(size=(num_actions, width))
    views = []
    for label in labels:
        count = rng.integers(5, 20)
        mean = actions[label] + own * rng.normal(size=width)
        views.append(view(mean + noise * rng.normal(size=(count, width))))
    return views, labels


def changing_scenes(num_videos: int = 48, *, width: int = 32, seed: int = 0) -> Videos:
    """Four actions, each half of a video before another scene that is far stronger."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos) % 4
    actions, scenes = rng.normal(size=(4, width)), rng.normal(size=(2, width)) / np.sqrt(width)
    views = []
    for label in labels:
        halves = [
            actions[label]
            + 8 * rng.normal(size=2) @ scenes
            + 0.3 * rng.normal(size=(rng.integers(5, 10), width))
            for _ in range(2)
        ]
        halves[1] = halves[1][: len(halves[0])]
        halves[0] = halves[0][: len(halves[1])]
        views.append(view(np.concatenate(halves)))
    return views, labels


def found(part: Halves, views: Sequence[View], num_clusters: int = 4, seed: int = 0) -> Clustering:
    return part.cluster(views, num_clusters, seed=seed, device=CPU)


def agreement(labels: np.ndarray, clustering: Clustering) -> float:
    return float(normalized_mutual_info_score(labels, clustering.labels))


def mean_agreement(part: Halves, videos: Videos, num_clusters: int = 4) -> float:
    """Over two seeds; of groups by chance it is .15 on blobs."""
    views, labels = videos
    groups = [found(part, views, num_clusters, seed=seed) for seed in range(2)]
    return float(np.mean([agreement(labels, each) for each in groups]))


def test_planted_actions_are_found_and_one_level_does_less() -> None:
    """As in the paper's Table 8."""
    both = mean_agreement(SMALL, blobs())
    horizontal = mean_agreement(replace(SMALL, levels="horizontal"), blobs())
    assert 0.3 < horizontal < both - 0.1
    assert both > 0.8


@pytest.mark.parametrize("part", [PAPER, replace(SMALL, levels="vertical")], ids=repr)
def test_planted_actions_are_found_in_other_ways(part: Halves) -> None:
    assert mean_agreement(part, blobs()) > 0.7


def test_labels_and_confidence() -> None:
    clustering = found(replace(SMALL, steps=10), blobs()[0])
    assert clustering.labels.shape == clustering.confidence.shape == (32,)
    assert clustering.confidence.dtype == torch.float32
    assert 0.25 <= clustering.confidence.min() <= clustering.confidence.max() <= 1


def test_what_differs_between_halves_is_learned_to_be_ignored() -> None:
    """That is what the contrast of halves is for: K-means groups the scenes."""
    views, labels = changing_scenes()
    part = replace(SMALL, steps=400, width=64, dropout=0.5)
    assert agreement(labels, found(part, views)) > 0.9
    for plain in (KMeans(), KMeans(centred=True)):
        assert agreement(labels, plain.cluster(views, 4, seed=0, device=CPU)) < 0.6


def test_hidden_channels_keep_videos_from_being_known_by_heart() -> None:
    """Where a video is as much its own as it is of its action."""
    videos = blobs(80, num_actions=8, width=32, own=1.0, noise=1.0)
    plain = replace(SMALL, steps=200, width=64)
    hidden = replace(plain, dropout=0.5)
    assert mean_agreement(hidden, videos, 8) > mean_agreement(plain, videos, 8) + 0.05


def test_without_the_vertical_level_no_cluster_is_empty() -> None:
    """K-means groups the projections, and its confidence is a distance."""
    clustering = found(replace(SMALL, steps=3, levels="horizontal"), blobs()[0], 6)
    assert set(clustering.labels.tolist()) == set(range(6))
    assert clustering.confidence.max() <= 0


def test_clusters_may_be_empty() -> None:
    """An untrained network has favourites."""
    clustering = found(replace(SMALL, steps=1), blobs()[0], 12)
    assert 1 <= len(clustering.labels.unique()) < 12
    assert clustering.labels.max() < 12


def test_same_seed_same_result_and_nothing_else_is_touched() -> None:
    views, _ = blobs()
    before = [each.snippets.clone() for each in views]
    state = torch.get_rng_state()
    part = replace(SMALL, steps=20, dropout=0.5)
    first, second = found(part, views, seed=3), found(part, views, seed=3)
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.confidence, second.confidence)
    assert not torch.equal(first.confidence, found(part, views, seed=4).confidence)
    assert torch.equal(torch.get_rng_state(), state)
    for each, held in zip(views, before, strict=True):
        assert torch.equal(each.snippets, held)


@pytest.mark.parametrize("levels", ["both", "horizontal"])
@pytest.mark.parametrize("part", [SMALL, PAPER], ids=["pooled", "snippets"])
def test_order_of_videos_does_not_matter(part: Halves, levels: str) -> None:
    views, _ = blobs()
    part = replace(part, steps=20, levels=levels)
    straight, shuffle = found(part, views), np.random.default_rng(0).permutation(32)
    shuffled = found(part, [views[n] for n in shuffle])
    assert torch.equal(shuffled.labels, straight.labels[shuffle])
    assert torch.equal(shuffled.confidence, straight.confidence[shuffle])


def test_only_halves_count_where_they_are_pooled() -> None:
    """Order within a half, and repetition of all of it, change neither half's mean."""
    views, _ = blobs()
    part = replace(SMALL, steps=20)
    other = []
    for each in views:
        middle = len(each.snippets) // 2
        first, second = each.snippets[:middle].flip(0), each.snippets[middle:].flip(0)
        other.append(View(each.vector, snippets=torch.cat([first, second])))
    torch.testing.assert_close(found(part, other).confidence, found(part, views).confidence)
    swapped = [View(each.vector, snippets=each.snippets.flip(0)) for each in views]
    part = replace(PAPER, steps=20)
    assert not torch.allclose(found(part, swapped).confidence, found(part, views).confidence)


def test_videos_of_one_snippet() -> None:
    rng = np.random.default_rng(0)
    views = [view(4 * np.eye(8)[[n % 4]] + 0.1 * rng.normal(size=(1, 8))) for n in range(16)]
    for part in (replace(SMALL, steps=60), replace(PAPER, steps=60)):
        assert agreement(np.arange(16) % 4, found(part, views)) > 0.7


def test_one_video_one_cluster() -> None:
    assert found(replace(PAPER, steps=2), blobs(1)[0], 1).labels.tolist() == [0]


def test_halves_are_cut_padded_and_told_apart() -> None:
    views, _ = blobs(4)
    videos = Snippets.of(views, None)
    chosen = np.array([3, 1])
    rows, mask = videos.halves(chosen)
    expected = []
    for side in range(2):
        for number in chosen:
            held = views[number].snippets
            middle = len(held) // 2
            expected.append(held[middle:] if side else held[:middle])
    assert [row[kept].tolist() for row, kept in zip(rows, mask, strict=True)] == [
        each.tolist() for each in expected
    ]
    whole, mask = videos.wholes(chosen)
    for row, kept, number in zip(whole, mask, chosen, strict=True):
        assert torch.equal(row[kept], views[number].snippets)


def test_centring_takes_the_mean_over_the_videos_away() -> None:
    views, _ = blobs(5)
    order = np.array([4, 0, 1, 3, 2])
    videos = Snippets.of(views, None).take(order, centred=True)
    means = [each.mean(0) for each in videos.features.split(videos.lengths.tolist())]
    np.testing.assert_allclose(torch.stack(means).mean(0), 0, atol=1e-6)
    assert videos.lengths.tolist() == [len(views[n].snippets) for n in order]


def test_stretches_are_means_of_halves() -> None:
    snippets = np.arange(12.0).reshape(6, 2)
    one = Snippets.of([view(snippets)], 1).features
    assert one.tolist() == [snippets[:3].mean(0).tolist(), snippets[3:].mean(0).tolist()]
    more = Snippets.of([view(snippets)], 3).features
    assert more.tolist() == snippets.tolist()


def test_settings_choose_the_losses() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 6, 5, generator=generator)
    p = torch.softmax(torch.randn(2, 6, 3, generator=generator), dim=2)

    def losses(**settings: str) -> list[float]:
        part = Halves(vertical_temperature=0.7, **settings)
        held: torch.Tensor = part._losses(z.flatten(0, 1), p.flatten(0, 1))
        return held.tolist()

    columns = video_contrast.vertical_contrast(*p, temperature=0.7).item() + 2 * np.log(3)
    both = [video_contrast.horizontal_contrast(*z, temperature=0.4).mean().item(), columns]
    rows = [
        video_contrast.view_contrast(*z, temperature=0.4).sum().item(),
        video_contrast.vertical_row_contrast(*p, temperature=0.7).item(),
    ]
    assert losses() == pytest.approx(both)
    assert losses(levels="horizontal") == pytest.approx(both[:1])
    assert losses(levels="vertical") == pytest.approx(both[1:])
    assert losses(form="rows") == pytest.approx(rows)


@pytest.mark.parametrize(("batch_size", "window"), [(2, 16), (8, 10)])
def test_dynamic_weights_begin_after_two_passes(
    batch_size: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which each has ten steps at least."""
    weights = []

    class Watched(contrastive.DynamicWeightAverage):
        def forward(self, losses: torch.Tensor) -> torch.Tensor:
            assert (losses >= 0).all()
            weights.append(super().forward(losses).tolist())
            return torch.tensor(weights[-1])

    monkeypatch.setattr(contrastive, "DynamicWeightAverage", Watched)
    found(replace(SMALL, steps=36, batch_size=batch_size), blobs()[0])
    early, late = weights[: 2 * window], weights[2 * window :]
    assert early == len(early) * [[1.0, 1.0]]
    assert late
    assert all(each != [1.0, 1.0] and sum(each) == pytest.approx(2) for each in late)
    weights.clear()
    found(replace(SMALL, steps=2, weighing_temperature=None), blobs()[0])
    found(replace(SMALL, steps=2, levels="vertical"), blobs()[0])
    assert not weights


@pytest.mark.parametrize(
    ("views", "num_clusters", "message"),
    [
        ([], 2, "there are no videos to group; add videos"),
        (blobs(3)[0], 5, "3 videos cannot form 5 clusters"),
        (blobs(1)[0] * 3, 2, "3 videos have only 1 distinct descriptor"),
        (blobs(3)[0], 0, "number of clusters must be at least 1, got 0"),
        ([view(np.ones((4, 2))), view(np.full((4, 2), np.nan))], 2, "video number 1 holds NaN"),
        ([view(np.ones((4, 2))), view(np.ones((4, 3)))], 2, "different widths: .2, 3."),
    ],
)
def test_bad_videos_are_explained(views: list[View], num_clusters: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        found(SMALL, views, num_clusters)


def test_a_describer_without_snippets_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Halves learns from snippets, .*describer=TopSnippets"):
        found(SMALL, [View(torch.ones(3))], 1)


def test_divergence_is_reported() -> None:
    with pytest.raises(TrainingDivergedError, match=r"lower clusterer\.learning_rate"):
        found(replace(SMALL, learning_rate=1e30, steps=20), blobs()[0])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"stretches": 0}, "stretches must be at least 1, got 0"),
        ({"kernel": 2}, "kernel must be odd, got 2"),
        ({"kernel": -1}, "kernel must be odd, got -1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"weighing_temperature": 0.0}, "weighing_temperature must be positive, got 0.0"),
        ({"levels": "none"}, "levels must be one of both, horizontal, vertical, got 'none'"),
        ({"form": "row"}, "form must be one of columns, rows, got 'row'"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Halves(**setting)
