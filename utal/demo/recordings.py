"""Untrimmed recordings composed from real repetitions, with known truth.

A recording shows one person who repeats one exercise and stands, walks or starts something else
in between. Nothing here draws: see `rendering`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from utal.demo.bodies import Body, Joints, body_of, grounded, resampled
from utal.demo.motions import passed, stood, turned, walked
from utal.demo.planning import Plan
from utal.demo.skeletons import EXERCISES, Skeletons

MIN_S, MAX_S = 20.0, 40.0
_RELAXED = (6, 9)  # exercises that begin and end with hanging arms
_MAX_FRAGMENT_S = 1.3


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """A composed motion and where its repetitions are.

    Attributes:
        joints: of every frame, in metres; the floor is y = 0, the camera looks against z.
        fps: frames per second.
        repetitions: first frame and one past the last of each full repetition, in order.
    """

    joints: Joints
    fps: float
    repetitions: tuple[tuple[int, int], ...]


def recorded(plan: Plan, skeletons: Skeletons) -> Recording:
    """Composes the motion of one video; the same plan gives the same motion."""
    body = body_of(skeletons, plan.person)
    postures = _relaxed(skeletons, plan.person, body)
    num_repetitions = int(np.random.default_rng(plan.seed).integers(5, 7))
    for attempt in range(200):
        fewer = attempt // 50  # slow people cannot do six in forty seconds
        rng = np.random.default_rng([*plan.seed, attempt])
        recording = _attempted(
            _Actor(skeletons, plan, body, postures, rng), num_repetitions - fewer
        )
        if MIN_S <= len(recording.joints) / plan.fps <= MAX_S:
            return recording
    raise AssertionError(f"no recording of a suitable length for {plan}")


def annotation(plan: Plan, recording: Recording) -> dict[str, object]:
    """One video's entry in a file of ActivityNet's form: one segment per full repetition.

    Starts of other exercises count as background and are not annotated.
    """
    limits = [[first / plan.fps, end / plan.fps] for first, end in recording.repetitions]
    label = EXERCISES[plan.exercise]
    return {
        "subset": "test",
        "duration": len(recording.joints) / plan.fps,
        "annotations": [{"segment": segment, "label": label} for segment in limits],
    }


@dataclass(frozen=True, eq=False, slots=True)
class _Clip:
    """A piece of motion; a full repetition of the main exercise or background."""

    joints: Joints
    is_repetition: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class _Actor:
    """A person who can be asked for motions."""

    skeletons: Skeletons
    plan: Plan
    body: Body
    postures: tuple[Float[np.ndarray, "22 3"], ...]
    rng: np.random.Generator


def _attempted(actor: _Actor, num_repetitions: int) -> Recording:
    exercise, rng = actor.plan.exercise, actor.rng
    rows = rng.permutation(actor.skeletons.repetitions(exercise, actor.plan.person)).tolist()
    clips = [_Clip(_opening(actor))]
    for index, row in enumerate(rows[:num_repetitions]):
        if index:
            clips += _pause(actor)
        clips.append(_Clip(_repetition(actor, row, exercise), is_repetition=True))
    clips.append(_Clip(_idle(actor)))
    if rng.random() < 0.2:
        corners = [(0.0, 0.0), _aside(rng, 1.0, 1.7)]
        clips.append(_Clip(_walk(actor, corners, (0.0, None))))
    return _joined(actor, clips)


def _relaxed(
    skeletons: Skeletons, person: int, body: Body
) -> tuple[Float[np.ndarray, "22 3"], ...]:
    """How a person stands at the beginning and end of repetitions that leave the arms hanging."""
    postures = []
    for exercise in _RELAXED:
        for row in skeletons.repetitions(exercise, person)[::3]:
            joints = grounded(skeletons.joints(row), body, exercise)
            postures += [joints[0], joints[-1]]
    return tuple(postures)


def _repetition(actor: _Actor, row: int, exercise: int) -> Joints:
    """A measured repetition, somewhat faster or slower, at about the same place."""
    joints = grounded(actor.skeletons.joints(row), actor.body, exercise)
    speed = actor.rng.uniform(0.85, 1.15)
    joints = resampled(joints, actor.skeletons.fps, actor.plan.fps, speed)
    place = actor.rng.normal(0, 0.03, 3) * (1, 0, 1)
    return turned(joints, np.full(len(joints), actor.rng.normal(0, 0.06))) + place


def _fragment(actor: _Actor) -> Joints:
    """The beginning of another exercise, given up before its middle."""
    others = [e for e in range(len(EXERCISES)) if e != actor.plan.exercise]
    exercise = int(actor.rng.choice(others))
    row = int(actor.rng.choice(actor.skeletons.repetitions(exercise, actor.plan.person)))
    joints = _repetition(actor, row, exercise)
    share = actor.rng.uniform(0.25, 0.42)
    return joints[: max(2, round(min(share * len(joints), _MAX_FRAGMENT_S * actor.plan.fps)))]


def _idle(actor: _Actor, shortest_s: float = 0.6, longest_s: float = 1.8) -> Joints:
    """Standing between two things."""
    chosen = actor.rng.permutation(len(actor.postures))[:3]
    num_frames = round(actor.rng.uniform(shortest_s, longest_s) * actor.plan.fps)
    postures = [actor.postures[index] for index in chosen]
    fps, rng = actor.plan.fps, actor.rng
    return stood(postures, actor.body, num_frames=num_frames, fps=fps, rng=rng)


def _opening(actor: _Actor) -> Joints:
    """Walks to the place, or stands there already."""
    if actor.rng.random() < 0.5:
        return _idle(actor, 1.2, 3.0)
    return _walk(actor, [_aside(actor.rng, 1.0, 1.7), (0.0, 0.0)], (None, 0.0))


def _pause(actor: _Actor) -> list[_Clip]:
    """What happens between two repetitions: always some standing, often something else."""
    kind = actor.rng.random()
    if kind < 0.7:
        return [_Clip(_idle(actor))]
    if kind < 0.85:
        pieces = (_idle(actor, 0.6, 1.2), _fragment(actor), _idle(actor, 0.6, 1.2))
        return [_Clip(piece) for piece in pieces]
    corners = [(0.0, 0.0), _aside(actor.rng, 0.4, 0.8), (0.0, 0.0)]
    return [_Clip(_idle(actor, 0.6, 1.2)), _Clip(_walk(actor, corners, (0.0, 0.0)))]


def _walk(
    actor: _Actor,
    corners: Sequence[tuple[float, float]],
    facing: tuple[float | None, float | None],
) -> Joints:
    """A walk; a facing of `None` looks along the way."""
    line = np.array(corners)
    first, last = line[1] - line[0], line[-1] - line[-2]
    start = float(np.arctan2(*first)) if facing[0] is None else facing[0]
    end = float(np.arctan2(*last)) if facing[1] is None else facing[1]
    posture = actor.postures[actor.rng.integers(len(actor.postures))]
    speed = actor.rng.uniform(0.7, 0.95)
    fps = actor.plan.fps
    return walked(posture, actor.body, line, facing=(start, end), fps=fps, speed=speed)


def _aside(rng: np.random.Generator, nearest: float, farthest: float) -> tuple[float, float]:
    """A place to the left or right, in metres."""
    x = rng.uniform(nearest, farthest) * rng.choice((-1, 1))
    return float(x), float(rng.uniform(-0.5, 0.3))


def _joined(actor: _Actor, clips: Sequence[_Clip]) -> Recording:
    """All clips with a smooth passage before each but the first."""
    parts = [clips[0].joints]
    total = len(parts[0])
    repetitions = []
    fps = actor.plan.fps
    for clip in clips[1:]:
        start, end = parts[-1][-1], clip.joints[0]
        way = np.linalg.norm(end - start, axis=1).max()
        seconds = np.clip(0.3 + 0.4 * way, 0.4, 0.8) * actor.rng.uniform(0.9, 1.1)
        num_frames = round(float(seconds) * fps)
        parts += [passed(start, end, actor.body, num_frames=num_frames), clip.joints]
        if clip.is_repetition:
            repetitions.append((total + num_frames, total + num_frames + len(clip.joints)))
        total += num_frames + len(clip.joints)
    size = actor.rng.uniform(0.9, 1.08)
    return Recording(np.concatenate(parts) * size, fps, tuple(repetitions))
