"""No id, however hostile, leaves its prefix, collides with another, or makes a key that the store would refuse."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import ids
from schemas.errors import Permanent, Reason

SHA = "ab" * 32
FINGERPRINT = "0123456789abcdef"
NEWEST = 2**63 - 1

# As if whoever chose the ids knew how they are used.
HOSTILE = [
    ".", "..", "...", "../", "/..", "../../etc/passwd", "/", "//", "\\", "..\\", "\0", "a\0b", "%", "%2e", "%2E",
    "%2e%2e", "%2f", "%00", "%25", "a/b", "a b", "\n", "\r\n", "\x7f", "~", "-", "_", "current.json", "deleted",
    "manifest.json", "00000000000000000000", "__XLDIR__", "x__XLDIR__", "x__XLDIR_%5F", "xl.meta",
    ".minio.sys", "null", "é", "e\u0301",
    "ÅNGSTRÖM", "\u202egpj.exe", "🐈", "👩‍👩‍👧‍👦", "\ufeff", "\u2028", "A", "a",
    "a.", ".a", "a..b", "?", "#", "*", "|", '"', "<", ":",
    "a" * 200, "\N{CAT}" * 16, "." * 200,
]  # fmt: skip
REFUSED = ["", "a" * 201, "a" * 1_000_000, "é" * 200, "🐈" * 17, "\ud800", "a\udfffb", "\udcff" * 3, "\n" * 67]

anything = st.text(max_size=80) | st.sampled_from(HOSTILE) | st.text("./%\\_~-\0 aA2eEfXLDIR", max_size=24)


def accepted(raw: str) -> str | None:
    """Return the encoding, None if the id is refused as an invalid event; anything else fails the test."""
    try:
        return ids.encode_id(raw)
    except Permanent as error:
        if error.reason is not Reason.INVALID_EVENT:
            raise
        return None


@pytest.mark.parametrize("raw", HOSTILE, ids=ascii)
def test_a_strange_id_is_accepted_and_comes_back(raw: str) -> None:
    """What fits is never refused for being strange, and decoding gives it back."""
    assert ids.decode_id(ids.encode_id(raw)) == raw


@pytest.mark.parametrize("raw", REFUSED, ids=lambda raw: ascii(raw[:10]))
def test_an_impossible_id_is_an_invalid_event(raw: str) -> None:
    """Empty, too long, and no Unicode: refused by name, and the message does not repeat a megabyte."""
    with pytest.raises(Permanent) as refusal:
        ids.encode_id(raw)
    assert refusal.value.reason is Reason.INVALID_EVENT
    assert len(refusal.value.detail) < 400


@settings(max_examples=1000)
@given(anything)
@example("a__XLDIR__")
@example("\N{SNOWMAN}__XLDIR__")
def test_an_encoded_id_is_one_plain_segment(raw: str) -> None:
    """1 to 200 bytes of ASCII, no slash, no name with a meaning of its own; and reversible, so nothing collides."""
    encoded = accepted(raw)
    if encoded is None:
        return
    assert 1 <= len(encoded) <= ids.MAX_ID_BYTES
    assert encoded.isascii()
    assert not set(encoded) & set("/\\\0 \n?#")
    assert encoded not in {".", ".."}
    assert not encoded.endswith("__XLDIR__")
    assert ids.decode_id(encoded) == raw


@settings(max_examples=500)
@given(anything, anything, anything, anything)
@example("a", "b/c", "a/b", "c")
@example("%2F", "x", "/", "x")
@example(".", "x", "%2E", "x")
@example("a__XLDIR__", "x", "a__XLDIR_%5F", "x")
def test_different_images_never_share_a_key(tenant: str, image: str, other_tenant: str, other_image: str) -> None:
    """Neither Kafka keys nor prefixes of different images are equal, and no prefix lies inside another."""
    if None in {accepted(raw) for raw in (tenant, image, other_tenant, other_image)}:
        return
    same = (tenant, image) == (other_tenant, other_image)
    assert (ids.record_key(tenant, image) == ids.record_key(other_tenant, other_image)) is same
    assert ids.image_prefix(tenant, image).startswith(ids.image_prefix(other_tenant, other_image)) is same


def every_key(tenant: str, image: str, life: int = NEWEST) -> list[str]:
    """Return one key of every form, with every other part at its longest."""
    prefix = ids.render_prefix(tenant, image, life, SHA, FINGERPRINT)
    return [
        ids.variant_key(prefix, "v" * ids.MAX_VARIANT_NAME_BYTES, SHA, "e" * 8),
        ids.manifest_key(tenant, image, life, SHA, FINGERPRINT),
        ids.current_key(tenant, image),
        ids.tombstone_key(tenant, image, life),
        ids.source_key(tenant, image, SHA, "e" * 8),
    ]


@given(anything, anything)
def test_every_key_stays_below_its_image(tenant: str, image: str) -> None:
    """Each key has the image's prefix, no segment that walks elsewhere, and lengths that the store takes."""
    if accepted(tenant) is None or accepted(image) is None:
        return
    for key in every_key(tenant, image):
        segments = key.split("/")
        assert key.startswith(f"{ids.encode_id(tenant)}/{ids.encode_id(image)}/")
        assert not {"", ".", ".."} & set(segments)
        assert max(len(segment) for segment in segments) <= 255
        assert len(key) <= 1024


def test_the_longest_key_is_far_below_the_store_s_limit() -> None:
    """Longest ids, life, fingerprint and variant name together stay within 1024 bytes, and segments within 255."""
    longest = every_key("t" * 200, "i" * 200)[0]
    assert len(longest) == 543
    assert max(map(len, longest.split("/"))) == 200


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("source_sha256", "../" * 21 + "a"), ("source_sha256", ""), ("source_sha256", SHA.upper()),
        ("source_sha256", SHA + "\n"),
        ("fingerprint", "../../../../etc/"), ("fingerprint", FINGERPRINT + "\n"), ("life", -1), ("life", 2**63),
    ],
)  # fmt: skip
def test_hostile_parts_of_a_key_are_refused(part: str, value: object) -> None:
    """A hash or a clock from an event becomes part of a key, so only a hash or a clock may pass."""
    parts: dict[str, object] = {"life": 0, "source_sha256": SHA, "fingerprint": FINGERPRINT, part: value}
    with pytest.raises(Permanent):
        ids.render_prefix("t", "i", **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a.b", "-a", "_a", "ä", "a b", "v" * 65, "a\n", "%2e"])
def test_a_variant_name_is_bounded_and_plain(name: str) -> None:
    """A name that could not stand in a key is no variant name."""
    assert not ids.is_variant_name(name)
    with pytest.raises(Permanent):
        ids.variant_key("p/", name, SHA, "webp")


def test_listing_order_is_the_order_of_clocks() -> None:
    """Tombstones and lives sort as text as their clocks do as numbers."""
    clocks = [0, 1, 9, 10, 99, 2**31, 10**18, NEWEST]
    assert sorted(ids.tombstone_key("t", "i", clock) for clock in reversed(clocks)) == [
        ids.tombstone_key("t", "i", clock) for clock in clocks
    ]
    assert [ids.tombstone_hlc(ids.tombstone_key("t", "i", clock)) for clock in clocks] == clocks
    assert [ids.life_of(ids.life_prefix("t", "i", clock) + "x") for clock in clocks] == clocks


def test_what_outlives_lives_has_none() -> None:
    """The pointer and the tombstones belong to no life, and a variant is no tombstone."""
    assert ids.life_of(ids.current_key("t", "i")) is None
    assert ids.life_of(ids.tombstone_key("t", "i", 5)) is None
    assert ids.tombstone_hlc(ids.manifest_key("t", "i", 5, SHA, FINGERPRINT)) is None
    assert ids.tombstone_hlc(ids.life_prefix("t", "deleted", 5)) is None


@pytest.mark.parametrize("key", [b"", b"a", b"a/", b"/a", b"a/b/c", b"\xff/a", b"a/%2e", b"./a", b"a/%zz", b"a/%C3"])
def test_a_key_that_record_key_would_not_write_is_refused(key: bytes) -> None:
    """Reading a key back accepts the one canonical form only."""
    with pytest.raises(Permanent):
        ids.read_record_key(key)


@given(anything, anything)
def test_a_record_key_reads_back(tenant: str, image: str) -> None:
    """Both ids come back from a Kafka key."""
    if accepted(tenant) is not None and accepted(image) is not None:
        assert ids.read_record_key(ids.record_key(tenant, image)) == (tenant, image)


def test_event_ids_are_pinned() -> None:
    """The same input gives the same ids in every release: subscribers deduplicate by them for ever."""
    source = UUID("5f0c2a44-13c5-4a27-9c0b-0d9f1c8f3b11")
    assert ids.output_event_id(source, "ready") == UUID("35a6f1be-90b2-556b-b922-f217d8065a3c")
    assert ids.output_event_id(source, "failed") == UUID("dd44ed41-ee95-57ae-89cc-e573f450acb8")
    assert ids.output_event_id(source, "ready", "spring") == UUID("3ea15c52-fef5-57c4-9afa-8bed06bb1b31")
    assert ids.undecodable_event_id(bytes(range(16)), 3, 99) == UUID("c2f7f44b-f8f4-5d08-ac2b-7cebac32db71")


@given(st.sampled_from(["ready", "failed", "removed"]), st.none() | st.text(max_size=5))
def test_event_ids_differ_by_kind_and_replay(kind: ids.OutputKind, replay_id: str | None) -> None:
    """Two different answers to one input never share an id."""
    source = UUID(int=7)
    others = {(other, replay) for other in ("ready", "failed", "removed") for replay in (None, "", "r", "ready")}
    others.discard((kind, replay_id))
    mine = ids.output_event_id(source, kind, replay_id)
    assert mine not in {ids.output_event_id(source, other, replay) for other, replay in others}  # type: ignore[arg-type]


def test_a_topic_made_again_gives_other_ids() -> None:
    """The id of an undecodable event hangs on the topic's id, so a recreated topic's offset 0 is another event."""
    assert ids.undecodable_event_id(b"a" * 16, 0, 0) != ids.undecodable_event_id(b"b" * 16, 0, 0)
