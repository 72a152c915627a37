"""What `encode_id` accepts, a real MinIO takes, lists and gives back; what it works around, MinIO really does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from schemas import ids
from tests.schemas.test_ids import FINGERPRINT, HOSTILE, NEWEST, SHA, accepted, every_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Stack

Bucket = tuple[Minio, str]


@pytest.fixture
def bucket(stack: Stack, unique: Callable[[str], str]) -> Iterator[Bucket]:
    """Yield a client and a bucket of our own, removed afterwards."""
    client = Minio(stack.s3_endpoint, stack.s3_access_key, stack.s3_secret_key, secure=False)
    name = unique("ids")
    client.make_bucket(name)
    yield client, name
    found = [DeleteObject(key) for key in listed(client, name)]
    assert list(client.remove_objects(name, found)) == []
    client.remove_bucket(name)


def put(client: Minio, bucket: str, key: str) -> None:
    """Write an object that holds its own key."""
    data = key.encode()
    client.put_object(bucket, key, BytesIO(data), len(data))


def get(client: Minio, bucket: str, key: str) -> str:
    """Return what an object holds."""
    answer = client.get_object(bucket, key)
    try:
        return answer.data.decode()
    finally:
        answer.close()
        answer.release_conn()


def listed(client: Minio, bucket: str, prefix: str = "") -> list[str]:
    """Return the keys below a prefix."""
    return [str(item.object_name) for item in client.list_objects(bucket, prefix, recursive=True)]


def test_every_accepted_id_lives_in_the_store(bucket: Bucket) -> None:
    """Every form of key of every hostile id is stored, read back, and listed below its own image and nowhere else."""
    client, name = bucket
    images = [(raw, "7") for raw in HOSTILE] + [("acme", raw) for raw in HOSTILE]
    images = [pair for pair in images if accepted(pair[0]) and accepted(pair[1])]
    keys = {pair: [*every_key(*pair), *every_key(*pair, life=0)] for pair in images}
    flat = sorted({key for group in keys.values() for key in group})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: put(client, name, key), flat))
        back = list(threads.map(lambda key: get(client, name, key), flat))
        below = list(threads.map(lambda pair: listed(client, name, ids.image_prefix(*pair)), images))

    assert len(flat) == len(images) * 8  # three forms in two lives, two forms that know no life; nothing collided
    assert back == flat
    assert listed(client, name) == flat
    assert [sorted(found) for found in below] == [sorted(set(keys[pair])) for pair in images]


def test_the_longest_key_is_stored(bucket: Bucket) -> None:
    """Longest tenant, image id, life, fingerprint and variant name at once."""
    client, name = bucket
    prefix = ids.render_prefix("t" * 200, "ä" * 33 + "ab", NEWEST, SHA, FINGERPRINT)
    key = ids.variant_key(prefix, "v" * ids.MAX_VARIANT_NAME_BYTES, SHA, "x" * 8)
    put(client, name, key)
    assert get(client, name, key) == key


@pytest.mark.parametrize("segment", [".", "..", "a" * 256])
def test_the_store_refuses_what_is_never_sent(bucket: Bucket, segment: str) -> None:
    """Dots and long segments would be refused by MinIO: the reason why they never get there."""
    client, name = bucket
    with pytest.raises((S3Error, ValueError)):
        put(client, name, f"t/{segment}/x")


def test_a_directory_suffix_hides_what_is_below_it(bucket: Bucket) -> None:
    """The reason for encoding it: unencoded, a listing from further up does not show the object."""
    client, name = bucket
    put(client, name, "t/x__XLDIR__/0/x")
    put(client, name, f"t/{ids.encode_id('x__XLDIR__')}/0/x")
    assert listed(client, name, "t/") == ["t/x__XLDIR_%5F/0/x"]
    client.remove_object(name, "t/x__XLDIR__/0/x")
