"""One installation for each test module; tests tell theirs from each other's by tenant and group."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.client.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Stack


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    """Make an installation."""
    world = World.build(stack, f"client-{uuid4().hex[:12]}")
    yield world
    world.parts.release()


@pytest.fixture
def tenant(unique: Callable[[str], str]) -> str:
    """Return a tenant of this test's own."""
    return unique("acme")


@pytest.fixture
def group(unique: Callable[[str], str]) -> str:
    """Return a group of this test's own."""
    return unique("shop")
