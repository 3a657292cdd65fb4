"""Region contrast: oracle numbers, the plain loop, by hand, and what cannot matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from tests.oracle_data import cases
from tests.reference import dcc as reference
from utal.losses import regions
from utal.losses.region_memory import RegionMemory
from utal.losses.regions import RegionSets
from utal.records import PseudoLabels

CASES = cases("dcc.npz")
Case = dict[str, np.ndarray]


def everywhere(values: torch.Tensor) -> torch.Tensor:
    return torch.ones(values.shape[:2], dtype=torch.bool)


def oracle_sets(case: Case) -> RegionSets:
    """All entries of the file as sets, live ones first."""
    num_regions = int(case["num_regions"]) + 1
    rows = slice(None, None, 2 * num_regions)
    video = torch.tensor(case["entry_video"][rows])
    vectors = torch.tensor(case["entry_vector"])
    return RegionSets(
        vectors=vectors.reshape(-1, 2, num_regions, vectors.shape[1]),
        exists=torch.tensor(case["entry_valid"]).reshape(-1, 2, num_regions),
        video=video,
        cluster=torch.tensor(case["entry_class"][rows]),
        carried=torch.tensor(case["labels"])[video],
    )


def part_of(sets: RegionSets, rows: slice) -> RegionSets:
    return RegionSets(*(getattr(sets, name)[rows] for name in RegionSets.__slots__))


def live_features(case: Case, projected: torch.Tensor, num_live: int) -> tuple[torch.Tensor, ...]:
    """Vectors of the live sets from the equations, set by set, and where they exist."""
    sets = part_of(oracle_sets(case), slice(num_live))
    cas = torch.tensor(case["cas"])
    mask = everywhere(cas)
    labels = regions.snippet_labels(cas, mask)
    groups = torch.tensor(case["embedding_clusters"])
    trust = regions.label_confidence(labels, groups, mask, num_groups=int(groups.max()) + 1)
    members = regions.region_members(mask, int(case["num_regions"]))
    found = []
    for video, cluster in zip(sets.video.tolist(), sets.cluster.tolist(), strict=True):
        row = slice(video, video + 1)
        own, own_trust = labels[row, :, cluster], trust[row, :, cluster]
        weights = torch.stack([own * own_trust, (1 - own) * own_trust], dim=2)
        found.append(regions.region_features(projected[row], weights, members[row]))
    return torch.cat([vectors for vectors, _ in found]), torch.cat([there for _, there in found])


@pytest.mark.parametrize("name", CASES)
def test_oracle_labels_and_confidence(name: str) -> None:
    case = CASES[name]
    cas = torch.tensor(case["cas"])
    mask = everywhere(cas)
    shares = torch.softmax(cas, dim=2)
    np.testing.assert_allclose(shares, case["softmax"], rtol=1e-9)
    np.testing.assert_allclose(shares.mean(1), case["threshold"], rtol=1e-9)
    assert float(case["mask_margin"]) > 1e-9
    labels = regions.snippet_labels(cas, mask)
    np.testing.assert_array_equal(labels, case["pseudo_mask"])
    groups = torch.tensor(case["embedding_clusters"])
    trust = regions.label_confidence(labels, groups, mask, num_groups=int(groups.max()) + 1)
    np.testing.assert_allclose(trust, case["confidence"], rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_oracle_contrast_and_gradient(name: str) -> None:
    case = CASES[name]
    sets = oracle_sets(case)
    per_set = 2 * (int(case["num_regions"]) + 1)
    num_live = int(case["num_live_entries"]) // per_set
    projected = torch.tensor(case["projected"], requires_grad=True)
    vectors, exists = live_features(case, projected, num_live)
    np.testing.assert_array_equal(exists, sets.exists[:num_live])
    np.testing.assert_allclose(vectors.detach(), sets.vectors[:num_live], rtol=1e-9, atol=1e-12)
    live = replace(part_of(sets, slice(num_live)), vectors=vectors)
    bank = part_of(sets, slice(num_live, None)) if len(sets.video) > num_live else None
    loss, counted = regions.region_contrast(live, bank, temperature=float(case["tau"]))

    anchors = torch.tensor(case["anchor_entry"])
    number = torch.arange(len(case["entry_valid"])).reshape(sets.exists.shape)
    place = (number[:num_live, 0][None] == anchors[:, None, None]).flatten(1).long().argmax(1)
    has_positive = torch.tensor(case["anchor_has_positive"])
    assert set(number[:num_live, 0][exists[:, 0]].tolist()) == set(anchors.tolist())
    assert torch.equal(counted.flatten()[place], has_positive)
    assert counted.sum() == has_positive.sum()
    np.testing.assert_allclose(loss.detach().flatten()[place], case["anchor_loss"], rtol=1e-9)
    mean = loss.sum() / counted.sum()
    assert mean.item() == pytest.approx(float(case["loss_mean_over_anchors"]), rel=1e-9)
    printed = float(case["loss_sum_over_anchors_div_M_per_video_class"])
    assert loss.sum().item() / int(case["num_regions"]) == pytest.approx(printed, rel=1e-9)
    mean.backward()
    expected = case["grad_projected"]
    atol = 1e-8 * abs(expected).max()
    np.testing.assert_allclose(projected.grad, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_oracle_positives_and_negatives(name: str) -> None:
    case = CASES[name]
    sets = oracle_sets(case)
    num_regions = sets.exists.shape[2]
    positive, negative = regions.related(sets, sets, across_videos=True, across_clusters=True)
    for row, entry in enumerate(case["anchor_entry"].tolist()):
        number = entry // (2 * num_regions)
        expected = case["anchor_positive"][row].copy()
        expected[entry] = True  # the anchor itself, which is left out of the sums only
        np.testing.assert_array_equal(positive[number].flatten(), expected)
        np.testing.assert_array_equal(negative[number].flatten(), case["anchor_negative"][row])


LENGTHS = (17, 20, 11, 20)
CARRIED = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]]).bool()


def random_videos() -> tuple[torch.Tensor, ...]:
    """Activation, groups, projected features and mask of four videos of several lengths."""
    generator = torch.Generator().manual_seed(0)
    activation = torch.randn(4, 20, 4, generator=generator, dtype=torch.float64)
    projected = torch.randn(4, 20, 5, generator=generator, dtype=torch.float64)
    groups = torch.randint(3, (4, 20), generator=generator)
    mask = torch.arange(20) < torch.tensor(LENGTHS)[:, None]
    return activation, groups, projected * mask[:, :, None], mask


@pytest.mark.parametrize("num_regions", [1, 2, 5])
def test_plain_loop(num_regions: int) -> None:
    """From activations to the loss of every anchor, with padding, through the memory."""
    activation, groups, projected, mask = random_videos()
    labels = regions.snippet_labels(activation, mask)
    trust = regions.label_confidence(labels, groups, mask, num_groups=3)
    entries: list[reference.Entry] = []
    for video, length in enumerate(LENGTHS):
        own = reference.snippet_labels(activation[video, :length].numpy())
        np.testing.assert_array_equal(labels[video, :length], own)
        for cluster in CARRIED[video].nonzero().flatten().tolist():
            share = reference.confidence(own[:, cluster], groups[video, :length].tolist())
            np.testing.assert_allclose(trust[video, :length, cluster], share, rtol=1e-12)
            entries += reference.entries_of(
                projected[video, :length].numpy(),
                own[:, cluster],
                share,
                video=video,
                cluster=cluster,
                num_regions=num_regions,
            )
    clusters_of = {
        video: set(row.nonzero().flatten().tolist()) for video, row in enumerate(CARRIED)
    }
    expected = [
        reference.contrast(entry, entries, clusters_of, 0.3) if entry.exists else None
        for entry in entries
        if entry.is_action
    ]

    _, numbers, live = in_memory(num_regions)
    loss, counted = regions.region_contrast(live, None, temperature=0.3)
    used = numbers.used.flatten()
    found = zip(loss[used].flatten().tolist(), counted[used].flatten().tolist(), strict=True)
    for (value, counts), wanted in zip(found, expected, strict=True):
        assert counts is (wanted is not None)
        assert value == pytest.approx(wanted or 0.0, rel=1e-9)
    assert not counted[~used].any()


def in_memory(num_regions: int) -> tuple[RegionMemory, object, RegionSets]:
    """A memory for six videos, and the regions of four of them as its live sets."""
    activation, groups, projected, mask = random_videos()
    targets = torch.cat([CARRIED, CARRIED[:2]]).double()
    given = PseudoLabels(torch.tensor([2, 3, 5, 7, 8, 9]), targets, torch.ones(6))
    size = 1 if num_regions == 1 else num_regions + 1
    memory = RegionMemory(given, size, projected.shape[2]).double()
    numbers = memory.numbers(given.videos[:4], torch.ones(4))
    labels = regions.snippet_labels(activation, mask)
    trust = regions.label_confidence(labels, groups, mask, num_groups=3)
    own, own_trust = (
        torch.take_along_dim(values, numbers.cluster[:, None], dim=2) for values in (labels, trust)
    )
    weights = torch.stack([own * own_trust, (1 - own) * own_trust], dim=3).flatten(2)
    members = regions.region_members(mask, num_regions)
    return (
        memory,
        numbers,
        memory.sets(numbers, *regions.region_features(projected, weights, members)),
    )


def test_memory_replaces_what_visits() -> None:
    """Entries of the batch come from the batch alone, the others as they were last seen."""
    memory, numbers, live = in_memory(5)
    first = memory.exchange(numbers, live)
    assert not first.exists.any()  # nothing is stored but of the batch itself
    # Rows of videos 2, 3, 3, 5, 7 and a spare one for each video with a single cluster.
    assert numbers.number.tolist() == [[0, 8], [1, 2], [3, 8], [4, 8]]
    assert torch.equal(memory.vectors[:5], live.vectors[numbers.used.flatten()])
    assert torch.equal(memory.exists[:5], live.exists[numbers.used.flatten()])
    assert not memory.exists[5:].any()

    later = memory.numbers(torch.tensor([3, 9]), torch.ones(2))
    assert later.number.tolist() == [[1, 2], [6, 7]]
    vectors, exists = torch.ones(2, 4, 6, 5).double(), torch.ones(2, 4, 6, dtype=torch.bool)
    second = memory.exchange(later, memory.sets(later, vectors, exists))
    others = torch.tensor([0, 3, 4])
    assert torch.equal(second.exists[others], live.exists[numbers.used.flatten()][[0, 3, 4]])
    assert not second.exists[[1, 2, 5, 6, 7, 8]].any()
    assert memory.exists[[1, 2, 6, 7]].all()


def test_video_of_weight_zero_is_absent() -> None:
    memory, numbers, live = in_memory(5)
    memory.exchange(numbers, live)
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0])
    without = memory.numbers(torch.tensor([2, 3, 5, 7]), weights)
    assert without.used.tolist() == [[True, False], [False, False], [True, False], [True, False]]
    vectors, exists = torch.ones(4, 4, 6, 5).double(), torch.ones(4, 4, 6, dtype=torch.bool)
    sets = memory.sets(without, vectors, exists)
    assert not sets.exists[[1, 2, 3, 5, 7]].any()
    banked = memory.exchange(without, sets)
    assert torch.equal(memory.vectors[1:3], live.vectors[2:4])  # as it was before
    assert torch.equal(banked.exists[1:3], live.exists[2:4])
    _, counted = regions.region_contrast(sets, banked, temperature=0.1)
    assert not counted[[2, 3]].any()


def test_orthonormal_vectors() -> None:
    """One positive and n negatives at right angles: log(1 + n e^(-1/t)) at similarity 1."""
    unit = torch.eye(4, dtype=torch.float64)
    vectors = torch.stack([unit[[0, 0]], unit[[1, 2]]])[None]  # one set, two regions of each kind
    one = RegionSets(
        vectors=vectors,
        exists=torch.ones(1, 2, 2, dtype=torch.bool),
        video=torch.tensor([0]),
        cluster=torch.tensor([0]),
        carried=torch.tensor([[True]]),
    )
    loss, counted = regions.region_contrast(one, None, temperature=0.5)
    assert counted.all()
    expected = torch.tensor(1 + 2 * np.exp(-2.0)).log()
    torch.testing.assert_close(loss, expected.expand(1, 2))
    lonely = replace(one, exists=torch.tensor([[[True, False], [True, True]]]))
    loss, counted = regions.region_contrast(lonely, None, temperature=0.5)
    assert not counted.any()
    assert not loss.any()


@pytest.mark.parametrize(
    ("across_videos", "across_clusters", "positives", "negatives"),
    [(True, True, 3, 8), (True, False, 3, 6), (False, True, 1, 2), (False, False, 1, 2)],
)
def test_what_is_compared(
    across_videos: bool, across_clusters: bool, positives: int, negatives: int
) -> None:
    """Of three sets with two regions: one's own, another of the cluster, one of another cluster."""
    sets = RegionSets(
        vectors=torch.zeros(3, 2, 2, 1),
        exists=torch.tensor([[[1, 1], [1, 1]], [[1, 1], [1, 1]], [[1, 1], [1, 1]]]).bool(),
        video=torch.tensor([0, 1, 2]),
        cluster=torch.tensor([0, 0, 1]),
        carried=torch.tensor([[True, False], [True, False], [False, True]]),
    )
    found = regions.related(
        sets, sets, across_videos=across_videos, across_clusters=across_clusters
    )
    assert int(found[0][0].sum()) - 1 == positives  # not the anchor itself
    assert int(found[1][0].sum()) == negatives


def test_gradient() -> None:
    """Checked in float64 on regions of which some do not exist; entries on both sides."""
    _, _, live = in_memory(3)
    bank = replace(live, video=live.video + 100, vectors=live.vectors.flip(0))

    def mean(raw: torch.Tensor) -> torch.Tensor:
        sets = replace(live, vectors=F.normalize(raw, dim=3))
        loss, counted = regions.region_contrast(sets, bank, temperature=0.4)
        return loss.sum() / counted.sum()

    shape = live.vectors.shape
    raw = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.autograd.gradcheck(mean, raw.requires_grad_(), fast_mode=True)


def test_renumbered_clusters_and_reordered_sets() -> None:
    _, _, live = in_memory(5)
    loss, counted = regions.region_contrast(live, None, temperature=0.1)
    permutation = torch.tensor([2, 0, 1])
    other = replace(
        live, cluster=permutation[live.cluster], carried=live.carried[:, permutation.argsort()]
    )
    torch.testing.assert_close(regions.region_contrast(other, None, temperature=0.1)[0], loss)
    order = torch.tensor([3, 0, 7, 1, 2, 6, 5, 4])
    mixed = RegionSets(*(getattr(live, name)[order] for name in RegionSets.__slots__))
    found = regions.region_contrast(mixed, None, temperature=0.1)
    torch.testing.assert_close(found[0], loss[order])
    assert torch.equal(found[1], counted[order])


def test_bank_and_batch_are_one_pool() -> None:
    """Whether another video is in the batch or in the memory does not change an anchor's loss."""
    _, _, live = in_memory(5)
    whole, counted = regions.region_contrast(live, None, temperature=0.1)
    first, rest = part_of(live, slice(2)), part_of(live, slice(2, None))
    split, split_counted = regions.region_contrast(first, rest, temperature=0.1)
    torch.testing.assert_close(split, whole[:2])
    assert torch.equal(split_counted, counted[:2])


def test_region_members_by_hand() -> None:
    mask = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    found = regions.region_members(mask, 3).int()
    # 7 snippets: 0-1, 2-3, 4-6; 3 snippets: one each.
    assert found[0].T.tolist() == [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1],
    ]
    assert found[1].T.tolist() == [
        [1, 1, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
    ]
    assert regions.region_members(mask, 1).shape == (2, 7, 1)
    for length in (1, 2, 5, 29, 30, 31):
        alone = regions.region_members(torch.ones(1, length, dtype=torch.bool), 5)[0]
        for number, part in enumerate(reference.parts(length, 5)):
            assert alone[:, number].nonzero().flatten().tolist() == list(part)


@pytest.mark.parametrize(
    ("labels", "groups", "expected"),
    [
        ([1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]),  # pure groups are trusted
        ([1, 0, 0, 0], [0, 0, 0, 0], [0.25, 0.75, 0.75, 0.75]),
        ([1, 1, 1, 0], [0, 0, 0, 2], [1, 1, 1, 1]),  # alone is sure of itself; group 1 is empty
        ([1, 0, 1, 0], [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_confidence_by_hand(labels: list[int], groups: list[int], expected: list[float]) -> None:
    found = regions.label_confidence(
        torch.tensor(labels).float()[None, :, None],
        torch.tensor(groups)[None],
        torch.ones(1, 4, dtype=torch.bool),
        num_groups=3,
    )
    torch.testing.assert_close(found[0, :, 0], torch.tensor(expected).float())


def test_snippet_groups_find_blobs() -> None:
    """Three far blobs of unequal size in every video; padding and company change nothing."""
    generator = torch.Generator().manual_seed(3)
    centres = 10 * torch.eye(3, dtype=torch.float64)
    kind = torch.tensor([[0] * 12 + [1] * 3 + [2] * 5, [2] * 10 + [0] * 1 + [1] * 9])
    snippets = centres[kind] + torch.randn(2, 20, 3, generator=generator, dtype=torch.float64)
    groups = regions.snippet_groups(snippets, everywhere(snippets), num_groups=3)
    for found, true in zip(groups, kind, strict=True):
        assert torch.equal(found[:, None] == found, true[:, None] == true)
    padded = regions.snippet_groups(
        F.pad(snippets, (0, 0, 0, 6)), F.pad(everywhere(snippets), (0, 6)), num_groups=3
    )
    assert torch.equal(padded[:, :20], groups)
    alone = regions.snippet_groups(snippets[1:], everywhere(snippets[1:]), num_groups=3)
    assert torch.equal(alone, groups[1:])


def test_snippet_groups_are_a_local_optimum() -> None:
    """Every snippet is in the group of the nearest mean: more steps would change nothing."""
    generator = torch.Generator().manual_seed(4)
    snippets = torch.randn(3, 40, 4, generator=generator, dtype=torch.float64)
    groups = regions.snippet_groups(snippets, everywhere(snippets), num_groups=5, steps=50)
    for own, found in zip(snippets, groups, strict=True):
        means = torch.stack([own[found == group].mean(0) for group in range(5)])
        assert torch.equal(torch.cdist(own[None], means[None])[0].argmin(1), found)


def test_more_groups_than_different_snippets() -> None:
    same = torch.ones(1, 6, 2)
    groups = regions.snippet_groups(same, everywhere(same), num_groups=4)
    assert (groups == groups[0, 0]).all()
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])[None, :, None]
    trust = regions.label_confidence(labels, groups, everywhere(same), num_groups=4)
    torch.testing.assert_close(trust[0, :2, 0], torch.full((2,), 1 / 3))
