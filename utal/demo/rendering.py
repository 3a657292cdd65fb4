"""From a composed motion to a video file: stage, frames, encoding."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from utal.errors import missing_extra
from utal.files import replaced

try:
    import av
except ImportError as error:
    raise missing_extra("av", "video") from error
try:
    import cv2
except ImportError as error:
    raise missing_extra("opencv-contrib-python-headless", "video") from error

from utal.demo.cameras import HEIGHT, SHARP, WIDTH, Camera, placed
from utal.demo.figures import Outfit, draw_person, draw_shadow, dressed, fallen
from utal.demo.planning import Plan
from utal.demo.recordings import Recording
from utal.demo.scenes import Scene, built

Picture = UInt8[np.ndarray, "row column 3"]
Grey = UInt8[np.ndarray, "row column"]
Planes = UInt8[np.ndarray, "360 320"]

_NUM_GRAINS = 8
_REACH = 0.25  # metres from a joint to the farthest point that is drawn around it
_BLUR = 40  # drawn pixels that a shadow's soft rim is wide at most
_UNIT = 128  # brightness 1 in the map of light


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """Everything of a video but the motion.

    Attributes:
        camera: the view.
        scene: the place.
        outfit: the person's clothes.
        light: brightness of every pixel, 128 is 1; vignette and gradient.
        grains: noise of the sensor, to be added and to be subtracted.
    """

    camera: Camera
    scene: Scene
    outfit: Outfit
    light: Picture
    grains: tuple[tuple[Grey, Grey], ...]


def staged(plan: Plan, recording: Recording) -> Stage:
    """The stage of a plan: camera, place, clothes and light are drawn from its seed."""
    rng = np.random.default_rng([*plan.seed, 1000])
    stature = float(np.median(recording.joints[:, 5, 1])) + 0.05
    camera = placed(stature, rng)
    scene = built(plan.scene, camera, rng)
    return Stage(camera, scene, dressed(rng), _light(rng), _grains(rng))


def frames(stage: Stage, recording: Recording, seed: tuple[int, int]) -> Iterator[Planes]:
    """The pictures of a recording, one after the other, as planes of brightness and colour."""
    rng = np.random.default_rng([*seed, 2000])
    scene = stage.scene
    canvas = scene.picture.copy()
    empty = _exposed(canvas, stage.light)
    for joints in recording.joints:
        draw_shadow(canvas, joints, stage.camera, scene.sun, scene.shade)
        draw_person(canvas, joints, stage.outfit, stage.camera, scene.light)
        # Nothing else has changed: most of the picture is known already.
        part = _touched(joints, stage)
        large = tuple(slice(SHARP * side.start, SHARP * side.stop) for side in part)
        picture = empty.copy()
        picture[part] = _exposed(canvas[large], stage.light[part])
        canvas[large] = scene.picture[large]
        planes: Planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
        more, less = stage.grains[rng.integers(len(stage.grains))]
        planes[:HEIGHT] = cv2.subtract(cv2.add(planes[:HEIGHT], more), less)
        yield planes


def save_video(path: Path, pictures: Iterator[Planes], fps: float) -> None:
    """Encodes pictures as H.264 in MP4; the file appears only when it is complete."""
    with replaced(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=round(fps))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        # No slower preset: x264's macroblock tree reads memory that nobody wrote, so that bytes
        # differ between runs.
        stream.options = {"preset": "ultrafast", "crf": "26"}
        for planes in pictures:
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _exposed(large: UInt8[np.ndarray, "large_row large_column 3"], light: Picture) -> Picture:
    """Reduces to the size of the video and applies the map of light."""
    size = light.shape[1], light.shape[0]
    small = cv2.resize(large, size, interpolation=cv2.INTER_AREA)
    lit: Picture = cv2.multiply(small, light, scale=1 / _UNIT)
    return lit


def _touched(joints: Float[np.ndarray, "22 3"], stage: Stage) -> tuple[slice, slice]:
    """Rows and columns of the video's picture that the person and their shadow may reach."""
    points = np.concatenate([joints, fallen(joints, stage.scene.sun)])
    places, depths = stage.camera.projected(points)
    margin = _REACH * stage.camera.focal / depths.min() + _BLUR
    low = np.maximum(places.min(axis=0) - margin, 0) // SHARP
    high = np.maximum(places.max(axis=0) + margin, 0) // SHARP + 1
    (left, top), (right, bottom) = low.astype(int), high.astype(int)
    # At least one pixel, for somebody who has left the picture.
    return slice(min(top, HEIGHT - 1), bottom), slice(min(left, WIDTH - 1), right)


def _light(rng: np.random.Generator) -> Picture:
    """Exposure, a gradient across the picture and darker corners."""
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    angle = rng.uniform(0, 2 * np.pi)
    gradient = 1 + rng.uniform(0, 0.16) * (np.cos(angle) * x + np.sin(angle) * y)
    vignette = 1 - rng.uniform(0.03, 0.2) * (x**2 + y**2)
    level = rng.uniform(0.88, 1.12) * gradient * vignette
    tint = 1 + rng.uniform(-0.05, 0.05) * np.array([1.0, 0.0, -1.0])
    light: Picture = np.clip(_UNIT * level[..., None] * tint, 0, 255).astype(np.uint8)
    return light


def _grains(rng: np.random.Generator) -> tuple[tuple[Grey, Grey], ...]:
    strength = rng.uniform(0.6, 2.2)
    result = []
    for _ in range(_NUM_GRAINS):
        grain = np.round(rng.normal(0, strength, (HEIGHT, WIDTH))).astype(int)
        result.append((grain.clip(0, 255).astype(np.uint8), (-grain).clip(0, 255).astype(np.uint8)))
    return tuple(result)
