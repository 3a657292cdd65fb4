"""Separation by attention: by hand, against the loop, the reference numbers, what cannot matter."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from tests.oracle_data import cases
from tests.reference import tcam as reference
from utal.localizers.pooling import masked_softmax
from utal.losses.separation import action_and_background, inter_separation, intra_separation

ORACLE = cases("tcam.npz", listed_as="loss_cases")
INTER, INTRA = 1e-4, 0.25


def padded(videos: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Videos of different lengths side by side, and where there is something."""
    rows = [torch.tensor(video) for video in videos]
    mask = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], batch_first=True)
    return pad_sequence(rows, batch_first=True), mask


def separated(
    features: torch.Tensor,
    logits: torch.Tensor,
    mask: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both losses of every cluster and video, from raw attention."""
    if weights is None:
        weights = torch.ones(len(features), dtype=features.dtype)
    action, background = action_and_background(features, masked_softmax(logits, mask), mask)
    inter = inter_separation(action, targets, weights, margin=INTER)
    several = mask.sum(1) > 1
    return inter, intra_separation(action, background, targets, weights, several, margin=INTRA)


def random_case(seed: int, lengths: tuple[int, ...] = (6, 9, 1, 4, 7, 2)):
    rng = np.random.default_rng(seed)
    features, mask = padded([rng.normal(size=(length, 4)) for length in lengths])
    logits, _ = padded([rng.normal(size=(length, 3)) for length in lengths])
    targets = torch.eye(3).double()[torch.arange(len(lengths)) % 3]
    targets[0] = 1  # a video of every cluster
    return features, logits, mask, targets


def test_action_and_background_by_hand() -> None:
    """Attention entirely on the first, or evenly on both of two snippets."""
    features = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    attention = torch.tensor([[[1.0, 0.5], [0.0, 0.5]]])
    action, background = action_and_background(features, attention, torch.ones(1, 2).bool())
    assert action.tolist() == [[[3, 0], [1.5, 2]]]
    assert background.tolist() == [[[0, 4], [1.5, 2]]]


@pytest.mark.parametrize(
    ("actions", "backgrounds", "inter", "intra"),
    [
        # Alike, and at right angles to both backgrounds: 0 - 1 + .25 < 0.
        (([1, 0], [2, 0]), ([0, 1], [0, 1]), (0, 0), (0, 0)),
        # Alike, and so are the backgrounds: 0 - 0 + .25.
        (([1, 0], [2, 0]), ([1, 0], [5, 0]), (0, 0), (0.25, 0.25)),
        # At right angles; one background is the action itself, one its opposite.
        (([1, 0], [0, 1]), ([1, 0], [0, -1]), (1 - 1e-4, 1 - 1e-4), (1.25, 0)),
    ],
)
def test_hinges_by_hand(actions, backgrounds, inter, intra) -> None:
    action = torch.tensor(actions).double()[:, None]
    background = torch.tensor(backgrounds).double()[:, None]
    ones = torch.ones(2).double()
    found = inter_separation(action, ones[:, None], ones, margin=INTER)
    assert found[0].tolist() == pytest.approx(inter)
    found = intra_separation(
        action, background, ones[:, None], ones, torch.ones(2).bool(), margin=INTRA
    )
    assert found[0].tolist() == pytest.approx(intra)


@pytest.mark.parametrize("seed", [0, 1])
def test_plain_loop(seed: int) -> None:
    """Ragged videos, one of a single snippet, one of three clusters."""
    features, logits, mask, targets = random_case(seed)
    inter, intra = separated(features, logits, mask, targets)
    for cluster in range(3):
        members = [n for n in range(len(targets)) if targets[n, cluster]]
        videos = []
        for n in members:
            scores = logits[n, mask[n], cluster].exp().numpy()
            videos.append((features[n, mask[n]].numpy(), scores / scores.sum()))
        expected = reference.separation(videos, INTER, INTRA)
        assert (inter[cluster].sum(), intra[cluster].sum()) == pytest.approx(expected)
        others = [n for n in range(len(targets)) if not targets[n, cluster]]
        assert not inter[cluster, others].any()
        assert not intra[cluster, others].any()
    assert (intra[:, 2] == 0).all()  # the video of one snippet
    assert inter[2, 2] > 0


@pytest.mark.parametrize("name", ORACLE)
def test_reference_values_and_gradients(name: str) -> None:
    case = ORACLE[name]
    spans = [slice(*pair) for pair in pairwise(case["offsets"])]
    features, mask = padded([case["X_cs"][span] for span in spans])
    logits, _ = padded([case["A"][span] for span in spans])
    features.requires_grad_()
    logits.requires_grad_()
    targets = torch.eye(int(case["num_clusters"])).double()[case["labels"]]
    own = torch.arange(len(spans)), torch.tensor(case["labels"])
    attention = masked_softmax(logits, mask)
    action, background = action_and_background(features, attention, mask)
    np.testing.assert_allclose(action[own].detach(), case["J"], rtol=1e-9)
    np.testing.assert_allclose(background[own].detach(), case["B"], rtol=1e-9, atol=1e-15)
    inter, intra = separated(features, logits, mask, targets)
    for ours, theirs in ((inter, "L_inter"), (intra, "L_intra")):
        expected = case[f"{theirs}_per_cluster"]
        np.testing.assert_allclose(ours.detach().sum(1), expected, rtol=1e-9)
    total = inter.sum() + intra.sum()
    assert total.item() == pytest.approx(float(case["L_abs"]), rel=1e-9)
    total.backward()
    for ours, theirs in ((features, "X_cs"), (logits, "A")):
        expected = case[f"grad_L_abs__{theirs}"]
        np.testing.assert_allclose(ours.grad[mask], expected, rtol=0, atol=1e-8)
        assert not ours.grad[~mask].any()


def test_gradient() -> None:
    features, logits, mask, targets = random_case(2)

    def total(features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return torch.stack(separated(features, logits, mask, targets)).sum()

    assert torch.autograd.gradcheck(total, (features.requires_grad_(), logits.requires_grad_()))


def test_features_of_zero_have_a_finite_gradient() -> None:
    features = torch.zeros(4, 5, 3, requires_grad=True)
    logits = torch.zeros(4, 5, 1, requires_grad=True)
    mask = torch.ones(4, 5, dtype=torch.bool)
    torch.stack(separated(features, logits, mask, torch.ones(4, 1))).sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_what_cannot_matter() -> None:
    """Numbers of clusters, order of videos and snippets, padding, and videos of weight zero."""
    features, logits, mask, targets = random_case(3, (8, 8, 8, 8, 8, 8))
    expected = torch.stack(separated(features, logits, mask, targets))
    clusters, videos = torch.tensor([2, 0, 1]), torch.tensor([3, 1, 5, 0, 2, 4])
    times = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    found = separated(
        features[videos][:, times],
        logits[videos][:, times][:, :, clusters],
        mask,
        targets[videos][:, clusters],
    )
    torch.testing.assert_close(torch.stack(found), expected[:, clusters][:, :, videos])
    longer = [torch.nn.functional.pad(each, (0, 0, 0, 3)) for each in (features, logits)]
    found = separated(*longer, torch.nn.functional.pad(mask, (0, 3)), targets)
    torch.testing.assert_close(torch.stack(found), expected)
    weights = torch.tensor([1, 1, 0, 1, 1, 0]).double()
    kept = weights > 0
    found = torch.stack(separated(features, logits, mask, targets, weights))
    fewer = separated(features[kept], logits[kept], mask[kept], targets[kept])
    torch.testing.assert_close(found[:, :, kept], torch.stack(fewer))
    assert not found[:, :, ~kept].any()
