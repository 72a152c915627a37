"""Pools of real processes for the tests, with short limits, closed and looked after behind each test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import psutil
import pytest

from streams.runtime.pool import Answer, Pool, PoolSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


class MakePool(Protocol):
    """Makes a pool whose children serve ``entry`` of ``tests.pool.entries``."""

    def __call__(self, entry: str = "obedient", options: object = None, **settings: Any) -> Pool: ...  # noqa: ANN401


@pytest.fixture
def make_pool() -> Iterator[MakePool]:
    """Yield a maker of pools; when the test ends they are closed, and no process may be left of them."""
    pools: list[Pool] = []

    def make(entry: str = "obedient", options: object = None, **settings: Any) -> Pool:  # noqa: ANN401
        limits = {"time_limit_s": 30.0, "memory_limit_bytes": 200 << 20, **settings}
        pool = Pool(PoolSettings("renderer", f"tests.pool.entries:{entry}", options, **limits))
        pools.append(pool)
        return pool

    before = set(psutil.Process().children())
    yield make
    for pool in pools:
        pool.close()
    left = [child for child in psutil.Process().children() if child not in before]
    assert not left, "a closed pool left processes or zombies behind"


def ask(pool: Pool, verb: str, argument: object = None, data: bytes = b"") -> bytes:
    """Have a child of ``entries.obedient`` do something and return the head of its answer."""
    return whole(pool, verb, argument, data).head


def whole(pool: Pool, verb: str, argument: object = None, data: bytes = b"") -> Answer:
    """Have a child of ``entries.obedient`` do something and return all of its answer."""
    return pool.call(json.dumps([verb, argument]).encode(), data, lambda answer: answer)
