"""Anatomy: from measured joints to a body with constant bones whose feet stand on the floor.

Kinect measures trunk, arms and the height of the hips well, but not strongly bent legs: they fly
apart in a squat. So legs are solved anew from the measured hips and feet; a leg that swings keeps
its measured angles of hip and knee, but swings forwards.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from utal.demo.skeletons import PARENT, Skeletons

Joints = Float[np.ndarray, "frame 22 3"]
Points = Float[np.ndarray, "frame 3"]

UP = np.array([0.0, 1.0, 0.0])
LEGS = ((14, 15, 16, 17), (18, 19, 20, 21))  # hip, knee, ankle, toes: left, right
ANKLE_HEIGHT = 0.08
_STRAIGHT = 0.995  # share of a leg's length that it stretches to
_SWING_EXERCISES = (1, 5)
_RELAXED_EXERCISES = (6, 9)
_FOOT = 0.15
_HEEL = 0.12
_TURNED_OUT = 0.2  # share of sideways in the direction of standing feet


@dataclass(frozen=True, eq=False, slots=True)
class Body:
    """One person's proportions: `bone[joint]` is the distance to the joint's parent in metres."""

    bone: Float[np.ndarray, " 22"]


def body_of(skeletons: Skeletons, person: int) -> Body:
    """Median bones of a person while nothing is hidden, the same on the left and the right."""
    rows = [r for e in _RELAXED_EXERCISES for r in skeletons.repetitions(e, person)]
    joints = np.concatenate([skeletons.joints(row) for row in rows])
    bone = np.zeros(len(PARENT))
    bone[1:] = np.median(np.linalg.norm(joints[:, 1:] - joints[:, PARENT[1:]], axis=2), axis=0)
    for left, right in ((slice(6, 10), slice(10, 14)), (slice(14, 18), slice(18, 22))):
        bone[left] = bone[right] = (bone[left] + bone[right]) / 2
    bone[[17, 21]] = _FOOT
    return Body(bone)


def grounded(joints: Joints, body: Body, exercise: int) -> Joints:
    """One measured repetition with constant bones and feet that stand still, around the origin.

    Args:
        joints: measured joints in metres.
        body: the person's proportions.
        exercise: index of the exercise; some swing a leg, in the others both feet stay.

    Returns:
        Joints in metres; the floor is y = 0.
    """
    joints = gaussian_filter1d(joints, 0.8, axis=0, mode="nearest")
    feet = np.stack([_standing_at(joints[:, ankle]) for _, _, ankle, _ in LEGS], axis=1)
    middle = feet.mean(axis=(0, 1)) * (1, 0, 1)
    shift = middle + UP * (feet[..., 1].mean() - ANKLE_HEIGHT)
    measured = joints - shift
    feet = feet - middle
    feet[..., 1] = ANKLE_HEIGHT
    result = with_bones(measured, body)
    result[:, [16, 20]] = feet
    result += UP * _missing_height(result, body)[[0, -1]].mean()
    result -= UP * np.maximum(-_missing_height(result, body), 0)[:, None, None] * _upper()
    toes = _toes(result)
    for (_, _, ankle, toe), direction in zip(LEGS, toes, strict=True):
        result[:, toe] = result[:, ankle] + direction * body.bone[toe]
    result = with_legs(result, body)
    if exercise in _SWING_EXERCISES:
        travel = [np.ptp(joints[:, ankle], axis=0)[1] for _, _, ankle, _ in LEGS]
        result = _swung(result, measured, body, int(np.argmax(travel)))
    return result


def resampled(
    joints: Joints, fps: float, new_fps: float, speed: float = 1.0
) -> Float[np.ndarray, "new_frame 22 3"]:
    """The same motion at another frame rate, and faster or slower."""
    old = np.arange(len(joints)) / fps
    num = max(2, round(old[-1] / speed * new_fps) + 1)
    result: Float[np.ndarray, "new_frame 22 3"]
    result = CubicSpline(old, joints, axis=0)(np.linspace(0, old[-1], num))
    return result


def with_bones(joints: Joints, body: Body) -> Joints:
    """The same directions of all bones with the body's lengths; the waist stays."""
    result = joints.copy()
    for joint, parent in enumerate(PARENT[1:], start=1):
        direction = unit(joints[:, joint] - joints[:, parent])
        result[:, joint] = result[:, parent] + direction * body.bone[joint]
    return result


def with_legs(joints: Joints, body: Body) -> Joints:
    """The knees that lead from the hips to the given ankles, bent forwards and a bit outwards.

    Ankles out of reach are pulled towards the hip: the heel leaves the floor.
    """
    result = joints.copy()
    ahead, aside = forwards(joints), sideways(joints)
    for (hip, knee, ankle, toe), outwards in zip(LEGS, (0.3, -0.3), strict=True):
        foot = unit(joints[:, toe] - joints[:, ankle])
        pole = unit(ahead + outwards * aside + foot * (1, 0, 1))
        thigh, shank = body.bone[knee], body.bone[ankle]
        leg = joints[:, ankle] - joints[:, hip]
        length = np.linalg.norm(leg, axis=1, keepdims=True)
        line = leg / length
        length = np.clip(length, abs(thigh - shank) + 0.02, (thigh + shank) * 0.9995)
        along = (thigh**2 - shank**2 + length**2) / (2 * length)
        across = unit(pole - (pole * line).sum(axis=1, keepdims=True) * line)
        height = np.sqrt(np.maximum(thigh**2 - along**2, 0))
        result[:, knee] = joints[:, hip] + along * line + height * across
        result[:, ankle] = joints[:, hip] + length * line
        # A pulled ankle lifts the heel, the toes stay where they are.
        tip = unit(joints[:, toe] - result[:, ankle])
        result[:, toe] = result[:, ankle] + tip * body.bone[toe]
    return result


def unit(vectors: Float[np.ndarray, "*rest 3"]) -> Float[np.ndarray, "*rest 3"]:
    """Vectors of length 1; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Float[np.ndarray, "*rest 3"] = vectors / np.maximum(lengths, 1e-9)
    return result


def sideways(joints: Joints) -> Points:
    """Where the left hip lies from the right one, level."""
    return unit((joints[:, 14] - joints[:, 18]) * (1, 0, 1))


def forwards(joints: Joints) -> Points:
    """Where the pelvis looks, level."""
    return np.cross(sideways(joints), UP)


def smoothstep(value: Float[np.ndarray, "*rest"]) -> Float[np.ndarray, "*rest"]:
    """Minimum-jerk course from 0 to 1, constant outside."""
    x = np.clip(value, 0, 1)
    result: Float[np.ndarray, "*rest"] = x**3 * (10 - 15 * x + 6 * x * x)
    return result


def _standing_at(ankle: Points) -> Points:
    """From where the foot stands at first to where it stands at last."""
    first, last = np.median(ankle[:3], axis=0), np.median(ankle[-3:], axis=0)
    place: Points = first + np.linspace(0, 1, len(ankle))[:, None] * (last - first)
    return place


def _upper() -> Bool[np.ndarray, "22 1"]:
    """Everything that moves with the waist; feet stay."""
    is_upper: Bool[np.ndarray, "22 1"]
    is_upper = ~np.isin(np.arange(len(PARENT)), (16, 17, 20, 21))[:, None]
    return is_upper


def _missing_height(joints: Joints, body: Body) -> Float[np.ndarray, " frame"]:
    """How much higher the hips could be until the first leg is straight.

    The heel of a foot that is far behind may leave the floor.
    """
    reach = (body.bone[15] + body.bone[16]) * _STRAIGHT
    heights = []
    for hip, _, ankle, _ in LEGS:
        away = joints[:, hip] - joints[:, ankle]
        behind = (away * forwards(joints)).sum(axis=1)
        heel = _HEEL * smoothstep((behind - 0.1) / 0.4)
        level = np.minimum(np.hypot(away[:, 0], away[:, 2]), reach * 0.98)
        heights.append(np.sqrt(reach**2 - level**2) - away[:, 1] + heel)
    lowest: Float[np.ndarray, " frame"] = np.min(heights, axis=0)
    return lowest


def _toes(joints: Joints) -> tuple[Points, Points]:
    """Directions of both feet: ahead and a bit outwards, as at the beginning."""
    ahead, aside = forwards(joints[:1]), sideways(joints[:1])
    left, right = unit(ahead + _TURNED_OUT * aside), unit(ahead - _TURNED_OUT * aside)
    return np.repeat(left, len(joints), axis=0), np.repeat(right, len(joints), axis=0)


def _swung(joints: Joints, measured: Joints, body: Body, side: int) -> Joints:
    """Lets one leg swing forwards by the measured angles of hip and knee."""
    hip, knee, ankle, toe = LEGS[side]
    thigh, shank = measured[:, knee] - measured[:, hip], measured[:, ankle] - measured[:, knee]
    lift = _angle(thigh, np.broadcast_to(-UP, thigh.shape))
    lift, bend = (gaussian_filter1d(angle, 1.2) for angle in (lift, _angle(thigh, shank)))
    bend = _softly_limited(bend, np.radians(100))
    share = smoothstep((lift - np.radians(6)) / np.radians(24))[:, None]
    lift = _softly_limited(lift, np.radians(105))
    ahead = forwards(joints)
    knees = joints[:, hip] + body.bone[knee] * _hanging(lift, ahead)
    ankles = knees + body.bone[ankle] * _hanging(lift - bend, ahead)
    result = joints.copy()
    foot = unit(joints[:, toe] - joints[:, ankle])
    raised = _hanging(lift - bend + np.radians(75), ahead)
    result[:, ankle] = (1 - share) * joints[:, ankle] + share * ankles
    result[:, toe] = result[:, ankle] + unit((1 - share) * foot + share * raised)
    return with_legs(result, body)


def _hanging(angle: Float[np.ndarray, " frame"], ahead: Points) -> Points:
    """A direction that hangs down at angle 0 and points ahead at a right angle."""
    direction: Points = np.sin(angle)[:, None] * ahead - np.cos(angle)[:, None] * UP
    return direction


def _angle(one: Points, other: Points) -> Float[np.ndarray, " frame"]:
    """Angle between vectors, in radians."""
    cosine = (unit(one) * unit(other)).sum(axis=1)
    angle: Float[np.ndarray, " frame"] = np.arccos(np.clip(cosine, -1, 1))
    return angle


def _softly_limited(
    angle: Float[np.ndarray, " frame"], limit: float
) -> Float[np.ndarray, " frame"]:
    limited: Float[np.ndarray, " frame"] = limit * np.tanh(angle / limit)
    return limited
