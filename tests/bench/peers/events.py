"""The events of the runtime bench: how one is written, and what must hold of the answers. No Kafka here.

A value begins with its number (8 bytes) and with how long a handler is to sleep over it (4 bytes, microseconds), both
big-endian; the rest is noise that hardly compresses. Every contestant runs the same handler: read both, sleep, answer
with the same key and value. Events of one key are numbered upwards, so the answers of a key must come upwards too.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD: Final = struct.Struct(">QI")
SIZE: Final = 600
"""Bytes of a value."""
KEYS: Final = 2_000
_NOISE: Final = random.Random(4).randbytes(1 << 20)  # noqa: S311 - not a secret
_LONGEST_US: Final = 10_000
_STEP: Final = 7_919
"""A prime: the sleeps of neighbours have nothing to do with each other, and their mean is half the longest."""


class Event(NamedTuple):
    """One event to publish."""

    key: bytes
    value: bytes


class Answer(NamedTuple):
    """One answer as a reader of committed records found it."""

    key: bytes | None
    value: bytes
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a set of answers; all zero: nothing."""

    missing: int = 0
    foreign: int = 0
    """Answers to nothing that was asked, or with another key or value than the event's."""
    duplicates: int = 0
    disordered: int = 0
    """Answers that came before an earlier one of the same key, or from another partition than it."""

    @property
    def clean(self) -> bool:
        """True if each event has its one answer, in order."""
        return self == Verdict()

    def __str__(self) -> str:
        counts = ("missing", "foreign", "duplicates", "disordered")
        return ", ".join(f"{getattr(self, name)} {name}" for name in counts if getattr(self, name)) or "clean"


def event(number: int, *, sleep_us: int = 0, key: bytes | None = None) -> Event:
    """Return the event of that number, of the given key or of one in turn."""
    begin = (number * 611) % (len(_NOISE) - SIZE)
    noise = _NOISE[begin : begin + SIZE - HEAD.size]
    return Event(key or b"key-%06d" % (number % KEYS), HEAD.pack(number, sleep_us) + noise)


def even(count: int) -> list[Event]:
    """Return events that need no time."""
    return [event(number) for number in range(count)]


def uneven(count: int) -> list[Event]:
    """Return events that take 0 to 10 ms each, the same ones every time."""
    return [event(number, sleep_us=number * _STEP % (_LONGEST_US + 1)) for number in range(count)]


def number_of(value: bytes) -> int:
    """Return the number of an event or of its answer."""
    number: int = HEAD.unpack_from(value)[0]
    return number


def verify(asked: Sequence[Event], answers: Iterable[Answer], *, ordered: bool = True) -> Verdict:
    """Compare the answers, each partition's in the order of its log, with what was asked (numbered from 0)."""
    seen = bytearray(len(asked))
    last: dict[bytes, tuple[int, int]] = {}
    foreign = duplicates = disordered = 0
    for answer in answers:
        number = number_of(answer.value) if len(answer.value) >= HEAD.size else len(asked)
        if number >= len(asked) or asked[number] != (answer.key, answer.value):
            foreign += 1
            continue
        duplicates += seen[number]
        seen[number] = 1
        key = asked[number].key
        before, partition = last.get(key, (-1, answer.partition))
        disordered += ordered and (number < before or partition != answer.partition)
        last[key] = (number, answer.partition)
    return Verdict(len(asked) - sum(seen), foreign, duplicates, disordered)
