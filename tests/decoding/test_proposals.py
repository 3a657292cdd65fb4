"""The outer-inner decoder: numbers of the released code, tables, geometry, errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoding.making import scores, smooth_noise, table, video
from tests.oracle_data import FOLDER, cases
from tests.reference import decoding as reference
from utal.decoding.outputs import kept_clusters
from utal.decoding.proposals import OuterInnerProposals, cluster_proposals
from utal.decoding.runs import normalised, threshold_runs, upsampled
from utal.errors import ConfigError, DataError
from utal.records import Scores, Video

CASES = cases("cola_decode.npz")
REPEATABLE = settings(max_examples=100, deadline=None, derandomize=True)
DECODER = OuterInnerProposals(
    class_threshold=0.2,
    cas_thresholds=(0.0, 0.1, 0.2),
    actionness_thresholds=(0.1, 0.3, 0.5),
    nms_threshold=0.6,
    nms_plus_one=False,
)
HALF = replace(DECODER, cas_thresholds=(0.5,), actionness_thresholds=())


def released(dataset: str) -> OuterInnerProposals:
    with np.load(FOLDER / "cola_decode.npz", allow_pickle=False) as data:
        setting = {name: data[f"settings_{dataset}__{name}"] for name in SETTINGS}
    return OuterInnerProposals(
        class_threshold=float(setting["class_thresh"]),
        cas_thresholds=tuple(setting["cas_thresh"].tolist()),
        actionness_thresholds=tuple(setting["aness_thresh"].tolist()),
        nms_threshold=float(setting["nms_thresh"]),
        nms_plus_one=True,
    )


SETTINGS = ("class_thresh", "cas_thresh", "aness_thresh", "nms_thresh")
RELEASED = {dataset: released(dataset) for dataset in ("thumos", "anet")}


# ------------------------------------------------------------------------------ released code


@pytest.mark.parametrize("name", CASES)
def test_every_step_equals_the_released_code(name: str) -> None:
    case = CASES[name]
    decoder, cas = RELEASED[str(case["dataset"])], case["cas"]
    kept = kept_clusters(case["video_score"], decoder.class_threshold)
    assert kept.tolist() == case["pred_classes"].tolist()

    actionness = normalised(case["actionness"])
    np.testing.assert_allclose(actionness, case["actionness_normalised"], rtol=0, atol=1e-9)
    index = case["upsampled_index"]
    samples = upsampled(actionness, decoder.upscale)
    np.testing.assert_allclose(
        samples.ravel()[index], case["actionness_upsampled"], rtol=0, atol=1e-9
    )
    for column, cluster in enumerate(kept):
        own = normalised(cas[:, cluster])
        np.testing.assert_allclose(own, case["cas_normalised"][:, column], rtol=0, atol=1e-9)
        own = upsampled(own, decoder.upscale).ravel()[index]
        np.testing.assert_allclose(own, case["cas_upsampled"][:, column], rtol=0, atol=1e-9)

    shared = threshold_runs(samples, np.array(decoder.actionness_thresholds))
    pitch = 16 * case["num_snippets_original"] / (24 * len(cas) * 25)
    rows = []
    for cluster in kept:
        runs, contrast = cluster_proposals(
            upsampled(normalised(cas[:, cluster]), 24),
            np.array(decoder.cas_thresholds),
            shared,
            margin=0.25,
        )
        score = contrast + 0.2 * case["video_score"][cluster]
        row = [np.full(len(score), cluster), score, runs.start * pitch, runs.stop * pitch]
        rows.append(np.stack(row, 1))
    np.testing.assert_allclose(np.concatenate(rows), case["proposals_before_nms"], atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_segments_equal_the_released_code_with_ties_earlier_first(name: str) -> None:
    case = CASES[name]
    output = scores(case["cas"], case["actionness"], case["video_score"])
    decoder = RELEASED[str(case["dataset"])]
    found = decoder.decode(output, video(int(case["num_snippets_original"])))
    expected = case["proposals_after_nms_ties_earlier_first"]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)
    assert found.names == ("clip",)


def test_oracle_has_all_cases() -> None:
    assert len(CASES) == 12


# ---------------------------------------------------------------------------- slow twin


@REPEATABLE
@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_segments_equal_those_of_the_twin(length: int, seed: int, plus_one: bool) -> None:
    rng = np.random.default_rng(seed)
    cas = smooth_noise(rng, length, 3)
    attention, probability = np.abs(cas).sum(1), rng.dirichlet([1, 1, 1])
    decoder = replace(DECODER, nms_plus_one=plus_one)
    found = decoder.decode(scores(cas, attention, probability), video(2 * length, 24.0, 8.0, 8))
    rows = reference.decode(
        decoder, cas.tolist(), attention.tolist(), probability.tolist(), 2 * length, 24.0, 8
    )
    expected = np.array(rows).reshape(-1, 4)[:, [0, 3, 1, 2]]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("probability", "kept"),
    [([0.5, 0.3, 0.2], [0, 1, 2]), ([0.1, 0.15, 0.12], [1]), ([0.1, 0.1], [0]), ([1.0], [0])],
)
def test_kept_clusters(probability: list, kept: list) -> None:
    assert kept_clusters(np.array(probability), 0.2).tolist() == kept


def test_silence_gives_no_segments() -> None:
    found = DECODER.decode(scores(np.zeros((10, 2))), video(10))
    assert len(found) == 0
    assert found.names == ("clip",)
    assert found.video.dtype == found.cluster.dtype == np.int64


def test_one_snippet_gives_no_slope_and_no_segments() -> None:
    # A single value is a constant, and a constant is no contrast.
    assert len(DECODER.decode(scores(np.array([[3.0]])), video(1))) == 0


def test_symmetric_bumps_give_symmetric_segments() -> None:
    cas = np.array([[0, 0, 1, 0, 0, 1, 0, 0]], float).T
    found = HALF.decode(scores(cas), video(8, fps=16.0))
    assert found.start_s.tolist() == pytest.approx([1.5, 4.5])
    assert found.end_s.tolist() == pytest.approx([2.5 + 1 / 24, 5.5 + 1 / 24])
    assert found.score[0] == pytest.approx(found.score[1], abs=1e-12)


def test_runs_of_one_sample_are_dropped() -> None:
    cas = np.array([[0, 1, 0, 0.5, 1, 0.5, 0]], float).T
    exactly_one = replace(HALF, cas_thresholds=(1.0,))
    assert len(exactly_one.decode(scores(cas), video(7))) == 0
    coarse = replace(HALF, upscale=1)
    assert coarse.decode(scores(cas), video(7, fps=16.0)).start_s.tolist() == [3.0]


def test_cluster_without_runs_does_not_hide_the_others() -> None:
    cas = np.zeros((8, 3))
    cas[3:5, 1] = 1
    found = replace(HALF, class_threshold=0.0).decode(scores(cas), video(8))
    assert found.cluster.tolist() == [1]


def test_rows_descend_in_score_within_ascending_clusters() -> None:
    cas = np.random.default_rng(3).random((60, 4))
    found = DECODER.decode(scores(cas), video(60))
    assert (np.diff(found.cluster) >= 0).all()
    for cluster in range(4):
        assert (np.diff(found.score[found.cluster == cluster]) <= 0).all()


# ------------------------------------------------------------------------------ properties


@settings(REPEATABLE, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_permuted_clusters_give_permuted_segments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cas, probability = rng.normal(size=(25, 4)), rng.dirichlet([1, 1, 1, 1])
    attention = cas.sum(1)
    order = rng.permutation(4)
    found = DECODER.decode(scores(cas, attention, probability), video(25))
    other = DECODER.decode(scores(cas[:, order], attention, probability[order]), video(25))
    for cluster, original in enumerate(order):
        mine, theirs = found.cluster == original, other.cluster == cluster
        np.testing.assert_array_equal(table(found)[mine, 1:], table(other)[theirs, 1:])


@REPEATABLE
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_silence_before_the_action_delays_it(seed: int, delay: int) -> None:
    signal = np.zeros((60, 1))
    signal[20:40, 0] = np.random.default_rng(seed).random(20)
    late = np.concatenate([np.zeros((delay, 1)), signal])
    found = HALF.decode(scores(signal), video(60))
    moved = HALF.decode(scores(late), video(60 + delay))
    np.testing.assert_allclose(moved.start_s, found.start_s + delay * 16 / 25, atol=1e-9)
    np.testing.assert_allclose(moved.end_s, found.end_s + delay * 16 / 25, atol=1e-9)
    np.testing.assert_allclose(moved.score, found.score, atol=1e-9)


def test_inputs_are_left_alone() -> None:
    output = scores(np.random.default_rng(0).normal(size=(20, 3)))
    before = [x.clone() for x in (output.cas, output.attention, output.probability)]
    DECODER.decode(output, video(20))
    after = (output.cas, output.attention, output.probability)
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))


# ------------------------------------------------------------------------------ time


def planted(start: int, end: int, num_snippets: int) -> np.ndarray:
    """Share of each snippet's second that the action fills, seen through a window of three."""
    inside = np.zeros(num_snippets)
    inside[start:end] = 1
    return np.convolve(inside, np.ones(3) / 3, mode="same")[:, None]


def test_anchor_half_finds_the_planted_limits_and_zero_is_half_a_snippet_early() -> None:
    cas, clip = planted(10, 20, 40), video(40, fps=16.0)  # one snippet is one second
    early = HALF.decode(scores(cas), clip)
    right = replace(HALF, anchor=0.5).decode(scores(cas), clip)
    sample = 1 / 24
    assert (right.start_s[0], right.end_s[0]) == pytest.approx((10, 20), abs=sample + 1e-9)
    assert (early.start_s[0], early.end_s[0]) == pytest.approx((9.5, 19.5), abs=sample + 1e-9)


def test_anchor_clips_to_the_video() -> None:
    cas = planted(0, 12, 12)
    cas[0] = cas[-1] = 1
    cas[6] = 0
    clip = video(12, fps=16.0)
    right = replace(HALF, anchor=0.5).decode(scores(cas), clip)
    assert right.end_s.max() == clip.timeline.duration
    shown = Video("clip", clip.features, replace(clip.timeline, duration=7.0))
    short = replace(HALF, anchor=0.5).decode(scores(cas), shown)
    assert short.end_s.max() <= 7.0
    assert (short.start_s < short.end_s).all()
    # The released code clips nothing.
    assert HALF.decode(scores(cas), shown).end_s.max() == 12.0


def test_action_from_end_to_end_fills_the_video() -> None:
    cas, clip = np.array([[1.0, 1, 0, 1, 1]]).T, video(5, fps=16.0)
    found = replace(HALF, anchor=0.5).decode(scores(cas), clip)
    assert sorted(found.start_s) == pytest.approx([0, 3], abs=1 / 24 + 1e-9)
    assert sorted(found.end_s) == pytest.approx([2, 5], abs=1 / 24 + 1e-9)


def test_overlapping_snippets_follow_the_timeline() -> None:
    # Windows of 16 frames every 4: the cell of snippet i begins at (8 - 2 + 4 i) / 25 s.
    cas, clip = planted(10, 20, 40), video(40, stride=4.0, window=16)
    found = HALF.decode(scores(cas), clip)
    assert found.start_s[0] == pytest.approx((6 + 4 * 9.5) / 25, abs=1e-9)


def test_no_segment_begins_before_the_video() -> None:
    # One frame every 16: the first cell begins before the first frame.
    cas, clip = np.array([[1.0, 1, 0, 0]]).T, video(4, window=1)
    assert clip.timeline.start(0.0) < 0
    assert HALF.decode(scores(cas), clip).start_s.tolist() == [0.0]


def test_subsampled_video_has_the_same_seconds() -> None:
    cas, clip = planted(20, 40, 80), video(80)
    whole = HALF.decode(scores(cas), clip)
    half = HALF.decode(scores(cas[::2]), clip)
    tolerance = 2 * 16 / 25
    assert half.start_s[0] == pytest.approx(whole.start_s[0], abs=tolerance)
    assert half.end_s[0] == pytest.approx(whole.end_s[0], abs=tolerance)
    assert half.start_s[0] == pytest.approx(reference_start(cas[::2, 0], 80), abs=1e-9)


def reference_start(cas: np.ndarray, num_snippets: int) -> float:
    first = reference.runs(reference.cut(reference.upsample(cas.tolist(), 24), 0.5))[0][0]
    return first * 16 * num_snippets / (24 * len(cas) * 25)


# ------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("class_threshold", 2.0, r"class_threshold must lie in \[0, 1\], got 2.0"),
        ("nms_threshold", -0.1, r"nms_threshold must lie in \[0, 1\], got -0.1"),
        ("anchor", 1.5, r"anchor must lie in \[0, 1\], got 1.5"),
        ("cas_thresholds", (0.1, 1.1), r"each of cas_thresholds must lie in \[0, 1\], got 1.1"),
        ("actionness_thresholds", (float("nan"),), r"each of actionness_thresholds .* got nan"),
        ("upscale", 0, "upscale must be at least 1, got 0"),
        ("outer_margin", -1.0, "outer_margin must be finite and not negative, got -1.0"),
        ("probability_weight", float("inf"), "probability_weight must be finite"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(DECODER, **{field: value})


def test_some_threshold_is_needed() -> None:
    with pytest.raises(ConfigError, match="must not all be empty"):
        replace(DECODER, cas_thresholds=(), actionness_thresholds=())


def test_scores_that_are_not_finite_are_refused() -> None:
    cas = np.ones((5, 2))
    cas[2, 1] = np.nan
    with pytest.raises(DataError, match="clip: the localizer's scores must be finite"):
        DECODER.decode(scores(cas), video(5))


def test_a_batch_of_two_is_refused() -> None:
    pair = Scores(torch.ones(2, 5, 1), torch.ones(2, 5, 3), torch.ones(2, 5), torch.ones(2, 3))
    with pytest.raises(ValueError, match="one video"):
        DECODER.decode(pair, video(5))
