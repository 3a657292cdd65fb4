from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.planted import CPU, NUM_ACTIONS, planted_corpus, same, small
from utal.corpus import feature_scale
from utal.errors import DataError
from utal.fitting import TrainingDivergedError, num_steps
from utal.grouping.selecting import TakeAll
from utal.health import complaints
from utal.loop import localize, renumbered, rounds
from utal.method import Training
from utal.records import Clustering, Losses, PseudoLabels, Round
from utal.sampling import WholeVideos
from utal.sizing import sized


def run(method, corpus, seed=0, after=None, given=None) -> list[Round]:
    return list(
        rounds(method, corpus, NUM_ACTIONS, seed=seed, device=CPU, after=after, given=given)
    )


def found_runs(last, method, corpus, count=3):
    """Per video the limits, in snippets, of the `count` best segments that do not overlap."""
    for found in localize(last, sized(method, corpus), corpus, device=CPU):
        s = found.segments
        kept: list[int] = []
        for row in np.argsort(-s.score, kind="stable"):
            if all(s.end_s[row] <= s.start_s[k] or s.start_s[row] >= s.end_s[k] for k in kept):
                kept.append(int(row))
        yield [(s.start_s[k] / 0.64, s.end_s[k] / 0.64) for k in kept[:count]]


def test_planted_actions_are_found() -> None:
    corpus, labels, runs = planted_corpus()
    method = small(steps=150)
    last = run(method, corpus)[-1]
    assert last.clustering is not None
    counts = np.zeros((NUM_ACTIONS, NUM_ACTIONS), int)
    np.add.at(counts, (last.clustering.labels.numpy(), labels), 1)
    assert counts.max(axis=1).sum() / len(labels) >= 0.9
    hits = total = 0
    for ours, truth in zip(found_runs(last, method, corpus), runs, strict=True):
        for first, end in truth[:3]:
            overlaps = [
                (min(end, b) - max(first, a)) / (max(end, b) - min(first, a)) for a, b in ours
            ]
            hits += max(overlaps, default=0) >= 0.5
            total += 1
    assert hits / total >= 0.6  # a random segment of this length overlaps so in one case of ten
    found = tuple(localize(last, sized(method, corpus), corpus, device=CPU))
    assert complaints(last, found) == ()


@pytest.mark.parametrize("restart", [True, False])
def test_resumed_equals_uninterrupted(restart: bool) -> None:
    corpus, _, _ = planted_corpus(12)
    base = small(steps=12)
    method = replace(base, training=replace(base.training, restart=restart))
    whole = run(method, corpus)
    for round_ in whole[:-1]:
        resumed = run(method, corpus, after=round_)
        assert len(resumed) == len(whole) - 1 - round_.index
        assert same(resumed[-1], whole[-1])


def test_seed_decides_everything() -> None:
    corpus, _, _ = planted_corpus(12)
    method = small(steps=6, num_rounds=2)
    torch.manual_seed(1)
    one = run(method, corpus)
    torch.manual_seed(2)  # the caller's own generator must not matter, nor be moved
    before = torch.random.get_rng_state()
    other = run(method, corpus)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(same(a, b) for a, b in zip(one, other, strict=True))
    assert not same(run(method, corpus, seed=1)[-1], one[-1])


@pytest.mark.parametrize("factor", [1 / 128, 128.0])
def test_size_of_features_does_not_matter(factor: float) -> None:
    """Powers of two scale exactly, so even the weights agree bit for bit."""
    method = small(steps=10, num_rounds=2)
    corpus, _, _ = planted_corpus(12)
    scaled, _, _ = planted_corpus(12, scale=factor)
    one, other = run(method, corpus)[-1], run(method, scaled)[-1]
    assert other.scale == pytest.approx(one.scale / factor, rel=1e-12)
    for name, weight in one.weights.items():
        torch.testing.assert_close(other.weights[name], weight, rtol=0, atol=0)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_scaled_features_give_the_same_detections(factor: float) -> None:
    """A factor that rounds moves the last bit of every number, and training amplifies that."""
    method = replace(small(steps=200, num_rounds=1), selector=TakeAll())
    corpus, _, _ = planted_corpus(12)
    scaled, _, _ = planted_corpus(12, scale=factor)
    one = list(found_runs(run(method, corpus)[-1], method, corpus))
    other = list(found_runs(run(method, scaled)[-1], method, scaled, count=6))
    pairs = [(a, theirs) for ours, theirs in zip(one, other, strict=True) for a in ours]
    nearest = [min(abs(a[0] - b[0]) + abs(a[1] - b[1]) for b in theirs) for a, theirs in pairs]
    assert len(pairs) >= 30
    assert np.quantile(nearest, 0.8) < 2  # both limits together, of segments of about six snippets


def test_given_labels_skip_the_grouping() -> None:
    corpus, labels, _ = planted_corpus(12)
    targets = torch.eye(NUM_ACTIONS)[torch.tensor(labels)]
    given = PseudoLabels(torch.arange(12), targets, torch.ones(12))
    done = run(small("cola", steps=120, num_rounds=1), corpus, given=given)
    assert len(done) == 1
    assert done[0].clustering is None
    terms = done[0].losses.terms["classification"]
    assert terms[-1] < 0.5 * terms[0]


def test_records_own_their_weights() -> None:
    corpus, _, _ = planted_corpus(12)
    base = small(steps=8, num_rounds=2)
    method = replace(base, training=replace(base.training, restart=False))
    seen = []
    for round_ in rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU):
        seen.append((round_, {k: v.clone() for k, v in round_.weights.items()}))
    for round_, copy in seen:
        assert all(torch.equal(round_.weights[k], copy[k]) for k in copy)
    assert not torch.equal(seen[0][1]["embed.0.weight"], seen[1][1]["embed.0.weight"])


def test_steps_follow_the_selected_share() -> None:
    plan = Training(steps=6000, scale_steps=True, min_steps=10)
    assert num_steps(plan, 0.25) == 1500
    assert num_steps(plan, 0.0001) == 10
    assert num_steps(replace(plan, scale_steps=False), 0.25) == 6000


def test_settings_follow_the_corpus() -> None:
    small_corpus, _, _ = planted_corpus(20)
    plan = sized(replace(small(), training=Training()), small_corpus).training
    assert plan.batch_size == 16
    assert plan.steps is not None
    assert 200 <= plan.steps <= 20_000
    lengths = sorted(video.num_snippets for video in small_corpus.videos)
    assert plan.snippets.num_snippets == lengths[-3] or plan.snippets.num_snippets == lengths[-2]
    fixed = Training(steps=7, batch_size=3)
    assert sized(replace(small(), training=fixed), small_corpus).training.steps == 7


def test_health_tells_what_is_wrong() -> None:
    corpus, _, _ = planted_corpus(12)
    base = small(steps=1, num_rounds=1)
    method = replace(base, training=replace(base.training, learning_rate=1e-9))
    last = run(method, corpus)[-1]
    found = tuple(localize(last, sized(method, corpus), corpus, device=CPU))
    assert any("has not learned" in text for text in complaints(last, found))
    assert last.clustering is not None
    collapsed = replace(last.clustering, labels=torch.zeros(12, dtype=torch.int64))
    texts = complaints(replace(last, clustering=collapsed), found)
    assert any("collapsed" in text for text in texts)
    assert any("3 of 4 groups" in text for text in texts)
    still = tuple(replace(f, attention=np.ones_like(f.attention)) for f in found)
    assert any("flat" in text for text in complaints(last, still))


def test_all_zero_features_are_refused() -> None:
    corpus, _, _ = planted_corpus(4)
    zero = replace(
        corpus,
        videos=tuple(replace(v, features=np.zeros_like(v.features)) for v in corpus.videos),
    )
    with pytest.raises(DataError, match="all features are zero"):
        feature_scale(zero)


def test_divergence_names_term_and_step() -> None:
    corpus, _, _ = planted_corpus(12)
    base = small(steps=50, num_rounds=1)
    method = replace(base, training=replace(base.training, learning_rate=1e30))
    with pytest.raises(TrainingDivergedError, match=r"loss term '\w+' became .* before step"):
        run(method, corpus)


def test_clusters_keep_their_numbers_from_round_to_round() -> None:
    """Renumbering changes names, not groups, and shares the most videos it can."""
    before = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    now = torch.tensor([2, 2, 1, 0, 0, 1, 1, 1])
    labels = PseudoLabels(torch.arange(8), torch.eye(3)[before], torch.ones(8))
    after = Round(0, Clustering(before, torch.zeros(8)), labels, Losses((), {}), 1.0, {})
    found = renumbered(Clustering(now, torch.arange(8.0)), after, 3)
    assert found.labels.tolist() == [0, 0, 2, 1, 1, 2, 2, 2]
    assert torch.equal(found.confidence, torch.arange(8.0))
    assert renumbered(Clustering(now, torch.zeros(8)), None, 3).labels is now


def test_optimiser_settings_reach_the_steps() -> None:
    """Clipping, the late learning rate and bfloat16 each change what is learned, and only then."""
    corpus, _, _ = planted_corpus(12)
    base = small(steps=6, num_rounds=1)

    def trained(**changes: object) -> Round:
        plan = replace(base.training, **changes)
        method = replace(base, training=plan)
        (last,) = rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU)
        return last

    plain = trained()
    assert same(plain, trained(late_factor=1.0, gradient_norm=1e9))
    assert not same(plain, trained(late_factor=0.1))
    assert not same(plain, trained(gradient_norm=1e-3))
    coarse = trained(mixed_precision=True)
    assert coarse.losses.terms["total"][-1] == pytest.approx(
        plain.losses.terms["total"][-1], rel=0.2
    )
    assert not same(plain, coarse)


def test_whole_videos_are_padded() -> None:
    corpus, _, _ = planted_corpus(12)
    base = small(steps=6, num_rounds=1)
    plan = replace(base.training, snippets=WholeVideos(1000))
    (whole,) = rounds(replace(base, training=plan), corpus, NUM_ACTIONS, seed=0, device=CPU)
    assert np.isfinite(whole.losses.terms["total"]).all()
