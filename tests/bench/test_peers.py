"""The runtime bench's own checking can fail: a fast wrong answer must not count."""

from __future__ import annotations

import pytest

from tests.bench.peers.events import Answer, Verdict, even, event, verify
from tests.bench.peers.latency import stream

ASKED = even(4_001)
"""Two events of each key, and a third of the first one."""
PARTITION = 3
RIGHT = [Answer(each.key, each.value, PARTITION, offset) for offset, each in enumerate(ASKED)]
OTHER = event(7, key=b"another")


@pytest.mark.parametrize(
    ("answers", "wrong"),
    [
        (RIGHT, Verdict()),
        (RIGHT[:-1], Verdict(missing=1)),
        ([*RIGHT, RIGHT[-1]], Verdict(duplicates=1)),
        ([RIGHT[2_000], *RIGHT[:2_000], *RIGHT[2_001:]], Verdict(disordered=1)),
        ([*RIGHT[:-1], RIGHT[-1]._replace(partition=4)], Verdict(disordered=1)),
        ([*RIGHT, Answer(OTHER.key, OTHER.value, PARTITION, 9_999)], Verdict(foreign=1)),
        ([*RIGHT, Answer(b"key", b"short", PARTITION, 9_999)], Verdict(foreign=1)),
    ],
    ids=["right", "missing", "twice", "late", "elsewhere", "another key", "no event"],
)
def test_wrong_answers_are_named(answers: list[Answer], wrong: Verdict) -> None:
    """Each kind of wrong answer is counted as what it is, and only what is right is clean."""
    assert verify(ASKED, answers) == wrong
    assert verify(ASKED, answers).clean == (answers is RIGHT)


def test_the_poisoned_stream_differs_in_one_event_only() -> None:
    """276 events of its partition are judged, of other keys, and without poison everything else is the same."""
    plain, poisoned = stream(poisoned=False), stream(poisoned=True)
    differing = [one for one, other in zip(plain.timetable, poisoned.timetable, strict=True) if one != other]
    assert len(poisoned.others) == 276
    assert len(differing) == 1
    assert differing[0].event.key not in {due.event.key for due in poisoned.timetable if due != poisoned.timetable[720]}
