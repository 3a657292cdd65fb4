"""HC-UTAL's objective and presets: the released values, the loops, and what must not matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracle_data import cases
from tests.planted import CPU, NUM_ACTIONS, planted_corpus, same
from tests.reference import hc_utal as reference
from tests.shrinking import shrunk
from utal.errors import ConfigError
from utal.grouping.agglomerative import Agglomerative
from utal.grouping.attended import TopSnippets
from utal.grouping.clustering import KMeans
from utal.grouping.contrastive import Halves
from utal.grouping.posterior import ArgMaxPosterior, WithPosterior
from utal.grouping.spectral import Spectral
from utal.localizers.cola import Cola
from utal.localizers.headed import Headed, WithClusterHead
from utal.loop import rounds
from utal.losses import mining
from utal.method import Method
from utal.methods import hc_utal
from utal.methods.hierarchical_contrast import HierarchicalContrast
from utal.records import Batch, PseudoLabels, Scores

ORACLE = {name: case for name, case in cases("hc_utal.npz").items() if name.startswith("batch")}
SETS = ("EA", "EB", "HA", "HB")
PLAIN = HierarchicalContrast(weighing_temperature=None)
JOINT = HierarchicalContrast(video_weight=1.0)


def batch_of(scores: Scores, targets: torch.Tensor, weights: torch.Tensor | None = None) -> Batch:
    count, time = scores.attention.shape
    return Batch(
        scores.embedding.detach(),
        torch.ones(count, time, dtype=torch.bool),
        targets,
        torch.ones(count).to(targets) if weights is None else weights,
        torch.arange(count),
    )


def loss_of(part: HierarchicalContrast) -> nn.Module:
    labels = PseudoLabels(torch.arange(1), torch.ones(1, 1), torch.ones(1))
    return part.loss(labels, None).double()


def terms_of(
    part: HierarchicalContrast, output: Scores | Headed, batch: Batch
) -> dict[str, torch.Tensor]:
    terms: dict[str, torch.Tensor] = loss_of(part).eval()(output, batch, 0.0)
    return terms


def random_scores(videos: int = 6, time: int = 40, seed: int = 0) -> tuple[Scores, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embedding = 3 * torch.rand(videos, time, 7, generator=generator).double()
    cas = torch.rand(videos, time, 3, generator=generator).double()
    scores = Scores(embedding, cas, cas.sum(2), torch.softmax(3 * cas.mean(1), 1))
    return scores, torch.eye(3)[torch.arange(videos) % 2].double()


def random_heads(scores: Scores, seed: int = 1) -> Headed:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, len(scores.cas), 5, generator=generator).double()
    p = torch.softmax(torch.randn(2, len(scores.cas), 3, generator=generator).double(), dim=2)
    return Headed(scores, scores, (z[0], z[1]), (p[0], p[1]), None)


@pytest.mark.parametrize("name", ORACLE)
def test_released_boundary_level(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients of its two parts, on sets that mining is made to find."""
    case = ORACLE[name]
    sizes = [len(case[kind][0]) for kind in SETS]
    time = sum(sizes)
    ratios = {"easy_ratio": time // sizes[0], "hard_ratio": time // sizes[2]}
    for key, weights in (
        ("separation_correct", {"separation_weight": 0.001, "boundary_weight": 0.0}),
        ("snico_correct", {"separation_weight": 0.0, "boundary_weight": 0.015}),
    ):
        sets = {kind: torch.tensor(case[kind], requires_grad=True) for kind in SETS}
        embedding = torch.cat(list(sets.values()), dim=1)
        found = torch.arange(time).expand(len(embedding), time).split(sizes, dim=1)
        given = mining.MinedIndices(*found)
        monkeypatch.setattr(mining, "mined_indices", lambda *_, given=given, **__: given)
        cas = torch.rand(len(embedding), time, 4, dtype=torch.float64)
        scores = Scores(embedding, cas, cas.sum(2), torch.tensor(case["video_scores"]))
        part = replace(PLAIN, instance_weight=0.0, **ratios, **weights)
        terms = terms_of(part, scores, batch_of(scores, torch.tensor(case["labels"])))
        weight = sum(weights.values())
        assert terms["boundary"].item() == pytest.approx(weight * float(case[key]), rel=1e-9)
        terms["boundary"].backward()
        for kind in SETS:
            if f"{key}__grad_{kind}" in case:
                expected = weight * case[f"{key}__grad_{kind}"]
                np.testing.assert_allclose(sets[kind].grad, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ORACLE)
def test_released_instance_level_and_classification(name: str) -> None:
    case = ORACLE[name]
    embedding = torch.tensor(case["embeddings"], requires_grad=True)
    probability = torch.tensor(case["video_scores"], requires_grad=True)
    cas = torch.rand(*embedding.shape[:2], 4, dtype=torch.float64)
    scores = Scores(embedding, cas, cas.sum(2), probability)
    batch = batch_of(scores, torch.tensor(case["labels"]))
    part = replace(PLAIN, separation_weight=0.0, boundary_weight=0.0, instance_weight=1.0)
    for settings, term, key, leaf, grad in (
        ({}, "instance", "instance_correct_mean_tau007", embedding, "embeddings"),
        (
            {"instance_temperature": 0.1},
            "instance",
            "instance_correct_mean_tau010",
            embedding,
            "embeddings",
        ),
        ({}, "classification", "cls_ce_correct_mean", probability, "video_scores"),
        (
            {"binary_classification": True},
            "classification",
            "cls_bce_released",
            probability,
            "video_scores",
        ),
    ):
        leaf.grad = None
        found = terms_of(replace(part, **settings), scores, batch)[term]
        assert found.item() == pytest.approx(float(case[key]), rel=1e-9)
        found.backward()
        np.testing.assert_allclose(leaf.grad, case[f"{key}__grad_{grad}"], rtol=0, atol=1e-8)


def test_video_level_as_plainly() -> None:
    scores, targets = random_scores()
    output = random_heads(scores)
    part = replace(JOINT, weighing_temperature=None, video_weight=0.7)
    z, p = ([view.numpy() for view in views] for views in (output.projections, output.assignments))
    expected = np.mean(reference.horizontal(*z, 0.4)) + reference.vertical(*p, 0.9) + 2 * np.log(3)
    found = terms_of(part, output, batch_of(scores, targets))["video"].item()
    assert found == pytest.approx(0.7 * expected)


def test_levels_in_use_and_their_order() -> None:
    assert PLAIN.levels == ("instance", "boundary")
    assert JOINT.levels == ("video", "instance", "boundary")
    assert replace(PLAIN, separation_weight=0.0).levels == ("instance", "boundary")
    scores, targets = random_scores()
    batch = batch_of(scores, targets)
    none = PLAIN.fixed(instance=False, boundary=False)
    for part, names in (
        (none, {"classification"}),
        (PLAIN.fixed(instance=True, boundary=False), {"classification", "instance"}),
        (PLAIN.fixed(instance=False, boundary=True), {"classification", "boundary"}),
        (JOINT, {"classification", "video", "instance", "boundary"}),
        (replace(none, weighing_temperature=3.0), {"classification"}),
    ):
        assert set(terms_of(part, random_heads(scores), batch)) == names


@pytest.mark.parametrize("part", [PLAIN, JOINT])
def test_a_video_of_weight_zero_is_absent(part: HierarchicalContrast) -> None:
    scores, targets = random_scores()
    output = random_heads(scores)
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 1.0]).double()
    kept = weights > 0
    fewer = Scores(
        *(
            each[kept]
            for each in (scores.embedding, scores.cas, scores.attention, scores.probability)
        )
    )
    heads = Headed(
        fewer,
        fewer,
        (output.projections[0][kept], output.projections[1][kept]),
        (output.assignments[0][kept], output.assignments[1][kept]),
        None,
    )
    torch.testing.assert_close(
        terms_of(part, output, batch_of(scores, targets, weights)),
        terms_of(part, heads, batch_of(fewer, targets[kept])),
    )


def test_order_of_videos_and_numbering_of_clusters_do_not_matter() -> None:
    scores, targets = random_scores()
    terms = terms_of(PLAIN, scores, batch_of(scores, targets))
    order, numbers = torch.tensor([3, 5, 0, 2, 4, 1]), torch.tensor([2, 0, 1])
    other = Scores(
        scores.embedding[order],
        scores.cas[order][:, :, numbers],
        scores.attention[order],
        scores.probability[order][:, numbers],
    )
    batch = batch_of(other, targets[order][:, numbers])
    torch.testing.assert_close(terms_of(PLAIN, other, batch), terms)


def test_a_batch_of_one_cluster_has_no_instance_loss() -> None:
    scores, targets = random_scores()
    part = replace(PLAIN, instance_weight=1.0)
    terms = terms_of(part, scores, batch_of(scores, targets[:1].expand(6, 3)))
    assert terms["instance"].item() == 0


def test_dynamic_weights_follow_the_levels() -> None:
    """Against the loop, over steps whose losses differ; they start anew with each round."""
    part = HierarchicalContrast(weighing_window=2)
    labels = PseudoLabels(torch.arange(1), torch.ones(1, 1), torch.ones(1))
    loss, fixed = (each.loss(labels, None).double().train() for each in (part, PLAIN))
    history, found = [], []
    for seed in range(8):
        scores, targets = random_scores(seed=seed)
        batch = batch_of(scores, targets)
        torch.manual_seed(seed)
        plain = fixed(scores, batch, 0.0)
        torch.manual_seed(seed)
        terms = loss(scores, batch, 0.0)
        assert terms["classification"] == plain["classification"]
        history.append([plain[level].item() for level in part.levels])
        found.append([terms[level].item() for level in part.levels])
    weights = np.array(reference.weights(history, 2, 3.0))
    assert (weights[4:] != 1).all()
    np.testing.assert_allclose(found, weights * np.array(history))
    torch.manual_seed(7)
    again = part.loss(labels, None).double().train()(scores, batch, 0.0)
    assert again["instance"].item() == pytest.approx(history[-1][0])


def test_gradients_reach_features_and_heads_but_not_the_choice_of_snippets() -> None:
    scores, targets = random_scores()
    leaves = replace(
        scores,
        embedding=scores.embedding.clone().requires_grad_(),
        attention=scores.attention.clone().requires_grad_(),
    )
    output = random_heads(leaves)
    for each in (*output.projections, *output.assignments):
        each.requires_grad_()
    terms = terms_of(JOINT, output, batch_of(scores, targets))
    sum(terms.values(), torch.zeros(())).backward()
    for each in (leaves.embedding, *output.projections, *output.assignments):
        assert each.grad is not None
        assert each.grad.any()
    assert leaves.attention.grad is None


def test_gradient_of_the_whole() -> None:
    scores, targets = random_scores(videos=4, time=12)
    output = random_heads(scores)

    def total(embedding: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        changed = replace(scores, embedding=embedding)
        heads = replace(output, scores=changed, projections=(first, second))
        terms = terms_of(replace(JOINT, magnitude=60.0), heads, batch_of(scores, targets))
        return sum(terms.values(), torch.zeros(()).double())

    leaves = (scores.embedding.requires_grad_(), *(z.requires_grad_() for z in output.projections))
    assert torch.autograd.gradcheck(total, leaves, fast_mode=True)


def test_the_video_level_needs_heads() -> None:
    message = "HierarchicalContrast reads Headed, but Cola gives Scores"
    with pytest.raises(ConfigError, match=message):
        JOINT.check(Cola())
    JOINT.check(WithClusterHead())
    PLAIN.check(WithClusterHead())
    with pytest.raises(ConfigError, match="choose a localizer that gives Headed"):
        replace(hc_utal.thumos14(), objective=JOINT)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"video_weight": -1.0}, "video_weight must not be negative, got -1.0"),
        ({"weighing_temperature": 0.0}, "weighing_temperature must be positive, got 0.0"),
        ({"instance_temperature": 0.0}, "instance_temperature must be positive, got 0.0"),
        ({"weighing_window": 0}, "weighing_window must be at least 1, got 0"),
        ({"easy_ratio": 0}, "easy_ratio must be at least 1, got 0"),
        ({"mining_dropout": 1.0}, r"mining_dropout must lie in \[0, 1\), got 1.0"),
        ({"window": 7}, "window must lie in .1, wide_window., got 7 and 6"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HierarchicalContrast(**setting)


def built(name: str) -> Method:
    return hc_utal.PRESETS[name].build()


HALVES = Halves(steps=12_000, batch_size=8)
FULL = HierarchicalContrast()
# Rows of Tables 6 to 8: name, clusterer, levels in use, whether their weights are dynamic.
ROWS = [
    ("baseline", Spectral(), (), False),
    ("vcl", HALVES, (), False),
    ("vcl-icl", HALVES, ("instance",), False),
    ("vcl-icl-bcl", HALVES, ("instance", "boundary"), False),
    ("", HALVES, ("instance", "boundary"), True),
    ("kmeans", KMeans(), ("instance", "boundary"), True),
    ("agglomerative", Agglomerative(), ("instance", "boundary"), True),
    ("spectral", Spectral(), ("instance", "boundary"), True),
    ("horizontal-only", replace(HALVES, levels="horizontal"), ("instance", "boundary"), True),
    ("vertical-only", replace(HALVES, levels="vertical"), ("instance", "boundary"), True),
    ("separate", HALVES, ("instance", "boundary"), True),
]


@pytest.mark.parametrize(("row", "clusterer", "levels", "dynamic"), ROWS)
def test_rows_of_the_tables(
    row: str, clusterer: object, levels: tuple[str, ...], dynamic: bool
) -> None:
    method, whole = built(f"thumos14-{row}" if row else "thumos14"), built("thumos14")
    assert method.clusterer == clusterer
    assert isinstance(method.objective, HierarchicalContrast)
    assert method.objective.levels == levels
    assert (method.objective.weighing_temperature is not None) == dynamic
    assert method.describer == (TopSnippets(ratio=1) if row == "separate" else whole.describer)
    for part in ("localizer", "decoder", "training", "num_rounds", "refiner", "selector"):
        assert getattr(method, part) == getattr(whole, part)
    assert (row or "joint") in hc_utal.PRESETS


@pytest.mark.parametrize("name", ["baseline", "kmeans", "agglomerative", "spectral"])
def test_adaptive_rows_compare_alike(name: str) -> None:
    """Every clusterer sees descriptors less what all videos share."""
    whole = built("").clusterer
    assert isinstance(whole, Halves)
    clusterer = built(name).clusterer
    assert isinstance(clusterer, KMeans | Agglomerative | Spectral)
    assert clusterer.centred
    assert whole.centred


def test_printed_settings() -> None:
    """Table 1 and Sec. 4.2."""
    for name, cas, threshold, suppression, length in (
        ("thumos14", (0.325, 0.35), 0.2, 0.55, 750),
        ("activitynet12", (0.0, 0.015, 0.03, 0.045, 0.06, 0.075, 0.09), 0.1, 0.7, 50),
        ("activitynet13", (0.0, 0.015, 0.03, 0.045, 0.06, 0.075, 0.09), 0.1, 0.7, 50),
    ):
        method = built(name)
        objective, decoder, clusterer = method.objective, method.decoder, method.clusterer
        assert (objective.horizontal_temperature, objective.vertical_temperature) == (0.4, 0.9)
        assert (clusterer.horizontal_temperature, clusterer.vertical_temperature) == (0.4, 0.9)
        assert (objective.instance_temperature, objective.boundary_temperature) == (0.07, 0.07)
        assert (objective.magnitude, method.training.learning_rate) == (150, 1e-4)
        assert (decoder.cas_thresholds, decoder.class_threshold) == (cas, threshold)
        assert decoder.nms_threshold == suppression
        assert method.training.snippets.num_snippets == method.snippets.num_snippets == length
        printed = built(f"{name}-paper")
        assert printed.decoder.cas_thresholds == cas
        assert not printed.decoder.actionness_thresholds
        assert not printed.decoder.magnitude_thresholds
        assert printed.objective.levels == ("video", "instance", "boundary")
        assert printed.localizer.output is Headed


def test_released_settings() -> None:
    method = built("thumos14-release")
    assert method.clusterer == replace(
        HALVES, form="rows", vertical_temperature=0.4, projection_width=2048
    )
    assert (method.clusterer.learning_rate, method.training.weight_decay) == (9e-5, 5e-4)
    assert method.objective.weighing_temperature is None
    assert method.objective.instance_temperature == 0.1
    assert method.localizer == Cola(split_streams=True)
    decoder = method.decoder
    assert (decoder.actionness_thresholds[0], decoder.actionness_thresholds[-1]) == (0.025, 0.925)
    assert (decoder.magnitude_thresholds[0], decoder.magnitude_thresholds[-1]) == (0.325, 0.9)
    assert (method.num_rounds * method.training.steps, method.training.restart) == (3000, False)


@pytest.mark.parametrize("name", ["joint", "thumos14-joint", "activitynet12-joint"])
def test_joint_couples_all_in_one_network(name: str) -> None:
    method, apart = built(name), built(name.removesuffix("joint").removesuffix("-"))
    assert method.localizer == WithClusterHead(apart.localizer, width=apart.localizer.width)
    assert method.objective == replace(apart.objective, video_weight=1.0)
    assert method.describer == WithPosterior(apart.describer)
    centred = name == "joint"
    assert method.clusterer == ArgMaxPosterior(first=Spectral(centred=centred))
    assert method.training == apart.training


def test_joint_rounds_group_by_what_the_head_says() -> None:
    corpus, _, _ = planted_corpus(16)
    method = shrunk(built("joint"))
    method = replace(method, training=replace(method.training, batch_size=8, steps=3))
    once, again = (list(rounds(method, corpus, NUM_ACTIONS, seed=0, device=CPU)) for _ in range(2))
    assert all(same(one, other) for one, other in zip(once, again, strict=True))
    assert "video" in once[-1].losses.terms
    first, later = (one.clustering for one in once)
    assert first is not None
    assert later is not None
    assert first.confidence.max() <= 0  # minus a distance, of the clusterer of the first round
    assert (later.confidence >= 1 / NUM_ACTIONS - 1e-6).all()
    assert (later.confidence <= 1).all()
