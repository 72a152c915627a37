"""What users and outages do wrong: said in one line each, with a remedy, an exit code and no traceback."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Darkroom

LIMIT_S = 15.0
"""10 s, and what a busy machine takes to start Python."""


@pytest.fixture
def silent() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never answers: worse than one that refuses."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_every_problem_of_the_configuration_is_listed(place: Darkroom, tmp_path: Path) -> None:
    """All at once, each with field, value and remedy; exit code 2."""
    config = tmp_path / "bad.toml"
    config.write_text('[kafka]\ngropu = "x"\nsession_timeout_s = "ten"\n[kafka.client]\n"enable.idempotence" = false\n')

    done = place.run("status", "--config", str(config))

    assert done.returncode == 2
    assert "3 problems" in done.stderr
    assert "Did you mean kafka.group?" in done.stderr
    assert "kafka.session_timeout_s = 'ten'" in done.stderr
    assert "enable.idempotence" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "setting", "verb"),
    [
        ("DARKROOM_KAFKA__BOOTSTRAP_SERVERS", "kafka.bootstrap_servers", "status"),
        ("DARKROOM_KAFKA__BOOTSTRAP_SERVERS", "kafka.bootstrap_servers", "publish photo.jpg"),
        ("DARKROOM_KAFKA__BOOTSTRAP_SERVERS", "kafka.bootstrap_servers", "watch"),
        ("DARKROOM_KAFKA__BOOTSTRAP_SERVERS", "kafka.bootstrap_servers", "worker"),
        ("DARKROOM_STORE__ENDPOINT", "store.endpoint", "publish photo.jpg"),
        ("DARKROOM_STORE__ENDPOINT", "store.endpoint", "get a/b"),
        ("DARKROOM_STORE__ENDPOINT", "store.endpoint", "worker"),
        ("DARKROOM_REGISTRY__URL", "registry.url", "schemas list"),
    ],
)
def test_a_silent_service_is_named_in_one_line(
    place: Darkroom, silent: str, variable: str, setting: str, verb: str
) -> None:
    """Within 10 s: which address, which setting; exit code 3."""
    photo(place.folder / "photo.jpg")
    address = f"http://{silent}" if setting == "registry.url" else silent
    begun = time.monotonic()

    done = place.run(*verb.split(), env={variable: address})

    said = [line for line in done.stderr.splitlines() if line.startswith("darkroom: ")]
    assert done.returncode == 3, done.stderr
    assert len(said) == 1
    assert silent in said[0]
    assert setting in said[0]
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < LIMIT_S


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("publish nowhere.jpg", "no such file or folder: nowhere.jpg"),
        ("publish s3://somebody-elses/x", "allowed are"),
        ("publish photo.jpg --pattern {who}/{id}", "{who}"),
        ("get picture", "write tenant/image_id"),
        ("offsets init --to yesterday", "earliest, latest nor a time"),
        ("recipes show weeb", "there are avatar, social, web"),
        ("demo nowhere.jpg", "no such file: nowhere.jpg"),
        ("parked retry somebody", "name places, or say --all"),
    ],
)
def test_a_command_that_cannot_be_meant(place: Darkroom, verb: str, said: str) -> None:
    """One line that says what would be right; exit code 2."""
    photo(place.folder / "photo.jpg")

    done = place.run(*verb.split())

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
