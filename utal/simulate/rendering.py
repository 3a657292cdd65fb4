"""From timing to features: a video's snippets as a mixture of scene, background and action.

Before features are made non-negative, snippet t of a stream is

    z_t = channel means + scene + drift_t + (1 - w_t) background_t + sum of u_ti phase_ti + noise_t

where u_ti says how much of instance i (or of its surroundings) lies in the snippet, w_t is their
sum, and phase_ti is what its class looks like at that point. All but the noise is one product of a
matrix of weights over time with a matrix of directions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from utal.packs import KNOWN_WIDTHS
from utal.records import Video
from utal.simulate.randomness import generator
from utal.simulate.timing import AXIS, SNIPPET_S, TimedVideo
from utal.simulate.world import World

STREAMS = ("rgb", "flow")
CHANNEL_SPREAD = 0.5  # of the mean of each channel, the same in all videos
NUM_DRIFTS = 3  # independent slow changes of one scene
ROUNDING = 0.5  # width of the soft corner at zero, as a part of the spread


@dataclass(frozen=True, eq=False, slots=True)
class Stream:
    """All directions of one feature stream.

    Attributes:
        name: of the stream.
        mean: what every snippet has.
        phases: per class and phase, a direction of unit variance.
        scenes, backgrounds: of the kinds that videos share.
        places: of the scene that is typical of each class.
        action, scene, background, noise: strengths, see `World`.
        corner, gain: of the non-linearity.
    """

    name: str
    mean: Float32[np.ndarray, " channel"]
    phases: Float32[np.ndarray, "class phase channel"]
    scenes: Float32[np.ndarray, "scene channel"]
    backgrounds: Float32[np.ndarray, "background channel"]
    places: Float32[np.ndarray, "class channel"]
    action: float
    scene: float
    background: float
    noise: float
    corner: float
    gain: float


def streams_of(world: World, seed: int, class_names: Sequence[str]) -> tuple[Stream, ...]:
    """The directions of both streams."""
    return tuple(_stream(world, seed, class_names, index) for index in range(len(STREAMS)))


def _stream(world: World, seed: int, class_names: Sequence[str], index: int) -> Stream:
    name, width = STREAMS[index], world.channels[index]

    def drawn(*purpose: str | int) -> Float32[np.ndarray, " channel"]:
        return generator(seed, name, *purpose).standard_normal(width, np.float32)

    scenes = [drawn("scene", kind) for kind in range(world.num_scenes)]
    backgrounds = [drawn("background", kind) for kind in range(world.num_backgrounds)]
    scene, background, noise = (
        float(getattr(world, knob)[index]) for knob in ("scene", "background", "noise")
    )
    spread = np.sqrt(
        CHANNEL_SPREAD**2 + scene**2 * (1 + world.scene_drift**2) + background**2 + noise**2
    )
    corner = ROUNDING * spread
    return Stream(
        name=name,
        mean=np.float32(CHANNEL_SPREAD) * drawn("mean"),
        phases=_phases(world, class_names, drawn),
        scenes=np.stack(scenes),
        backgrounds=np.stack(backgrounds),
        places=np.stack([drawn("place", label) for label in class_names]),
        action=float(world.action[index]),
        scene=scene,
        background=background,
        noise=noise,
        corner=float(corner),
        # The root mean square of (z + sqrt(z^2 + c^2)) / 2 for z of that spread.
        gain=float(world.magnitude / np.sqrt((2 * spread**2 + corner**2) / 4)),
    )


def _phases(
    world: World, class_names: Sequence[str], drawn: Callable[..., np.ndarray]
) -> Float32[np.ndarray, "class phase channel"]:
    """What each class looks like in each of its phases; `drawn` makes a random direction."""
    phases = np.stack(
        [
            [
                np.sqrt(1 - world.phase_change) * drawn("class", label)
                + np.sqrt(world.phase_change) * drawn("phase", label, phase)
                for phase in range(world.phases)
            ]
            for label in class_names
        ]
    )
    for pair in range(world.confusable_pairs):
        one, other = phases[2 * pair], phases[2 * pair + 1]
        cosine = world.confusable_cosine
        phases[2 * pair + 1] = cosine * one + np.sqrt(1 - cosine**2) * other
    return phases.astype(np.float32)


def rendered(
    world: World, seed: int, streams: Sequence[Stream], class_names: Sequence[str], plan: TimedVideo
) -> Video:
    """The features of one video; they depend on no other video."""
    length = num_snippets(plan.duration_s, world.channels)
    seen, share = _action(world, generator(seed, "instances", plan.name), plan, length)
    backgrounds = np.zeros((length, world.num_backgrounds), np.float32)
    kinds = _background_kinds(world, generator(seed, "backgrounds", plan.name), length)
    backgrounds[np.arange(length), kinds] = 1 - share
    drift = world.scene_drift * _drift(generator(seed, "drift", plan.name), length)
    scene = int(generator(seed, "scene", plan.name).integers(world.num_scenes))
    columns = [class_names.index(label) for label in plan.labels]
    features = np.empty((length, sum(world.channels)), np.float32)
    first = 0
    for stream in streams:
        rng = generator(seed, stream.name, "video", plan.name)
        own = rng.standard_normal((1 + NUM_DRIFTS, len(stream.mean)), np.float32)
        place = _scene(world, stream.scenes[scene], stream.places[columns], own[0])
        weights = [seen, backgrounds, drift, np.ones((length, 1))]
        directions = [
            stream.action * stream.phases[columns].reshape(seen.shape[1], -1),
            stream.background * stream.backgrounds,
            stream.scene * own[1:],
            (stream.mean + stream.scene * place)[None],
        ]
        latent = np.hstack(weights).astype(np.float32) @ np.vstack(directions).astype(np.float32)
        out = features[:, first : first + len(stream.mean)]
        _pooled(latent, rng, stream, out)
        first += len(stream.mean)
    return Video(plan.name, features, AXIS.timeline(length))


def _scene(
    world: World,
    shared: Float32[np.ndarray, " channel"],
    typical: Float32[np.ndarray, "label channel"],
    own: Float32[np.ndarray, " channel"],
) -> Float[np.ndarray, " channel"]:
    """What all of a video looks like: of unit variance, from three sources."""
    rest = max(0.0, 1 - world.scene_shared - world.scene_typical)
    return np.asarray(
        np.sqrt(world.scene_shared) * shared
        + np.sqrt(world.scene_typical / len(typical)) * typical.sum(axis=0)
        + np.sqrt(rest) * own
    )


def num_snippets(duration_s: float, channels: tuple[int, int]) -> int:
    """Whole snippets of a video; one fewer where its arrays would look transposed when read."""
    # The margin undoes rounding of durations that are a whole number of snippets.
    count = max(1, int(duration_s / SNIPPET_S + 1e-6))
    ambiguous = count in KNOWN_WIDTHS and not KNOWN_WIDTHS.issuperset(channels)
    return count - 1 if ambiguous else count


def _action(
    world: World, rng: np.random.Generator, plan: TimedVideo, length: int
) -> tuple[Float[np.ndarray, "time appearance"], Float[np.ndarray, " time"]]:
    """How much of each phase of each class of the video lies in each snippet.

    Returns:
        Weights, the phases of one class next to each other; and the share of each snippet that
        is not background.
    """
    count = len(plan.instances)
    start = np.array([each.start_s for each in plan.instances]) / SNIPPET_S
    end = np.array([each.end_s for each in plan.instances]) / SNIPPET_S
    before, after = rng.uniform(*world.context_snippets, size=(2, count))
    bend = np.exp(world.speed * rng.standard_normal(count))
    strong = 1 + world.intensity * rng.uniform(-1, 1, size=count)

    cover = _covered(start, end, length)
    cover /= cover.sum(axis=1, keepdims=True).clip(min=1)
    around = _covered(start - before, start, length) + _covered(end, end + after, length)
    room = 1 - cover.sum(axis=1, keepdims=True)
    around *= np.minimum(1, room / around.sum(axis=1, keepdims=True).clip(min=1e-9))
    cover += world.context * around

    low = np.maximum(np.arange(length)[:, None], start)
    high = np.minimum(np.arange(1, length + 1)[:, None], end)
    progress = (((low + high) / 2 - start) / (end - start)).clip(0, 1) ** bend
    near = 1 - np.abs(progress[..., None] * (world.phases - 1) - np.arange(world.phases))
    near = near.clip(min=0)
    # Two phases have the covariance 1 - phase_change: keep the variance of what lies between at 1.
    change = world.phase_change
    near /= np.sqrt(change * (near**2).sum(axis=2, keepdims=True) + (1 - change))
    member = np.array([[each.label == name for name in plan.labels] for each in plan.instances])
    seen = np.einsum("ti,tip,ik->tkp", cover * strong, near, member.astype(float))
    return seen.reshape(length, -1), cover.sum(axis=1)


def _covered(
    start: Float[np.ndarray, " instance"], end: Float[np.ndarray, " instance"], length: int
) -> Float[np.ndarray, "time instance"]:
    """The share of each snippet that each interval covers; limits are in snippets."""
    low = np.arange(length)[:, None]
    return np.asarray((np.minimum(end, low + 1) - np.maximum(start, low)).clip(0, 1))


def _background_kinds(
    world: World, rng: np.random.Generator, length: int
) -> Int64[np.ndarray, " time"]:
    """The kind of background of each snippet: stretches of random length."""
    count = length // world.background_snippets[0] + 1
    lengths = rng.integers(*world.background_snippets, endpoint=True, size=count)
    return np.repeat(rng.integers(world.num_backgrounds, size=count), lengths)[:length]


def _drift(rng: np.random.Generator, length: int) -> Float[np.ndarray, "time drift"]:
    """Slow waves of unit variance in all: half to two periods within the video."""
    periods, phase = rng.uniform(0.5, 2, NUM_DRIFTS), rng.uniform(0, 1, NUM_DRIFTS)
    turns = np.arange(length)[:, None] / length * periods + phase
    return np.asarray(np.sin(2 * np.pi * turns) * np.sqrt(2 / NUM_DRIFTS))


def _pooled(
    latent: Float32[np.ndarray, "time channel"],
    rng: np.random.Generator,
    stream: Stream,
    out: Float32[np.ndarray, "time channel"],
) -> None:
    """Adds noise and writes gain * (z + sqrt(z^2 + corner^2)) / 2 to `out`.

    A mean of rectified values, as I3D's pooled features are, has such a soft corner.
    """
    noise = rng.standard_normal(latent.shape, np.float32)
    noise *= np.float32(stream.noise)
    latent += noise
    np.multiply(latent, latent, out=noise)
    noise += np.float32(stream.corner**2)
    np.sqrt(noise, out=noise)
    noise += latent
    np.multiply(noise, np.float32(stream.gain / 2), out=out)
