"""What every store promises, held on a real MinIO, the directory store and the simulated one by the same tests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import DarkroomError, Permanent, Reason
from streams.adapters.directory_store import DirectoryStore
from streams.adapters.minio_client import S3Config
from streams.adapters.minio_store import MinioStore
from streams.adapters.simulated_store import SimulatedObjects, SimulatedStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Stack

LIMIT: Final = 1_000_000
TEXT: Final = "text/plain"

HOSTILE: Final = (
    "../escape",
    "a/../../escape",
    "a/./b",
    "..",
    "",
    "a//b",
    "nul\0byte",
    "s" * 256,
    ("y" * 200 + "/") * 5 + "z" * 20,
)
"""Keys that no store here takes."""

ODD: Final = (
    "plain.jpg",
    "no-dot",
    "..a/a..",
    "%2e%2e/%00",
    "back\\slash",
    "new\nline",
    "a=2E.=",
    "é/😀",
    "sp ace/+",
    "?q=1#f",
    "c:/con",
    "~/-rf",
    "=" * 250,
    "é" * 127,
)
"""Keys that every store takes literally."""


def connected(stack: Stack, bucket: str) -> MinioStore:
    """Return a store on the real MinIO."""
    return MinioStore(
        S3Config(
            stack.s3_endpoint,
            bucket=bucket,
            access_key=stack.s3_access_key,
            secret_key=stack.s3_secret_key,
            secure=False,
        )
    )


@pytest.fixture(scope="session")
def minio(stack: Stack) -> MinioStore:
    """Connect to the real MinIO."""
    return connected(stack, "none")


@pytest.fixture(params=["simulated", "directory", "minio"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MinioStore | DirectoryStore | SimulatedStore:
    """Yield each store in turn."""
    if request.param == "simulated":
        return SimulatedStore(SimulatedObjects())
    if request.param == "directory":
        return DirectoryStore(tmp_path / "objects")
    minio: MinioStore = request.getfixturevalue("minio")
    return minio


@pytest.fixture
def bucket(store: MinioStore | DirectoryStore | SimulatedStore, unique: Callable[[str], str]) -> str:
    """Make a bucket for one test."""
    name = unique("contract")
    assert store.make_bucket(name)
    return name


class TestStore:
    """One contract, run on each store."""

    def test_returns_what_was_put(self, store: MinioStore, bucket: str) -> None:
        """An object comes back byte for byte, with an etag that is there."""
        data = bytes(range(256)) * 100
        store.put(bucket, "t/i/variant.jpg", data, content_type="image/jpeg", cache_control="public, immutable")
        blob = store.fetch(bucket, "t/i/variant.jpg", limit=len(data))
        assert blob is not None
        assert blob.data == data
        assert blob.etag
        assert '"' not in blob.etag

    def test_the_last_put_wins_and_changes_the_etag(self, store: MinioStore, bucket: str) -> None:
        """A second PUT replaces the object; its etag differs, and is the old one again with the old bytes."""
        etags = []
        for data in (b"one", b"two", b"one"):
            store.put(bucket, "k", data, content_type=TEXT)
            blob = store.fetch(bucket, "k", limit=LIMIT)
            assert blob is not None
            assert blob.data == data
            etags.append(blob.etag)
        assert etags[0] == etags[2] != etags[1]

    def test_an_empty_object_is_an_object(self, store: MinioStore, bucket: str) -> None:
        """No bytes are bytes too."""
        store.put(bucket, "empty", b"", content_type=TEXT)
        blob = store.fetch(bucket, "empty", limit=0)
        assert blob is not None
        assert blob.data == b""

    def test_what_is_missing_is_none(self, store: MinioStore, bucket: str) -> None:
        """A missing key, bucket or version is None, not an error."""
        store.put(bucket, "there", b"x", content_type=TEXT)
        assert store.fetch(bucket, "missing", limit=LIMIT) is None
        assert store.fetch(bucket, "there/below", limit=LIMIT) is None
        assert store.fetch(f"{bucket}-none", "there", limit=LIMIT) is None
        assert store.fetch("Not_A_Bucket", "there", limit=LIMIT) is None
        assert store.fetch(bucket, "there", limit=LIMIT, version_id="garbage") is None

    def test_an_object_over_the_limit_is_refused(self, store: MinioStore, bucket: str) -> None:
        """One byte too many fails as too_large; the connection serves the next request."""
        store.put(bucket, "big", b"x" * 1001, content_type=TEXT)
        with pytest.raises(Permanent) as caught:
            store.fetch(bucket, "big", limit=1000)
        assert caught.value.reason is Reason.TOO_LARGE
        assert store.fetch(bucket, "big", limit=1001) is not None

    @pytest.mark.parametrize("key", ODD)
    def test_odd_keys_are_taken_literally(self, store: MinioStore, bucket: str, key: str) -> None:
        """A key with signs that file systems or URLs know is that key and no other."""
        store.put(bucket, key, key.encode(), content_type=TEXT)
        blob = store.fetch(bucket, key, limit=LIMIT)
        assert blob is not None
        assert blob.data == key.encode()
        assert list(store.list(bucket, "")) == [key]

    @pytest.mark.parametrize("key", HOSTILE)
    def test_hostile_keys_are_refused_for_good(self, store: MinioStore, bucket: str, key: str) -> None:
        """Such a key can't be written, isn't there when read, and leaves no trace."""
        with pytest.raises(Permanent) as caught:
            store.put(bucket, key, b"x", content_type=TEXT)
        assert caught.value.reason is Reason.OUTPUT_REFUSED
        assert store.fetch(bucket, key, limit=LIMIT) is None
        assert list(store.list(bucket, "")) == []

    def test_a_key_may_begin_another(self, store: MinioStore, bucket: str) -> None:
        """The keys a and a/b and a/b/c exist side by side."""
        for key in ("a", "a/b", "a/b/c", "a.", "a=", "a/b.c"):
            store.put(bucket, key, key.encode(), content_type=TEXT)
        for key in ("a", "a/b", "a/b/c", "a.", "a=", "a/b.c"):
            blob = store.fetch(bucket, key, limit=LIMIT)
            assert blob is not None
            assert blob.data == key.encode()

    def test_lists_in_binary_order_below_a_prefix(self, store: MinioStore, bucket: str) -> None:
        """Keys come in UTF-8 binary order; a prefix need not end at a slash; start_after itself is left out."""
        keys = sorted(("t/i/b", "t/i/a/z", "t/i/a-z", "t/i/a.z", "t/j/x", "t/i/B", "t/i/é"), key=str.encode)
        for key in reversed(keys):
            store.put(bucket, key, b"", content_type=TEXT)
        assert list(store.list(bucket, "")) == keys
        assert list(store.list(bucket, "t/i/")) == [key for key in keys if key.startswith("t/i/")]
        assert list(store.list(bucket, "t/i/a")) == ["t/i/a-z", "t/i/a.z", "t/i/a/z"]
        assert list(store.list(bucket, "t/i/", start_after="t/i/a.z")) == ["t/i/a/z", "t/i/b", "t/i/é"]
        assert list(store.list(bucket, "t/i/", start_after="t/i/a.")) == ["t/i/a.z", "t/i/a/z", "t/i/b", "t/i/é"]
        assert list(store.list(bucket, "t/none/")) == []

    def test_lists_more_than_one_page(self, store: MinioStore, bucket: str) -> None:
        """More than a thousand keys come whole, and can all be removed at once."""
        keys = [f"many/{number:05d}" for number in range(1003)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda key: store.put(bucket, key, b"", content_type=TEXT), keys))
        assert list(store.list(bucket, "many/")) == keys
        assert store.remove(bucket, keys) == len(keys)
        assert list(store.list(bucket, "")) == []

    def test_removes_what_is_there_and_minds_nothing_else(self, store: MinioStore, bucket: str) -> None:
        """Missing objects count and are no error; neighbours stay."""
        for key in ("t/i/1/a", "t/i/1/b", "t/i/10/a"):
            store.put(bucket, key, b"x", content_type=TEXT)
        assert store.remove(bucket, ["t/i/1/a", "t/i/1/b", "t/i/1/never"]) == 3
        assert list(store.list(bucket, "")) == ["t/i/10/a"]
        assert store.remove(bucket, []) == 0

    def test_replaces_only_the_state_it_expects(self, store: MinioStore, bucket: str) -> None:
        """With an etag only that state is replaced; with None only nothing."""
        assert not store.replace(bucket, "p", b"0", expected="0" * 32, content_type=TEXT)
        assert store.fetch(bucket, "p", limit=LIMIT) is None
        assert store.replace(bucket, "p", b"1", expected=None, content_type=TEXT)
        assert not store.replace(bucket, "p", b"2", expected=None, content_type=TEXT)
        first = store.fetch(bucket, "p", limit=LIMIT)
        assert first is not None
        assert store.replace(bucket, "p", b"3", expected=first.etag, content_type=TEXT)
        assert not store.replace(bucket, "p", b"4", expected=first.etag, content_type=TEXT)
        last = store.fetch(bucket, "p", limit=LIMIT)
        assert last is not None
        assert last.data == b"3"

    @pytest.mark.parametrize("fresh", [True, False])
    def test_of_many_replacements_at_once_one_wins(self, store: MinioStore, bucket: str, *, fresh: bool) -> None:
        """Concurrent writers that expect the same state: exactly one of them is told that it won, and it did."""
        expected = None
        if not fresh:
            store.put(bucket, "p", b"before", content_type=TEXT)
            blob = store.fetch(bucket, "p", limit=LIMIT)
            assert blob is not None
            expected = blob.etag

        def attempt(number: int) -> bool:
            return store.replace(bucket, "p", b"%d" % number, expected=expected, content_type=TEXT)

        with ThreadPoolExecutor(8) as threads:
            won = [number for number, done in enumerate(threads.map(attempt, range(16))) if done]
        assert len(won) == 1
        blob = store.fetch(bucket, "p", limit=LIMIT)
        assert blob is not None
        assert blob.data == b"%d" % won[0]

    def test_readers_never_see_half_an_object(self, store: MinioStore, bucket: str) -> None:
        """While an object is overwritten again and again, every read gives one whole version."""
        versions = [bytes([number]) * 200_000 for number in range(8)]
        store.put(bucket, "k", versions[0], content_type=TEXT)

        def read(_: int) -> bytes:
            blob = store.fetch(bucket, "k", limit=LIMIT)
            assert blob is not None
            return blob.data

        with ThreadPoolExecutor(8) as threads:
            writes = [threads.submit(store.put, bucket, "k", data, content_type=TEXT) for data in versions]
            seen = set(threads.map(read, range(24)))
        assert all(write.exception() is None for write in writes)
        assert seen <= set(versions)

    def test_writes_beside_removals_are_never_lost(self, store: MinioStore, bucket: str) -> None:
        """Folders that empty and fill at the same time: what was put last is there."""

        def rewrite(number: int) -> None:
            for _ in range(10):
                store.put(bucket, f"t/i/{number}/deep/k", b"x", content_type=TEXT)
                store.remove(bucket, [f"t/i/{number}/deep/k"])
            store.put(bucket, f"t/i/{number}/deep/k", b"last", content_type=TEXT)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(rewrite, range(4)))
        assert list(store.list(bucket, "t/")) == [f"t/i/{number}/deep/k" for number in range(4)]

    def test_a_bucket_is_made_once(self, store: MinioStore, bucket: str) -> None:
        """Making it again is no error and says so."""
        assert not store.make_bucket(bucket)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(key=st.text(alphabet=st.sampled_from("a.=%+/\\~:é\n\0"), min_size=1, max_size=12))
    def test_any_key_is_itself_or_refused(self, store: MinioStore, bucket: str, key: str) -> None:
        """Whatever the key, it is stored under exactly that name or refused for good (leading slash: S3 differ)."""
        if key.startswith("/") or key.endswith("/"):
            return
        try:
            store.put(bucket, key, key.encode(), content_type=TEXT)
        except Permanent:
            assert store.fetch(bucket, key, limit=LIMIT) is None
            return
        blob = store.fetch(bucket, key, limit=LIMIT)
        assert blob is not None
        assert blob.data == key.encode()
        assert key in list(store.list(bucket, key))
        store.remove(bucket, [key])
        assert list(store.list(bucket, "")) == []


def test_check_is_quiet_when_the_store_answers(stack: Stack, unique: Callable[[str], str]) -> None:
    """With its bucket there, the check raises nothing."""
    name = unique("check")
    store = connected(stack, name)
    with pytest.raises(DarkroomError, match="no bucket"):
        store.check()
    store.make_bucket(name)
    store.check()
