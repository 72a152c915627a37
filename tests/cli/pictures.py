"""Small pictures, good and bad, made when a test needs them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def photo(path: Path, width: int = 400, height: int = 300, shade: int = 0) -> Path:
    """Write a JPEG with a gradient, so that no two shades have the same bytes."""
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    picture.paste((shade % 256, shade // 256 % 256, 80), (0, 0, width // 4, height // 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=85)
    return path


def renamed_text(path: Path) -> Path:
    """Write text with a picture's name."""
    path.write_text("this is no picture\n")
    return path


def truncated_photo(path: Path) -> Path:
    """Write the first half of a JPEG."""
    whole = io.BytesIO()
    Image.effect_noise((400, 300), 60).convert("RGB").save(whole, "JPEG", quality=85)
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    return path


def enormous_png(path: Path, side: int = 30_000) -> Path:
    """Write a valid PNG of so many pixels a side, in a few kilobytes."""
    row = b"\0" * (side // 8 + 1)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
