"""Things that stand in places or hang on walls, drawn in perspective."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Int32, UInt8

from utal.demo.cameras import Camera
from utal.demo.surfaces import Colour

Picture = UInt8[np.ndarray, "row column 3"]


@dataclass(frozen=True, slots=True)
class Panel:
    """A flat rectangle parallel to the back wall, with a frame: picture, window, door, mirror.

    Attributes:
        x, y: its limits, in metres.
        z: where it is.
        colour: of its middle.
        frame: colour of its rim, `None` without.
        bars: number of columns and rows that the rim's colour divides it into.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    z: float
    colour: Colour
    frame: Colour | None = None
    bars: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Box:
    """A cuboid with level top: shelf, sofa, table, bed.

    Attributes:
        x, y, z: its limits, in metres.
        colour: of its front.
        lines: number of columns and rows that lines divide its front into.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float]
    colour: Colour
    lines: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Balls:
    """Many balls about a point: a plant's leaves, a tree's crown, or a single ball.

    Attributes:
        centre: in metres.
        spread: standard deviations of the balls' places, in metres.
        radius: of a ball, in metres.
        num_balls: how many.
        colour: their mean colour.
    """

    centre: tuple[float, float, float]
    spread: tuple[float, float, float]
    radius: float
    num_balls: int
    colour: Colour


Thing = Panel | Box | Balls


def furnish(
    picture: Picture, things: Sequence[Thing], camera: Camera, rng: np.random.Generator
) -> None:
    """Draws all things into the picture, far ones first, with soft shadows below boxes."""
    for thing in things:
        if isinstance(thing, Box) and thing.y[0] < 0.3:
            _shade_floor(picture, thing, camera)
    order = np.argsort([-_distance(thing, camera) for thing in things], kind="stable")
    for index in order:
        thing = things[index]
        if isinstance(thing, Panel):
            _draw_panel(picture, thing, camera)
        elif isinstance(thing, Box):
            _draw_box(picture, thing, camera)
        else:
            _draw_balls(picture, thing, camera, rng)


def _distance(thing: Thing, camera: Camera) -> float:
    if isinstance(thing, Balls):
        centre = np.array(thing.centre)
    else:
        front = thing.z if isinstance(thing, Panel) else sum(thing.z) / 2
        centre = np.array([sum(thing.x) / 2, sum(thing.y) / 2, front])
    # Panels hang behind what stands in front of them.
    return float(camera.projected(centre[None])[1][0]) + 3.0 * isinstance(thing, Panel)


def _draw_panel(picture: Picture, panel: Panel, camera: Camera) -> None:
    (x0, x1), (y0, y1), z = panel.x, panel.y, panel.z
    rim = 0.045
    if panel.frame is not None:
        outer = [(x0 - rim, y0 - rim, z), (x1 + rim, y0 - rim, z)]
        outer += [(x1 + rim, y1 + rim, z), (x0 - rim, y1 + rim, z)]
        _fill(picture, outer, camera, panel.frame)
    columns, rows = panel.bars
    xs, ys = np.linspace(x0, x1, columns + 1), np.linspace(y0, y1, rows + 1)
    gap = 0.015 if columns * rows > 1 else 0.0
    for column in range(columns):
        for row in range(rows):
            left, right = xs[column] + gap, xs[column + 1] - gap
            low, high = ys[row] + gap, ys[row + 1] - gap
            face = [(left, low, z), (right, low, z), (right, high, z), (left, high, z)]
            _fill(picture, face, camera, panel.colour)
            shine = [face[3], face[2], (left, 0.5 * (low + high), z)]
            _fill(picture, shine, camera, panel.colour, 1.06)


def _draw_box(picture: Picture, box: Box, camera: Camera) -> None:
    (x0, x1), (y0, y1), (z0, z1) = box.x, box.y, box.z
    for x in (x0, x1):
        if (camera.place[0] - x) * (x - (x0 + x1) / 2) > 0:
            side = [(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)]
            _fill(picture, side, camera, box.colour, 0.72)
    if camera.place[1] > y1:
        top = [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)]
        _fill(picture, top, camera, box.colour, 1.14)
    front = [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)]
    _fill(picture, front, camera, box.colour)
    columns, rows = box.lines
    for x in np.linspace(x0, x1, columns + 1)[1:-1]:
        _line(picture, (x, y0, z1), (x, y1, z1), camera, box.colour)
    for y in np.linspace(y0, y1, rows + 1)[1:-1]:
        _line(picture, (x0, y, z1), (x1, y, z1), camera, box.colour)


def _draw_balls(picture: Picture, balls: Balls, camera: Camera, rng: np.random.Generator) -> None:
    centres = np.array(balls.centre) + rng.normal(size=(balls.num_balls, 3)) * balls.spread
    if balls.num_balls == 1:
        centres = np.array([balls.centre])
    places, depths = camera.projected(centres)
    for index in np.argsort(-depths, kind="stable"):
        radius = balls.radius * camera.focal / depths[index]
        tone = rng.uniform(0.8, 1.1) if balls.num_balls > 1 else 1.0
        for width, offset, brightness in ((1.0, 0.0, 0.7), (0.8, 0.15, 1.0), (0.35, 0.4, 1.2)):
            x, y = (places[index] - offset * radius * np.array((0.6, 0.8))) * 8
            lit = tuple(min(255.0, tone * brightness * value) for value in balls.colour)
            spot, size = (round(x), round(y)), max(8, round(width * radius * 8))
            cv2.circle(picture, spot, size, lit, -1, shift=3)


def _shade_floor(picture: Picture, box: Box, camera: Camera) -> None:
    left, right, back, front = box.x[0] - 0.05, box.x[1] + 0.05, box.z[0], box.z[1] + 0.1
    corners = [(left, 0, back), (right, 0, back), (right, 0, front), (left, 0, front)]
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, _spots(corners, camera), 255, shift=3)
    shade = 1 - 0.45 * cv2.GaussianBlur(mask, (0, 0), 7)[..., None] / 255
    picture[:] = (picture * shade).astype(np.uint8)


def _fill(
    picture: Picture,
    corners: Sequence[tuple[float, float, float]],
    camera: Camera,
    colour: Colour,
    brightness: float = 1.0,
) -> None:
    lit = tuple(min(255.0, brightness * value) for value in colour)
    cv2.fillConvexPoly(picture, _spots(corners, camera), lit, cv2.LINE_AA, shift=3)


def _line(
    picture: Picture,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    camera: Camera,
    colour: Colour,
) -> None:
    one, other = _spots([start, end], camera).tolist()
    dark = tuple(0.68 * value for value in colour)
    cv2.line(picture, one, other, dark, 2, cv2.LINE_AA, shift=3)


def _spots(
    corners: Sequence[tuple[float, float, float]], camera: Camera
) -> Int32[np.ndarray, "corner 2"]:
    places, _ = camera.projected(np.array(corners))
    spots: Int32[np.ndarray, "corner 2"]
    spots = np.round(np.clip(places, -4000, 4000) * 8).astype(np.int32)
    return spots
