"""Cameras: where points of the world appear in the picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

WIDTH, HEIGHT = 320, 240
SHARP = 2  # pictures are drawn this many times larger, then reduced


@dataclass(frozen=True, eq=False, slots=True)
class Camera:
    """A camera that stands still and looks at the origin.

    Attributes:
        place: of the lens, in metres.
        turn: rows are the camera's right, down and forward directions in the world.
        focal: focal length in drawn pixels.
        centre: where its axis meets the picture, in drawn pixels.
    """

    place: Float[np.ndarray, " 3"]
    turn: Float[np.ndarray, "3 3"]
    focal: float
    centre: tuple[float, float]

    def projected(
        self, points: Float[np.ndarray, "point 3"]
    ) -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, " point"]]:
        """Places in the picture in drawn pixels, and depths in metres."""
        seen = (points - self.place) @ self.turn.T
        depth = np.maximum(seen[..., 2], 0.05)
        return self.focal * seen[..., :2] / depth[..., None] + self.centre, depth

    def rays(self) -> Float[np.ndarray, "row column 3"]:
        """Direction of what each drawn pixel sees."""
        columns, rows = np.meshgrid(
            np.arange(WIDTH * SHARP) + 0.5 - self.centre[0],
            np.arange(HEIGHT * SHARP) + 0.5 - self.centre[1],
        )
        seen = np.stack([columns, rows, np.full_like(rows, self.focal)], axis=2) / self.focal
        rays: Float[np.ndarray, "row column 3"] = seen @ self.turn
        return rays


def placed(stature: float, rng: np.random.Generator) -> Camera:
    """A camera somewhere in front, so that a standing person fills about half of the height.

    Args:
        stature: height of the person in metres.
        rng: where angle, distance, height and framing come from.
    """
    yaw = np.radians(rng.uniform(-25, 25))
    distance, height = rng.uniform(3.4, 5.2), rng.uniform(1.0, 1.7)
    place = np.array([distance * np.sin(yaw), height, distance * np.cos(yaw)])
    pitch = np.arctan2(height - 0.9, distance) + np.radians(rng.uniform(-2, 3))
    ahead = np.array([-np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
    right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    turn = np.stack([right, np.cross(ahead, right), ahead])
    probe = Camera(place, turn, 1.0, (0.0, 0.0))
    (foot, head), _ = probe.projected(np.array([[0, 0, 0], [0, stature, 0]]))
    share = rng.uniform(0.5, 0.64)
    focal = share * HEIGHT * SHARP / float(foot[1] - head[1])
    ground = HEIGHT * SHARP * rng.uniform(0.84, 0.91)
    aside = WIDTH * SHARP * (0.5 + rng.uniform(-0.09, 0.09))
    centre = (aside - focal * float(foot[0]), ground - focal * float(foot[1]))
    return Camera(place, turn, focal, centre)
