"""Fixtures of the evaluation tests."""

from collections.abc import Iterator

import pytest
from jaxtyping import config


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the type checks that only tests have: a caller's mistake reaches the library."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
