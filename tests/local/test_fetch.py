"""The cache of fetched servers: a pin is fetched once, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local import fetch
from infra.local.fetch import FetchError, Part

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a cache of the test's own."""
    monkeypatch.setattr(fetch, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def part(pin: str, script: str) -> Part:
    """Return a part that a shell script fetches."""
    return Part("thing", f"a thing {pin}", "sh", pin, ("sh", "-c", script), "step")


def test_fetches_once_and_says_so_first(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The second run finds it and is silent."""
    thing = part("1", f"echo x >> {tmp_path}/count; echo made > {{target}}/made")

    fetch.fetch([thing])
    assert capfd.readouterr().err.splitlines()[:2] == ["Fetching, once, into .darkroom/cache:", "  - a thing 1"]
    fetch.fetch([thing])

    assert capfd.readouterr().err == ""
    assert (thing.folder / "made").read_text() == "made\n"
    assert (tmp_path / "count").read_text() == "x\n"


def test_another_pin_is_another_folder() -> None:
    """A changed version is fetched although the old one is there."""
    old, new = part("1", "echo 1 > {target}/made"), part("2", "echo 2 > {target}/made")
    fetch.fetch([old])
    fetch.fetch([new])
    assert (old.folder / "made").read_text() == "1\n"
    assert (new.folder / "made").read_text() == "2\n"


def test_a_failure_is_quoted_and_leaves_nothing(cache: Path) -> None:
    """Half a download never looks like a whole one."""
    broken = part("1", "echo half > {target}/made; echo no such version; exit 1")
    with pytest.raises(FetchError, match="no such version"):
        fetch.fetch([broken])
    assert [path for path in cache.iterdir() if path.name != ".lock"] == []


def test_clients_side_by_side_stop_together(cache: Path) -> None:
    """If one fails, the other is not left running and leaves nothing either."""
    slow = Part("slow", "slow", "other", "1", ("sleep", "60"), "step")
    with pytest.raises(FetchError):
        fetch.fetch([slow, part("1", "exit 1")])
    assert [path for path in cache.iterdir() if path.name != ".lock"] == []
