import numpy as np
import pytest

from utal.demo.bodies import body_of, grounded, resampled, with_legs
from utal.demo.skeletons import EXERCISES, PARENT, load_skeletons

SKELETONS = load_skeletons()
SWINGING = (1, 5)


@pytest.mark.parametrize("exercise", range(len(EXERCISES)))
def test_bones_are_constant_and_standing_feet_stay(exercise):
    person = exercise
    body = body_of(SKELETONS, person)
    for row in SKELETONS.repetitions(exercise, person)[:3]:
        joints = grounded(SKELETONS.joints(row), body, exercise)
        bones = np.linalg.norm(joints[:, 1:] - joints[:, PARENT[1:]], axis=2)
        np.testing.assert_allclose(bones, np.broadcast_to(body.bone[1:], bones.shape), atol=0.02)
        assert joints[..., 1].min() > -0.06, "nobody sinks into the floor"
        travel = np.ptp(joints[:, [16, 20]], axis=0).max(axis=1)
        still = travel.min() if exercise in SWINGING else travel.max()
        assert still < 0.2
        if exercise in SWINGING:
            assert travel.max() > 0.3


@pytest.mark.parametrize("person", [1, 3, 9])
def test_hips_of_a_squat_sink_about_as_much_as_measured(person):
    body = body_of(SKELETONS, person)
    row = SKELETONS.repetitions(0, person)[0]
    measured, solved = SKELETONS.joints(row), grounded(SKELETONS.joints(row), body, 0)
    sunk = measured[0, 0, 1] - measured[:, 0, 1].min()
    assert solved[0, 0, 1] - solved[:, 0, 1].min() == pytest.approx(sunk, abs=0.08)


def test_a_leg_reaches_its_ankle_with_the_knee_in_front():
    body = body_of(SKELETONS, 0)
    row = SKELETONS.repetitions(6, 0)[0]
    joints = grounded(SKELETONS.joints(row), body, 6)[:1].copy()
    upper = [j for j in range(22) if j not in (16, 17, 20, 21)]
    joints[:, upper] -= (0, 0.25, 0)
    bent = with_legs(joints, body)
    np.testing.assert_allclose(bent[:, [16, 20]], joints[:, [16, 20]], atol=1e-6)
    assert (bent[:, [15, 19], 2] > bent[:, [14, 18], 2] + 0.1).all()


def test_faster_means_fewer_frames_of_the_same_way():
    joints = SKELETONS.joints(0)
    fast = resampled(joints, 15.0, 30.0, speed=1.25)
    assert len(fast) == round((len(joints) - 1) / 15 / 1.25 * 30) + 1
    np.testing.assert_allclose(fast[[0, -1]], joints[[0, -1]], atol=1e-9)
