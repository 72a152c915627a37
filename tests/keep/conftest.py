"""The handler's small worlds, here too."""

from __future__ import annotations

from tests.handler.conftest import minio, on_minio, world

__all__ = ["minio", "on_minio", "world"]
