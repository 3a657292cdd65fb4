"""STPN's decoder: a loop-written twin, tables, which localizers it takes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoding.making import smooth_noise, table, video
from tests.reference import decoding_weighted_cam as reference
from utal.decoding.weighted_cam import WeightedCamProposals, attended_proposals
from utal.errors import ConfigError, DataError
from utal.localizers.cola import Cola
from utal.localizers.fusion import Fused, LateFusion
from utal.localizers.stpn import Stpn, StpnOutput
from utal.methods import cola
from utal.records import Scores

REPEATABLE = settings(max_examples=60, deadline=None, derandomize=True)
DECODER = WeightedCamProposals()
# One sample per snippet, one stream, every cluster: to be followed by hand.
BARE = WeightedCamProposals(class_threshold=0.0, threshold=0.5, upscale=1)


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def stream(
    attention: np.ndarray, activation: np.ndarray, logits: np.ndarray | None = None
) -> StpnOutput:
    """Output of one network for one video."""
    logits = np.zeros(activation.shape[1]) if logits is None else logits
    tensors = (torch.as_tensor(x, dtype=torch.float64)[None] for x in (attention, activation))
    attention, activation = tensors
    logits = torch.as_tensor(logits, dtype=torch.float64)[None]
    cas = attention[..., None] * torch.sigmoid(activation)
    scores = Scores(activation, cas, attention, torch.softmax(logits, 1))
    return StpnOutput(scores, logits, activation)


def fused(*streams: StpnOutput) -> Fused:
    mean = [sum(parts) / len(streams) for parts in zip(*map(columns, streams), strict=True)]
    return Fused(Scores(*mean), streams, (1,) * len(streams))


def columns(output: StpnOutput) -> tuple[torch.Tensor, ...]:
    scores = output.scores
    return scores.embedding, scores.cas, scores.attention, scores.probability


def random_stream(rng: np.random.Generator, length: int, clusters: int = 3) -> StpnOutput:
    attention = 1 / (1 + np.exp(-2 * smooth_noise(rng, length, 1)[:, 0]))
    return stream(attention, smooth_noise(rng, length, clusters), rng.normal(-2, 1.5, clusters))


def triple(output: StpnOutput) -> tuple[list, list, list]:
    tensors = output.scores.attention, output.activation, output.logits
    return tuple(tensor[0].tolist() for tensor in tensors)


# ---------------------------------------------------------------------------- slow twin


@REPEATABLE
@given(
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1.0,), (1.0, 1.0), (3.0, 1.0)]),
    st.sampled_from([0.05, 0.3]),
    st.sampled_from([1, 24]),
)
def test_segments_equal_those_of_the_twin(
    length: int, seed: int, weights: tuple[float, ...], threshold: float, upscale: int
) -> None:
    rng = np.random.default_rng(seed)
    streams = [random_stream(rng, length) for _ in weights]
    decoder = WeightedCamProposals(
        threshold=threshold, upscale=upscale, weights=weights if weights[0] > 1 else None
    )
    output = fused(*streams)
    found = decoder.decode(output, video(2 * length, 24.0, 8.0, 8))
    rows = reference.decode(
        decoder,
        [triple(each) for each in streams],
        output.scores.probability[0].tolist(),
        2 * 8 / (24 * upscale),
        weights,
    )
    expected = np.array(rows).reshape(-1, 4)[:, [0, 3, 1, 2]]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)


def test_one_network_decodes_as_one_stream() -> None:
    output = random_stream(np.random.default_rng(0), 40)
    alone, wrapped = (DECODER.decode(o, video(40)) for o in (output, fused(output)))
    assert len(alone) > 0
    np.testing.assert_array_equal(table(alone), table(wrapped))


# ------------------------------------------------------------------------------ tables


def test_proposals_by_hand() -> None:
    # attention * sigmoid: 0.25, 0.5, 0.6, 0.25. Runs at 0.5: snippets 1 and 2.
    attention = np.array([0.5, 1.0, 0.8, 1.0])
    activation = np.array([0.0, 0.0, logit(0.75), logit(0.25)])
    fused_activation = np.array([9.0, 2.0, 5.0, 9.0])
    runs, score = attended_proposals(
        attention, activation, fused_activation, threshold=0.5, upscale=1
    )
    assert (runs.start.tolist(), runs.stop.tolist()) == ([1], [3])
    assert score.tolist() == pytest.approx([(1.0 * 2 + 0.8 * 5) / 2])


def test_both_streams_propose_and_both_score() -> None:
    first = stream(np.array([0, 1, 1, 0, 0, 0.0]), np.full((6, 1), 2.0))
    second = stream(np.array([0, 0, 0, 0, 1, 0.0]), np.full((6, 1), 4.0))
    found = BARE.decode(fused(first, second), video(6, fps=16.0))
    assert (found.start_s.tolist(), found.end_s.tolist()) == ([1.0, 4.0], [3.0, 5.0])
    assert found.score.tolist() == [3.0, 3.0]
    leaning = replace(BARE, weights=(3.0, 1.0))
    assert leaning.decode(fused(first, second), video(6)).score.tolist() == [2.5, 2.5]


def test_of_two_streams_the_better_run_stays() -> None:
    activation = np.full((6, 1), 2.0)
    first = stream(np.array([0, 0.8, 0.8, 0.8, 0, 0]), activation)
    second = stream(np.array([0, 1.0, 1.0, 0, 0, 0]), activation)
    found = BARE.decode(fused(first, second), video(6, fps=16.0))
    assert (found.start_s.tolist(), found.end_s.tolist()) == ([1.0], [3.0])
    # 2 / 3 is more than the threshold; exactly the threshold would stay.
    exactly = replace(BARE, nms_threshold=2 / 3)
    assert len(exactly.decode(fused(first, second), video(6))) == 2


def test_each_stream_is_searched_for_the_clusters_it_is_sure_of() -> None:
    activation = np.full((6, 3), 2.0)
    early, late = np.array([1, 1, 0, 0, 0, 0.0]), np.array([0, 0, 0, 1, 1, 0.0])
    first = stream(early, activation, np.array([logit(0.2), logit(0.05), logit(0.05)]))
    second = stream(late, activation, np.array([logit(0.3), logit(0.2), logit(0.05)]))
    found = replace(BARE, class_threshold=0.1).decode(fused(first, second), video(6, fps=16.0))
    rows = sorted(zip(found.cluster.tolist(), found.start_s.tolist(), strict=True))
    assert rows == [(0, 0.0), (0, 3.0), (1, 3.0)]


def test_without_a_sure_cluster_all_streams_are_searched_for_the_likeliest() -> None:
    activation = np.full((6, 2), 2.0)
    early, late = np.array([1, 1, 0, 0, 0, 0.0]), np.array([0, 0, 0, 1, 1, 0.0])
    low = np.array([logit(0.01), logit(0.02)])
    output = fused(stream(early, activation, low), stream(late, activation, low))
    found = replace(BARE, class_threshold=0.1).decode(output, video(6))
    assert found.cluster.tolist() == [1, 1]


def test_the_first_cluster_alone_is_found() -> None:
    only = np.array([logit(0.9), logit(0.01)])
    output = stream(np.ones(4), np.full((4, 2), 2.0), only)
    found = DECODER.decode(output, video(4))
    assert found.cluster.tolist() == [0]


@pytest.mark.parametrize("length", [1, 2, 30])
def test_no_attention_gives_no_segments(length: int) -> None:
    output = fused(*[stream(np.zeros(length), np.ones((length, 2)))] * 2)
    found = DECODER.decode(output, video(length))
    assert (len(found), found.names) == (0, ("clip",))
    assert found.video.dtype == found.cluster.dtype == np.int64


def test_one_snippet_of_action_is_a_segment() -> None:
    found = DECODER.decode(stream(np.ones(1), np.full((1, 1), 3.0)), video(1))
    assert (found.start_s.tolist(), found.score.tolist()) == ([0.0], [pytest.approx(3.0)])
    assert found.end_s.tolist() == pytest.approx([16 / 25])


# ------------------------------------------------------------------------------ properties


@settings(REPEATABLE, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_permuted_clusters_give_permuted_segments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    streams = [random_stream(rng, 25, 4) for _ in range(2)]
    order = rng.permutation(4)
    turned = [
        stream(np.array(a), np.array(x)[:, order], np.array(z)[order])
        for a, x, z in map(triple, streams)
    ]
    found = DECODER.decode(fused(*streams), video(25))
    other = DECODER.decode(fused(*turned), video(25))
    for cluster, original in enumerate(order):
        mine, theirs = found.cluster == original, other.cluster == cluster
        np.testing.assert_allclose(table(found)[mine, 1:], table(other)[theirs, 1:], atol=1e-12)


@REPEATABLE
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_silence_before_the_action_delays_it(seed: int, delay: int) -> None:
    rng = np.random.default_rng(seed)
    attention, activation = np.zeros(60), rng.normal(size=(60, 1))
    attention[20:40] = rng.random(20)
    late = np.concatenate([np.zeros(delay), attention])
    shifted = np.concatenate([np.zeros((delay, 1)), activation])
    found = DECODER.decode(stream(attention, activation), video(60))
    moved = DECODER.decode(stream(late, shifted), video(60 + delay))
    np.testing.assert_allclose(moved.start_s, found.start_s + delay * 16 / 25, atol=1e-9)
    np.testing.assert_allclose(moved.end_s, found.end_s + delay * 16 / 25, atol=1e-9)
    np.testing.assert_allclose(moved.score, found.score, atol=1e-9)


def test_streams_may_change_places() -> None:
    rng = np.random.default_rng(5)
    first, second = random_stream(rng, 50), random_stream(rng, 50)
    one = table(DECODER.decode(fused(first, second), video(50)))
    two = table(DECODER.decode(fused(second, first), video(50)))
    np.testing.assert_allclose(one, two, atol=1e-12)


def test_anchor_clips_to_the_video() -> None:
    output, clip = stream(np.ones(10), np.ones((10, 1))), video(10, fps=16.0)
    found = replace(DECODER, anchor=0.5).decode(output, clip)
    assert (found.start_s.tolist(), found.end_s.tolist()) == ([0.0], [10.0])


# ------------------------------------------------------------------------------ errors


def test_takes_the_network_of_stpn_alone_or_per_stream() -> None:
    DECODER.check(Stpn())
    DECODER.check(LateFusion(Stpn()))
    for other, gives in ((Cola(), "Cola gives Scores"), (LateFusion(Cola()), "LateFusion gives")):
        with pytest.raises(ConfigError, match=f"Proposals reads StpnOutput, but {gives}"):
            DECODER.check(other)
    with pytest.raises(ConfigError, match="WeightedCamProposals reads StpnOutput, but Cola"):
        replace(cola.thumos14(), decoder=DECODER)


def test_decodes_what_the_networks_give() -> None:
    torch.manual_seed(0)
    for localizer, streams in ((Stpn(), (7,)), (LateFusion(Stpn()), (4, 3))):
        network = localizer.build(streams, 3).eval()
        with torch.no_grad():
            output = network(torch.rand(1, 30, 7), torch.ones(1, 30, dtype=torch.bool))
        found = replace(DECODER, class_threshold=0.0, threshold=0.0).decode(output, video(30))
        assert set(found.cluster.tolist()) == {0, 1, 2}


def test_as_many_weights_as_streams() -> None:
    two = replace(DECODER, weights=(2.0, 1.0))
    with pytest.raises(ConfigError, match="has 2 weights, but the localizer has 1 streams"):
        two.decode(random_stream(np.random.default_rng(0), 5), video(5))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("class_threshold", 2.0, r"class_threshold must lie in \[0, 1\], got 2.0"),
        ("threshold", -0.1, r"threshold must lie in \[0, 1\], got -0.1"),
        ("nms_threshold", 1.1, r"nms_threshold must lie in \[0, 1\], got 1.1"),
        ("anchor", 1.5, r"anchor must lie in \[0, 1\], got 1.5"),
        ("upscale", 0, "upscale must be at least 1, got 0"),
        ("weights", (), "weights must not be empty; null weighs all streams alike"),
        ("weights", (1.0, 0.0), r"weights must be positive, got \(1.0, 0.0\)"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(DECODER, **{field: value})


def test_scores_that_are_not_finite_are_refused() -> None:
    output = stream(np.ones(4), np.full((4, 2), np.nan))
    with pytest.raises(DataError, match="clip: the localizer's scores must be finite"):
        DECODER.decode(output, video(4))
