"""Headers as they are written, and as they are read back from anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Permanent, Reason
from schemas.headers import (
    DeadLetter,
    EventHeaders,
    Replay,
    TraceParent,
    continue_trace,
    dead_letter_headers,
    event_headers,
    parse_traceparent,
    read_dead_letter,
    read_event_headers,
    read_replay,
    replay_headers,
)
from schemas.topics import FAILED, UPLOADED
from tests.schemas.builders import FULL, MINIMAL, NOON

TRACE = TraceParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
LETTER = DeadLetter("images.uploaded", 3, 99, "decode", "schemas.codec.Codec", "kaputt: \U0001f408")
REPLAY = Replay("spring", "images.uploaded", 3, 99, "0123456789abcdef")
noise = st.lists(
    st.tuples(
        st.sampled_from(
            ["ce_id", "ce_time", "traceparent", "tenant", "darkroom_replay_id", "darkroom_replay_offset",
             "darkroom_target_fingerprint", "__connect.errors.topic", "__connect.errors.offset", "x"]
        ),
        st.binary(max_size=20) | st.just(b"-1") | st.just(b"9" * 5000),
    )
).map(tuple)  # fmt: skip


def test_an_event_carries_cloudevents_headers() -> None:
    """CloudEvents' binary mode for Kafka, the trace, and the ids in UTF-8 for filtering without decoding."""
    written = event_headers(FULL[UPLOADED], source="/publisher/7", time=NOON, traceparent=TRACE)
    assert dict(written) == {
        "ce_specversion": b"1.0",
        "ce_id": b"5f0c2a44-13c5-4a27-9c0b-0d9f1c8f3b11",
        "ce_source": b"/publisher/7",
        "ce_type": b"darkroom.ImageUploaded",
        "ce_time": b"2026-03-04T12:30:15.123456Z",
        "content-type": b"application/avro",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tenant": b"acme/eu",
        "image_id": "Katze №7 🐈.jpg".encode(),
    }


def test_what_is_not_known_has_no_header() -> None:
    """A failed event whose input could not be decoded has neither tenant nor image id nor, here, a trace."""
    names = {name for name, _ in event_headers(MINIMAL[FAILED], source="w", time=NOON)}
    assert not names & {"tenant", "image_id", "traceparent"}


def test_event_headers_read_back() -> None:
    """What was written is what is read, the time in UTC."""
    event = FULL[UPLOADED]
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    read = read_event_headers(event_headers(event, source="s", time=there, traceparent=TRACE))
    assert read == EventHeaders(
        event.event_id, "darkroom.ImageUploaded", "s", NOON, event.tenant, event.image_id, TRACE
    )  # fmt: skip
    assert read.time is not None
    assert read.time.tzinfo is UTC


def test_headers_of_others_are_read_leniently() -> None:
    """Missing, malformed, repeated or null headers are no error: they say nothing."""
    headers = (
        ("ce_id", b"7"), ("ce_time", b"2026-01-01T00:00:00"), ("tenant", b"a"), ("tenant", b"b"),
        ("image_id", b"\xff"), ("traceparent", None),
    )  # fmt: skip
    assert read_event_headers(headers) == EventHeaders(tenant="b")  # type: ignore[arg-type]


@given(noise)
def test_no_headers_break_reading(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Any headers are read; only a broken replay is refused, as an invalid event."""
    read_event_headers(headers)
    read_dead_letter(headers)
    continue_trace(headers, trace_id=TRACE.trace_id, span_id=TRACE.span_id)
    try:
        read_replay(headers)
    except Permanent as error:
        if error.reason is not Reason.INVALID_EVENT:
            raise


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", f"{TRACE}-more", f"{TRACE}\n", f" {TRACE}",
        str(TRACE).replace("-01", "-0\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)  # fmt: skip
def test_a_broken_trace_starts_a_new_one(text: str | None) -> None:
    """What the W3C recommendation calls invalid is not continued."""
    assert parse_traceparent(text) is None
    headers = () if text is None else (("traceparent", text.encode()),)
    assert continue_trace(headers, trace_id="f" * 32, span_id="e" * 16) == TraceParent("f" * 32, "e" * 16, sampled=True)


@pytest.mark.parametrize("text", [str(TRACE), f"01{str(TRACE)[2:]}", f"01{str(TRACE)[2:]}-what-comes-later"])
def test_a_trace_is_continued_under_a_new_span(text: str) -> None:
    """Trace id and sampling stay, the span is ours; later versions of the header are read as far as they are known."""
    continued = continue_trace((("traceparent", text.encode()),), trace_id="f" * 32, span_id="e" * 16)
    assert continued == replace(TRACE, span_id="e" * 16)


def test_a_trace_that_is_not_sampled_stays_so() -> None:
    """The publisher's decision not to record holds for what it causes."""
    read = parse_traceparent(str(replace(TRACE, sampled=False)))
    assert read is not None
    assert not read.child("e" * 16).sampled


def test_dead_letters_are_named_as_in_kafka_connect() -> None:
    """Tools that know Connect's dead letters know ours."""
    headers = dead_letter_headers(LETTER)
    assert [name for name, _ in headers] == [
        f"__connect.errors.{name}"
        for name in ("topic", "partition", "offset", "stage", "class.name", "exception.message")
    ]  # fmt: skip
    assert read_dead_letter(headers) == LETTER
    assert read_dead_letter(()) is None


def test_a_dead_letter_s_message_is_bounded_and_clean() -> None:
    """An endless message, or one with half a surrogate pair, cannot make the record unsendable."""
    headers = dict(dead_letter_headers(replace(LETTER, message="\udc80" + "x" * 1_000_000)))
    assert headers["__connect.errors.exception.message"] == b"?" + b"x" * 999


@pytest.mark.parametrize("replay", [REPLAY, replace(REPLAY, target_fingerprint=None)])
def test_a_replay_reads_back(replay: Replay) -> None:
    """Replay id, original coordinates and, if any, the fingerprint to reach."""
    assert read_replay((("tenant", b"t"), *replay_headers(replay))) == replay


def test_live_traffic_is_no_replay() -> None:
    """Without replay headers there is no replay."""
    assert read_replay(event_headers(FULL[UPLOADED], source="s", time=datetime.now(UTC))) is None


@pytest.mark.parametrize("missing", range(4))
def test_half_a_replay_is_refused(missing: int) -> None:
    """Taken for live traffic it would be announced under a live event's id."""
    headers = replay_headers(REPLAY)
    with pytest.raises(Permanent):
        read_replay(headers[:missing] + headers[missing + 1 :])


@pytest.mark.parametrize(
    ("name", "value"),
    [("replay_offset", b"-1"), ("replay_partition", b"x"), ("target_fingerprint", b"../"), ("replay_id", b"\xff")],
)
def test_a_malformed_replay_is_refused(name: str, value: bytes) -> None:
    """A number that is none, or a fingerprint that is none: an invalid event."""
    with pytest.raises(Permanent) as caught:
        read_replay((*replay_headers(REPLAY), (f"darkroom_{name}", value)))
    assert caught.value.reason is Reason.INVALID_EVENT
