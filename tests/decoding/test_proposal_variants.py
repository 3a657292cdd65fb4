"""The outer-inner decoder as BaS-Net, APSL, AICL and CASE set it: their numbers, twin, tables."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.decoding.making import nearly_tied, scores, smooth_noise, table, video
from tests.oracle_data import cases
from tests.reference import decoding as reference
from utal.config import from_json, to_json, with_setting
from utal.decoding.outputs import kept_clusters
from utal.decoding.proposals import SOURCES, OuterInnerProposals, cluster_proposals
from utal.decoding.runs import (
    Runs,
    normalised,
    relative_magnitude,
    rescaled,
    threshold_runs,
    upsampled,
)
from utal.errors import ConfigError, DataError
from utal.methods import cola
from utal.records import Scores

BASNET = cases("other_decoders.npz", listed_as="basnet_cases")
APSL = cases("other_decoders.npz", listed_as="apsl_cases")
REPEATABLE = settings(max_examples=60, deadline=None, derandomize=True)
BASNET_DECODER = OuterInnerProposals(
    class_threshold=0.25,
    cas_thresholds=tuple(np.arange(0.0, 0.25, 0.025).tolist()),
    actionness_thresholds=(),
    clipped=False,
    min_samples=1,
    binary_class_score=True,
    nms_threshold=0.7,
    nms_plus_one=True,
)
APSL_DECODER = OuterInnerProposals(
    class_threshold=0.2,
    cas_thresholds=(0.325, 0.35),
    actionness_thresholds=tuple(np.arange(0.075, 0.9, 0.025).tolist()),
    magnitude_thresholds=tuple(np.arange(0.6, 0.85, 0.025).tolist()),
    nms_threshold=0.5,
    nms_plus_one=True,
)
AICL_DECODER = OuterInnerProposals(
    class_threshold=0.25,
    cas_thresholds=tuple(np.arange(0.1, 1.0, 0.1).tolist()),
    actionness_thresholds=(),
    normalised=False,
    scored_cut=False,
    min_samples=1,
    nms_threshold=0.4,
    nms_plus_one=True,
    soft_nms_sigma=0.35,
)
PLAIN = replace(AICL_DECODER, cas_thresholds=(0.5,), class_threshold=0.0, nms_plus_one=False)


def before_suppression(
    decoder: OuterInnerProposals,
    samples: list[np.ndarray],
    shared: Runs,
    probability: np.ndarray,
    pitch: float,
) -> np.ndarray:
    """Rows (cluster, score, start, end) of the kept clusters, whose samples are given."""
    rows = []
    kept = kept_clusters(probability, decoder.class_threshold)
    for cluster, activation in zip(kept, samples, strict=True):
        runs, contrast = cluster_proposals(
            activation,
            np.array(decoder.cas_thresholds),
            shared,
            margin=decoder.outer_margin,
            min_samples=decoder.min_samples,
            scored_cut=decoder.scored_cut,
        )
        bonus = 1.0 if decoder.binary_class_score else probability[cluster]
        score = contrast + decoder.probability_weight * bonus
        row = [np.full(len(score), cluster), score, runs.start * pitch, runs.stop * pitch]
        rows.append(np.stack(row, 1))
    return np.concatenate(rows)


# ------------------------------------------------------------------------------ released code


def test_oracle_has_all_cases() -> None:
    assert (len(BASNET), len(APSL)) == (2, 2)


@pytest.mark.parametrize("name", BASNET)
def test_basnet_equals_the_released_code(name: str) -> None:
    case = BASNET[name]
    cas, probability = case["cas_supp"][:, :-1], case["score_supp"]
    kept = kept_clusters(probability, BASNET_DECODER.class_threshold)
    assert kept.tolist() == case["pred_classes"].tolist()
    scaled = [rescaled(cas[:, cluster]) for cluster in kept]
    np.testing.assert_allclose(np.stack(scaled, 1), case["cas_normalised"], rtol=0, atol=1e-9)
    assert (case["cas_normalised"] < 0).any()  # else clipping would change nothing
    samples = [upsampled(sequence, 24) for sequence in scaled]
    flat = np.stack([x.ravel() for x in samples], 1)
    np.testing.assert_allclose(flat, case["cas_upsampled"], rtol=0, atol=1e-9)

    snippets = int(case["num_snippets_original"])
    nothing = threshold_runs(samples[0], np.empty(0))
    pitch = 16 * snippets / (24 * len(cas) * 25)
    rows = before_suppression(BASNET_DECODER, samples, nothing, probability, pitch)
    np.testing.assert_allclose(rows, case["proposals_before_nms"], rtol=0, atol=1e-9)

    found = BASNET_DECODER.decode(scores(cas, None, probability), video(snippets))
    expected = case["proposals_after_nms_ties_earlier_first"]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", APSL)
def test_apsl_equals_the_released_code(name: str) -> None:
    case = APSL[name]
    cas, actionness, probability = case["cas"], case["actionness"], case["video_score"]
    kept = kept_clusters(probability, APSL_DECODER.class_threshold)
    assert kept.tolist() == case["pred_classes"].tolist()
    norm = np.linalg.norm(case["embeddings"], axis=1)
    np.testing.assert_allclose(norm, case["magnitude_raw"], rtol=1e-9)
    ratio = APSL_DECODER.magnitude_ratio
    assert int(case["k_easy"]) == len(cas) // ratio
    magnitude = relative_magnitude(norm, actionness, ratio)
    np.testing.assert_allclose(magnitude, case["magnitude_normalised"], rtol=0, atol=1e-9)
    magnitude = upsampled(magnitude, 24)
    np.testing.assert_allclose(magnitude.ravel(), case["magnitude_upsampled"], rtol=0, atol=1e-9)

    own = [upsampled(normalised(cas[:, cluster]), 24) for cluster in kept]
    active = upsampled(normalised(actionness), 24)
    shared = threshold_runs(active, np.array(APSL_DECODER.actionness_thresholds)).followed_by(
        threshold_runs(magnitude, np.array(APSL_DECODER.magnitude_thresholds))
    )
    snippets = int(case["num_snippets_original"])
    pitch = 16 * snippets / (24 * len(cas) * 25)
    rows = before_suppression(APSL_DECODER, own, shared, probability, pitch)
    np.testing.assert_allclose(rows, case["proposals_before_nms"], rtol=0, atol=1e-9)

    output = scores(cas, actionness, probability, case["embeddings"])
    found = APSL_DECODER.decode(output, video(snippets))
    expected = case["proposals_after_nms_ties_earlier_first"]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("source", SOURCES)
def test_apsl_needs_all_three_sources(source: str) -> None:
    case = APSL["apsl_b"]
    output = scores(case["cas"], case["actionness"], case["video_score"], case["embeddings"])
    clip = video(int(case["num_snippets_original"]))
    less = replace(APSL_DECODER, **{source: ()})
    whole = table(APSL_DECODER.decode(output, clip)).tolist()
    assert table(less.decode(output, clip)).tolist() != whole


# ---------------------------------------------------------------------------- slow twin

VARIANTS = [
    BASNET_DECODER,
    APSL_DECODER,
    AICL_DECODER,
    replace(APSL_DECODER, magnitude_ratio=2, soft_nms_sigma=0.1, clipped=False),
    replace(APSL_DECODER, cas_thresholds=(), actionness_thresholds=(), min_samples=30),
    replace(AICL_DECODER, normalised=True, scored_cut=True, actionness_thresholds=(0.2, 0.6)),
]


@REPEATABLE
@given(
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
    st.sampled_from(VARIANTS),
    st.sampled_from([1, 5, 24]),
)
def test_segments_equal_those_of_the_twin(
    length: int, seed: int, decoder: OuterInnerProposals, upscale: int
) -> None:
    decoder = replace(decoder, upscale=upscale)
    rng = np.random.default_rng(seed)
    cas, embedding = smooth_noise(rng, length, 3), smooth_noise(rng, length, 4)
    attention, probability = np.abs(cas).sum(1), rng.dirichlet([1, 1, 1])
    clip = video(2 * length, 24.0, 8.0, 8)
    found = decoder.decode(scores(cas, attention, probability, embedding), clip)
    lists = [x.tolist() for x in (cas, attention, probability)]
    for cluster in range(3):
        rows = reference.proposals(decoder, cas[:, cluster].tolist(), lists[1], embedding.tolist())
        assume(not nearly_tied(rows))
    rows = reference.decode(decoder, *lists, 2 * length, 24.0, 8, embedding.tolist())
    expected = np.array(rows).reshape(-1, 4)[:, [0, 3, 1, 2]]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("magnitude", "actionness", "ratio", "expected"),
    [
        ([1, 2, 3, 4, 5], [0, 1, 2, 3, 4], 5, [0, 0.25, 0.5, 0.75, 1]),
        ([1, 2, 3, 4, 5], [0, 1, 2, 3, 4], 2, [0, 1 / 6, 0.5, 5 / 6, 1]),  # 1.5 and 4.5; clipped
        ([5, 4, 3, 2, 1], [0, 1, 2, 3, 4], 5, [0, 0, 0, 0, 0]),  # action is weaker: no scale
        ([1, 9, 9, 3], [0, 2, 2, 0], 4, [0, 1, 1, 0.25]),  # of equal values the earlier
        ([7], [1], 5, [0]),
    ],
)
def test_relative_magnitude_table(
    magnitude: list, actionness: list, ratio: int, expected: list
) -> None:
    found = relative_magnitude(np.array(magnitude, float), np.array(actionness, float), ratio)
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ([1, 2, 3], [0, 0.5, 1]),
        ([-5, 0, 2], [-2.5, 0, 1]),
        ([7, 7], [0, 0]),
        ([-2, -1], [-2, -1]),
        ([0], [0]),
    ],
)
def test_rescaled_table(signal: list, expected: list) -> None:
    assert rescaled(np.array(signal, float)).tolist() == expected


def test_clipping_moves_the_limits_beside_negative_activation() -> None:
    # Between -1 and 1 the zero is half a snippet on; between 0 and 1 it is at the snippet.
    cas = np.array([[-1.0, 1, 1, -1]]).T
    positive = replace(BASNET_DECODER, cas_thresholds=(0.0,), upscale=4)
    clip = video(4, fps=16.0)
    assert replace(positive, clipped=True).decode(scores(cas), clip).start_s.tolist() == [0.25]
    assert positive.decode(scores(cas), clip).start_s.tolist() == [0.75]


def test_one_sample_is_enough_if_it_is_to_be() -> None:
    cas = np.array([[0, 1, 0, 0]], float).T
    once = replace(BASNET_DECODER, cas_thresholds=(1.0,))
    assert len(once.decode(scores(cas), video(4))) == 1
    assert len(replace(once, min_samples=2).decode(scores(cas), video(4))) == 0


def test_binary_class_score_hides_the_probability() -> None:
    cas = np.array([[0, 1, 1, 0], [0, 1, 1, 0]], float).T
    output = scores(cas, None, np.array([0.7, 0.3]))
    soft = replace(BASNET_DECODER, binary_class_score=False, nms_threshold=1.0, nms_plus_one=False)
    found = soft.decode(output, video(4))
    difference = found.score[found.cluster == 0] - found.score[found.cluster == 1]
    assert difference.tolist() == pytest.approx([0.2 * 0.4] * len(difference))
    hard = replace(soft, binary_class_score=True).decode(output, video(4))
    assert hard.score[hard.cluster == 0].tolist() == hard.score[hard.cluster == 1].tolist()
    assert hard.score - found.score == pytest.approx(np.where(found.cluster == 0, 0.06, 0.14))


def test_thresholds_mean_the_activation_itself_if_it_is_not_scaled() -> None:
    cas = np.array([[0.2, 0.4, 0.45, 0.4, 0.2]]).T
    clip = video(5)
    assert len(PLAIN.decode(scores(cas), clip)) == 0
    assert len(replace(PLAIN, normalised=True).decode(scores(cas), clip)) == 1
    # And they are not limited to the range of the scaled one.
    assert len(PLAIN.decode(scores(10 * cas), clip)) == 1


def test_whole_activation_around_a_run_counts_against_it() -> None:
    cas = np.array([[0.4, 0.4, 1.0, 1.0, 0.4, 0.4]]).T
    steps = replace(PLAIN, upscale=1, outer_margin=0.5, probability_weight=0.0)
    assert steps.decode(scores(cas), video(6)).score.tolist() == pytest.approx([1.0 - 0.4])
    cut = replace(steps, scored_cut=True)
    assert cut.decode(scores(cas), video(6)).score.tolist() == pytest.approx([1.0])


def test_soft_suppression_keeps_every_run() -> None:
    cas = np.array([[0.0, 0.3, 0.6, 0.8, 0.6, 0.3, 0.0]]).T
    hard = replace(AICL_DECODER, soft_nms_sigma=None).decode(scores(cas), video(7))
    soft = AICL_DECODER.decode(scores(cas), video(7))
    runs = 8  # 0.1 ... 0.8; nothing reaches 0.9
    assert len(hard) < len(soft) == runs
    assert set(map(tuple, table(hard).tolist())) < set(map(tuple, table(soft).tolist()))
    assert (np.diff(soft.score) <= 0).all()


def test_magnitude_alone_finds_long_embeddings() -> None:
    loud = np.zeros((10, 2))
    loud[4:7] = [3.0, 4.0]
    cas = np.zeros((10, 1))
    cas[5] = 1.0
    only = replace(
        APSL_DECODER, cas_thresholds=(), actionness_thresholds=(), magnitude_thresholds=(1.0,)
    )
    found = only.decode(scores(cas, embedding=loud), video(10, fps=16.0))
    assert (found.start_s.tolist(), found.end_s.tolist()) == ([4.0], [pytest.approx(6 + 1 / 24)])


@pytest.mark.parametrize("decoder", VARIANTS)
@pytest.mark.parametrize("length", [1, 2, 10])
def test_silence_gives_no_segments(decoder: OuterInnerProposals, length: int) -> None:
    found = decoder.decode(scores(np.zeros((length, 2))), video(length))
    assert (len(found), found.names) == (0, ("clip",))


@settings(REPEATABLE, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(VARIANTS))
def test_permuted_clusters_give_permuted_segments(seed: int, decoder: OuterInnerProposals) -> None:
    rng = np.random.default_rng(seed)
    cas, embedding = smooth_noise(rng, 25, 4), smooth_noise(rng, 25, 3)
    attention, probability = np.abs(cas[:, 0]), rng.dirichlet([1, 1, 1, 1])
    order = rng.permutation(4)
    found = decoder.decode(scores(cas, attention, probability, embedding), video(25))
    turned = scores(cas[:, order], attention, probability[order], embedding)
    other = decoder.decode(turned, video(25))
    for cluster, original in enumerate(order):
        mine, theirs = found.cluster == original, other.cluster == cluster
        np.testing.assert_array_equal(table(found)[mine, 1:], table(other)[theirs, 1:])


# ------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("magnitude_thresholds", (1.5,), r"each of magnitude_thresholds must lie in .* got 1.5"),
        ("magnitude_ratio", 0, "magnitude_ratio must be at least 1, got 0"),
        ("min_samples", 0, "min_samples must be at least 1, got 0"),
        ("soft_nms_sigma", 0.0, "soft_nms_sigma must be finite and positive, or null, got 0.0"),
        ("soft_nms_sigma", float("inf"), "soft_nms_sigma must be finite"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(AICL_DECODER, **{field: value})


def test_magnitudes_that_are_not_finite_are_refused() -> None:
    output = scores(np.ones((5, 2)), embedding=np.full((5, 3), np.inf))
    with pytest.raises(DataError, match="clip: the localizer's scores must be finite"):
        APSL_DECODER.decode(output, video(5))
    assert len(BASNET_DECODER.decode(output, video(5))) == 0  # it does not look at them


def test_magnitudes_of_single_precision_are_summed_in_double() -> None:
    embedding = np.random.default_rng(0).normal(size=(30, 2048)).astype(np.float32)
    cas = smooth_noise(np.random.default_rng(1), 30, 2)
    output = scores(cas, embedding=embedding)
    single = Scores(output.embedding.float(), output.cas, output.attention, output.probability)
    assert single.embedding.dtype == torch.float32
    first, second = (APSL_DECODER.decode(o, video(30)) for o in (output, single))
    np.testing.assert_array_equal(table(first), table(second))


@pytest.mark.parametrize("decoder", VARIANTS)
def test_settings_survive_json(decoder: OuterInnerProposals) -> None:
    method = replace(cola.thumos14(), decoder=decoder)
    assert from_json(to_json(method)) == method


def test_settings_can_be_changed_by_name() -> None:
    method = with_setting(cola.thumos14(), "decoder.soft_nms_sigma=0.35")
    assert method.decoder.soft_nms_sigma == 0.35
    assert with_setting(method, "decoder.soft_nms_sigma=null").decoder.soft_nms_sigma is None
    assert not with_setting(method, "decoder.normalised=false").decoder.normalised
    method = with_setting(method, "decoder.magnitude_thresholds=[0.5, 0.6]")
    assert method.decoder.magnitude_thresholds == (0.5, 0.6)
