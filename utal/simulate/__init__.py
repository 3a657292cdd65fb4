"""Corpora with planted actions, as features with known truth; see docs/simulate.md."""

from utal.simulate.corpora import Simulated, simulate, write
from utal.simulate.timing import Timing, timing_from
from utal.simulate.world import World, tiny

__all__ = ["Simulated", "Timing", "World", "simulate", "timing_from", "tiny", "write"]
