"""Network, mining and losses of CoLA against the released code: values and gradients."""

import numpy as np
import pytest
import torch

from tests.oracle_data import cases, no_labels
from utal.localizers.cola import Cola, ColaNetwork
from utal.losses import mining
from utal.methods.cola import ClassifyAndContrast, ClassifyAndContrastLoss
from utal.records import Batch

CASES = cases("cola_model.npz")
SETTINGS = {
    "thumos": (
        Cola(width=48),
        ClassifyAndContrast(contrast_weight=0.01, max_divisor=10**6),
    ),
    "anet": (
        Cola(width=48, kernel=9, classifier_kernel=9, smoothing_kernel=7, easy_ratio=10),
        ClassifyAndContrast(contrast_weight=0.005, easy_ratio=10, hard_ratio=8, max_divisor=10**6),
    ),
}
NAMES = {
    "embed.0.weight": "actionness_module.f_embed.0.weight",
    "embed.0.bias": "actionness_module.f_embed.0.bias",
    "classify.weight": "actionness_module.f_cls.0.weight",
    "smooth.weight": "actionness_module.f_cls.1.weight",
}


def built(case: dict[str, np.ndarray]) -> tuple[ColaNetwork, ClassifyAndContrastLoss, Batch]:
    localizer, objective = SETTINGS[str(case["variant"])]
    features = torch.tensor(case["features"], requires_grad=True)
    width = case["embeddings"].shape[-1]
    from dataclasses import replace

    localizer = replace(localizer, width=width)
    network = localizer.build((features.shape[2],), case["label"].shape[1]).double().eval()
    state = {
        ours: torch.tensor(case[f"weight__{theirs}"])
        for ours, theirs in NAMES.items()
        if f"weight__{theirs}" in case
    }
    network.load_state_dict(state)
    loss = objective.loss(no_labels(case["label"].shape[1]), None).eval()
    count = len(features)
    batch = Batch(
        features,
        torch.ones(features.shape[:2], dtype=torch.bool),
        torch.tensor(case["label"]),
        torch.ones(count, dtype=torch.float64),
        torch.arange(count),
    )
    return network, loss, batch


@pytest.mark.parametrize("name", CASES)
def test_forward(name: str) -> None:
    case = CASES[name]
    network, _, batch = built(case)
    scores = network(batch.features, batch.mask)
    for ours, theirs in (
        (scores.embedding, "embeddings"),
        (scores.cas, "cas"),
        (scores.attention, "actionness"),
        (scores.probability, "video_scores"),
    ):
        np.testing.assert_allclose(ours.detach().numpy(), case[theirs], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_mining(name: str) -> None:
    case = CASES[name]
    actionness = torch.tensor(case["actionness"])
    np.testing.assert_array_equal(mining.above_median(actionness).numpy(), case["binary"] > 0.5)
    mask = torch.tensor(case.get("mining_mask", np.ones(actionness.shape)))
    found = mining.mined_indices(
        actionness,
        mask,
        num_easy=int(case["k_easy"]),
        num_hard=int(case["k_hard"]),
        window=3,
        wide_window=6,
    )
    for ours, theirs in (
        (found.easy_action, "EA"),
        (found.easy_background, "EB"),
        (found.hard_action, "HA"),
        (found.hard_background, "HB"),
    ):
        for row, margin in enumerate(case[f"{theirs}_margin"]):
            if margin > 1e-9:  # else the pick among equal scores is not unique
                expected = set(case[f"{theirs}_index"][row].tolist())
                assert set(ours[row].tolist()) == expected, (theirs, row)


@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    network, loss, batch = built(case)
    given = mining.MinedIndices(
        *(torch.tensor(case[f"{kind}_index"]).long() for kind in ("EA", "EB", "HA", "HB"))
    )
    # The released picks: where scores tie, which snippet is taken is the machine's choice.
    monkeypatch.setattr(mining, "mined_indices", lambda *args, **kwargs: given)
    terms = loss(network(batch.features, batch.mask), batch, 0.0)
    total = terms["classification"] + terms["contrast"]
    weight = loss.settings.contrast_weight
    assert terms["classification"].item() == pytest.approx(float(case["loss_cls"]), rel=1e-9)
    assert terms["contrast"].item() == pytest.approx(weight * float(case["loss_snico"]), rel=1e-9)
    assert total.item() == pytest.approx(float(case["loss_total"]), rel=1e-9)
    for value, prefix, factor in (
        (total, "total", 1.0),
        (terms["classification"], "cls", 1.0),
        (terms["contrast"], "snico", weight),
    ):
        network.zero_grad()
        batch.features.grad = None
        value.backward(retain_graph=True)
        gradients = {
            f"grad_{prefix}__{theirs}": network.get_parameter(ours).grad
            for ours, theirs in NAMES.items()
            if f"grad_{prefix}__{theirs}" in case
        }
        if prefix == "total":
            gradients["grad_total__features"] = batch.features.grad
        assert gradients, f"the file has no gradients of {prefix}"
        for key, gradient in gradients.items():
            expected = factor * case[key]
            ours = np.zeros_like(expected) if gradient is None else gradient.numpy()
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8 * abs(expected).max())


def test_released_divisor_on_many_clusters_is_weaker() -> None:
    """With 100 clusters the released mean is a fifth of ours; with 20 they agree."""
    from utal.losses.classification import distribution_cross_entropy

    for clusters, factor in ((20, 1.0), (100, 5.0), (6, 1.0)):
        probability = torch.full((2, clusters), 1 / clusters)
        targets = torch.eye(clusters)[:2]
        ours = distribution_cross_entropy(probability, targets, max_divisor=20)
        released = distribution_cross_entropy(probability, targets, max_divisor=10**6)
        torch.testing.assert_close(ours, factor * released)
    uniform = distribution_cross_entropy(
        torch.full((1, 20), 0.05), torch.eye(20)[:1], max_divisor=20
    )
    assert uniform.item() == pytest.approx(0.1985, abs=5e-5)


def test_zero_weight_is_an_absent_video() -> None:
    network, loss, batch = built(CASES["thumos_small"])
    from dataclasses import replace

    scores = network(batch.features, batch.mask)
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    kept = torch.tensor([0, 2, 3])
    with_zero = loss(scores, replace(batch, weights=weights), 0.0)
    fewer = Batch(batch.features[kept], batch.mask[kept], batch.targets[kept], weights[kept], kept)
    without = loss(network(fewer.features, fewer.mask), fewer, 0.0)
    for term in without:
        torch.testing.assert_close(with_zero[term], without[term])


def test_certainty_has_a_finite_gradient() -> None:
    """A softmax reaches 1 and 0 exactly in float32; the released BCELoss survives that."""
    from utal.losses.classification import distribution_cross_entropy

    for target in (0, 1):
        logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
        probability = torch.softmax(logits, dim=1)
        targets = torch.eye(2)[[target]]
        loss = distribution_cross_entropy(probability, targets, max_divisor=20)
        expected = torch.nn.functional.binary_cross_entropy(probability, targets)
        torch.testing.assert_close(loss[0], expected)
        loss.sum().backward()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()
