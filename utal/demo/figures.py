"""Drawn people: rounded, shaded limbs and clothes, what is nearer over what is farther."""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int32, UInt8

from utal.demo.bodies import LEGS, UP, unit
from utal.demo.cameras import Camera
from utal.demo.surfaces import Colour, dyed

Picture = UInt8[np.ndarray, "row column 3"]


_ARMS = ((7, 8, 9), (11, 12, 13))  # shoulder, elbow, wrist
_SHIFT = 3  # bits behind the point in coordinates given to OpenCV
_CIRCLE = np.stack([f(np.arange(14) * 2 * np.pi / 14) for f in (np.cos, np.sin)], axis=1)
# Width, offset towards the light and brightness: a dark rim, the part itself, a light stripe.
_LAYERS = ((1.0, 0.0, 0.6), (0.82, 0.14, 1.0), (0.4, 0.45, 1.16))
_SKINS = ((150, 185, 225), (130, 165, 210), (100, 140, 190), (70, 105, 155), (50, 75, 115))
_COARSE = 4  # shadows are soft: drawn small, then enlarged
# fmt: off
_SHADOW_BONES = (
    (0, 2), (1, 0), (2, 4), (7, 11), (14, 18), (14, 15), (15, 16), (16, 17), (18, 19), (19, 20),
    (20, 21), (7, 8), (8, 9), (11, 12), (12, 13), (7, 14), (11, 18),
)
# fmt: on
_HAIRS = ((25, 25, 30), (40, 50, 70), (60, 85, 120), (90, 140, 180), (120, 120, 125))


@dataclass(frozen=True, slots=True)
class Outfit:
    """Colours (blue, green, red) and cut of somebody's clothes.

    Attributes:
        shirt, trousers, shoes, skin, hair: colours.
        sleeve: share of the arm that is covered: 0.35 a T-shirt, 1 a pullover.
        leg: share of the leg that is covered: 0.45 shorts, 1 long trousers.
        girth: factor on all widths.
        long_hair: whether it falls to the shoulders.
    """

    shirt: Colour
    trousers: Colour
    shoes: Colour
    skin: Colour
    hair: Colour
    sleeve: float
    leg: float
    girth: float
    long_hair: bool


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    """What lies in the hull of some balls."""

    centres: Float[np.ndarray, "ball 3"]
    radii: tuple[float, ...]
    colour: Colour


def dressed(rng: np.random.Generator) -> Outfit:
    """Random clothes whose parts differ in colour."""
    hues: list[int] = (rng.permutation(12)[:3] * 15).tolist()
    return Outfit(
        shirt=dyed(hues[0], rng.uniform(30, 160), rng.uniform(110, 235)),
        trousers=dyed(hues[1], rng.uniform(10, 110), rng.uniform(55, 160)),
        shoes=dyed(hues[2], rng.uniform(0, 120), rng.uniform(40, 230)),
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        sleeve=float(rng.choice((0.3, 0.38, 1.0))),
        leg=float(rng.choice((0.42, 0.6, 1.0, 1.0))),
        girth=float(rng.uniform(0.88, 1.15)),
        long_hair=bool(rng.random() < 0.4),
    )


def draw_person(
    picture: Picture,
    joints: Float[np.ndarray, "22 3"],
    outfit: Outfit,
    camera: Camera,
    light: tuple[float, float],
) -> None:
    """Draws one posture into the picture.

    Args:
        picture: what to draw into, at the camera's drawn size.
        joints: of the person, in metres.
        outfit: what they wear.
        camera: the view.
        light: direction in the picture that light comes from, of length 1 or less.
    """
    groups = [[part] for part in (*_trunk(joints, outfit), *_head(joints, outfit))]
    # Limbs are attached outside of the trunk: at the same depth arms cover it, it covers legs.
    bias = [0.0] * len(groups) + [-0.05] * 2 + [0.04] * 2
    groups += [_arm(joints, arm, outfit) for arm in _ARMS]
    groups += [_leg(joints, leg, outfit) for leg in LEGS]
    parts = [part for group in groups for part in group]
    outlines, depths = _outlined(parts, camera, light)
    first = np.cumsum([0, *map(len, groups)])
    depth = np.add.reduceat(depths, first[:-1]) / np.diff(first) + bias
    for index in np.argsort(depth, kind="stable")[::-1]:
        _draw(picture, parts, outlines, range(first[index], first[index + 1]))


def fallen(
    joints: Float[np.ndarray, "22 3"], sun: tuple[float, float]
) -> Float[np.ndarray, "22 3"]:
    """Where the shadows of joints lie on the floor."""
    places: Float[np.ndarray, "22 3"]
    places = joints * (1, 0, 1) + joints[:, 1:2] * np.array([sun[0], 0, sun[1]])
    return places


def draw_shadow(
    picture: Picture,
    joints: Float[np.ndarray, "22 3"],
    camera: Camera,
    sun: tuple[float, float],
    strength: float,
) -> None:
    """Darkens the floor where the person keeps the light off.

    Args:
        picture: what to draw into, at the camera's drawn size.
        joints: of the person, in metres.
        camera: the view.
        sun: how far a shadow falls along x and z per metre of height.
        strength: share of light that is missing, 0 to 1.
    """
    places, depths = camera.projected(fallen(joints, sun))
    widths = np.maximum(1, 0.11 * camera.focal / depths / _COARSE).astype(int)
    mask = np.zeros((picture.shape[0] // _COARSE, picture.shape[1] // _COARSE), np.uint8)
    spots = np.round(places / _COARSE * 8).astype(int)
    for joint, other in _SHADOW_BONES:
        width = int(widths[joint])
        cv2.line(mask, spots[joint].tolist(), spots[other].tolist(), 255, width, shift=_SHIFT)
    for foot in (16, 20):
        cv2.circle(mask, spots[foot].tolist(), int(widths[foot]) * 6, 255, -1, shift=_SHIFT)
    cv2.circle(mask, spots[5].tolist(), int(widths[5]) * 5, 255, -1, shift=_SHIFT)
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return
    rows = slice(max(top - 6, 0), top + height + 6)
    columns = slice(max(left - 6, 0), left + width + 6)
    soft = cv2.GaussianBlur(mask[rows, columns], (0, 0), 1.8)
    kept = cv2.resize(255 - (soft * strength).astype(np.uint8), None, fx=_COARSE, fy=_COARSE)
    region = picture[
        rows.start * _COARSE : rows.start * _COARSE + kept.shape[0],
        columns.start * _COARSE : columns.start * _COARSE + kept.shape[1],
    ]
    cv2.multiply(region, cv2.merge([kept] * 3), dst=region, scale=1 / 255)


def _trunk(joints: Float[np.ndarray, "22 3"], outfit: Outfit) -> list[_Part]:
    girth = outfit.girth
    waist, spine, chest, neck, head = joints[:5]
    left, right = joints[7], joints[11]
    shoulders = [0.86 * left + 0.14 * chest, 0.86 * right + 0.14 * chest]
    hips = joints[[14, 18]]
    pelvis = np.concatenate([hips, waist[None]])
    breast = 0.75 * chest + 0.25 * spine
    belt = 0.55 * hips + 0.15 * waist + 0.3 * spine
    torso = np.array([*shoulders, breast, spine, *belt])
    wide = tuple(girth * r for r in (0.055, 0.055, 0.1, 0.11, 0.1, 0.1))
    return [
        _Part(np.array([neck, head + 0.02 * UP]), (0.052, 0.046), outfit.skin),
        _Part(pelvis, (0.088 * girth, 0.088 * girth, 0.11 * girth), outfit.trousers),
        _Part(torso, wide, outfit.shirt),
    ]


def _head(joints: Float[np.ndarray, "22 3"], outfit: Outfit) -> list[_Part]:
    rise = unit(joints[5] - joints[4])
    aside = unit(joints[7] - joints[11])
    ahead = unit(np.cross(aside, rise))
    middle = joints[4] + 0.085 * rise
    face = np.array([middle + 0.035 * ahead + 0.005 * rise, middle + 0.04 * ahead - 0.055 * rise])
    skull = np.array([middle - 0.02 * ahead + 0.03 * rise, middle - 0.03 * ahead])
    parts = [_Part(face, (0.078, 0.055), outfit.skin), _Part(skull, (0.095, 0.088), outfit.hair)]
    if outfit.long_hair:
        strand = np.array([middle - 0.04 * ahead, joints[4] - 0.05 * ahead - 0.06 * rise])
        parts.append(_Part(strand, (0.085, 0.07), outfit.hair))
    for side in (-1, 1):
        eye = middle + 0.112 * ahead + side * 0.03 * aside + 0.005 * rise
        parts.append(_Part(eye[None], (0.009,), (30, 30, 30)))
    return parts


def _arm(
    joints: Float[np.ndarray, "22 3"], arm: tuple[int, int, int], outfit: Outfit
) -> list[_Part]:
    shoulder, elbow, wrist = joints[list(arm)]
    hand = wrist + 0.085 * unit(wrist - elbow)
    bones = np.array([shoulder, elbow, wrist])
    radii = tuple(r * outfit.girth for r in (0.056, 0.043, 0.032))
    parts = [_Part(np.array([wrist, hand]), (0.036, 0.03), outfit.skin)]
    return parts + _clothed(bones, radii, outfit.sleeve, outfit.shirt, outfit.skin)


def _leg(
    joints: Float[np.ndarray, "22 3"], leg: tuple[int, int, int, int], outfit: Outfit
) -> list[_Part]:
    hip, knee, ankle, toe = joints[list(leg)]
    ahead = unit(toe - ankle)
    down = -unit(knee - ankle) * 0.035
    foot = np.array([ankle - 0.045 * ahead + down, ankle + down * 0.4, toe - 0.01 * ahead + down])
    radii = tuple(r * outfit.girth for r in (0.092, 0.064, 0.045))
    bones = np.array([hip, knee, ankle])
    parts = [_Part(foot, (0.04, 0.042, 0.034), outfit.shoes)]
    return parts + _clothed(bones, radii, outfit.leg, outfit.trousers, outfit.skin)


def _clothed(
    bones: Float[np.ndarray, "3 3"],
    radii: tuple[float, ...],
    covered: float,
    cloth: Colour,
    skin: Colour,
) -> list[_Part]:
    """Two limbs in a row, of which the first share is covered with somewhat wider cloth."""
    where = np.array([0.0, 0.5, 1.0])
    cut = np.array([np.interp(covered, where, bones[:, axis]) for axis in range(3)])
    radius = float(np.interp(covered, where, radii))
    parts = [_Part(bones[i : i + 2], radii[i : i + 2], skin) for i in (0, 1)]
    inside = [0, 1] if covered > 0.5 else [0]
    points = [*bones[inside], cut]
    sizes = [1.1 * radii[i] for i in inside] + [1.15 * radius]
    for i in range(len(points) - 1):
        parts.append(_Part(np.array(points[i : i + 2]), tuple(sizes[i : i + 2]), cloth))
    return parts


def _outlined(
    parts: list[_Part], camera: Camera, light: tuple[float, float]
) -> tuple[list[Int32[np.ndarray, "layer _ 2"]], Float[np.ndarray, " part"]]:
    """Points whose hull is the part, for each layer, and the part's mean depth."""
    places, depths = camera.projected(np.concatenate([part.centres for part in parts]))
    radii = np.concatenate([part.radii for part in parts]) * camera.focal / depths
    width, offset, _ = np.array(_LAYERS).T[..., None]
    moved = places + (offset * radii)[..., None] * np.array(light)
    circles = moved[..., None, :] + (width * radii)[..., None, None] * _CIRCLE
    points = np.round(circles * 8).astype(np.int32)
    limits = np.cumsum([0, *(len(part.radii) for part in parts)])
    outlines = [
        points[:, start:end].reshape(len(_LAYERS), -1, 2)
        for start, end in itertools.pairwise(limits)
    ]
    return outlines, np.add.reduceat(depths, limits[:-1]) / np.diff(limits)


def _draw(
    picture: Picture,
    parts: list[_Part],
    outlines: list[Int32[np.ndarray, "layer _ 2"]],
    chosen: range,
) -> None:
    """Draws connected parts layer by layer, so that no rim cuts through a joint."""
    for layer, (_, _, brightness) in enumerate(_LAYERS):
        for index in chosen:
            lit = [min(255.0, brightness * value) for value in parts[index].colour]
            hull = cv2.convexHull(outlines[index][layer])
            cv2.fillConvexPoly(picture, hull, lit, shift=_SHIFT)
