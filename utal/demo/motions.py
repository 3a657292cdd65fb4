"""What people do between exercises: stand, walk, and pass from one posture into the next."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from utal.demo.bodies import (
    ANKLE_HEIGHT,
    LEGS,
    UP,
    Body,
    Joints,
    Points,
    forwards,
    sideways,
    smoothstep,
    unit,
    with_bones,
    with_legs,
)
from utal.demo.skeletons import PARENT

_ARMS = ((7, 8, 9), (11, 12, 13))  # shoulder, elbow, wrist: left, right
_STEP_S = 0.52
_SWING = 0.42  # radians of an arm's swing to each side
_LIFT = 0.09


def stood(
    postures: Sequence[Float[np.ndarray, "22 3"]],
    body: Body,
    *,
    num_frames: int,
    fps: float,
    rng: np.random.Generator,
) -> Joints:
    """Idle standing: slow changes between real postures, with sway and breath.

    Args:
        postures: real postures of the person at rest, each with its feet on the floor.
        body: the person's proportions.
        num_frames: length of the result.
        fps: frames per second.
        rng: where sway and breath get their rates and phases from.
    """
    time = np.arange(num_frames) / fps
    joints = _drifting(postures, time, rng)
    feet = joints[:1, [16, 17, 20, 21]]
    sway = np.stack([_wander(time, rng, 0.012), 0 * time, _wander(time, rng, 0.008)], axis=1)
    joints = joints + sway[:, None]
    breath = np.sin(2 * np.pi * (rng.uniform(0.22, 0.32) * time + rng.uniform()))
    joints[:, [2, 3, 4, 5, 6, 7, 10, 11]] += (breath * 0.006)[:, None, None] * (0, 1, 0.5)
    for arm in _ARMS:
        hang = np.stack([_wander(time, rng, 0.01), 0 * time, _wander(time, rng, 0.015)], axis=1)
        joints[:, arm[1]] += hang / 2
        joints[:, arm[2]] += hang
    joints = with_bones(joints, body)
    joints[:, [16, 17, 20, 21]] = feet
    return with_legs(joints, body)


def walked(
    posture: Float[np.ndarray, "22 3"],
    body: Body,
    corners: Float[np.ndarray, "corner 2"],
    *,
    facing: tuple[float, float],
    fps: float,
    speed: float = 0.8,
) -> Joints:
    """Walking along a line of corners on the floor.

    Args:
        posture: a posture at rest that looks along z; its trunk and arms are carried along.
        body: the person's proportions.
        corners: x and z of start, turning points and end, in metres.
        facing: direction of looking at the start and at the end in radians; 0 looks along z.
        fps: frames per second.
        speed: metres per second.
    """
    place, heading = _course(corners, facing, fps, speed)
    steps = _footsteps(place, heading, fps)
    phase = np.pi * np.arange(len(place)) / fps / _STEP_S
    moving = _moving(place, fps)
    base = posture - posture[0] * (1, 0, 1)
    joints = np.repeat(base[None], len(place), axis=0)
    swing = _SWING * moving * np.sin(phase + np.pi / 2)
    for arm, sign in zip(_ARMS, (1, -1), strict=True):
        joints = _arm_swung(joints, arm, sign * swing, 0.25 * moving)
    joints = turned(joints, heading)
    bob = -0.02 - 0.015 * moving * np.cos(2 * phase)
    joints += np.stack([place[:, 0], bob, place[:, 1]], axis=1)[:, None]
    joints = with_bones(joints, body)
    for (_, _, ankle, toe), foot in zip(LEGS, steps, strict=True):
        joints[:, ankle] = foot
        ahead = np.stack([np.sin(heading), 0 * heading, np.cos(heading)], axis=1)
        dip = -0.5 * (foot[:, 1:2] - ANKLE_HEIGHT) / _LIFT * UP
        joints[:, toe] = foot + (ahead + dip) * body.bone[toe]
    return with_legs(joints, body)


def passed(
    start: Float[np.ndarray, "22 3"],
    end: Float[np.ndarray, "22 3"],
    body: Body,
    *,
    num_frames: int,
) -> Joints:
    """A smooth passage (minimum jerk) from one posture to another, both left out.

    Feet that stand elsewhere afterwards are lifted, one after the other.
    """
    share = np.arange(1, num_frames + 1) / (num_frames + 1)
    eased = smoothstep(share)[:, None, None]
    joints = _bent(start, end, body, eased)
    for side, (_, _, ankle, toe) in enumerate(LEGS):
        own = smoothstep(share / 0.62 if side == 0 else (share - 0.38) / 0.62)[:, None]
        far = np.linalg.norm((end[ankle] - start[ankle]) * (1, 0, 1))
        arc = min(0.25 * far, _LIFT) * np.sin(np.pi * own) * UP
        joints[:, ankle] = (1 - own) * start[ankle] + own * end[ankle] + arc
        joints[:, toe] = (1 - own) * start[toe] + own * end[toe] + arc
    return with_legs(joints, body)


def turned(joints: Joints, heading: Float[np.ndarray, " frame"]) -> Joints:
    """Turned about the vertical axis through the origin."""
    sine, cosine = np.sin(heading)[:, None], np.cos(heading)[:, None]
    x, y, z = np.moveaxis(joints, 2, 0)
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=2)


def _bent(
    start: Float[np.ndarray, "22 3"],
    end: Float[np.ndarray, "22 3"],
    body: Body,
    eased: Float[np.ndarray, "frame 1 1"],
) -> Joints:
    """Turns every bone from one direction to the other, arms around the trunk's front."""
    joints: Joints = (1 - eased) * start + eased * end
    ahead, aside = forwards(start[None])[0], sideways(start[None])[0]
    for joint, parent in enumerate(PARENT[1:], start=1):
        one, other = unit(start[joint] - start[parent]), unit(end[joint] - end[parent])
        side = 1.0 if joint in (7, 8, 9) else -1.0 if joint in (11, 12, 13) else 0.0
        # Opposite directions have no way between them: go outside and ahead.
        detour = 0.35 * (1 - one @ other) * (ahead + side * aside) * abs(side)
        share: Float[np.ndarray, "frame 1"] = eased[:, 0]
        way = (1 - share) * one + share * other + 4 * share * (1 - share) * detour
        joints[:, joint] = joints[:, parent] + unit(way) * body.bone[joint]
    return joints


def _drifting(
    postures: Sequence[Float[np.ndarray, "22 3"]],
    time: Float[np.ndarray, " frame"],
    rng: np.random.Generator,
) -> Joints:
    """From posture to posture, each held for some seconds."""
    joints = np.repeat(postures[0][None], len(time), axis=0)
    start = rng.uniform(0.3, 1.5)
    for posture in postures[1:]:
        length = rng.uniform(1.2, 2.5)
        share = smoothstep((time - start) / length)[:, None, None]
        joints = (1 - share) * joints + share * posture
        start += length + rng.uniform(0.2, 1.5)
    return joints


def _wander(
    time: Float[np.ndarray, " frame"], rng: np.random.Generator, size: float
) -> Float[np.ndarray, " frame"]:
    """A slow irregular swing that starts at zero."""
    rates, phases = rng.uniform(0.12, 0.5, 3), rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rates * time[:, None] + phases) - np.sin(phases)
    result: Float[np.ndarray, " frame"] = size * waves.sum(axis=1) / 1.7
    return result


def _course(
    corners: Float[np.ndarray, "corner 2"], facing: tuple[float, float], fps: float, speed: float
) -> tuple[Float[np.ndarray, "frame 2"], Float[np.ndarray, " frame"]]:
    """Place and heading of every frame; turns on the spot, ends with time to set the feet."""
    places, headings = [corners[:1]], [np.array([facing[0]])]
    for start, end in itertools.pairwise(corners):
        line = end - start
        direction = float(np.arctan2(line[0], line[1]))
        _turn(places, headings, direction, fps)
        num = max(2, round(float(np.hypot(*line)) / speed * fps))
        # Half smooth, half even: nobody starts or stops at full speed.
        even = np.arange(1, num + 1) / num
        share = (0.5 * even + 0.5 * (even**2 * (3 - 2 * even)))[:, None]
        places.append(start + share * line)
        headings.append(np.full(num, headings[-1][-1]))
    _turn(places, headings, facing[1], fps)
    rest = round(2 * _STEP_S * fps)
    places.append(np.repeat(places[-1][-1:], rest, axis=0))
    headings.append(np.full(rest, headings[-1][-1]))
    return np.concatenate(places), np.concatenate(headings)


def _turn(
    places: list[Float[np.ndarray, "_ 2"]],
    headings: list[Float[np.ndarray, " _"]],
    direction: float,
    fps: float,
) -> None:
    """Appends a turn on the spot, the short way round."""
    old = headings[-1][-1]
    angle = (direction - old + np.pi) % (2 * np.pi) - np.pi
    num = max(1, round(abs(angle) / 2.6 * fps))
    headings.append(old + angle * smoothstep(np.arange(1, num + 1) / num))
    places.append(np.repeat(places[-1][-1:], num, axis=0))


def _footsteps(
    place: Float[np.ndarray, "frame 2"], heading: Float[np.ndarray, " frame"], fps: float
) -> tuple[Points, Points]:
    """Ankles: while one foot stands, the other goes to where the body will be next."""
    num = len(place)
    step = round(_STEP_S * fps)
    feet = []
    for side, sign in enumerate((1, -1)):
        foot = np.empty((num, 3))
        here = _beside(place[0], heading[0], sign)
        for count, first in enumerate(range(0, num, step)):
            frames = np.arange(first, min(first + step, num))
            there = here
            if count % 2 == side:
                ahead = min(first + round(1.5 * step), num - 1)
                there = _beside(place[ahead], heading[ahead], sign)
            share = (frames - first) / step
            moved = smoothstep(share)[:, None]
            far = min(1.0, float(np.linalg.norm(there - here)) / 0.3)
            arc = _LIFT * far * np.sin(np.pi * share) ** 2
            foot[frames] = (1 - moved) * here + moved * there + arc[:, None] * UP
            here = there
        feet.append(foot)
    return feet[0], feet[1]


def _beside(place: Float[np.ndarray, " 2"], heading: float, sign: int) -> Float[np.ndarray, " 3"]:
    """Where a foot stands for a body at `place`; +1 is the left one."""
    aside = sign * 0.09
    x, z = place[0] + aside * np.cos(heading), place[1] - aside * np.sin(heading)
    return np.array([x, ANKLE_HEIGHT, z])


def _moving(place: Float[np.ndarray, "frame 2"], fps: float) -> Float[np.ndarray, " frame"]:
    """0 at rest to 1 at walking speed, without jumps."""
    speed = np.linalg.norm(np.gradient(place, axis=0), axis=1) * fps
    window = np.hanning(round(0.6 * fps) + 2)
    smooth: Float[np.ndarray, " frame"] = np.convolve(
        np.pad(speed, len(window) // 2, mode="edge"), window / window.sum(), mode="same"
    )[len(window) // 2 :][: len(place)]
    return np.clip(smooth / 0.7, 0, 1)


def _arm_swung(
    joints: Joints,
    arm: tuple[int, int, int],
    angle: Float[np.ndarray, " frame"],
    bend: Float[np.ndarray, " frame"],
) -> Joints:
    """Turns a hanging arm forwards about the shoulder, and the forearm a bit more."""
    shoulder, elbow, wrist = arm
    result = joints.copy()
    upper = _pitched(joints[:, elbow] - joints[:, shoulder], angle)
    fore = _pitched(joints[:, wrist] - joints[:, elbow], angle + bend)
    result[:, elbow] = result[:, shoulder] + upper
    result[:, wrist] = result[:, elbow] + fore
    return result


def _pitched(
    vectors: Float[np.ndarray, "frame 3"], angle: Float[np.ndarray, " frame"]
) -> Float[np.ndarray, "frame 3"]:
    """Turned about x: what hangs down goes forwards."""
    sine, cosine = np.sin(angle), np.cos(angle)
    x, y, z = vectors.T
    return np.stack([x, cosine * y + sine * z, cosine * z - sine * y], axis=1)
