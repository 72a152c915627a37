"""Manifest and pointer as JSON, keys as file paths: what is written is read, and junk is neither taken nor fatal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.manifest import Current, Manifest, Origin, read_current, read_manifest, write_current, write_manifest
from schemas.events import FocusPoint, SourceFacts, Variant
from streams.adapters.directory_paths import is_key, to_folders, to_key, to_path

PREFIX = "acme/cat/00000000000000000000/0123456789abcdef/fedcba9876543210/"
MANIFEST = Manifest(
    source_sha256="0" * 64,
    recipe="web",
    fingerprint="fedcba9876543210",
    hlc=(1 << 63) - 1,
    variants=(
        Variant("zeta", "darkroom", f"{PREFIX}zeta.0.webp", "image/webp", 1280, 960, 12345, "1" * 64, 80, "max_bytes"),
        Variant("alpha", "darkroom", f"{PREFIX}alpha.0.webp", "image/webp", 320, 240, 123, "2" * 64),
    ),
    source=SourceFacts("jpeg", 4000, 3000, 1, has_alpha=False, colour_space="srgb"),
    thumbhash=bytes(range(21)),
    dominant_colour="#a0b1c2",
    perceptual_hash="00ff00ff12345678",
    engine={"libvips": "8.18.7"},
    origin=Origin("uploads", "acme/cat.jpg", "v1"),
    focus=FocusPoint(0.25, 1.0),
)
CURRENT = Current(7, 3, f"{PREFIX}manifest.json", "0" * 64, "web", "fedcba9876543210")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    """Order of the variants included; the bucket is the reader's, so that buckets can be moved."""
    assert read_manifest(write_manifest(MANIFEST), "darkroom", PREFIX) == MANIFEST
    moved = read_manifest(write_manifest(MANIFEST), "elsewhere", PREFIX)
    assert moved is not None
    assert {variant.bucket for variant in moved.variants} == {"elsewhere"}


def test_a_manifest_of_a_release_before_is_read() -> None:
    """It names neither its original nor the focus."""
    plain = json.loads(write_manifest(MANIFEST))
    old = {name: value for name, value in plain.items() if name not in {"origin", "focus"}}
    expected = replace(MANIFEST, origin=None, focus=None)
    assert read_manifest(json.dumps(old).encode(), "darkroom", PREFIX) == expected


@pytest.mark.parametrize("current", [CURRENT, Current(7, 7, None)])
def test_a_pointer_is_read_as_it_was_written(current: Current) -> None:
    """To a manifest, or to nothing after a delete."""
    assert read_current(write_current(current)) == current


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_junk_is_absent(data: bytes) -> None:
    """Neither document is believed, neither reader raises."""
    assert read_manifest(data, "darkroom", PREFIX) is None
    assert read_current(data) is None


@given(field=st.sampled_from(sorted(json.loads(write_manifest(MANIFEST)))), value=JSON)
def test_a_spoilt_field_never_raises(field: str, value: object) -> None:
    """Any field may hold anything: the result is a manifest or None."""
    plain = json.loads(write_manifest(MANIFEST))
    plain[field] = value
    read = read_manifest(json.dumps(plain).encode(), "darkroom", PREFIX)
    assert read is None or isinstance(read.hlc, int)


def test_newer_news_replaces_older() -> None:
    """By hlc; at the same hlc an upload outranks a delete, a later life an earlier one, and a repetition replaces."""
    in_order = [Current(5, 0, "m"), Current(7, 7, None), Current(7, 0, "m"), Current(7, 7, "m"), Current(8, 8, None)]
    for number, current in enumerate(in_order):
        assert [current.yields_to(other) for other in in_order] == [at >= number for at in range(len(in_order))]


KEYS = st.text(st.characters(codec="utf-8") | st.sampled_from("a./=+%"), min_size=1, max_size=300).filter(is_key)


@given(KEYS)
def test_a_key_survives_its_path(key: str) -> None:
    """Every key has a path, the path gives the key back, and no name on it means anything to a file system."""
    path = to_path(key)
    assert to_key(path) == key
    assert all(
        name not in {"", ".", ".."} and len(name) <= 255 and "/" not in name and "\0" not in name for name in path
    )
    assert all("." not in folder for folder in path[:-1])
    assert "." in "".join(path[-2:])


@given(KEYS, KEYS)
def test_two_keys_never_share_a_path(one: str, other: str) -> None:
    """Not even as folder and file: neither path lies below the other's file."""
    first, second = PurePosixPath(*to_path(one)), PurePosixPath(*to_path(other))
    if one != other:
        assert first != second
        assert first not in second.parents
        assert second not in first.parents


@given(KEYS, st.integers(0, 300))
def test_a_prefix_s_folder_holds_all_its_keys(key: str, length: int) -> None:
    """Listing may begin there."""
    folders = to_folders(key[:length])
    assert to_path(key)[: len(folders)] == folders


def test_our_own_keys_stay_readable() -> None:
    """A person who looks for a variant finds its file under its key."""
    key = "acme/cat%207/00000000000000000000/0123456789abcdef/fedcba9876543210/large.0123456789ab.webp"
    assert "/".join(to_path(key)) == key
