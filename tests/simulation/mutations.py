"""Deliberate breakages of the engine: each is one rule taken back, as text to be found once in the real code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RUNTIME: Final = "streams/runtime/"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One breakage: ``old`` stands exactly once in the file."""

    name: str
    file: str
    old: str
    new: str
    images: bool = False
    """True: only schedules with images can notice."""


def _images(file: str, name: str, old: str, new: str) -> Mutation:
    return Mutation(name, f"processors/{file}.py", old, new, images=True)


def _in(file: str, name: str, old: str, new: str) -> Mutation:
    return Mutation(name, f"{RUNTIME}{file}.py", old, new)


MUTATIONS: Final = (
    # --- ledger and map
    _in(
        "ledger",
        "commits past an unfinished record",
        "if offset not in batch and offset not in self._committed:",
        "if offset not in batch and offset not in self._committed and offset % 5 == 0:",
    ),
    _in(
        "ledger",
        "base waits for a contiguous offset",
        "        done = frozenset(o for o in (*self._committed",
        "        if self.base not in batch and self.base not in self._committed:\n            base = self.base\n"
        "        done = frozenset(o for o in (*self._committed",
    ),
    _in(
        "ledger",
        "a finished record right behind what was polled forgotten",
        "while base in self._committed:",
        "while base < 0:",
    ),
    _in("ledger", "map ignored on assignment", "self._committed = set(found.done)", "self._committed = set()"),
    _in(
        "ledger",
        "map not written",
        "done = frozenset(o for o in (*self._committed, *batch) if o > base)",
        "done = frozenset[int]()",
    ),
    _in(
        "ledger",
        "map counts what is only polled",
        "done = frozenset(o for o in (*self._committed, *batch) if o > base)",
        "done = frozenset(o for o in (*self._committed, *batch, *self._order) if o > base)",
    ),
    _in("ledger", "same key at once", "elif key in self._keys:", "elif key in self._keys and offset % 2:"),
    _in(
        "ledger",
        "a key's waiting records forgotten",
        "        if waiting:\n",
        "        if waiting and len(waiting) > 1:\n",
    ),
    _in("ledger", "what was committed not remembered", "self._committed.add(record.offset)", "pass"),
    _in(
        "ledger",
        "starts beyond what the map can tell",
        "[0].offset < self.base + HORIZON",
        "[0].offset < self.base + 2 * HORIZON",
    ),
    _in("ledger", "tries not counted", "self._tried = found.tried + 1", "self._tried = max(1, found.tried)"),
    _in(
        "ledger",
        "suspects not written",
        "suspects = tuple(sorted(item for item in self._suspects.items()",
        "suspects = tuple(sorted(item for item in ()",
    ),
    _in("offset_map", "map of another topic trusted", "if raw[1 : 1 + TOPIC_ID_BYTES] != topic_id:", "if False:"),
    _in("offset_map", "map of another base trusted", "if written != base:", "if False:"),
    # --- loop and dispatch
    _in(
        "loop",
        "completion of an older incarnation accepted",
        "            if ledger is None or ledger.incarnation != task.incarnation:\n                continue",
        "            if ledger is None:\n                continue",
    ),
    _in(
        "loop",
        "position of an older incarnation accepted",
        "        if incarnation != self.incarnation(partition):\n            return",
        "        if not self.incarnation(partition):\n            return",
    ),
    _in(
        "loop",
        "ledger kept when the partition goes",
        "ledger = self._ledgers.pop(partition, None)",
        "ledger = self._ledgers.get(partition)",
    ),
    _in(
        "loop",
        "retry forgotten",
        "            retries.add(now + policy.delay(task.attempts), task)",
        "            pass",
    ),
    _in(
        "loop",
        "an outage uses up attempts",
        "            retries.add(now + policy.first_s, task)\n            return",
        "            pass",
    ),
    _in("loop", "an outage with nothing to probe with", "waiting = down and any(", "waiting = down or any("),
    _in(
        "breaker",
        "breaker never closes",
        "        self._failures = 0\n        self.opened_at = None",
        "        self._failures = 0",
    ),
    _in(
        "dispatch",
        "starts before the mark is committed",
        "ledger.marked is not None and ledger.mark_committed",
        "ledger.marked is not None",
    ),
    _in("dispatch", "a suspect is never convicted", "if before >= self._limits.suspects.marks:", "if before >= 10**6:"),
    _in(
        "dispatch",
        "more in flight than allowed",
        "return max(0, self._ahead - self.in_flight)",
        "return self._ahead + 1",
    ),
    _in("pauses", "pause forgotten", "                pause.append(partition)", "                pass"),
    _in("pauses", "resume forgotten", "                resume.append(partition)", "                pass"),
    # --- whose turn it is
    _in(
        "fair",
        "whoever came first goes on",
        "level = self._running.get(tenant, 0)\n        self._level_of",
        "level = 0\n        self._level_of",
    ),
    _in("fair", "what is in flight is never back", "self._count(tenant, -1)", "self._count(tenant, 1)"),
    _in(
        "fair",
        "one partition has all the turns",
        "            ledgers.rotate(-1)\n            if ledger.within_reach",
        "            if ledger.within_reach",
    ),
    _in(
        "fair",
        "who was out of reach is not asked again",
        "        for tenant in aside:",
        "        for tenant in aside[:0]:",
    ),
    # --- the commit line
    _in(
        "commit_line",
        "entries of an older incarnation in a batch",
        "return ledger is not None and ledger.incarnation == task.incarnation",
        "return ledger is not None",
    ),
    _in(
        "commit_line",
        "batch dropped on abort",
        "        self._line.extendleft(reversed([entry for entry in formed.entries if self._is_owned(entry.task)]))\n",
        "",
    ),
    _in(
        "commit_line",
        "aborted batch goes to the end of the line",
        "self._line.extendleft(reversed([entry for entry in formed.entries if self._is_owned(entry.task)]))",
        "self._line.extend([entry for entry in formed.entries if self._is_owned(entry.task)])",
    ),
    _in("commit_line", "batch repeated after a resolved commit", "gone = set(map(id, shown))", "gone = set[int]()"),
    _in(
        "commit_line",
        "next batch before the last one is resolved",
        "        formed.unresolved = {ledger.partition for ledger in owned}\n        if not owned:\n",
        "        formed.unresolved = {ledger.partition for ledger in owned}\n        if formed:\n",
    ),
    _in(
        "commit_line",
        "position without its answers",
        "        return entries\n\n    def _put",
        "        return entries[1:]\n\n    def _put",
    ),
    # --- the committer
    _in(
        "committer",
        "no new epoch after a doubtful success",
        "        if slow or self._repeated or producer.disturbances() != self._disturbances:\n"
        "            yield from self._renew()\n        return Outcome(Verdict.COMMITTED)",
        "        self._disturbances = producer.disturbances()\n        return Outcome(Verdict.COMMITTED)",
    ),
    _in(
        "committer",
        "an indefinite result taken for an abort",
        "return Outcome(Verdict.RESOLVED,",
        "return Outcome(Verdict.ABORTED,",
    ),
    _in(
        "committer",
        "an abortable failure taken for a commit",
        "return Outcome(Verdict.ABORTED, refused",
        "return Outcome(Verdict.COMMITTED, refused",
    ),
    _in(
        "committer",
        "offsets outside the transaction",
        "while chunk := dict(itertools.islice(pairs, PARTITIONS_A_CALL)):",
        "while (chunk := dict(itertools.islice(pairs, PARTITIONS_A_CALL))) and not batch.records:",
    ),
    _in(
        "committer",
        "no flush before abort",
        '                yield from self._insist("flush", partial(producer.flush, self._timeout))\n',
        "",
    ),
    _in(
        "committer",
        "a retriable failure taken for done",
        "                if error.severity is not Severity.RETRIABLE:\n                    raise\n",
        "                if error.severity is not Severity.RETRIABLE:\n                    raise\n"
        "                return\n",
    ),
    _in(
        "committer",
        "a rival fought back",
        "if error.severity is Severity.FENCED and not asleep:",
        "if error.severity is Severity.FENCED and asleep:",
    ),
    # --- deletes that race with uploads
    _images(
        "handler",
        "no second look for a tombstone",
        "            if newest == life:\n",
        "            if newest:\n                newest = life\n            if True:\n",
    ),
    _images(
        "handler",
        "an upload older than a tombstone is made",
        "        _refuse_deleted(event, life)\n        while",
        "        while",
    ),
    _images(
        "handler",
        "a deleted life is begun again",
        "self._settled(event, wanted, life, making)",
        "self._settled(event, wanted, 0, making)",
    ),
    _images(
        "handler",
        "the pointer goes back",
        "keep = current is not None and not current.yields_to(pointer)",
        "keep = False",
    ),
    _images(
        "deletes",
        "a delete takes what a newer upload uses",
        "return manifest is not None and manifest.hlc >= tombstone",
        "return manifest is None and blob is not None",
    ),
    _images(
        "deletes",
        "a delete looks at every life",
        "        if key >= end:\n            return\n",
        "        if key >= end and key < '':\n            return\n",
    ),
    _images(
        "deletes",
        "a delete leaves no tombstone",
        "        tombstone_key(event.tenant, event.image_id, event.hlc),\n",
        "        tombstone_key(event.tenant, event.image_id, 1),\n",
    ),
    _images("deletes", "a delete leaves the pointer", "    _withdraw_current(store, bucket, event)\n", ""),
    _images(
        "settle",
        "whoever writes last wins",
        "expected = None if state is None else state.etag",
        "state = store.fetch(bucket, key, limit=MAX_BYTES)\n        expected = None if state is None else state.etag",
    ),
    _images("manifest", "an older pointer is not older", "return self._rank() <= other._rank()", "return True"),
)
