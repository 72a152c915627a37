"""What an input must satisfy beyond being readable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.checks import check_input
from schemas.errors import Permanent, Reason
from schemas.events import Attributes, FocusPoint, ImageUploaded, Input, Source
from schemas.ids import record_key
from schemas.topics import DELETED, UPLOADED
from tests.schemas.builders import FULL, HLC, SHA

NOW_US = (HLC >> 16) * 1000
UPLOAD, DELETE = FULL[UPLOADED], FULL[DELETED]
assert isinstance(UPLOAD, ImageUploaded)
KEY = record_key(UPLOAD.tenant, UPLOAD.image_id)


def with_source(**changes: object) -> Input:
    """Return the upload with another source."""
    parts: dict[str, object] = {"bucket": "b", "key": "k", "size": 1, **changes}
    assert isinstance(UPLOAD, ImageUploaded)
    return replace(UPLOAD, source=Source(**parts))  # type: ignore[arg-type]


def with_focus(x: float, y: float) -> Input:
    """Return the upload with another focus point."""
    assert isinstance(UPLOAD, ImageUploaded)
    return replace(UPLOAD, attributes=Attributes(FocusPoint(x, y)))


def test_good_inputs_pass() -> None:
    """An upload and a delete under their own keys are fine."""
    check_input(UPLOAD, KEY, NOW_US)  # type: ignore[arg-type]
    check_input(DELETE, b"acme/7", NOW_US)  # type: ignore[arg-type]
    check_input(with_source(sha256=None), KEY, NOW_US)


@pytest.mark.parametrize("key", [None, b"", b"acme/7", KEY + b"/", KEY.lower(), b"\xff" * 1_000_000])
def test_a_key_that_contradicts_the_event_is_invalid(key: bytes | None) -> None:
    """The key decided partition and order, so an event of another image under it is refused."""
    with pytest.raises(Permanent) as caught:
        check_input(UPLOAD, key, NOW_US)  # type: ignore[arg-type]
    assert caught.value.reason is Reason.INVALID_EVENT
    assert len(caught.value.detail) < 2000


@pytest.mark.parametrize(
    "event",
    [
        with_source(bucket=""), with_source(key=""), with_source(size=-1), with_source(sha256=""),
        with_source(sha256="../" * 21 + "x"), with_source(sha256=SHA.upper()), with_source(sha256=SHA + "\n"),
        with_focus(-0.1, 0), with_focus(0, 1.1), with_focus(float("nan"), 0), with_focus(0, float("inf")),
    ],
)  # fmt: skip
def test_nonsense_is_invalid(event: Input) -> None:
    """No source, a negative size, a hash that is none, a focus outside the image: refused before any work."""
    with pytest.raises(Permanent) as caught:
        check_input(event, KEY, NOW_US)
    assert caught.value.reason is Reason.INVALID_EVENT


def test_a_clock_of_the_far_future_is_invalid() -> None:
    """The time is passed in; the same event is fine an hour later."""
    with pytest.raises(Permanent, match="ahead"):
        check_input(UPLOAD, KEY, NOW_US - 3_600_000_000)  # type: ignore[arg-type]
