"""What is logged never holds a secret, and failures that users can mend hold no traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.cli.logging import Redact, secrets_of
from streams.cli.main import run
from streams.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def redacted(**fields: object) -> dict[str, object]:
    """Return what would be written of these fields."""
    return dict(Redact(("hunter2-hunter2", "abc"))(None, "info", dict(fields)))


def test_fields_are_masked_by_name() -> None:
    """A field that sounds like a secret is one, nested or not."""
    said = redacted(password="x", sasl={"sasl.password": "y", "sasl.mechanism": "PLAIN"}, secret_key="z", event="e")

    assert said == {
        "password": "***",
        "sasl": {"sasl.password": "***", "sasl.mechanism": "PLAIN"},
        "secret_key": "***",
        "event": "e",
    }


def test_known_secrets_are_masked_wherever_they_stand() -> None:
    """In messages of libraries, in lists, in URLs; very short ones would mask half the log and are left."""
    said = redacted(
        error="login failed for hunter2-hunter2",
        tried=["hunter2-hunter2"],
        url="https://me:pass@registry/x",
        word="abcd",
    )

    assert said == {
        "error": "login failed for ***",
        "tried": ["***"],
        "url": "https://me:***@registry/x",
        "word": "abcd",
    }


def test_the_secrets_of_the_settings_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Store, registry and whatever in the pass-through table sounds like a secret."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DARKROOM_STORE__ACCESS_KEY", "key")
    monkeypatch.setenv("DARKROOM_STORE__SECRET_KEY", "store-secret")
    monkeypatch.setenv("DARKROOM_KAFKA__CLIENT", '{"sasl.password": "kafka-secret", "sasl.username": "me"}')

    assert set(secrets_of(load().settings)) == {"store-secret", "kafka-secret"}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A service that installed the client only, and asks for the worker, is told what to install."""

    def missing(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'pyvips'", name="pyvips")

    monkeypatch.setattr("streams.cli.verbs.import_module", missing)

    assert run(["worker"]) == 2
    assert "[client,worker]" in capsys.readouterr().err
