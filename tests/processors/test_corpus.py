"""Some 900 files from other projects' test suites, fuzzers and our own malice: every outcome is the one that fits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import Reason
from tests.processors.corpus import READY, Entry, entries, outcomes, recorded

_REFUSALS = {
    Reason.UNDECODABLE,
    Reason.TRUNCATED,
    Reason.TOO_LARGE,
    Reason.TOO_MANY_FRAMES,
    Reason.UNSUPPORTED_FORMAT,
}
"""What can be the matter with a file; anything else would be the matter with us."""


@pytest.fixture(scope="module")
def corpus() -> list[Entry]:
    """Read the manifests, or skip where nobody promised a corpus."""
    folder = os.environ.get("DARKROOM_CORPUS")
    if not folder and not os.environ.get("CI"):
        pytest.skip("DARKROOM_CORPUS is not set: it names the folder with good/ and bad/ and their manifests")
    assert folder, "CI must set DARKROOM_CORPUS"
    return entries(Path(folder))


@pytest.fixture(scope="module")
def found(corpus: list[Entry]) -> dict[str, str]:
    """Render everything once."""
    return outcomes([entry.path for entry in corpus])


def test_every_file_ends_as_its_class_says(corpus: list[Entry], found: dict[str, str]) -> None:
    """Good files are ready, bad ones refused with a reason about the file, doubtful ones either."""
    wrong = {
        entry.path.name: (entry.verdict, found[entry.path.name])
        for entry in corpus
        if not _fits(entry, found[entry.path.name])
    }
    assert not wrong


def _fits(entry: Entry, outcome: str) -> bool:
    if entry.kind in {"unsupported", "fuzz-unsupported"}:
        return outcome == Reason.UNSUPPORTED_FORMAT
    allowed: dict[str, set[str]] = {"good": {READY}, "bad": {*_REFUSALS}, "maybe": {READY, *_REFUSALS}}
    return outcome in allowed[entry.verdict]


@pytest.mark.parametrize(
    ("part_of_name", "reason"),
    [
        ("derived_trunc", Reason.TRUNCATED),
        ("derived_bomb_65500", Reason.TOO_LARGE),
        ("derived_bomb_progressive", Reason.TOO_LARGE),
        ("derived_bomb_1bit", Reason.TOO_LARGE),
        ("derived_bomb_headeronly", Reason.TOO_LARGE),
        ("derived_bomb_frames", Reason.TOO_MANY_FRAMES),
        ("derived_idat_bitflip", Reason.UNDECODABLE),
        ("derived_svg_xxe", Reason.UNSUPPORTED_FORMAT),
        ("derived_html_named", Reason.UNSUPPORTED_FORMAT),
        ("derived_empty", Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_is_hostile_by_design_fails_for_its_reason(
    found: dict[str, str], part_of_name: str, reason: Reason
) -> None:
    """Of these files it is known what is wrong with them."""
    matching = {name: outcome for name, outcome in found.items() if name.startswith(part_of_name)}
    assert matching
    assert set(matching.values()) == {reason}, matching


def test_no_outcome_differs_from_the_recorded_one(found: dict[str, str]) -> None:
    """A change of any reason shows; on purpose, it is recorded anew by ``python -m tests.processors.corpus``."""
    known = recorded()
    changed = {name: (known[name], now) for name, now in found.items() if name in known and known[name] != now}
    assert not changed
    assert known.keys() & found.keys(), "nothing of this corpus has been recorded"
