import itertools
import json
from collections import Counter

import numpy as np
import pytest

from utal.demo.planning import MAIN_EXERCISES, SCENES, planned
from utal.demo.recordings import annotation, recorded
from utal.demo.skeletons import EXERCISES, load_skeletons

NUM_VIDEOS, NUM_COMPOSED = 42, 20


@pytest.fixture(scope="module")
def plans():
    return planned(NUM_VIDEOS, 10, 0)


@pytest.fixture(scope="module")
def recordings(plans):
    assert {plan.exercise for plan in plans[:NUM_COMPOSED]} == set(MAIN_EXERCISES)
    return [recorded(plan, load_skeletons()) for plan in plans[:NUM_COMPOSED]]


def test_exercises_people_and_scenes_are_dealt_evenly(plans):
    for values, expected in (
        ([plan.exercise for plan in plans], MAIN_EXERCISES),
        ([plan.person for plan in plans], range(10)),
        ([plan.scene for plan in plans], SCENES),
    ):
        counts = Counter(values)
        assert set(counts) == set(expected)
        assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_neither_scene_nor_person_nor_rate_tells_the_exercise(seed):
    plans = planned(NUM_VIDEOS, 10, seed)
    for name in ("scene", "person"):
        pairs = Counter((getattr(plan, name), plan.exercise) for plan in plans)
        assert max(pairs.values()) == 1
        for value in {getattr(plan, name) for plan in plans}:
            assert len({plan.exercise for plan in plans if getattr(plan, name) == value}) >= 4
    rates = {Counter(p.fps for p in plans if p.exercise == e)[25.0] for e in MAIN_EXERCISES}
    assert rates == {5}


def test_names_do_not_tell_the_exercise(plans):
    by_name = [plan.exercise for plan in sorted(plans, key=lambda plan: plan.name)]
    assert [plan.name for plan in plans[:2]] == ["recording_01", "recording_02"]
    repeats = sum(a == b for a, b in itertools.pairwise(by_name))
    assert repeats < 15, "files of one exercise must not lie side by side"


def test_truth_is_consistent(plans, recordings):
    for plan, recording in zip(plans, recordings, strict=False):
        entry = json.loads(json.dumps(annotation(plan, recording)))
        assert entry["subset"] == "test"
        segments = np.array([row["segment"] for row in entry["annotations"]])
        assert 20 <= entry["duration"] <= 40
        assert 3 <= len(segments) <= 6
        assert {row["label"] for row in entry["annotations"]} == {EXERCISES[plan.exercise]}
        assert segments[0, 0] > 0
        assert segments[-1, 1] < entry["duration"]
        assert (segments[:, 0] < segments[:, 1]).all()
        assert (segments[1:, 0] - segments[:-1, 1] > 1.0).all(), "background lies in between"
        frames = segments * plan.fps
        np.testing.assert_allclose(frames, np.round(frames), atol=1e-6)
        assert entry["duration"] * plan.fps == pytest.approx(len(recording.joints))


def test_motion_is_smooth_and_finite(recordings):
    for recording in recordings:
        speed = np.linalg.norm(np.diff(recording.joints, axis=0), axis=2) * recording.fps
        assert np.isfinite(recording.joints).all()
        assert speed.max() < 12, "metres per second; a jump would be far more"
        assert np.median(speed) < 1


def test_standing_between_repetitions_is_calm_but_not_frozen(recordings):
    """Somewhere between two repetitions there is standing, which sways."""
    for recording in recordings[:12]:
        (_, end), (start, _) = recording.repetitions[:2]
        pause = recording.joints[end:start, :14]
        speed = np.linalg.norm(np.diff(pause, axis=0), axis=2).mean(axis=1) * recording.fps
        assert speed.min() < 0.1
        assert speed.min() > 0


def test_same_seed_same_motion_other_seed_other_motion(plans, recordings):
    again = recorded(planned(NUM_VIDEOS, 10, 0)[7], load_skeletons())
    np.testing.assert_array_equal(again.joints, recordings[7].joints)
    assert again.repetitions == recordings[7].repetitions
    assert planned(NUM_VIDEOS, 10, 0) == plans
    assert planned(NUM_VIDEOS, 10, 1) != plans


def test_few_videos_are_possible():
    assert len(planned(1, 10, 0)) == 1
    assert len({plan.exercise for plan in planned(6, 10, 3)}) == 6


@pytest.mark.parametrize(("seed", "index"), [(2, 13), (5, 17)])
def test_slow_people_do_fewer(seed, index):
    """As many as these two are to do, with pauses, never fit into forty seconds."""
    skeletons = load_skeletons()
    plan = planned(NUM_VIDEOS, skeletons.num_people, seed)[index]
    recording = recorded(plan, skeletons)
    assert 3 <= len(recording.repetitions) <= 6
    assert 20 <= len(recording.joints) / plan.fps <= 40
