"""TCAM's decoder: numbers of the released code, a loop-written twin, tables, geometry."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from tests.decoding.making import nearly_tied, scores, smooth_noise, table, video
from tests.oracle_data import cases
from tests.reference import decoding_mean_multiples as reference
from utal.config import from_json, to_json
from utal.decoding.mean_multiples import MeanMultiples, between_extremes, dilated_runs, smoothed
from utal.decoding.outputs import just_above, kept_clusters
from utal.decoding.runs import upsampled
from utal.decoding.segments import nms
from utal.errors import ConfigError, DataError
from utal.methods import cola
from utal.records import Timeline, Video

CASES = cases("tcam.npz", listed_as="decode_cases")
REPEATABLE = settings(max_examples=60, deadline=None, derandomize=True)
DECODER = MeanMultiples()
# One sample per snippet and nothing but thresholds, to be followed by hand.
BARE = MeanMultiples(
    factors=(1.0,), frames_per_snippet=1, smoothing=1, dilation_frames=1, probability_weight=0.0
)


def released_video(case: dict[str, np.ndarray]) -> Video:
    timeline = Timeline(float(case["fps"]), 16.0, 16, float(case["duration"]))
    return Video("clip", np.zeros((len(case["fused_cas"]), 1), np.float32), timeline)


# ------------------------------------------------------------------------------ released code


def test_oracle_has_all_cases() -> None:
    assert len(CASES) == 2


@pytest.mark.parametrize("name", CASES)
def test_every_step_equals_the_released_code(name: str) -> None:
    case = CASES[name]
    kept = kept_clusters(case["video_prob"], just_above(DECODER.class_threshold))
    assert kept.tolist() == case["kept_classes"].tolist()
    for cluster in kept.tolist():
        cas, boxes = case["fused_cas"][:, cluster], case["boxes_before_nms"]
        boxes = boxes[boxes[:, 0] == cluster]
        frames = upsampled(between_extremes(cas), 16).ravel()[:-15]
        expected = case[f"class{cluster}_frame_signal"]
        np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-9)
        expected = case[f"class{cluster}_smoothed"]
        np.testing.assert_allclose(smoothed(frames, 255), expected, rtol=0, atol=1e-9)
        runs, score = DECODER.proposals(cas)
        np.testing.assert_allclose(np.array(DECODER.factors)[runs.level], boxes[:, 1])
        np.testing.assert_array_equal(np.stack([runs.start, runs.stop], 1), boxes[:, 2:4])
        np.testing.assert_allclose(score, boxes[:, 5], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_suppression_equals_the_released_code_that_keeps_the_last(name: str) -> None:
    case = CASES[name]
    rows = []
    for cluster in case["kept_classes"].tolist():
        boxes = case["boxes_before_nms"]
        boxes = boxes[boxes[:, 0] == cluster]
        _, _, start, stop, score, _ = boxes.T
        kept = nms(start, stop, score, threshold=just_above(0.65), plus_one=False)
        bonus = float(case["gamma"]) * case["video_prob"][cluster]
        start, stop = (np.minimum(x / case["fps"], case["duration"]) for x in (start, stop))
        row = [np.full(len(kept), cluster), score[kept] + bonus, start[kept], stop[kept]]
        rows.append(np.stack(row, 1))
    np.testing.assert_allclose(np.concatenate(rows), case["detections_keep_last"], atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_segments_equal_the_released_code_with_both_defects_mended(name: str) -> None:
    case = CASES[name]
    decoder = replace(DECODER, probability_weight=float(case["gamma"]))
    output = scores(case["fused_cas"], None, case["video_prob"])
    rows = []
    for cluster in case["kept_classes"].tolist():
        boxes = case["boxes_before_nms"]
        _, _, start, stop, _, score = boxes[boxes[:, 0] == cluster].T.tolist()
        for row in reference.suppress(start, stop, score, 0.65):
            limits = [min(x / 25, float(case["duration"])) for x in (start[row], stop[row])]
            rows.append([cluster, score[row] + 0.25 * case["video_prob"][cluster], *limits])
    found = decoder.decode(output, released_video(case))
    np.testing.assert_allclose(table(found), rows, rtol=0, atol=1e-9)


def test_the_oracle_shows_both_defects() -> None:
    lost = [len(c["detections_keep_last"]) - len(c["detections_released"]) for c in CASES.values()]
    assert lost == [2, 1]  # one per kept class
    boxes = np.concatenate([case["boxes_before_nms"] for case in CASES.values()])
    assert (np.abs(boxes[:, 4] - boxes[:, 5]) > 0.1).any()


# ---------------------------------------------------------------------------- slow twin


@REPEATABLE
@given(st.integers(4, 700), st.sampled_from([3, 4, 5, 31, 255]), st.integers(0, 2**32 - 1))
def test_smoothing_is_the_filter_of_scipy(length: int, window: int, seed: int) -> None:
    samples = np.random.default_rng(seed).random(length)
    width = int(max(min(window, length / 16), 3))
    width -= 1 - width % 2
    expected = savgol_filter(samples, width, 1)
    np.testing.assert_allclose(smoothed(samples, window), expected, rtol=0, atol=1e-12)


@REPEATABLE
@given(
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 5]),
    st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=1, max_size=4),
)
def test_runs_equal_those_found_sample_by_sample(
    length: int, seed: int, dilation: int, levels: list[float]
) -> None:
    samples = np.random.default_rng(seed).integers(0, 9, length) / 8
    runs = dilated_runs(samples, np.array(levels), dilation)
    found = list(zip(runs.level.tolist(), runs.start.tolist(), runs.stop.tolist(), strict=True))
    assert found == [
        (level, *box)
        for level, threshold in enumerate(levels)
        for box in reference.boxes(samples.tolist(), threshold, dilation)
    ]


@REPEATABLE
@given(
    st.integers(1, 24),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 4, 16]),
    st.sampled_from([1, 7, 255]),
    st.sampled_from([1, 3, 20]),
)
def test_segments_equal_those_of_the_twin(
    length: int, seed: int, per_snippet: int, window: int, dilation: int
) -> None:
    decoder = MeanMultiples(
        frames_per_snippet=per_snippet, smoothing=window, dilation_frames=dilation
    )
    rng = np.random.default_rng(seed)
    cas, probability = smooth_noise(rng, length, 3), rng.dirichlet([1, 1, 1])
    for cluster in range(3):
        assume(not nearly_tied(reference.proposals(decoder, cas[:, cluster].tolist())))
    found = decoder.decode(scores(cas, None, probability), video(2 * length, 24.0, 8.0, 8))
    # Twice as many snippets as were fed, each of 8 frames at 24 per second.
    rows = reference.decode(
        decoder, cas.tolist(), probability.tolist(), 2 * 8 / 24 / per_snippet, 2 * length * 8 / 24
    )
    expected = np.array(rows).reshape(-1, 4)[:, [0, 3, 1, 2]]
    np.testing.assert_allclose(table(found), expected, rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [([1, 2, 3], [0, 0.5, 1]), ([-4, 0], [0, 1]), ([5, 5], [0, 0]), ([-3], [0])],
)
def test_between_extremes_table(sequence: list, expected: list) -> None:
    assert between_extremes(np.array(sequence, float)).tolist() == expected


@pytest.mark.parametrize(
    ("samples", "window", "expected"),
    [
        ([0, 9, 0], 255, [0, 9, 0]),  # too short
        ([0, 9, 0, 0, 0], 2, [0, 9, 0, 0, 0]),
        ([1, 2, 3, 4, 5, 6], 255, [1, 2, 3, 4, 5, 6]),  # a line stays a line, to the very ends
        ([0, 0, 6, 0, 0], 3, [-1, 2, 2, 2, -1]),
        ([0, 0, 6, 0, 0], 5, [-1, 2, 2, 2, -1]),  # a window of a sixteenth, but at least of 3
    ],
)
def test_smoothed_table(samples: list, window: int, expected: list) -> None:
    assert smoothed(np.array(samples, float), window).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("samples", "threshold", "dilation", "expected"),
    [
        ([0, 0, 1, 0, 0], 0.5, 1, [(2, 3)]),
        ([0, 0, 1, 0, 0], 1.0, 1, []),  # equal is not above
        ([0, 0, 0, 0], 0.0, 1, []),
        ([0, 0, 0, 1, 0, 0], 0.5, 4, [(1, 5)]),  # two before, one after
        ([1, 0, 0, 0, 0, 1], 0.5, 4, [(0, 2), (3, 6)]),
        ([1, 0, 0, 0, 1], 0.5, 4, [(0, 5)]),  # they touch
        ([1, 0, 1], 0.5, 1, [(0, 1), (2, 3)]),
        ([1], 0.5, 20, [(0, 1)]),
    ],
)
def test_dilated_runs_table(samples: list, threshold: float, dilation: int, expected: list) -> None:
    runs = dilated_runs(np.array(samples, float), np.array([threshold]), dilation)
    assert list(zip(runs.start.tolist(), runs.stop.tolist(), strict=True)) == expected


def test_runs_of_two_levels_do_not_merge() -> None:
    runs = dilated_runs(np.array([0.0, 0.0, 1.0, 0.2]), np.array([0.5, 0.1]), 1)
    assert (runs.level.tolist(), runs.start.tolist(), runs.stop.tolist()) == (
        [0, 1],
        [2, 2],
        [3, 4],
    )


def test_decoding_by_hand() -> None:
    # Min-max [0 0 4 4 0 0 0 2]/4, mean 2.5/8: the last is above it. Surroundings: one on each side.
    cas = np.array([[1, 1, 5, 5, 1, 1, 1, 3]], float).T
    found = BARE.decode(scores(cas), video(8, fps=16.0))
    assert found.score.tolist() == pytest.approx([1.0, 0.5])
    assert (found.start_s.tolist(), found.end_s.tolist()) == ([2.0, 7.0], [4.0, 8.0])
    weighted = replace(BARE, probability_weight=0.1)
    assert weighted.decode(scores(cas), video(8)).score == pytest.approx([1.1, 0.6])


def test_an_overlap_of_exactly_the_threshold_stays() -> None:
    # 20 samples and the 13 best of them: 13 / 20 = 0.65.
    cas = np.zeros((40, 1))
    cas[10:30], cas[10:23] = 0.5, 1.0
    two = replace(BARE, factors=(0.5, 1.5))  # mean 16.5 / 40
    assert len(two.decode(scores(cas), video(40))) == 2
    assert len(replace(two, nms_threshold=0.649).decode(scores(cas), video(40))) == 1
    # In seconds of 16 / 25 the same division would not be exact, and a suppression there not sure.


def test_suppression_does_not_see_the_class_score() -> None:
    # The score of suppression orders within a cluster, where the class score is a constant.
    cas = smooth_noise(np.random.default_rng(0), 60, 2)
    output, clip = scores(cas, None, np.array([0.7, 0.3])), video(60)
    plain = replace(DECODER, probability_weight=0.0).decode(output, clip)
    found = DECODER.decode(output, clip)
    assert (found.start_s.tolist(), found.cluster.tolist()) == (
        plain.start_s.tolist(),
        plain.cluster.tolist(),
    )
    bonus = np.where(found.cluster == 0, 0.07, 0.03)
    np.testing.assert_allclose(found.score, plain.score + bonus)


@pytest.mark.parametrize(
    ("probability", "clusters"),
    [([0.1, 0.9], [1]), ([0.11, 0.89], [0, 1]), ([0.05, 0.06], [1])],  # more than the threshold
)
def test_clusters_above_the_threshold_are_searched(probability: list, clusters: list) -> None:
    cas = smooth_noise(np.random.default_rng(0), 30, 2)
    found = DECODER.decode(scores(cas, None, np.array(probability)), video(30))
    assert sorted(set(found.cluster.tolist())) == clusters


@pytest.mark.parametrize("length", [1, 2, 30])
def test_silence_gives_no_segments(length: int) -> None:
    for level in (0.0, -2.5, 3.0):
        found = DECODER.decode(scores(np.full((length, 2), level)), video(length))
        assert (len(found), found.names) == (0, ("clip",))


def test_two_snippets_give_a_slope_and_a_segment() -> None:
    found = DECODER.decode(scores(np.array([[0.0], [1.0]])), video(2))
    assert len(found) > 0
    assert found.end_s.max() == pytest.approx(17 / 25)  # the last value lies at frame 16


# ------------------------------------------------------------------------------ properties


@settings(REPEATABLE, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_permuted_clusters_give_permuted_segments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cas, probability = smooth_noise(rng, 25, 4), rng.dirichlet([1, 1, 1, 1])
    order = rng.permutation(4)
    found = DECODER.decode(scores(cas, None, probability), video(25))
    other = DECODER.decode(scores(cas[:, order], None, probability[order]), video(25))
    for cluster, original in enumerate(order):
        mine, theirs = found.cluster == original, other.cluster == cluster
        np.testing.assert_array_equal(table(found)[mine, 1:], table(other)[theirs, 1:])


@REPEATABLE
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_a_later_action_is_found_later(seed: int, delay: int) -> None:
    # In a video of the same length, since the mean is taken over the whole video.
    signal = np.zeros((90, 1))
    signal[20:40, 0] = np.random.default_rng(seed).random(20)
    found = DECODER.decode(scores(signal), video(90))
    moved = DECODER.decode(scores(np.roll(signal, delay, axis=0)), video(90))
    np.testing.assert_allclose(moved.start_s, found.start_s + delay * 16 / 25, atol=1e-9)
    np.testing.assert_allclose(moved.end_s, found.end_s + delay * 16 / 25, atol=1e-9)
    np.testing.assert_allclose(moved.score, found.score, atol=1e-9)


@REPEATABLE
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 9), st.floats(-9, 9))
def test_scale_and_offset_of_the_activation_are_irrelevant(
    seed: int, scale: float, offset: float
) -> None:
    cas = smooth_noise(np.random.default_rng(seed), 30, 1)
    found = DECODER.decode(scores(cas), video(30))
    other = DECODER.decode(scores(scale * cas + offset), video(30))
    np.testing.assert_allclose(table(other), table(found), atol=1e-9)


def test_segments_lie_within_the_video() -> None:
    cas, clip = smooth_noise(np.random.default_rng(0), 40, 2), video(40)
    short = Video("clip", clip.features, replace(clip.timeline, duration=10.0))
    for anchor in (0.0, 0.5):
        found = replace(DECODER, anchor=anchor).decode(scores(cas), short)
        assert found.start_s.min() >= 0
        assert found.end_s.max() == 10.0
        assert (found.start_s < found.end_s).all()


def test_anchor_half_is_half_a_snippet_later_and_fills_the_ends() -> None:
    cas, clip = np.zeros((40, 1)), video(40, fps=16.0)  # one snippet is one second
    cas[10:20] = 1
    bare = replace(BARE, frames_per_snippet=16)
    early, right = (replace(bare, anchor=a).decode(scores(cas), clip) for a in (0.0, 0.5))
    assert (right.start_s - early.start_s).tolist() == [0.5]
    assert (right.start_s[0], right.end_s[0]) == pytest.approx((10, 20), abs=0.5)
    ends = scores(1 - cas)
    assert bare.decode(ends, clip).end_s.max() == pytest.approx(39 + 1 / 16)
    found = replace(bare, anchor=0.5).decode(ends, clip)
    assert (found.start_s.min(), found.end_s.max()) == (0.0, 40.0)


def test_inputs_are_left_alone() -> None:
    output = scores(smooth_noise(np.random.default_rng(0), 20, 3))
    before = output.cas.clone()
    DECODER.decode(output, video(20))
    assert before.equal(output.cas)


# ------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("class_threshold", 2.0, r"class_threshold must lie in \[0, 1\], got 2.0"),
        ("nms_threshold", -0.1, r"nms_threshold must lie in \[0, 1\], got -0.1"),
        ("anchor", 1.5, r"anchor must lie in \[0, 1\], got 1.5"),
        ("factors", (), "factors must not be empty"),
        ("factors", (0.1, -1.0), "each of factors must be finite and not negative, got -1.0"),
        ("frames_per_snippet", 0, "frames_per_snippet must be at least 1, got 0"),
        ("smoothing", 0, "smoothing must be at least 1, got 0"),
        ("dilation_frames", 0, "dilation_frames must be at least 1, got 0"),
        ("outer_margin", -1.0, "outer_margin must be finite and not negative, got -1.0"),
        ("probability_weight", float("inf"), "probability_weight must be finite"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(DECODER, **{field: value})


def test_scores_that_are_not_finite_are_refused() -> None:
    cas = np.ones((5, 2))
    cas[2, 1] = np.inf
    with pytest.raises(DataError, match="clip: the localizer's scores must be finite"):
        DECODER.decode(scores(cas), video(5))


def test_settings_survive_json() -> None:
    method = replace(cola.thumos14(), decoder=replace(DECODER, factors=(0.5, 1.5), anchor=0.5))
    assert from_json(to_json(method)) == method
