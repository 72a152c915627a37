"""The good files that are damaged: one of each kind that is taken, and whatever corpus is named beside them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from tests.corpus.run import CORPUS, entries
from tests.processors.builders import Pixels, file_of, picture, with_alpha

LARGEST: Final = 300_000
"""Bytes of a corpus file that is still damaged: small ones make many tries, and their parsers are the same."""


def originals() -> list[bytes]:
    """Return them in a stable order."""
    named = os.environ.get(CORPUS)
    return [*_drawn(), *(_corpus(Path(named)) if named else ())]


def _drawn() -> list[bytes]:
    plain, small = picture(240, 180), picture(64, 48)
    grey = np.asarray(plain.mean(axis=2), dtype=np.uint8)
    upright = Image.Exif()
    upright[0x0112] = 6
    return [
        file_of(plain, "JPEG", quality=90),
        file_of(plain, "JPEG", quality=70, progressive=True, exif=upright.tobytes()),
        file_of(grey, "JPEG"),
        _converted(plain, "CMYK", "JPEG"),
        file_of(plain, "PNG"),
        file_of(with_alpha(plain), "PNG"),
        file_of(grey.astype(np.uint16) * 257, "PNG"),
        _converted(plain, "P", "PNG"),
        _converted(plain, "1", "PNG"),
        file_of(plain, "WEBP", quality=80),
        file_of(with_alpha(plain), "WEBP", lossless=True),
        file_of(plain, "AVIF", quality=60, speed=10),
        _converted(plain, "P", "GIF"),
        _moving(small, "GIF"),
        _moving(small, "WEBP"),
    ]


def _converted(pixels: Pixels, mode: str, kind: str) -> bytes:
    return _saved(Image.fromarray(pixels).convert(mode), kind)


def _moving(pixels: Pixels, kind: str) -> bytes:
    frames = [Image.fromarray(np.roll(pixels, 8 * step, axis=1)) for step in range(4)]
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=80, loop=0)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - whatever Pillow's saver takes
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _corpus(folder: Path) -> list[bytes]:
    files = (folder / entry.folder / entry.name for entry in entries(folder))
    return [file.read_bytes() for file in files if 0 < file.stat().st_size <= LARGEST]
