"""Floors, walls and skies: what each pixel's ray meets, and the pattern that it has there."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from utal.demo.cameras import Camera

Colour = tuple[float, float, float]
Plane = Float[np.ndarray, "row column"]
Noise = Float[np.ndarray, "128 128"]
Colours = Float[np.ndarray, "row column 3"]
# Brightness, about 1, at places on a surface in metres; the last argument is fixed noise.
Pattern = Callable[[Plane, Plane, Noise], Plane]

CEILING = 2.8


@dataclass(frozen=True, eq=False, slots=True)
class Room:
    """Four surfaces around an exercising person; all sizes in metres.

    Attributes:
        back: how far behind the person the back wall is.
        half_width: how far the side walls are.
        floor, wall: their colours and patterns.
        ceiling: its colour.
        base: colour of the skirting board.
    """

    back: float
    half_width: float
    floor: tuple[Colour, Pattern]
    wall: tuple[Colour, Pattern]
    ceiling: Colour
    base: Colour


@dataclass(frozen=True, eq=False, slots=True)
class Outdoors:
    """A ground, a low wall, fence or hedge behind, and the sky.

    Attributes:
        back: how far behind the person the wall is, in metres.
        height: of the wall, in metres.
        floor, wall: their colours and patterns.
        sky: colours at the horizon and overhead.
    """

    back: float
    height: float
    floor: tuple[Colour, Pattern]
    wall: tuple[Colour, Pattern]
    sky: tuple[Colour, Colour]


def room_picture(room: Room, camera: Camera, rng: np.random.Generator) -> Colours:
    """The empty room, with darker corners and a lighter middle."""
    noise, rays, eye = rng.random((128, 128)), camera.rays(), camera.place
    ways = [
        _way(rays[..., 1], 0 - eye[1]),
        _way(rays[..., 2], -room.back - eye[2]),
        _way(rays[..., 0], -room.half_width - eye[0]),
        _way(rays[..., 0], room.half_width - eye[0]),
        _way(rays[..., 1], CEILING - eye[1]),
    ]
    nearest = np.argmin(ways, axis=0)
    x, y, z = np.moveaxis(eye + np.min(ways, axis=0)[..., None] * rays, 2, 0)
    side = (nearest == 2) | (nearest == 3)
    along = np.where(side, z, x)
    wall = _coloured(room.wall, along, y, noise)
    wall *= np.where(side, 0.86, 1.0)[..., None]
    wall = np.where((y < 0.1)[..., None], np.array(room.base), wall)
    floor = _coloured(room.floor, x, z, noise)
    above = np.broadcast_to(np.array(room.ceiling), wall.shape)
    picture = np.select(
        [(nearest == 0)[..., None], (nearest == 4)[..., None]], [floor, above], wall
    )
    to_edge = np.sort([y, z + room.back, room.half_width - abs(x), CEILING - y], axis=0)[1]
    middle = 1.08 - 0.04 * np.hypot(x, z)
    result: Colours = picture * (middle * (1 - 0.4 * np.exp(-to_edge / 0.22)))[..., None]
    return result


def outdoor_picture(place: Outdoors, camera: Camera, rng: np.random.Generator) -> Colours:
    """The empty place under a sky with some clouds."""
    noise, rays, eye = rng.random((128, 128)), camera.rays(), camera.place
    ground = _way(rays[..., 1], 0 - eye[1])
    wall = _way(rays[..., 2], -place.back - eye[2])
    far = np.minimum(ground, wall)
    x, y, z = np.moveaxis(eye + np.minimum(far, 60)[..., None] * rays, 2, 0)
    height = np.clip(rays[..., 1] / np.linalg.norm(rays, axis=2) * 2.2, 0, 1)
    clouds = np.clip(2.5 * noise_at(noise, rays[..., 0] * 5, rays[..., 1] * 14) - 1.3, 0, 1) * 0.5
    low, high = map(np.array, place.sky)
    sky = low + height[..., None] * (high - low)
    sky += clouds[..., None] * (245 - sky)
    behind = np.where((y < place.height)[..., None], _coloured(place.wall, x, y, noise), sky)
    behind *= (1 - 0.35 * np.exp(-y / 0.2) * (y < place.height))[..., None]
    floor = _coloured(place.floor, x, z, noise)
    floor *= (1 - 0.35 * np.exp(-np.abs(z + place.back) / 0.3))[..., None]
    return np.where((ground < wall)[..., None], floor, behind)


def noise_at(noise: Noise, u: Plane, v: Plane) -> Plane:
    """Smooth noise, 0 to 1, that repeats every 128."""
    columns, rows = (np.mod(value, 127).astype(np.float32) for value in (u, v))
    smooth: Plane = cv2.remap(noise.astype(np.float32), columns, rows, cv2.INTER_LINEAR)
    return smooth


def plain(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Plaster: hardly any pattern."""
    return 0.96 + 0.05 * noise_at(noise, u * 3, v * 3) + 0.03 * noise_at(noise, u * 25, v * 25)


def carpet(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Speckled, as carpet, concrete or gravel."""
    fine = noise_at(noise, u * 22, v * 22) + noise_at(noise, v * 47, u * 47)
    tone: Plane = 0.8 + 0.14 * fine + 0.12 * noise_at(noise, u * 2, v * 2)
    return tone


def grass(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Tufts and worn places."""
    blades = noise_at(noise, u * 31, v * 12) + noise_at(noise, u * 13, v * 29)
    tone: Plane = 0.55 + 0.3 * blades + 0.3 * noise_at(noise, u * 1.5, v * 1.5)
    return tone


def planks(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Wooden floor boards."""
    row = np.floor(u / 0.16)
    piece = np.floor(v / 1.1 + _hash(row, 0 * row))
    gap = (np.mod(u, 0.16) < 0.012) | (np.mod(v / 1.1 + _hash(row, 0 * row), 1) < 0.012)
    grain = noise_at(noise, u * 60, v * 5)
    floor: Plane = (0.84 + 0.22 * _hash(row, piece) + 0.1 * grain) * np.where(gap, 0.7, 1)
    return floor


def boards(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Upright boards of a fence or panelling."""
    row = np.floor(u / 0.14)
    grain = noise_at(noise, u * 60, v * 4)
    tone = 0.8 + 0.25 * _hash(row, 0 * row) + 0.1 * grain
    fence: Plane = tone * np.where(np.mod(u, 0.14) < 0.014, 0.55, 1)
    return fence


def tiles(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Square tiles of 45 cm."""
    tone = _hash(np.floor(u / 0.45), np.floor(v / 0.45))
    gap = (np.mod(u, 0.45) < 0.015) | (np.mod(v, 0.45) < 0.015)
    stone = 0.9 + 0.1 * tone + 0.06 * noise_at(noise, u * 14, v * 14)
    floor: Plane = stone * np.where(gap, 0.78, 1)
    return floor


def bricks(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Bricks in running bond, with light joints."""
    row = np.floor(v / 0.11)
    shifted = u + 0.14 * np.mod(row, 2)
    gap = (np.mod(v, 0.11) < 0.016) | (np.mod(shifted, 0.28) < 0.016)
    tone = _hash(np.floor(shifted / 0.28), row)
    rough = 0.08 * noise_at(noise, u * 40, v * 40) - 0.04
    wall: Plane = np.where(gap, 1.15, 0.75 + 0.3 * tone) + rough
    return wall


def stripes(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Striped wallpaper."""
    paper: Plane = np.where(np.mod(u, 0.3) < 0.15, 0.95, 1.05) * plain(u, v, noise)
    return paper


def hedge(u: Plane, v: Plane, noise: Noise) -> Plane:
    """Leaves in light and shade."""
    leaves = noise_at(noise, u * 9, v * 9) + noise_at(noise, u * 23, v * 23)
    tone: Plane = 0.35 + 0.45 * leaves + 0.15 * noise_at(noise, u * 2, v * 2)
    return tone


def dyed(hue: float, saturation: float, value: float) -> Colour:
    """Blue, green and red of a hue (0 to 180), saturation and brightness (0 to 255)."""
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    blue, green, red = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return blue, green, red


def _way(direction: Plane, distance: float) -> Plane:
    """How far a ray goes until it has covered a distance along one axis; far if it never does."""
    with np.errstate(divide="ignore"):
        way = distance / direction
    return np.where(way > 1e-6, way, 1e6)


def _coloured(surface: tuple[Colour, Pattern], u: Plane, v: Plane, noise: Noise) -> Colours:
    colour, pattern = surface
    result: Colours = np.array(colour) * pattern(u, v, noise)[..., None]
    return result


def _hash(one: Plane, other: Plane) -> Plane:
    """A fixed random number from 0 to 1 for each pair of whole numbers."""
    value = np.sin(one * 127.1 + other * 311.7) * 43758.5453
    result: Plane = value - np.floor(value)
    return result
