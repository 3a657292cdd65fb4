"""APSL's objective: the released values, the loops, and what must not matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from tests.reference import apsl as reference
from utal.errors import ConfigError
from utal.localizers.cola import Cola
from utal.losses import classification, mining, triplet
from utal.methods.action_positives import SeparateActionPositives
from utal.records import Batch, PseudoLabels, Scores

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("batch")}
SETS = ("EA", "EB", "HA", "HB")
NAMES = {"classification", "triplet", "separation", "contrast"}


def batch_of(scores: Scores, targets: torch.Tensor, weights: torch.Tensor | None = None) -> Batch:
    count, time = scores.attention.shape
    return Batch(
        scores.embedding.detach(),
        torch.ones(count, time, dtype=torch.bool),
        targets,
        torch.ones(count).to(targets) if weights is None else weights,
        torch.arange(count),
    )


def terms_of(
    part: SeparateActionPositives, scores: Scores, batch: Batch
) -> dict[str, torch.Tensor]:
    labels = PseudoLabels(batch.videos, batch.targets.float(), batch.weights.float())
    terms: dict[str, torch.Tensor] = part.loss(labels, None).eval()(scores, batch, 0.0)
    return terms


def released(
    case: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, torch.Tensor], Scores, Batch]:
    """The released sets laid one after another in time, and mining that finds them there."""
    sets = {kind: torch.tensor(case[kind], requires_grad=True) for kind in SETS}
    sizes = [len(case[kind][0]) for kind in SETS]
    embedding, time = torch.cat(list(sets.values()), dim=1), sum(sizes)
    found = torch.arange(time).expand(len(embedding), time).split(sizes, dim=1)
    given = mining.MinedIndices(*found)
    monkeypatch.setattr(mining, "mined_indices", lambda *args, **kwargs: given)
    probability = torch.tensor(case["video_scores"], requires_grad=True)
    cas = torch.rand(len(embedding), time, probability.shape[1], dtype=torch.float64)
    scores = Scores(embedding, cas, cas.sum(2), probability)
    return (
        {**sets, "video_scores": probability},
        scores,
        batch_of(scores, torch.tensor(case["labels"])),
    )


def part_for(case: dict[str, np.ndarray], **settings: float) -> SeparateActionPositives:
    """Ratios that give the case's numbers of snippets."""
    sizes = [len(case[kind][0]) for kind in SETS]
    time = sum(sizes)
    part = SeparateActionPositives(
        positive_ratio=time // sizes[0], negative_ratio=time // sizes[2], **settings
    )
    assert time // part.positive_ratio == sizes[0]
    assert time // part.negative_ratio == sizes[2]
    return part


@pytest.mark.parametrize("name", ORACLE)
def test_released_total(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The released sum, with the right triplet loss in the place of its own."""
    case = ORACLE[name]
    _, scores, batch = released(case, monkeypatch)
    terms = terms_of(part_for(case, binary_classification=True), scores, batch)
    assert set(terms) == NAMES
    weight = 0.005
    expected = float(case["apsl_total_released"]) + weight * (
        float(case["triplet_correct_sum"]) - float(case["triplet_released"])
    )
    assert sum(terms.values()).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ORACLE)
def test_released_terms_and_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = ORACLE[name]
    rows = (
        ("classification", "cls_bce_released", 1.0, {"binary_classification": True}),
        ("classification", "cls_ce_correct_mean", 1.0, {}),
        ("triplet", "triplet_correct_sum", 0.005, {}),
        ("separation", "separation_correct", 0.0005, {}),
        ("contrast", "snico_correct", 0.01, {}),
    )
    for term, key, weight, settings in rows:
        inputs, scores, batch = released(case, monkeypatch)
        found = terms_of(part_for(case, **settings), scores, batch)[term]
        assert found.item() == pytest.approx(weight * float(case[key]), rel=1e-9)
        found.backward()
        checked = [kind for kind in inputs if f"{key}__grad_{kind}" in case]
        assert checked
        for kind in checked:
            expected = weight * case[f"{key}__grad_{kind}"]
            np.testing.assert_allclose(inputs[kind].grad, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ORACLE)
def test_released_mean_of_triplets(name: str) -> None:
    case = ORACLE[name]
    descriptors, targets = torch.tensor(case["EA"]).mean(1), torch.tensor(case["labels"])
    hinges, valid = triplet.hardest_triplets(
        descriptors, targets, torch.ones(len(targets)).double(), margin=0.8
    )
    mean = hinges.sum() / valid.sum()
    assert mean.item() == pytest.approx(float(case["triplet_correct_mean"]), rel=1e-9)


def random_scores(videos: int = 6, time: int = 40, *, seed: int = 0) -> tuple[Scores, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    cas = torch.rand(videos, time, 3, dtype=torch.float64, generator=generator)
    cas = torch.nn.functional.avg_pool1d(cas.mT, 5, 1, 2).mT * 3
    embedding = 30 * torch.rand(videos, time, 8, dtype=torch.float64, generator=generator)
    targets = torch.eye(3, dtype=torch.float64)[torch.arange(videos) % 3]
    targets[-1, 0] = 1  # a video of two clusters
    scores = Scores(embedding, cas, cas.sum(2), torch.softmax(cas.mean(1), 1))
    return scores, targets


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_plain_loop(threshold: float | None) -> None:
    scores, targets = random_scores()
    part = SeparateActionPositives(
        triplet_weight=1.0,
        separation_weight=1.0,
        contrast_weight=1.0,
        magnitude=50.0,
        threshold=threshold,
    )
    terms = terms_of(part, scores, batch_of(scores, targets))
    embedding = scores.embedding.numpy()
    sets = [
        reference.mined(row.tolist(), num_easy=8, num_hard=2, window=3, wide=6, threshold=threshold)
        for row in scores.attention
    ]
    action, background, near_action, near_background = (
        np.stack([embedding[video, chosen[kind]] for video, chosen in enumerate(sets)])
        for kind in range(4)
    )
    expected = {
        "triplet": sum(reference.triplets(action.mean(1), targets.numpy(), 0.8)),
        "separation": np.mean(reference.magnitude_separation(action, background, 50.0)),
        "contrast": np.mean(
            [
                reference.contrast(na.mean(0), a.mean(0), b, 0.07)
                + reference.contrast(nb.mean(0), b.mean(0), a, 0.07)
                for a, b, na, nb in zip(
                    action, background, near_action, near_background, strict=True
                )
            ]
        ),
        "classification": np.mean(
            [
                -(y / y.sum() * np.log(p)).sum()
                for y, p in zip(targets.numpy(), scores.probability.numpy(), strict=True)
            ]
        ),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-7)


def test_a_video_of_weight_zero_is_absent() -> None:
    """Neither anchor nor partner nor part of a mean."""
    scores, targets = random_scores()
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0]).double()
    kept = weights > 0
    fewer = Scores(
        scores.embedding[kept], scores.cas[kept], scores.attention[kept], scores.probability[kept]
    )
    with_zero = terms_of(SeparateActionPositives(), scores, batch_of(scores, targets, weights))
    without = terms_of(SeparateActionPositives(), fewer, batch_of(fewer, targets[kept]))
    everyone = terms_of(SeparateActionPositives(), scores, batch_of(scores, targets))
    assert set(without) == NAMES
    for name in NAMES:
        torch.testing.assert_close(with_zero[name], without[name])
        assert not torch.isclose(everyone[name], without[name])


def test_numbering_of_clusters_and_order_of_videos_do_not_matter() -> None:
    scores, targets = random_scores()
    terms = terms_of(SeparateActionPositives(), scores, batch_of(scores, targets))
    columns, rows = torch.tensor([2, 0, 1]), torch.tensor([4, 1, 5, 0, 3, 2])
    renumbered = replace(
        scores, cas=scores.cas[:, :, columns], probability=scores.probability[:, columns]
    )
    other = terms_of(SeparateActionPositives(), renumbered, batch_of(scores, targets[:, columns]))
    torch.testing.assert_close(other, terms)
    shuffled = Scores(
        scores.embedding[rows], scores.cas[rows], scores.attention[rows], scores.probability[rows]
    )
    other = terms_of(SeparateActionPositives(), shuffled, batch_of(shuffled, targets[rows]))
    torch.testing.assert_close(other, terms)


def test_padding_does_not_matter() -> None:
    scores, targets = random_scores(time=33)
    part = SeparateActionPositives()
    alone = terms_of(part, scores, batch_of(scores, targets))
    pad = torch.nn.functional.pad
    padded = Scores(
        pad(scores.embedding, (0, 0, 0, 7), value=9.0),
        pad(scores.cas, (0, 0, 0, 7)),
        pad(scores.attention, (0, 7), value=9.0),
        scores.probability,
    )
    batch = batch_of(padded, targets)
    batch.mask[:, 33:] = False
    torch.testing.assert_close(terms_of(part, padded, batch), alone)


@pytest.mark.parametrize("dropped", ["triplet", "separation", "contrast"])
def test_a_weight_of_zero_leaves_the_term_out(dropped: str) -> None:
    scores, targets = random_scores()
    part = SeparateActionPositives(**{f"{dropped}_weight": 0.0})
    assert set(terms_of(part, scores, batch_of(scores, targets))) == NAMES - {dropped}


def test_without_separation_any_localizer_will_do() -> None:
    class Raw:
        output, learns_embedding = Scores, False

        def build(self, streams: tuple[int, ...], num_clusters: int) -> torch.nn.Module:
            raise NotImplementedError

    plain = SeparateActionPositives(triplet_weight=0, separation_weight=0, contrast_weight=0)
    plain.check(Raw())
    SeparateActionPositives().check(Cola())
    with pytest.raises(ConfigError, match="SeparateActionPositives trains the embedding, but Raw"):
        SeparateActionPositives().check(Raw())
    scores, targets = random_scores()
    assert set(terms_of(plain, scores, batch_of(scores, targets))) == {"classification"}


def test_gradients_reach_features_and_not_the_choice_of_snippets() -> None:
    scores, targets = random_scores()
    embedding = scores.embedding.clone().requires_grad_()
    attention = scores.attention.clone().requires_grad_()
    leaves = replace(scores, embedding=embedding, attention=attention)
    terms = terms_of(SeparateActionPositives(), leaves, batch_of(scores, targets))
    (terms["triplet"] + terms["separation"] + terms["contrast"]).backward()
    assert embedding.grad is not None
    assert embedding.grad.any()
    assert attention.grad is None


def test_gradient_of_the_whole() -> None:
    scores, targets = random_scores(videos=4, time=12)
    part = SeparateActionPositives(magnitude=60.0)

    def total(embedding: torch.Tensor, probability: torch.Tensor) -> torch.Tensor:
        changed = replace(scores, embedding=embedding, probability=probability)
        terms = terms_of(part, changed, batch_of(scores, targets))
        return sum(terms.values(), torch.zeros(()).double())

    leaves = scores.embedding.requires_grad_(), scores.probability.requires_grad_()
    assert torch.autograd.gradcheck(total, leaves, fast_mode=True)


def test_dropout_changes_the_positive_sets_in_training_only() -> None:
    scores, targets = random_scores()
    batch = batch_of(scores, targets)
    labels = PseudoLabels(batch.videos, batch.targets.float(), batch.weights.float())
    loss = SeparateActionPositives().loss(labels, None)
    torch.manual_seed(0)
    trained = [loss.train()(scores, batch, 0.0)["separation"].item() for _ in range(2)]
    asleep = [loss.eval()(scores, batch, 0.0)["separation"].item() for _ in range(2)]
    assert trained[0] != trained[1]
    assert asleep[0] == asleep[1]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"triplet_weight": -1.0}, "triplet_weight must not be negative, got -1.0"),
        ({"magnitude": 0.0}, "magnitude must be positive, got 0.0"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"positive_ratio": 0}, "positive_ratio must be at least 1, got 0"),
        ({"mining_dropout": 1.0}, r"mining_dropout must lie in \[0, 1\), got 1.0"),
        ({"window": 7}, "window must lie in .1, wide_window., got 7 and 6"),
        ({"threshold": 1.0}, r"threshold must lie in \(0, 1\) or be null, got 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SeparateActionPositives(**setting)


def test_cross_entropy_is_that_of_normalised_labels() -> None:
    """A video of two clusters does not count twice."""
    probability = torch.tensor([[0.5, 0.25, 0.25]])
    both = classification.cross_entropy(probability, torch.tensor([[1.0, 1.0, 0.0]]))
    assert both.item() == pytest.approx((np.log(2) + np.log(4)) / 2)
