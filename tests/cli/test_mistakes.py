"""What users and outages do wrong: said in one line each, with a remedy, an exit code and no traceback."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from streams.cli.main import run
from tests.cli.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Darkroom

LIMIT_S = 20.0
"""10 s, and what a busy machine takes to start several Pythons at once."""


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
    ("variable", "setting", "verbs"),
    [
        (
            "DARKROOM_KAFKA__BOOTSTRAP_SERVERS",
            "kafka.bootstrap_servers",
            ("status", "publish photo.jpg", "watch", "worker"),
        ),
        ("DARKROOM_STORE__ENDPOINT", "store.endpoint", ("publish photo.jpg", "get a/b", "worker")),
        ("DARKROOM_REGISTRY__URL", "registry.url", ("schemas list", "worker")),
    ],
)
def test_a_silent_service_is_named_in_one_line(
    place: Darkroom, silent: str, variable: str, setting: str, verbs: tuple[str, ...]
) -> None:
    """Within 10 s: which address, which setting; exit code 3. All verbs at once, to spare the suite the waiting."""
    photo(place.folder / "photo.jpg")
    address = {variable: f"http://{silent}" if setting == "registry.url" else silent}
    begun = time.monotonic()
    with ExitStack() as stack:
        started = {verb: stack.enter_context(place.started(*verb.split(), env=address)) for verb in verbs}
        for verb, process in started.items():
            _, text = process.communicate(timeout=LIMIT_S)
            said = [line for line in text.splitlines() if line.startswith("darkroom: ")]
            assert process.returncode == 3, (verb, text)
            assert len(said) == 1, (verb, text)
            assert silent in said[0]
            assert setting in said[0]
            assert "Traceback" not in text
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
def test_a_command_that_cannot_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, said: str
) -> None:
    """One line that says what would be right; exit code 2. No service is asked for it."""
    photo(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DARKROOM_CONFIG", raising=False)
    monkeypatch.setattr("streams.cli.logging.configure", lambda *_: None)  # it would outlive this test

    assert run(verb.split()) == 2

    assert said in capsys.readouterr().err
