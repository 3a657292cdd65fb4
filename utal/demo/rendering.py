"""From a composed motion to a video file: stage, frames, encoding."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

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

from utal.demo.cameras import HEIGHT, WIDTH, Camera, placed
from utal.demo.composing import Recording
from utal.demo.figures import Outfit, draw_person, draw_shadow, dressed
from utal.demo.planning import Plan
from utal.demo.scenes import Scene, built

Picture = UInt8[np.ndarray, "row column 3"]

_NUM_GRAINS = 8
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
    grains: tuple[tuple[Picture, Picture], ...]


def staged(plan: Plan, recording: Recording) -> Stage:
    """The stage of a plan: camera, place, clothes and light are drawn from its seed."""
    rng = np.random.default_rng([*plan.seed, 1000])
    stature = float(np.median(recording.joints[:, 5, 1])) + 0.05
    camera = placed(stature, rng)
    scene = built(plan.scene, camera, rng)
    return Stage(camera, scene, dressed(rng), _light(rng), _grains(rng))


def frames(stage: Stage, recording: Recording, seed: tuple[int, int]) -> Iterator[Picture]:
    """The pictures of a recording, one after the other, blue first."""
    rng = np.random.default_rng([*seed, 2000])
    scene = stage.scene
    for joints in recording.joints:
        large = scene.picture.copy()
        draw_shadow(large, joints, stage.camera, scene.sun, scene.shade)
        draw_person(large, joints, stage.outfit, stage.camera, scene.light)
        picture = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        cv2.multiply(picture, stage.light, dst=picture, scale=1 / _UNIT)
        more, less = stage.grains[rng.integers(len(stage.grains))]
        cv2.add(picture, more, dst=picture)
        cv2.subtract(picture, less, dst=picture)
        yield picture


def save_video(path: Path, pictures: Iterator[Picture], fps: float) -> None:
    """Encodes pictures as H.264 in MP4; the file appears only when it is complete."""
    with replaced(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=round(fps))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        # x264's macroblock tree reads memory that nobody wrote: bytes would differ between runs.
        stream.options = {"preset": "veryfast", "crf": "25", "x264-params": "mbtree=0"}
        for picture in pictures:
            planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _light(rng: np.random.Generator) -> Picture:
    """Exposure, a gradient across the picture and darker corners."""
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    angle = rng.uniform(0, 2 * np.pi)
    gradient = 1 + rng.uniform(0, 0.16) * (np.cos(angle) * x + np.sin(angle) * y)
    vignette = 1 - rng.uniform(0.03, 0.2) * (x**2 + y**2)
    level = rng.uniform(0.8, 1.12) * gradient * vignette
    tint = 1 + rng.uniform(-0.05, 0.05) * np.array([1.0, 0.0, -1.0])
    light: Picture = np.clip(_UNIT * level[..., None] * tint, 0, 255).astype(np.uint8)
    return light


def _grains(rng: np.random.Generator) -> tuple[tuple[Picture, Picture], ...]:
    strength = rng.uniform(0.6, 2.2)
    result = []
    for _ in range(_NUM_GRAINS):
        grain = np.round(rng.normal(0, strength, (HEIGHT, WIDTH, 1))).astype(int)
        grain = np.repeat(grain, 3, axis=2)
        result.append((grain.clip(0, 255).astype(np.uint8), (-grain).clip(0, 255).astype(np.uint8)))
    return tuple(result)
