"""Damages good files in ways that are known to hurt parsers. One number, one damaged file, always the same."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEADER: Final = 1024
"""Bytes in which a header usually lies: half of the damage is done there."""
SIZES: Final = (0, 1, 2, 255, 256, 32767, 32768, 65500, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""What a length, a width or a count is likely to be misread as."""


def mutate(number: int, files: Sequence[bytes]) -> bytes:
    """Return one of the files, damaged once to three times; seeded by the number."""
    rng = Random(number)  # noqa: S311 - it is to be repeatable
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_WAYS)(rng, data, files)
    return bytes(data)


def _at(rng: Random, data: bytearray) -> int:
    return rng.randrange(min(len(data), HEADER) if rng.random() < 0.5 else len(data))


def _flip_bits(rng: Random, data: bytearray, _files: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 2, 8, 64))):
        if data:
            data[_at(rng, data)] ^= 1 << rng.randrange(8)


def _cut_off(rng: Random, data: bytearray, _files: Sequence[bytes]) -> None:
    if data:
        del data[_at(rng, data) :]


def _take_header_of_another(rng: Random, data: bytearray, files: Sequence[bytes]) -> None:
    other, count = rng.choice(files), rng.randint(1, HEADER)
    data[:count] = other[:count]


def _lie_about_a_size(rng: Random, data: bytearray, _files: Sequence[bytes]) -> None:
    width = rng.choice((1, 2, 4))
    if len(data) >= width:
        at = min(_at(rng, data), len(data) - width)
        value = rng.choice(SIZES) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _leave_out(rng: Random, data: bytearray, _files: Sequence[bytes]) -> None:
    if data:
        at = _at(rng, data)
        del data[at : at + rng.choice((1, 4, 64, 1000))]


def _repeat(rng: Random, data: bytearray, _files: Sequence[bytes]) -> None:
    if data:
        at = _at(rng, data)
        data[at:at] = data[at : at + rng.choice((1, 4, 64, 1000))] * rng.choice((1, 2, 50))


def _overwrite(rng: Random, data: bytearray, _files: Sequence[bytes]) -> None:
    if data:
        at, count = _at(rng, data), rng.choice((4, 64, 1000))
        data[at : at + count] = rng.choice((bytes(count), b"\xff" * count, rng.randbytes(count)))


_WAYS: Final[tuple[Callable[[Random, bytearray, Sequence[bytes]], None], ...]] = (
    _flip_bits,
    _cut_off,
    _take_header_of_another,
    _lie_about_a_size,
    _leave_out,
    _repeat,
    _overwrite,
)
