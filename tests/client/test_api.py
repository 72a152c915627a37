"""What ``from streams import …`` gives: nothing imported before it is used, and configuration found by itself."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import streams
from schemas.errors import Permanent, Reason
from streams.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.world import World

JPEG = b"\xff\xd8\xff\xe0 as good as a photograph"


@pytest.fixture
def config(world: World, tmp_path: Path) -> Path:
    """Write the configuration of the installation, as a user has it."""
    path = tmp_path / "darkroom.toml"
    stack, parts = world.stack, world.parts
    path.write_text(f"""
[kafka]
bootstrap_servers = "{stack.bootstrap}"
topic_prefix = "{parts.topics.prefix}"
[registry]
url = "{stack.registry_url}"
[store]
endpoint = "{stack.s3_endpoint}"
access_key = "{stack.s3_access_key}"
secret_key = "{stack.s3_secret_key}"
secure = false
bucket = "{parts.bucket}"
upload_bucket = "{parts.upload_bucket}"
[topics]
replication = 1
min_isr = 1
""")
    return path


def test_importing_streams_imports_nothing_else() -> None:
    """A service that imports it for one helper pays for no Kafka, no S3, no pydantic."""
    heavy = "{'confluent_kafka', 'minio', 'pydantic', 'structlog', 'tenacity', 'fastavro', 'pyvips'}"
    script = f"import sys, streams; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_publishing_and_subscribing_import_no_renderer() -> None:
    """The client extra is enough: libvips and Faust need not be installed."""
    heavy = "{'pyvips', 'numpy', 'faust'}"
    script = f"import sys; from streams import Publisher, Subscriber; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_every_name_is_there() -> None:
    """What the package promises can be imported; nothing else can."""
    assert all(getattr(streams, name) for name in streams.__all__)
    assert dir(streams) == streams.__all__
    with pytest.raises(AttributeError):
        _ = streams.nothing


def test_a_publisher_and_a_waiter_find_their_configuration(
    config: Path, tenant: str, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    """By the environment variable that names a file, or in the folder."""
    monkeypatch.setenv("DARKROOM_CONFIG", str(config))
    with streams.Waiter() as waiter, streams.Publisher() as publisher:
        delivery = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1").result(10)
        assert waiter.answers(0) == []
    monkeypatch.delenv("DARKROOM_CONFIG")
    monkeypatch.chdir(config.parent)

    assert delivery.topic == world.parts.topics.uploaded.name
    assert streams.get_image(tenant, "1") is None


def test_a_subscriber_takes_a_file_or_settings(config: Path, group: str) -> None:
    """One or the other, not both."""
    settings = load(config).settings
    with streams.Subscriber(group=group, start="latest", config=config) as subscriber:
        assert subscriber.wait_assigned(10)
    with pytest.raises(ValueError, match="not both"):
        streams.Publisher(settings, config=config)

    assert streams.list_parked(group, config=config) == []
    assert streams.put_back(group, [], config=config) == 0


def test_the_sources_of_the_configuration_hold_for_a_publisher(config: Path, tenant: str) -> None:
    """An object that the workers may not read is refused before an event is made."""
    with streams.Publisher(config=config) as publisher, pytest.raises(Permanent) as refused:
        publisher.publish_object("elsewhere", "some/key", tenant=tenant, image_id="1")

    assert refused.value.reason == Reason.SOURCE_NOT_ALLOWED
