"""Losses of BaS-Net, DCC's base and STPN: released and oracle numbers, the plain loop, by hand."""

import math

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from utal.localizers.basnet import background_output
from utal.losses import attention, classification
from utal.losses.background import background_labels

RELEASED = cases("basnet.npz")
DCC = cases("dcc.npz", listed_as="base_cases")


def everywhere(values: torch.Tensor) -> torch.Tensor:
    return torch.ones(values.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize(
    ("background", "normalised", "expected"),
    [
        (1.0, True, [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]]),
        (0.0, True, [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]),
        (1.0, False, [[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]),
    ],
)
def test_labels_by_hand(background: float, normalised: bool, expected: list[list[float]]) -> None:
    targets = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    found = background_labels(targets, background=background, normalised=normalised)
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("name", RELEASED)
def test_released_losses(name: str) -> None:
    case = RELEASED[name]
    targets = torch.tensor(case["label"])
    for kind, background in (("base", 1.0), ("supp", 0.0)):
        labels = background_labels(targets, background=background, normalised=True)
        score = torch.tensor(case[f"score_{kind}"])
        loss = classification.binary_cross_entropy(score, labels) / labels.shape[1]
        assert loss.mean().item() == pytest.approx(float(case[f"loss_{kind}"]), rel=1e-9)
    foreground = torch.tensor(case["foreground_weights"])
    norm = attention.attention_sum(foreground, everywhere(foreground))
    assert norm.mean().item() == pytest.approx(float(case["loss_norm"]), rel=1e-9)


@pytest.mark.parametrize("name", DCC)
@pytest.mark.parametrize("kind", ["normalised", "unnormalised"])
def test_dcc_base_and_gradients(name: str, kind: str) -> None:
    case = DCC[name]
    cas = torch.tensor(case["cas"], requires_grad=True)
    foreground = torch.tensor(case["foreground"], requires_grad=True)
    output = background_output(
        torch.zeros(*cas.shape[:2], 1, dtype=torch.float64),
        cas,
        foreground[:, :, None] * cas,
        foreground,
        everywhere(foreground),
        top_ratio=8,
        localise_base=True,
    )
    targets = torch.tensor(case["labels"]).double()
    parts = [
        classification.binary_cross_entropy(
            score,
            background_labels(targets, background=background, normalised=kind == "normalised"),
        )
        for score, background in (
            (output.probability_base, 1.0),
            (output.probability_suppressed, 0.0),
        )
    ]
    loss = (parts[0] + parts[1]).mean()
    key = f"L_mil_{kind}_labels"
    assert loss.item() == pytest.approx(float(case[key]), rel=1e-9)
    loss.backward()
    for ours, theirs in ((cas, "cas"), (foreground, "foreground")):
        expected = case[f"grad_{key}__{theirs}"]
        np.testing.assert_allclose(ours.grad, expected, rtol=0, atol=1e-8 * abs(expected).max())


@pytest.mark.parametrize("name", DCC)
def test_dcc_norms(name: str) -> None:
    foreground = torch.tensor(DCC[name]["foreground"])
    mask = everywhere(foreground)
    for norm, key in (
        (attention.attention_mean, "L_norm_mean"),
        (attention.attention_sum, "L_norm_sum"),
    ):
        assert norm(foreground, mask).mean().item() == pytest.approx(float(DCC[name][key]))


def test_norms_by_hand() -> None:
    weights = torch.tensor([[0.5, 0.25, 9.0], [1.0, 0.0, 0.5]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert attention.attention_sum(weights, mask).tolist() == [0.75, 1.5]
    assert attention.attention_mean(weights, mask).tolist() == [0.375, 0.5]


def test_plain_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    labels = torch.rand(4, 5, generator=generator, dtype=torch.float64)
    sigmoid, softmax = logits.sigmoid(), torch.softmax(logits, 1)
    for video in range(4):
        for found, share in (
            (classification.binary_cross_entropy(softmax, labels), softmax),
            (attention.multi_label_cross_entropy(logits, labels), sigmoid),
        ):
            expected = 0.0
            for column in range(5):
                y, p = float(labels[video, column]), float(share[video, column])
                expected -= y * math.log(p) + (1 - y) * math.log(1 - p)
            assert found[video].item() == pytest.approx(expected, rel=1e-12)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True] * 4, [True, True, False, False]])
    for loss in (
        lambda z: classification.binary_cross_entropy(torch.softmax(z, 1), labels),
        lambda z: attention.multi_label_cross_entropy(z, labels),
        lambda z: attention.attention_sum(z.sigmoid(), mask),
        lambda z: attention.attention_mean(z.sigmoid(), mask),
    ):
        assert torch.autograd.gradcheck(loss, logits)
