"""Eight kinds of places to exercise in; colours and furniture differ from video to video."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from utal.demo.cameras import Camera
from utal.demo.furniture import Balls, Box, Panel, Thing, furnish
from utal.demo.surfaces import (
    Colour,
    Outdoors,
    Pattern,
    Room,
    boards,
    bricks,
    carpet,
    dyed,
    grass,
    hedge,
    outdoor_picture,
    plain,
    planks,
    room_picture,
    stripes,
    tiles,
)

Picture = UInt8[np.ndarray, "row column 3"]
_Built = tuple[Room | Outdoors, list[Thing]]

_WHITE, _DARK = (225.0, 228.0, 230.0), (45.0, 45.0, 48.0)
_WOODS = ((70.0, 110.0, 160.0), (50.0, 80.0, 120.0), (110.0, 150.0, 190.0))
_GREEN = (50.0, 115.0, 60.0)


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A place without people, and its light.

    Attributes:
        picture: at the camera's drawn size.
        sun: how far a shadow falls along x and z per metre of height.
        shade: share of the light that a shadow misses.
        light: direction in the picture that light comes from.
    """

    picture: Picture
    sun: tuple[float, float]
    shade: float
    light: tuple[float, float]


def built(kind: str, camera: Camera, rng: np.random.Generator) -> Scene:
    """Builds a place of one kind, furnished at random.

    Args:
        kind: a key of `KINDS`.
        camera: the view.
        rng: what colours, furniture and light are drawn from.
    """
    surroundings, things = KINDS[kind](rng)
    is_room = isinstance(surroundings, Room)
    if isinstance(surroundings, Room):
        colours = room_picture(surroundings, camera, rng)
    else:
        colours = outdoor_picture(surroundings, camera, rng)
    picture = np.clip(colours, 0, 255).astype(np.uint8)
    furnish(picture, things, camera, rng)
    slant = float(rng.choice((-1, 1)) * rng.uniform(0.15, 0.45 if is_room else 0.9))
    shade = rng.uniform(0.2, 0.34) if is_room else rng.uniform(0.28, 0.42)
    side = -np.sign(slant) * 0.7
    return Scene(picture, (slant, float(rng.uniform(-0.35, 0.1))), float(shade), (side, -0.6))


def _living_room(rng: np.random.Generator) -> _Built:
    room = _room(rng, planks, stripes if rng.random() < 0.5 else plain, _wood(rng))
    z, x = -room.back, rng.uniform(-1.6, 0.4)
    cloth = _soft(rng)
    things: list[Thing] = [
        Box((x - 0.9, x + 0.9), (0.1, 0.42), (z, z + 0.8), cloth, (2, 1)),
        Box((x - 0.9, x + 0.9), (0.42, 0.85), (z, z + 0.25), cloth, (2, 1)),
        Box((x - 1.1, x - 0.9), (0, 0.6), (z, z + 0.8), cloth),
        Box((x + 0.9, x + 1.1), (0, 0.6), (z, z + 0.8), cloth),
        Panel((x - 0.5, x + 0.3), (1.45, 2.0), z, _soft(rng), _DARK, (2, 1)),
        *_plant(x + 1.6, z + 0.4, rng),
        _window(x + 1.5, z, rng),
    ]
    return room, things


def _gym(rng: np.random.Generator) -> _Built:
    room = _room(rng, carpet, plain, (95.0, 92.0, 90.0))
    z = -room.back
    x = rng.uniform(-2.2, -1.2)
    things: list[Thing] = [
        Panel((x, x + 2.6), (0.5, 2.1), z, (190.0, 185.0, 175.0), (120.0, 120.0, 125.0), (3, 1)),
        Box((x + 2.9, x + 4.0), (0.0, 0.9), (z, z + 0.45), (60.0, 60.0, 65.0), (1, 3)),
        Balls((x - 0.4, 0.32, z + 0.5), (0, 0, 0), 0.32, 1, _bright(rng)),
    ]
    for shelf in range(3):
        for item in range(4):
            place = (x + 3.05 + 0.27 * item, 0.18 + 0.3 * shelf, z + 0.5)
            things.append(Balls(place, (0, 0, 0), 0.075, 1, _bright(rng)))
    return room, things


def _office(rng: np.random.Generator) -> _Built:
    room = _room(rng, carpet, plain, _muted(rng))
    z, x = -room.back, rng.uniform(-1.8, 0.2)
    wood = _wood(rng)
    things: list[Thing] = [
        Box((x - 0.8, x + 0.8), (0.7, 0.75), (z, z + 0.7), wood),
        Box((x - 0.8, x - 0.4), (0.0, 0.7), (z, z + 0.65), wood, (1, 3)),
        Box((x + 0.72, x + 0.78), (0.0, 0.7), (z, z + 0.65), wood),
        Box((x - 0.2, x + 0.4), (0.85, 1.22), (z + 0.25, z + 0.3), _DARK),
        Panel((x - 0.9, x + 0.6), (1.4, 2.1), z, (228.0, 228.0, 225.0), (150.0, 150.0, 150.0)),
        Box((x + 1.3, x + 2.2), (0.0, 1.9), (z, z + 0.35), _muted(rng), (2, 5)),
        _window(x - 1.9, z, rng),
    ]
    return room, things


def _clinic(rng: np.random.Generator) -> _Built:
    room = _room(rng, tiles, plain, (195.0, 205.0, 205.0))
    z, x = -room.back, rng.uniform(-1.6, 0.6)
    cloth = _soft(rng)
    things: list[Thing] = [
        Box((x - 0.95, x + 0.95), (0.5, 0.65), (z + 0.1, z + 0.8), cloth),
        Box((x - 0.8, x - 0.72), (0.0, 0.5), (z + 0.15, z + 0.7), (150.0, 150.0, 150.0)),
        Box((x + 0.72, x + 0.8), (0.0, 0.5), (z + 0.15, z + 0.7), (150.0, 150.0, 150.0)),
        Box((x - 0.9, x - 0.5), (0.65, 0.75), (z + 0.2, z + 0.7), _WHITE),
        Panel((x + 1.3, x + 2.2), (0.0, 2.05), z, _muted(rng), _WHITE, (1, 2)),
        Panel((x - 0.3, x + 0.3), (1.3, 2.0), z, (210.0, 225.0, 230.0), _DARK, (1, 4)),
        Box((x - 1.9, x - 1.3), (0.0, 0.9), (z, z + 0.4), _WHITE, (1, 4)),
    ]
    return room, things


def _garage(rng: np.random.Generator) -> _Built:
    room = _room(rng, carpet, bricks, (125.0, 128.0, 130.0))
    z, x = -room.back, rng.uniform(-1.9, -0.4)
    metal = _muted(rng)
    things: list[Thing] = [
        Panel((x + 0.9, x + 3.2), (0.0, 2.1), z, (170.0, 175.0, 178.0), (90.0, 90.0, 95.0), (1, 6))
    ]
    for level in range(4):
        y = 0.1 + 0.55 * level
        things.append(Box((x - 0.8, x + 0.6), (y, y + 0.04), (z, z + 0.45), metal))
        for left in np.arange(x - 0.7, x + 0.4, 0.4):
            if rng.random() < 0.75:
                top, depth = y + rng.uniform(0.15, 0.4), (z + 0.02, z + 0.4)
                things.append(Box((left, left + 0.3), (y + 0.04, top), depth, _soft(rng)))
    return room, things


def _hall(rng: np.random.Generator) -> _Built:
    room = _room(rng, planks, boards if rng.random() < 0.5 else plain, _wood(rng))
    z, x = -room.back, rng.uniform(-2.2, -0.8)
    wood = _wood(rng)
    things: list[Thing] = [
        Box((x + 1.6, x + 3.4), (0.35, 0.42), (z + 0.1, z + 0.45), wood),
        Box((x + 1.7, x + 1.8), (0.0, 0.35), (z + 0.1, z + 0.4), wood),
        Box((x + 3.2, x + 3.3), (0.0, 0.35), (z + 0.1, z + 0.4), wood),
        Panel((x + 1.9, x + 3.0), (1.5, 2.3), z, (200.0, 190.0, 170.0), wood, (4, 2)),
    ]
    for column in (0.0, 0.9):
        left = x + column
        for bar in np.arange(0.2, 2.4, 0.2):
            things.append(Box((left, left + 0.85), (bar, bar + 0.05), (z, z + 0.1), wood))
        for post in (left, left + 0.8):
            things.append(Box((post, post + 0.05), (0.0, 2.4), (z, z + 0.12), wood))
    return room, things


def _garden(rng: np.random.Generator) -> _Built:
    wall: Pattern = hedge if rng.random() < 0.5 else boards
    colour = (55.0, 120.0, 75.0) if wall is hedge else _wood(rng)
    sky = ((235.0, 225.0, 210.0), (225.0, 170.0, 110.0))
    back = rng.uniform(3.0, 4.5)
    place = Outdoors(
        back, rng.uniform(1.3, 2.0), ((70.0, 150.0, 105.0), grass), (colour, wall), sky
    )
    things: list[Thing] = []
    for x in rng.uniform(-4, 4, 3):
        trunk = (60.0, 75.0, 95.0)
        z = -back - rng.uniform(0.8, 2)
        things.append(Box((x - 0.1, x + 0.1), (0.0, 2.6), (z - 0.2, z), trunk))
        things.append(Balls((x, 3.0, z), (0.6, 0.45, 0.4), 0.35, 26, _GREEN))
    for x in (rng.uniform(-2.8, -1.3), rng.uniform(1.3, 2.8)):
        things.append(Balls((x, 0.25, -back + 0.4), (0.3, 0.12, 0.1), 0.16, 14, _GREEN))
        things.append(Balls((x, 0.4, -back + 0.5), (0.3, 0.1, 0.1), 0.05, 10, _bright(rng)))
    return place, things


def _street(rng: np.random.Generator) -> _Built:
    sky = ((225.0, 220.0, 215.0), (200.0, 175.0, 145.0))
    back = rng.uniform(3.0, 4.2)
    wall: tuple[Colour, Pattern] = (_muted(rng), plain)
    if rng.random() < 0.6:
        wall = ((85.0, 105.0, 165.0), bricks)
    place = Outdoors(back, rng.uniform(3.2, 4.5), ((165.0, 168.0, 170.0), tiles), wall, sky)
    x = rng.uniform(-2.6, -1.4)
    things: list[Thing] = [
        Panel((x, x + 1.0), (0.0, 2.1), -back, _soft(rng), _WHITE, (1, 2)),
        _window(x + 2.2, -back, rng),
        _window(x + 4.2, -back, rng),
        Box((x + 1.5, x + 3.0), (0.38, 0.45), (-back + 0.3, -back + 0.75), _wood(rng)),
        Box((x + 1.6, x + 1.7), (0.0, 0.38), (-back + 0.35, -back + 0.7), _DARK),
        Box((x + 2.8, x + 2.9), (0.0, 0.38), (-back + 0.35, -back + 0.7), _DARK),
        *_plant(x + 3.6, -back + 0.5, rng),
    ]
    return place, things


KINDS: dict[str, Callable[[np.random.Generator], _Built]] = {
    "living room": _living_room,
    "gym": _gym,
    "office": _office,
    "clinic": _clinic,
    "garage": _garage,
    "hall": _hall,
    "garden": _garden,
    "street": _street,
}


def _room(rng: np.random.Generator, floor: Pattern, wall: Pattern, ground: Colour) -> Room:
    sizes = (float(rng.uniform(1.7, 2.6)), float(rng.uniform(3.3, 4.2)))
    above = (215.0, 220.0, 222.0)
    return Room(*sizes, (ground, floor), (_pale(rng), wall), above, _WHITE)


def _plant(x: float, z: float, rng: np.random.Generator) -> list[Thing]:
    height = rng.uniform(0.5, 1.1)
    pot = Box((x - 0.15, x + 0.15), (0.0, 0.32), (z - 0.15, z + 0.15), _soft(rng))
    return [pot, Balls((x, 0.3 + height / 2, z), (0.13, height / 4, 0.1), 0.09, 40, _GREEN)]


def _window(x: float, z: float, rng: np.random.Generator) -> Panel:
    width = rng.uniform(0.8, 1.2)
    return Panel((x, x + width), (0.95, 2.1), z, (235.0, 215.0, 190.0), _WHITE, (2, 2))


def _pale(rng: np.random.Generator) -> Colour:
    return _dyed(rng, (5, 55), (165, 225))


def _muted(rng: np.random.Generator) -> Colour:
    return _dyed(rng, (10, 70), (90, 170))


def _soft(rng: np.random.Generator) -> Colour:
    return _dyed(rng, (60, 140), (90, 190))


def _bright(rng: np.random.Generator) -> Colour:
    return _dyed(rng, (150, 230), (130, 220))


def _wood(rng: np.random.Generator) -> Colour:
    return _WOODS[rng.integers(len(_WOODS))]


def _dyed(rng: np.random.Generator, saturation: tuple[int, int], value: tuple[int, int]) -> Colour:
    return dyed(rng.uniform(0, 180), rng.uniform(*saturation), rng.uniform(*value))
