"""Between event classes and the plain values that fastavro writes and reads, compiled once for each class.

Fields are those of the class; a test holds them to the Avro files. Times and uuids are converted here rather than by
fastavro: quicker, and a writer that left the logical type out is read all the same. No bytes, registry or topics here.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

Convert = Callable[[Any], Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@cache
def to_plain(cls: type) -> Convert:
    """Return the function that turns an event of this class into what fastavro writes.

    It raises ValueError for a time without a time zone: which moment it means depends on the machine.
    """
    names = tuple(item.name for item in fields(cls))
    values = attrgetter(*names)
    converters = _converters(cls, _to_plain_field)
    if not converters:
        return lambda event: dict(zip(names, values(event), strict=True))

    def convert(event: Any) -> dict[str, Any]:  # noqa: ANN401 - any event class, and mypy cannot name a type held in a value
        plain = dict(zip(names, values(event), strict=True))
        for name, one in converters:
            plain[name] = one(plain[name])
        return plain

    return convert


@cache
def from_plain(cls: type) -> Convert:
    """Return the function that makes an event of this class from what fastavro read; it changes that dict."""
    converters = _converters(cls, _from_plain_field)
    # Slots are set directly: the generated __init__ of a frozen class takes three times as long, and does no more.
    setters = tuple((item.name, vars(cls)[item.name].__set__) for item in fields(cls))

    def convert(plain: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
        for name, one in converters:
            plain[name] = one(plain[name])
        event: object = object.__new__(cls)
        for name, put in setters:
            put(event, plain[name])
        return event

    return convert


def _converters(cls: type, choose: Callable[[Any], Convert | None]) -> tuple[tuple[str, Convert], ...]:
    hints = get_type_hints(cls)
    chosen = ((item.name, choose(hints[item.name])) for item in fields(cls))
    return tuple((name, one) for name, one in chosen if one is not None)


def _to_plain_field(hint: Any) -> Convert | None:  # noqa: ANN401 - a type hint has no common type
    inner, optional, origin = _unwrap(hint)
    if origin is tuple:
        item = to_plain(get_args(inner)[0])
        return lambda values: [item(value) for value in values]
    if inner is datetime:
        return _micros
    if inner is UUID:
        return _optional(str, optional=optional)
    if is_dataclass(inner):
        return _optional(to_plain(cast("type", inner)), optional=optional)
    return None


def _from_plain_field(hint: Any) -> Convert | None:  # noqa: ANN401 - as above
    inner, optional, origin = _unwrap(hint)
    if origin is tuple:
        item = from_plain(get_args(inner)[0])
        return lambda values: tuple([item(value) for value in values])
    if inner is datetime:
        return _moment
    if inner is UUID:
        return _optional(UUID, optional=optional)
    if isinstance(inner, type) and issubclass(inner, StrEnum):
        return {str(member): member for member in inner}.__getitem__
    if is_dataclass(inner):
        return _optional(from_plain(cast("type", inner)), optional=optional)
    return None


def _unwrap(hint: Any) -> tuple[Any, bool, Any]:  # noqa: ANN401 - as above
    """Return the type inside ``X | None``, whether it was optional, and its generic origin."""
    if get_origin(hint) in {Union, types.UnionType}:
        (inner,) = [arg for arg in get_args(hint) if arg is not type(None)]
        return inner, True, get_origin(inner)
    return hint, False, get_origin(hint)


def _optional(convert: Convert, *, optional: bool) -> Convert:
    if not optional:
        return convert
    return lambda value: None if value is None else convert(value)


def _micros(moment: datetime) -> int:
    if moment.tzinfo is None:
        message = f"time {moment.isoformat()} has no time zone"
        raise ValueError(message)
    return (moment - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
