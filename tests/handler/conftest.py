"""Worlds for the handler's tests: on a directory, or on each store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.adapters.directory_store import DirectoryStore
from streams.adapters.minio_client import S3Config
from streams.adapters.minio_store import MinioStore
from tests.handler.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Stack


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world on an empty directory."""
    return World(DirectoryStore(tmp_path / "objects"))


@pytest.fixture(scope="session")
def minio(stack: Stack) -> MinioStore:
    """Connect to the real MinIO."""
    config = S3Config(stack.s3_endpoint, access_key=stack.s3_access_key, secret_key=stack.s3_secret_key, secure=False)
    return MinioStore(config)


@pytest.fixture
def on_directory(tmp_path: Path, unique: Callable[[str], str]) -> Callable[[], World]:
    """Return a maker of empty worlds on directories."""
    return lambda: World(DirectoryStore(tmp_path / unique("objects")))


@pytest.fixture
def on_minio(minio: MinioStore, unique: Callable[[str], str]) -> Callable[[], World]:
    """Return a maker of empty worlds on the real MinIO."""

    def make() -> World:
        world = World(minio, bucket=unique("variants"), uploads=unique("uploads"))
        minio.make_bucket(world.bucket)
        minio.make_bucket(world.uploads)
        return world

    return make


@pytest.fixture(params=["directory", "minio"])
def make_world(request: pytest.FixtureRequest) -> Callable[[], World]:
    """Return a maker of empty worlds, on each store in turn."""
    maker: Callable[[], World] = request.getfixturevalue(f"on_{request.param}")
    return maker
