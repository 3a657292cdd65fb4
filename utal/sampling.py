"""Which snippets of a video a network is fed: random while training, fixed everywhere else."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from utal.errors import ConfigError


def uniform_indices(num_snippets: int, num_samples: int) -> Int64[np.ndarray, " sample"]:
    """Indices floor(i * L / T) for i = 0 … T-1; repeats snippets of short videos.

    Source: released BaS-Net and STPN code.
    """
    return np.arange(num_samples) * num_snippets // num_samples


def perturbed_indices(
    num_snippets: int, num_samples: int, rng: np.random.Generator
) -> Int64[np.ndarray, " sample"]:
    """One draw of the random perturbation: index i from [floor(s_i), floor(s_(i+1))].

    s_i = i * L / T, ends included; the last index is drawn from [floor(s_(T-1)), L - 1]. A video of
    exactly T snippets is taken as it is. The result never decreases.

    Source: training loader of the released CoLA, BaS-Net, FEEL and HC-UTAL code.
    """
    low = uniform_indices(num_snippets, num_samples)
    if num_snippets == num_samples:
        return low
    return rng.integers(low, np.append(low[1:], num_snippets - 1), endpoint=True)


def _check_count(num_snippets: int | None) -> None:
    if num_snippets is not None and num_snippets < 1:
        raise ConfigError(f"num_snippets must be at least 1, got {num_snippets}")


@dataclass(frozen=True, slots=True)
class RandomSnippets:
    """Random perturbation to one length, for training; see `perturbed_indices`.

    Attributes:
        num_snippets: T; `None`: from the corpus, see `utal.sizing`.
    """

    num_snippets: int | None = None

    def __post_init__(self) -> None:
        _check_count(self.num_snippets)

    def draw(self, num_snippets: int, rng: np.random.Generator) -> Int64[np.ndarray, " sample"]:
        """T indices into a video of `num_snippets` snippets."""
        return perturbed_indices(num_snippets, _settled(self.num_snippets), rng)


@dataclass(frozen=True, slots=True)
class WholeVideos:
    """Videos as they are, shorter ones padded; of a longer one than a limit a random stretch.

    Attributes:
        num_snippets: the limit; `None`: from the corpus, see `utal.sizing`.

    Source: TCAM's released code trains on whole videos and has a limit that it leaves unset.
    """

    num_snippets: int | None = None

    def __post_init__(self) -> None:
        _check_count(self.num_snippets)

    def draw(self, num_snippets: int, rng: np.random.Generator) -> Int64[np.ndarray, " sample"]:
        """min(L, limit) neighbouring indices into a video of L = `num_snippets` snippets."""
        length = min(num_snippets, _settled(self.num_snippets))
        return np.arange(length) + rng.integers(num_snippets - length, endpoint=True)


TrainingSnippets = RandomSnippets | WholeVideos
"""How a training video is cut."""


@dataclass(frozen=True, slots=True)
class AllOrUniform:
    """All snippets of a video with at most T, else T uniform ones.

    Source: test loader of the released CoLA, FEEL and HC-UTAL code.
    """

    num_snippets: int | None = None

    def __post_init__(self) -> None:
        _check_count(self.num_snippets)

    def indices(self, num_snippets: int) -> Int64[np.ndarray, " sample"]:
        """min(L, T) indices into a video of L = `num_snippets` snippets."""
        return uniform_indices(num_snippets, min(num_snippets, _settled(self.num_snippets)))


@dataclass(frozen=True, slots=True)
class Uniform:
    """Always T uniform snippets, with repeats in short videos.

    Source: test loader of the released BaS-Net, STPN and AICL code.
    """

    num_snippets: int | None = None

    def __post_init__(self) -> None:
        _check_count(self.num_snippets)

    def indices(self, num_snippets: int) -> Int64[np.ndarray, " sample"]:
        """T indices into a video of `num_snippets` snippets."""
        return uniform_indices(num_snippets, _settled(self.num_snippets))


SnippetSampling = AllOrUniform | Uniform
"""The deterministic choices of snippets."""


def _settled(num_snippets: int | None) -> int:
    if num_snippets is None:
        raise ConfigError(
            "num_snippets is not settled yet; pass the method through utal.sizing.sized"
        )
    return num_snippets
