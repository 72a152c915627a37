"""The verifier on histories written by hand: a clean one passes, each kind of violation is found in a spoilt one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.chaos.history import Asked, History, StoredObject, Told
from tests.chaos.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = ("tenant", "image")
KEY = b"tenant/image"
OBJECT = StoredObject("tenant/image/0/one.webp", "aa", 0)
REBORN = StoredObject("tenant/image/3/one.webp", "bb", 3)


def asked(offset: int, kind: str = "upload", **more: object) -> Asked:
    """Return input number ``offset``; its hlc is one more, and it was produced at that second."""
    hlc, at = offset + 1, float(offset)
    made = Asked(("in", 0, offset), at, kind, KEY, UUID(int=hlc), IMAGE, hlc)  # type: ignore[arg-type]
    return replace(made, **more)  # type: ignore[arg-type]


def told(offset: int, to: Asked, kind: str = "ready", **more: object) -> Told:
    """Return the answer that stands at ``offset`` of its topic."""
    place = (kind, 0, offset)
    made = Told(
        place,
        to.at + 0.1,
        kind,  # type: ignore[arg-type]
        to.key,
        UUID(int=1000 + to.place[2]),
        to.place,
        to.event_id,
        to.image,
        to.hlc,
        to.replay_id,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def clean() -> History:
    """Return an upload, a bad one, a delete, and an upload after it, each answered as it must be."""
    inputs = (asked(0), asked(1, fails_with=frozenset({"truncated"})), asked(2, "delete"), asked(3))
    answers = (
        told(0, inputs[0], objects=(OBJECT,)),
        told(0, inputs[1], "failed", reason="truncated"),
        told(0, inputs[2], "removed"),
        told(2, inputs[3], objects=(REBORN,)),
    )
    acknowledged = frozenset(each.place for each in inputs)
    return History(inputs, answers, answers, acknowledged, {REBORN.key: REBORN.sha256})


def telling(history: History, *answers: Told) -> History:
    """Return the history with these answers, seen alike by both readers."""
    return replace(history, told=answers, told_afterwards=answers)


def test_a_clean_run_has_no_violation() -> None:
    """Also with an object gone that a newer delete removed."""
    assert verify(clean()) == []


def lost(run: History) -> History:
    """Spoil it: one answer is missing."""
    return telling(run, *run.told[:3])


def unread(run: History) -> History:
    """Spoil it: the log forgot what it had confirmed."""
    return replace(telling(run, *run.told[:3]), asked=run.asked[:3])


def twice(run: History) -> History:
    """Spoil it: an answer again, under its own id."""
    return telling(run, *run.told, replace(run.told[3], place=("ready", 0, 3)))


def twice_by_another_name(run: History) -> History:
    """Spoil it: an answer again, under another id."""
    return telling(run, *run.told, replace(run.told[3], place=("ready", 0, 3), event_id=UUID(int=5)))


def invented(run: History) -> History:
    """Spoil it: an answer to nothing."""
    return telling(run, *run.told, told(4, asked(9)))


def same_id(run: History) -> History:
    """Spoil it: two inputs answered under one id."""
    return telling(run, *run.told[:3], replace(run.told[3], event_id=run.told[0].event_id))


def out_of_order(run: History) -> History:
    """Spoil it: the later upload's answer stands first."""
    return telling(run, replace(run.told[0], place=("ready", 0, 9)), *run.told[1:])


def wrong_kind(run: History) -> History:
    """Spoil it: a delete that became ready."""
    return telling(run, *run.told[:2], replace(run.told[2], kind="ready"), run.told[3])


def wrong_key(run: History) -> History:
    """Spoil it: an answer under another key."""
    return telling(run, *run.told[:3], replace(run.told[3], key=b"tenant/other"))


def bad_but_ready(run: History) -> History:
    """Spoil it: rubbish that became ready."""
    return telling(run, run.told[0], replace(run.told[1], kind="ready", place=("ready", 0, 1)), *run.told[2:])


def transient(run: History) -> History:
    """Spoil it: given up because of an outage."""
    return telling(run, replace(run.told[0], kind="failed", reason="retries_exhausted", objects=()), *run.told[1:])


def deleted_without_delete(run: History) -> History:
    """Spoil it: called deleted, but no newer delete is there."""
    return telling(run, *run.told[:3], replace(run.told[3], kind="failed", reason="image_deleted", objects=()))


def taken_back(run: History) -> History:
    """Spoil it: the reader saw what is not there any more, as of an aborted transaction."""
    return replace(run, told_afterwards=run.told[:3])


def unseen(run: History) -> History:
    """Spoil it: something is there that the reader was not shown in its time."""
    return replace(run, told_afterwards=(*run.told, replace(run.told[0], place=("ready", 0, 7))))


def read_twice(run: History) -> History:
    """Spoil it: the broker delivered one record twice."""
    return replace(run, told=(*run.told, run.told[3]))


def missing(run: History) -> History:
    """Spoil it: an announced object is not in the store."""
    return replace(run, stored={})


def differs(run: History) -> History:
    """Spoil it: its bytes are not those that were announced."""
    return replace(run, stored={REBORN.key: "cc"})


def of_an_old_life(run: History) -> History:
    """Spoil it: an object of the life that the delete ended is announced behind it."""
    old = replace(run.told[3], objects=(OBJECT,))
    return replace(telling(run, *run.told[:3], old), stored={OBJECT.key: OBJECT.sha256})


def older_upload(run: History) -> History:
    """Spoil it: an upload older than the delete becomes ready on another lane, long after the delete was answered."""
    late = asked(0, place=("bulk", 0, 0), at=60.0, event_id=UUID(int=77))
    answer = told(9, late, event_id=UUID(int=78))
    return replace(telling(run, *run.told, answer), asked=(*run.asked, late))


@pytest.mark.parametrize(
    ("spoil", "kinds"),
    [
        (lost, {"lost"}),
        (unread, {"input_lost"}),
        (twice, {"duplicate_cause", "duplicate_id"}),
        (twice_by_another_name, {"duplicate_cause"}),
        (invented, {"invented"}),
        (same_id, {"duplicate_id"}),
        (out_of_order, {"order"}),
        (wrong_kind, {"wrong_answer"}),
        (wrong_key, {"wrong_answer"}),
        (bad_but_ready, {"wrong_answer"}),
        (transient, {"failed"}),
        (deleted_without_delete, {"failed"}),
        (taken_back, {"taken_back"}),
        (unseen, {"unseen"}),
        (read_twice, {"duplicate_cause", "duplicate_id", "read_twice"}),
        (missing, {"object_missing"}),
        (differs, {"object_differs"}),
        (of_an_old_life, {"deleted_life"}),
        (older_upload, {"deleted_life"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_spoilt_run_is_found_out(spoil: Callable[[History], History], kinds: set[str]) -> None:
    """For this reason and no other."""
    assert {violation.kind for violation in verify(spoil(clean()))} == kinds
