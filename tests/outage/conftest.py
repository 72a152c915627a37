"""A stack whose servers may be hurt, and one place on it for all outages: what any of them loses or doubles shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import make_place
from tests.outage.servers import own_servers
from tests.outage.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.outage.servers import Servers


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Yield servers of this module's own."""
    with own_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="module")
def traffic(ours: Servers, tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    """Return a place on them, and a publisher that remembers what it sent."""
    folder = tmp_path_factory.mktemp("outage")
    settings = {"DARKROOM_KAFKA__SESSION_TIMEOUT_S": "6"}
    return Traffic(make_place(ours.stack(), folder, "outage", **settings))
