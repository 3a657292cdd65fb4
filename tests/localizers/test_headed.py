"""A localizer with heads: what they are shown, that they share nothing, and what cannot matter."""

import numpy as np
import pytest
import torch

from tests.reference import hc_utal as reference
from utal.errors import ConfigError
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion
from utal.localizers.headed import Headed, WithClusterHead, attended_in_time
from utal.localizers.video_heads import VideoHeads, half_positions
from utal.records import Scores

STREAMS, NUM_CLUSTERS = (4, 3), 3


def network(**settings: int) -> torch.nn.Module:
    torch.manual_seed(0)
    part = WithClusterHead(Cola(width=8), **settings)
    return part.build(STREAMS, NUM_CLUSTERS).double()


def batch(lengths: tuple[int, ...], time: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.rand(len(lengths), time, sum(STREAMS), generator=generator).double()
    mask = torch.arange(time) < torch.tensor(lengths)[:, None]
    return features * mask[:, :, None], mask


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
def test_halves(count: int) -> None:
    positions, exists = half_positions(torch.tensor([count, 8]), 8)
    first, second = (p[e].tolist() for p, e in zip(positions[:, 0], exists[:, 0], strict=True))
    if count == 1:
        assert first == second == [0]
    else:
        assert first + second == list(range(count))
        assert len(second) - len(first) == count % 2
    assert exists[:, 1].all()


def test_attended_in_time_as_plainly() -> None:
    rng = np.random.default_rng(0)
    attention = torch.from_numpy(rng.integers(0, 5, size=(4, 23)) / 4)  # with many ties
    lengths = torch.tensor([23, 11, 2, 7])
    mask = torch.arange(23) < lengths[:, None]
    index, kept = attended_in_time(attention + ~mask, mask, 4)
    positions, exists = half_positions(kept.sum(1), index.shape[1])
    for n, length in enumerate(lengths.tolist()):
        chosen, *halves = reference.attended_halves(attention[n, :length].tolist(), 4)
        assert index[n][kept[n]].tolist() == chosen
        for side, half in enumerate(halves):
            held = positions[side, n][exists[side, n]]
            assert index[n][held].tolist() == half


def test_heads_see_the_raw_features_of_the_halves() -> None:
    net = network(ratio=2).eval()
    features, mask = batch((30, 17))
    output = net(features, mask)
    for n, length in enumerate((30, 17)):
        attention = output.scores.attention[n, :length].tolist()
        whole, first, second = reference.attended_halves(attention, 2)
        shown = [
            net.heads(features[n, rows][None], mask[n, rows][None]) for rows in (first, second)
        ]
        for side, (projection, assignment) in enumerate(shown):
            torch.testing.assert_close(output.projections[side][n], projection[0])
            torch.testing.assert_close(output.assignments[side][n], assignment[0])
        _, posterior = net.heads(features[n, whole][None], mask[n, whole][None])
        torch.testing.assert_close(output.posterior[n], posterior[0])


def test_what_heads_say_has_unit_length_and_sums_to_one() -> None:
    output = network().eval()(*batch((30, 1)))
    for projection in output.projections:
        torch.testing.assert_close(projection.norm(dim=1), torch.ones(2).double())
    for assignment in (*output.assignments, output.posterior):
        torch.testing.assert_close(assignment.sum(1), torch.ones(2).double())


def test_padding_and_the_rest_of_the_batch_do_not_matter() -> None:
    net = network(ratio=3).eval()
    features, mask = batch((30, 17, 4))
    together = net(features, mask)
    alone = net(features[1:2, :17], mask[1:2, :17])
    told = (*together.projections, *together.assignments, together.posterior)
    for row, single in zip(
        told, (*alone.projections, *alone.assignments, alone.posterior), strict=True
    ):
        torch.testing.assert_close(row[1:2], single)


def test_the_localizer_is_as_without_heads_and_gets_no_gradient_from_them() -> None:
    net = network().eval()
    features, mask = batch((30, 17))
    output = net(features, mask)
    plain: Scores = net.localizer(features, mask)
    assert output.inner.scores is output.scores
    assert torch.equal(output.scores.cas, plain.cas)
    sum(each.square().sum() for each in (*output.projections, *output.assignments)).backward()
    assert all(parameter.grad is None for parameter in net.localizer.parameters())
    assert all(parameter.grad is not None for parameter in net.heads.parameters())


def test_no_posterior_while_training() -> None:
    assert network().train()(*batch((30, 17))).posterior is None


def test_other_localizers_and_widths() -> None:
    part = WithClusterHead(LateFusion(Cola(width=8)), width=5, projection_width=6, kernel=1)
    assert (part.output, part.learns_embedding) == (Headed, True)
    output = part.build(STREAMS, NUM_CLUSTERS).double().eval()(*batch((30, 17)))
    assert output.projections[0].shape == (2, 6)
    assert output.scores.embedding.shape == (2, 30, 16)
    heads = VideoHeads(7, NUM_CLUSTERS, width=None, projection_width=None, kernel=3)
    assert heads.embed.out_channels == 7
    assert heads.project[2].out_features == NUM_CLUSTERS


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"ratio": 0}, "ratio must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"projection_width": 0}, "projection_width must be at least 1, got 0"),
        ({"kernel": 2}, "kernel must be odd, got 2"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WithClusterHead(**setting)
