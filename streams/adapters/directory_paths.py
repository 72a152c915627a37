"""Object keys as file paths: every key has one path of its own, below the root, that a person can still find.

Two things keep a plain mapping from working. A key may be the beginning of another one ("a" and "a/b"), but a file is
no folder: so names of folders never contain a dot and names of files always do. And a key may contain what a file
system takes for something else: so every byte but letters, digits and a few signs is written ``=XX``, and long segments
are cut. Nothing here touches the disk.
"""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~%!@+,")
_IN_FOLDERS: Final = tuple(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in range(256))
_IN_FILES: Final = tuple("." if byte == ord(".") else _IN_FOLDERS[byte] for byte in range(256))
_ESCAPE: Final = re.compile(r"=([0-9A-F]{2})")
_DOTLESS: Final = ".="
"""Ends the name of a file whose key has no dot in its last segment. "=" is otherwise followed by two digits."""
_CUT: Final = "=+"
"""Ends the name of a folder that is only the first part of a long segment."""
_LONGEST_NAME: Final = 240
_LONGEST_SEGMENT: Final = 255
_LONGEST_KEY: Final = 1024
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def is_bucket(bucket: str) -> bool:
    """Say whether S3 would take this for a bucket's name; such a name is a safe folder."""
    return _BUCKET.fullmatch(bucket) is not None and ".." not in bucket


def is_key(key: str) -> bool:
    """Say whether a real MinIO takes this key as it stands (held by the contract test of the stores)."""
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return False
    if not encoded or len(encoded) > _LONGEST_KEY or b"\0" in encoded:
        return False
    return all(part not in {b"", b".", b".."} and len(part) <= _LONGEST_SEGMENT for part in encoded.split(b"/"))


def to_path(key: str) -> tuple[str, ...]:
    """Return the folders and the file name of a key for which `is_key` holds."""
    *folders, last = key.encode().split(b"/")
    names = [name for folder in folders for name in _pieces("".join(_IN_FOLDERS[byte] for byte in folder))]
    file = "".join(_IN_FILES[byte] for byte in last)
    return (*names, *_pieces(file if "." in file else file + _DOTLESS))


def to_folders(prefix: str) -> tuple[str, ...]:
    """Return the folders that hold every key with this prefix, and perhaps others."""
    whole = prefix.rpartition("/")[0]
    return to_path(f"{whole}/x")[:-1] if whole else ()


def to_key(path: tuple[str, ...]) -> str:
    """Return the key that `to_path` made this path of."""
    joined = "".join(name.removesuffix(_CUT) + ("" if name.endswith(_CUT) else "/") for name in path)
    text = joined.removesuffix("/").removesuffix(_DOTLESS)
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1").decode()


def _pieces(name: str) -> list[str]:
    cuts = range(_LONGEST_NAME, len(name), _LONGEST_NAME)
    starts = [0, *cuts]
    return [name[start : start + _LONGEST_NAME] + (_CUT if start != starts[-1] else "") for start in starts]
