"""Which recording shows what: exercises, people and scenes dealt out evenly and independently."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

# Chosen so that a person tells them apart: abduction and scaption, or squat and sit to stand,
# differ too little.
MAIN_EXERCISES = (0, 1, 2, 3, 6, 7)
SCENES = ("living room", "gym", "office", "clinic", "garage", "hall", "garden", "street")
_RATES = (30.0, 24.0)  # of one video each per exercise; the others have 25


@dataclass(frozen=True, slots=True)
class Plan:
    """What one recording will show; all but the exercise is independent of the exercise.

    Attributes:
        name: of the video, without suffix.
        exercise: index into `EXERCISES`.
        person: whose motion and proportions.
        scene: one of `SCENES`.
        fps: frames per second.
        seed: of everything that is left to chance.
    """

    name: str
    exercise: int
    person: int
    scene: str
    fps: float
    seed: tuple[int, int]


def planned(num_videos: int, num_people: int, seed: int) -> tuple[Plan, ...]:
    """Which exercise, person and scene each video gets.

    Every exercise, person and scene occurs equally often (or once more), and no exercise sees a
    person or scene twice before it has seen all others. File names tell nothing.
    """
    rng = np.random.default_rng([seed, num_videos])
    counts = [len(part) for part in np.array_split(np.arange(num_videos), len(MAIN_EXERCISES))]
    exercises = rng.permutation(np.repeat(rng.permutation(MAIN_EXERCISES), counts))
    people = _dealt(exercises, num_people, rng)
    scenes = _dealt(exercises, len(SCENES), rng)
    seen: dict[int, int] = {}
    plans = []
    for index, exercise in enumerate(exercises.tolist()):
        count = seen[exercise] = seen.get(exercise, -1) + 1
        rate = _RATES[count] if count < len(_RATES) else 25.0
        person, scene = int(people[index]), SCENES[scenes[index]]
        name = f"recording_{index + 1:02d}"
        plans.append(Plan(name, exercise, person, scene, rate, (seed, index)))
    return tuple(plans)


def _dealt(
    exercises: Integer[np.ndarray, " video"], num_values: int, rng: np.random.Generator
) -> Integer[np.ndarray, " video"]:
    """A value for each video: the rarest so far, first with its exercise, then of all."""
    result = np.empty(len(exercises), np.int64)
    total = np.zeros(num_values)
    own = {exercise: np.zeros(num_values) for exercise in np.unique(exercises).tolist()}
    for video in rng.permutation(len(exercises)):
        counts = own[exercises[video]]
        value = np.lexsort((rng.random(num_values), total, counts))[0]
        result[video] = value
        counts[value] += 1
        total[value] += 1
    return result
