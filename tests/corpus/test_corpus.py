"""900 files, good, broken and hostile, through handler and real children: each ends as it should, no child dies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.errors import Reason
from tests.corpus.run import CORPUS, READY, Entry, Run, as_record, read_record, run

if TYPE_CHECKING:
    from collections.abc import Callable

ABOUT_THE_FILE = {
    Reason.UNDECODABLE,
    Reason.TRUNCATED,
    Reason.TOO_LARGE,
    Reason.TOO_MANY_FRAMES,
    Reason.UNSUPPORTED_FORMAT,
}
"""What can be wrong with a file. Every other reason would mean that something is wrong with us."""

DESIGNED = {
    "derived_trunc": Reason.TRUNCATED,
    "derived_bomb_65500": Reason.TOO_LARGE,
    "derived_bomb_progressive": Reason.TOO_LARGE,
    "derived_bomb_1bit": Reason.TOO_LARGE,
    "derived_bomb_headeronly": Reason.TOO_LARGE,
    "derived_bomb_frames": Reason.TOO_MANY_FRAMES,
    "derived_idat_bitflip": Reason.UNDECODABLE,
    "derived_svg_xxe": Reason.UNSUPPORTED_FORMAT,
    "derived_html_named": Reason.UNSUPPORTED_FORMAT,
    "derived_empty": Reason.UNSUPPORTED_FORMAT,
}
"""Files made to be wrong in one known way."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return how all of it ended; run once."""
    corpus = os.environ.get(CORPUS)
    if not corpus:
        pytest.skip(f"{CORPUS} is not set: it names the folder with good/ and bad/ and their manifests")
    return run(Path(corpus), tmp_path_factory.mktemp("corpus"))


def endings(done: Run, condition: Callable[[Entry], bool]) -> dict[str, set[Entry]]:
    """Return the entries that meet the condition by how they ended; there are some."""
    found: dict[str, set[Entry]] = {}
    for entry, ending in done.endings.items():
        if condition(entry):
            found.setdefault(ending.outcome, set()).add(entry)
    assert found
    return found


def test_every_good_file_is_ready(done: Run) -> None:
    """Whatever a browser would show becomes variants."""
    assert {*endings(done, lambda entry: entry.grade == "good")} == {READY}


def test_every_bad_file_fails_for_a_reason_of_its_own(done: Run) -> None:
    """Never ready, and never a time-out, a crash or a defect: the reason is about the file."""
    assert {*endings(done, lambda entry: entry.grade == "bad")} <= ABOUT_THE_FILE


def test_a_doubtful_file_is_ready_or_refused(done: Run) -> None:
    """Either is fine, as long as it is one of the two."""
    assert {*endings(done, lambda entry: entry.grade == "maybe")} <= {READY, *ABOUT_THE_FILE}


def test_what_we_do_not_take_is_called_unsupported(done: Run) -> None:
    """TIFF, BMP, SVG, JPEG 2000, PSD and their like: refused by their first bytes, whatever is wrong with them."""
    assert {*endings(done, lambda entry: "unsupported" in entry.kind)} == {Reason.UNSUPPORTED_FORMAT}


@pytest.mark.parametrize(("name", "reason"), DESIGNED.items())
def test_what_is_wrong_by_design_fails_for_that_reason(done: Run, name: str, reason: Reason) -> None:
    """The reason code tells a user what is wrong with the file."""
    assert {*endings(done, lambda entry: entry.name.startswith(name))} == {reason}


def test_no_outcome_differs_from_the_recorded_one(done: Run) -> None:
    """A change shows; meant, it is recorded by ``python -m tests.corpus.run``. Other corpora have no record."""
    known, now = read_record(), as_record(done.endings)

    assert known.keys() & now.keys(), "nothing of this corpus is on record"
    assert {key: (known[key], now[key]) for key in known.keys() & now.keys() if known[key] != now[key]} == {}


def test_no_child_died(done: Run) -> None:
    """All of it took one inspector and two renderers: none crashed, hung, swelled or was replaced."""
    for stats, processes in ((done.inspectors, 1), (done.renderers, 2)):
        assert (stats.crashed, stats.timed_out, stats.out_of_memory) == (0, 0, 0)
        assert stats.started == processes
