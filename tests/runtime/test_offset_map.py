"""The map in the commit metadata: it survives the trip, always fits, and is never trusted where it does not belong."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.offset_map import (
    HORIZON,
    MAX_CHARACTERS,
    MAX_SUSPECTS,
    OffsetMap,
    UnreadableMapError,
    decode,
    encode,
)

ID = bytes(range(16))
BASES = st.integers(0, 2**62)
GAPS = st.frozensets(st.integers(1, HORIZON), max_size=300)
RUNS = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), max_size=20)


def _from_runs(base: int, runs: list[tuple[int, int]]) -> frozenset[int]:
    done: set[int] = set()
    at = base
    for undone, length in runs:
        done.update(range(at + undone, at + undone + length))
        at += undone + length
    return frozenset(done)


@given(
    BASES, GAPS, st.integers(0, 255), st.dictionaries(st.integers(0, HORIZON), st.integers(1, 9), max_size=MAX_SUSPECTS)
)
def test_scattered_completions_survive_the_trip(base: int, gaps: set[int], tried: int, marks: dict[int, int]) -> None:
    """Whatever finished beyond the base, the next owner reads exactly that, with the suspects and the tries."""
    done = frozenset(base + gap for gap in gaps)
    value = OffsetMap(ID, base, done, tuple(sorted((base + g, n) for g, n in marks.items())), tried)

    assert decode(encode(value), ID, base) == value


@given(BASES, RUNS)
def test_runs_survive_the_trip(base: int, runs: list[tuple[int, int]]) -> None:
    """Long runs are written as runs and read back the same."""
    value = OffsetMap(ID, base, _from_runs(base, runs))

    assert decode(encode(value), ID, base) == value


def test_the_worst_map_within_the_horizon_fits() -> None:
    """Every second offset done up to the horizon, with all suspects: still within what a broker takes."""
    base = 2**40
    done = frozenset(range(base + 1, base + HORIZON, 2))
    suspects = tuple((base + HORIZON - i, 255) for i in range(MAX_SUSPECTS))

    text = encode(OffsetMap(ID, base, done, suspects, 255))

    assert len(text) <= MAX_CHARACTERS
    assert decode(text, ID, base).done == done


def test_one_long_run_takes_few_characters() -> None:
    """Ten thousand finished records behind one slow one cost next to nothing."""
    assert len(encode(OffsetMap(ID, 5, frozenset(range(6, 10_006))))) < 60


def test_no_metadata_is_the_empty_map() -> None:
    """A position that was set by hand has no map: nothing beyond it is done."""
    assert decode("", ID, 7) == OffsetMap(ID, 7)


@pytest.mark.parametrize(
    ("topic_id", "base"), [(bytes(16), 5), (ID, 6)], ids=["another topic's map", "a map of another base"]
)
def test_a_map_that_does_not_belong_here_is_refused(topic_id: bytes, base: int) -> None:
    """A mirrored or re-created topic copies metadata as it stands; trusting it would skip records."""
    text = encode(OffsetMap(ID, 5, frozenset({7})))

    with pytest.raises(UnreadableMapError):
        decode(text, topic_id, base)


def test_a_later_release_may_add_sections() -> None:
    """A section this release does not know is skipped, the rest is read."""
    value = OffsetMap(ID, 5, frozenset({7, 9}), (), 3)
    raw = base64.b64decode(encode(value)) + bytes([99, 3]) + b"new"

    assert decode(base64.b64encode(raw).decode(), ID, 5) == value


def test_another_version_is_refused() -> None:
    """A raised version says that skipping what is unknown would be wrong."""
    raw = b"\x02" + base64.b64decode(encode(OffsetMap(ID, 5)))[1:]

    with pytest.raises(UnreadableMapError, match="version 2"):
        decode(base64.b64encode(raw).decode(), ID, 5)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
def test_garbage_is_refused_and_nothing_else_escapes(text: str) -> None:
    """Whatever stands in the metadata, it is a map or an `UnreadableMapError`."""
    try:
        decode(text, ID, 5)
    except UnreadableMapError:
        return
    assert text == ""


@given(st.data())
def test_a_damaged_map_never_raises_anything_else(data: st.DataObject) -> None:
    """Cut or flipped bytes behind a good header end as a map or as `UnreadableMapError`, and never hang."""
    raw = bytearray(base64.b64decode(encode(OffsetMap(ID, 5, _from_runs(5, [(3, 4), (500, 900)]), ((9, 2),), 1))))
    at = data.draw(st.integers(25, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(25, len(raw)))
    try:
        found = decode(base64.b64encode(bytes(raw[:cut])).decode(), ID, 5)
    except UnreadableMapError:
        return
    assert len(found.done) <= 300 * HORIZON
