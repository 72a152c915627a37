"""2 000 damaged files in every run of the tests; `just fuzz --inputs 20000` is the long form."""

from __future__ import annotations

import pytest

from tests.fuzz.mutate import mutate
from tests.fuzz.originals import originals
from tests.fuzz.run import fuzz

INPUTS = 2000


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_damaged_file_ends_as_ready_or_for_a_reason_of_its_own() -> None:
    """No render process is lost, nothing hangs, and what is damaged is told from what is not."""
    books = fuzz(0, INPUTS, originals(), lambda _done: None)

    assert books.finds == []
    assert books.lost == 0
    assert books.endings.total() == INPUTS
    assert books.endings["ready"] > INPUTS / 50, "hardly anything gets past the header: the damage is too crude"
    assert len(books.endings) >= 4


def test_a_number_is_a_file() -> None:
    """A find can be made again from its number, on another machine."""
    files = [b"one file of some length", b"another one"]
    assert [mutate(n, files) for n in range(200)] == [mutate(n, files) for n in range(200)]
    assert sum(mutate(n, files) not in files for n in range(200)) > 150


def test_a_render_process_that_dies_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """The books notice what they are kept for: here every file takes longer than the limit."""
    monkeypatch.setattr("tests.fuzz.run.LONGEST_S", -1.0)

    assert len(fuzz(0, 5, originals()[:1], lambda _done: None).finds) == 5
