"""libvips as a render process has it, once for all of these tests."""

from __future__ import annotations

import pytest

from processors.vips import configure_vips


@pytest.fixture(scope="session", autouse=True)
def _vips() -> None:
    configure_vips()
