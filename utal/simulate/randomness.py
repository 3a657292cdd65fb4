"""Random numbers that depend on what they are for, not on what was drawn before."""

import hashlib

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator of its own for a purpose, such as one aspect of one video.

    More videos, more classes or another knob therefore leave all other numbers as they were.
    """
    digest = hashlib.sha256("/".join(map(str, purpose)).encode("utf-8")).digest()
    words = tuple(np.frombuffer(digest[:16], "<u4").tolist())
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))
