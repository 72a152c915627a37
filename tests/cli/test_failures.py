"""What a failure is called on the command line, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.cli.failures import CommandError, Exit, named_services
from streams.runtime.ports import BrokerError, Severity
from streams.settings import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        ("GROUP_AUTHORIZATION_FAILED", Exit.FAILED, "grant the right"),
        ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Exit.FAILED, "grant the right"),
        ("_ALL_BROKERS_DOWN", Exit.UNREACHABLE, "cannot reach kafka at"),
    ],
)
def test_a_refusal_is_not_an_outage(tmp_path: Path, code: str, exit_code: Exit, words: str) -> None:
    """Starting again mends an outage, and never a missing right."""
    (tmp_path / "darkroom.toml").write_text("")
    settings = load(tmp_path / "darkroom.toml").settings
    with pytest.raises(CommandError, match=words) as said, named_services(settings):
        raise BrokerError(Severity.FATAL, code, "the broker says so")
    assert said.value.code is exit_code
    assert code in str(said.value)
