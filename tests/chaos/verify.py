"""The verifier: a history in, every broken promise out. One code for the chaos run and for its negative controls.

Pure. What it takes for granted: clocks of producer and reader are those of one machine, and the answers to one key of
one input topic stand in one partition of each output topic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from tests.chaos.history import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.history import Asked, History, Image, Place, Told

ANSWERS: Final = {"upload": {"ready", "failed"}, "delete": {"removed"}, "garbage": {"failed"}}
DELETED: Final = "image_deleted"
MARGIN_S: Final = 1.0
"""An input produced this much after an answer was read was certainly handled after it."""


def verify(history: History) -> list[Violation]:
    """Return every violation; an empty list is a clean run."""
    return [
        *_inputs_kept(history),
        *_one_answer_each(history),
        *_no_id_twice(history),
        *_fitting_answers(history),
        *_key_order(history),
        *_readers_agree(history),
        *_objects_kept(history),
        *_deleted_lives(history),
    ]


def _inputs_kept(history: History) -> Iterator[Violation]:
    """What the brokers confirmed is on the log."""
    for place in sorted(history.acknowledged - {asked.place for asked in history.asked}):
        yield Violation("input_lost", f"{place} was confirmed and is not on the log")


def _one_answer_each(history: History) -> Iterator[Violation]:
    """The set of causes is the set of inputs, each once."""
    answers = Counter(told.cause for told in history.told)
    inputs = {asked.place for asked in history.asked}
    for place in sorted(inputs - set(answers)):
        yield Violation("lost", f"{place} was never answered")
    for place in sorted(set(answers) - inputs):
        yield Violation("invented", f"{place} was answered and is no input")
    for place, count in sorted(answers.items()):
        if count > 1:
            yield Violation("duplicate_cause", f"{place} was answered {count} times")


def _no_id_twice(history: History) -> Iterator[Violation]:
    for event_id, count in Counter(told.event_id for told in history.told).items():
        if count > 1:
            yield Violation("duplicate_id", f"event {event_id} was announced {count} times")


def _fitting_answers(history: History) -> Iterator[Violation]:
    """An answer is of the right kind, about the right event, and fails only for a reason that the input has."""
    inputs = {asked.place: asked for asked in history.asked}
    newest = _newest_deletes(history)
    for told in history.told:
        asked = inputs.get(told.cause)
        if asked is None:
            continue
        if (wrong := _mismatch(asked, told)) is not None:
            yield Violation("wrong_answer", f"{told.cause}: {wrong}")
        elif told.kind == "failed" and not _may_fail(asked, told.reason, newest):
            yield Violation("failed", f"{told.cause} failed with {told.reason}, which nothing in it explains")
        elif told.kind == "ready" and asked.fails_with:
            yield Violation("wrong_answer", f"{told.cause} is ready; {sorted(asked.fails_with)} was to come")


def _mismatch(asked: Asked, told: Told) -> str | None:
    if told.kind not in ANSWERS[asked.kind]:
        return f"{asked.kind} was answered with {told.kind}"
    if told.key != asked.key:
        return f"the answer to key {asked.key!r} has key {told.key!r}"
    if (told.cause_event_id, told.replay_id) != (asked.event_id, asked.replay_id):
        return f"event {asked.event_id} of replay {asked.replay_id} was answered as {told.cause_event_id}"
    if asked.image is not None and (told.image, told.hlc) != (asked.image, asked.hlc):
        return f"{asked.image} at {asked.hlc} was answered as {told.image} at {told.hlc}"
    return None


def _may_fail(asked: Asked, reason: str, newest: dict[Image, int]) -> bool:
    overtaken = asked.image is not None and newest.get(asked.image, 0) > asked.hlc
    return reason in asked.fails_with or (reason == DELETED and overtaken)


def _newest_deletes(history: History) -> dict[Image, int]:
    newest: dict[Image, int] = {}
    for asked in history.asked:
        if asked.kind == "delete" and asked.image is not None:
            newest[asked.image] = max(newest.get(asked.image, 0), asked.hlc)
    return newest


def _key_order(history: History) -> Iterator[Violation]:
    """Answers of one key stand, in each output topic, in the order of the inputs of each input topic."""
    last: dict[tuple[str, bytes | None, str, int], Told] = {}
    for told in sorted(history.told, key=lambda each: each.place):
        lane = (told.place[0], told.key, *told.cause[:2])
        before = last.get(lane)
        if before is not None and before.cause[2] > told.cause[2]:
            yield Violation("order", f"key {told.key!r}: {told.cause} stands behind {before.cause} in {told.place}")
        last[lane] = told


def _readers_agree(history: History) -> Iterator[Violation]:
    """Who read all along saw what stands there at the end: nothing that was taken back, nothing twice, no gap."""
    seen, found = ({_record(told) for told in told_by} for told_by in (history.told, history.told_afterwards))
    for what in sorted(seen - found):
        yield Violation("taken_back", f"{what} was read and is not there any more")
    for what in sorted(found - seen):
        yield Violation("unseen", f"{what} is there and was not read in its time")
    for place, count in Counter(told.place for told in history.told).items():
        if count > 1:
            yield Violation("read_twice", f"{place} was delivered {count} times")


def _record(told: Told) -> tuple[Place, str]:
    return told.place, str(told.event_id)


def _objects_kept(history: History) -> Iterator[Violation]:
    """Each announced object is there with its hash, unless a newer delete may have removed it."""
    newest = _newest_deletes(history)
    for told in history.told:
        doomed = told.image is not None and newest.get(told.image, 0) > told.hlc
        for announced in told.objects:
            found = history.stored.get(announced.key)
            if found is None and not doomed:
                yield Violation("object_missing", f"{announced.key}, announced at {told.place}")
            elif found is not None and found != announced.sha256:
                yield Violation("object_differs", f"{announced.key} has hash {found}, announced was {announced.sha256}")


def _deleted_lives(history: History) -> Iterator[Violation]:
    """What was handled after a delete is announced in that delete's life or a later one, and not for older uploads.

    Handled after it is what stands behind it on the same topic and key, or was produced after the delete's answer had
    been read.
    """
    inputs = {asked.place: asked for asked in history.asked}
    removals: dict[Image, list[Told]] = defaultdict(list)
    for told in history.told:
        if told.kind == "removed" and told.image is not None:
            removals[told.image].append(told)
    for told in history.told:
        asked = inputs.get(told.cause)
        if told.kind != "ready" or told.image is None or asked is None:
            continue
        for removal in removals[told.image]:
            if _follows(asked, removal) and (reason := _outlives(told, removal)):
                yield Violation("deleted_life", f"{told.cause} after the delete {removal.cause}: {reason}")


def _follows(asked: Asked, removal: Told) -> bool:
    same_lane = asked.place[:2] == removal.cause[:2] and asked.place[2] > removal.cause[2]
    return same_lane or asked.at > removal.at + MARGIN_S


def _outlives(ready: Told, removal: Told) -> str:
    if ready.hlc < removal.hlc:
        return "an upload older than the delete became ready"
    old = [each.key for each in ready.objects if each.life < removal.hlc]
    return f"{old[0]} is of a life that had ended" if old else ""
