"""The map of out-of-order completions that travels in the commit metadata of one partition.

The committed offset (the base) says "everything before is done"; the map says which records beyond it are done too,
so that a restart does not do them again. It also carries what the suspect rule needs: how often an owner began at
this base, and which records were marked before they were started. Pure values and bytes; what to do with them is the
ledger's.

Layout (before base64): version, 16 bytes topic id, base as 8 bytes, then sections of (tag, length, body). A reader
skips sections it does not know, so that a release reads what the next one writes; the version changes only when
skipping would be wrong.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 1
MAX_CHARACTERS = 4095
"""Longest metadata a broker takes with default settings (tried: 4095 pass, 4096 do not)."""
TOPIC_ID_BYTES = 16
_HEADER = 1 + TOPIC_ID_BYTES + 8
_RUNS, _BITS, _SUSPECTS, _TRIED = 1, 2, 3, 4
MAX_SUSPECTS = 32
"""More are never marked at once; each takes at most 5 bytes."""
_RAW_BYTES = MAX_CHARACTERS // 4 * 3
HORIZON = (_RAW_BYTES - _HEADER - MAX_SUSPECTS * 5 - 16) * 8
"""How many offsets beyond the base may be started: their bitset always fits, however the completions fall."""


class UnreadableMapError(DarkroomError):
    """The metadata is not a map of this topic at this base; it can be neither ignored nor trusted."""


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """What is known beyond ``base`` (the committed, next offset) of one partition."""

    topic_id: bytes
    base: int
    done: frozenset[int] = frozenset()
    """Offsets greater than the base whose outputs are committed."""
    suspects: tuple[tuple[int, int], ...] = ()
    """(offset, how often it was marked before a start that never came back)."""
    tried: int = 0
    """How many owners began at this base without moving it; 0 after a clean hand-over."""


def encode(value: OffsetMap) -> str:
    """Return the metadata of at most `MAX_CHARACTERS`; raise ValueError if ``value`` breaks a documented bound."""
    body = bytearray([VERSION])
    body += value.topic_id
    body += value.base.to_bytes(8, "big")
    if value.done:
        body += _section_of_done(value)
    if value.suspects:
        suspects = bytearray()
        for offset, marks in value.suspects[:MAX_SUSPECTS]:
            suspects += _varint(offset - value.base) + bytes([min(marks, 255)])
        body += _section(_SUSPECTS, suspects)
    if value.tried:
        body += _section(_TRIED, bytes([min(value.tried, 255)]))
    text = base64.b64encode(body).decode()
    if len(text) > MAX_CHARACTERS:
        msg = f"map of {len(value.done)} offsets beyond {value.base} takes {len(text)} > {MAX_CHARACTERS} characters"
        raise ValueError(msg)
    return text


def decode(text: str, topic_id: bytes, base: int) -> OffsetMap:
    """Read metadata that was committed with ``base``; the empty string is the empty map.

    Raise `UnreadableMapError` if it is damaged, of an unknown version, or of another topic or base (a mirrored
    cluster copies metadata as it stands, but offsets and topic ids are its own).
    """
    if not text:
        return OffsetMap(topic_id, base)
    try:
        raw = base64.b64decode(text, validate=True)
        return _decode(raw, topic_id, base)
    except (binascii.Error, IndexError, ValueError) as error:
        msg = f"the commit metadata is not a readable map: {error}"
        raise UnreadableMapError(msg) from error


def _decode(raw: bytes, topic_id: bytes, base: int) -> OffsetMap:
    if len(raw) < _HEADER or raw[0] != VERSION:
        msg = f"version {raw[0] if raw else 'none'}, {len(raw)} bytes; this release reads version {VERSION}"
        raise UnreadableMapError(msg)
    if raw[1 : 1 + TOPIC_ID_BYTES] != topic_id:
        msg = "the map belongs to another topic (deleted and made again, or mirrored from another cluster)"
        raise UnreadableMapError(msg)
    written = int.from_bytes(raw[1 + TOPIC_ID_BYTES : _HEADER], "big")
    if written != base:
        msg = f"the map was written for base {written} but stands at offset {base}"
        raise UnreadableMapError(msg)
    done: frozenset[int] = frozenset()
    suspects: tuple[tuple[int, int], ...] = ()
    tried = 0
    for tag, body in _sections(raw):
        if tag == _RUNS:
            done = frozenset(_read_runs(body, base))
        elif tag == _BITS:
            done = frozenset(_read_bits(body, base))
        elif tag == _SUSPECTS:
            suspects = tuple(_read_suspects(body, base))
        elif tag == _TRIED:
            tried = body[0]
    return OffsetMap(topic_id, base, done, suspects, tried)


def _section_of_done(value: OffsetMap) -> bytes:
    gaps = sorted(offset - value.base for offset in value.done)
    if gaps[0] <= 0:
        msg = f"offset {gaps[0] + value.base} is not beyond the base {value.base}"
        raise ValueError(msg)
    bits = gaps[-1] // 8 + 1
    runs = _runs(gaps, bits)
    return _section(_BITS, _bitset(gaps)) if runs is None else _section(_RUNS, runs)


def _runs(gaps: list[int], limit: int) -> bytes | None:
    """Encode as alternating (undone, done) lengths; None as soon as that is not shorter than ``limit`` bytes."""
    body = bytearray()
    at = start = end = 0
    for gap in [*gaps, -1]:
        if gap == end and end:
            end += 1
            continue
        if end:
            body += _varint(start - at) + _varint(end - start)
            at = end
            if len(body) >= limit:
                return None
        start, end = gap, gap + 1
    return bytes(body)


def _bitset(gaps: list[int]) -> bytes:
    body = bytearray(gaps[-1] // 8 + 1)
    for gap in gaps:
        body[gap >> 3] |= 1 << (gap & 7)
    return bytes(body)


def _read_runs(body: bytes, base: int) -> Iterator[int]:
    at = base
    numbers = iter(_varints(body))
    for undone in numbers:
        length = next(numbers, 0)
        if length > HORIZON or undone > HORIZON:
            msg = "a run is longer than any map can be"
            raise UnreadableMapError(msg)
        yield from range(at + undone, at + undone + length)
        at += undone + length


def _read_bits(body: bytes, base: int) -> Iterator[int]:
    for index, byte in enumerate(body):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield base + index * 8 + bit


def _read_suspects(body: bytes, base: int) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(body):
        gap, at = _read_varint(body, at)
        yield base + gap, body[at]
        at += 1


def _section(tag: int, body: bytes | bytearray) -> bytes:
    return bytes([tag]) + _varint(len(body)) + body


def _sections(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = _HEADER
    while at < len(raw):
        tag = raw[at]
        length, at = _read_varint(raw, at + 1)
        if at + length > len(raw):
            msg = "cut short"
            raise UnreadableMapError(msg)
        yield tag, raw[at : at + length]
        at += length


def _varint(number: int) -> bytes:
    body = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte, as in Kafka's own formats
        body.append(number & 0x7F | 0x80)
        number >>= 7
    body.append(number)
    return bytes(body)


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the high bit says that more follows
            return number, at


def _varints(body: bytes) -> Iterable[int]:
    at = 0
    while at < len(body):
        number, at = _read_varint(body, at)
        yield number
