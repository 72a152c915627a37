"""Where events may point to, and that nothing talks its way around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.policy import AllowedSource, SourcePolicy
from schemas.errors import Permanent, Reason
from schemas.events import Source
from schemas.ids import MAX_ID_BYTES, encode_id

DEFAULT = SourcePolicy((AllowedSource("uploads"),))


def is_allowed(policy: SourcePolicy, tenant: str, key: str, bucket: str = "uploads") -> bool:
    """Say whether the policy lets this tenant point there; any other reason is a failure of the test."""
    try:
        policy.check(tenant, Source(bucket, key, 1))
    except Permanent as error:
        assert error.reason is Reason.SOURCE_NOT_ALLOWED  # noqa: PT017 - the outcome is a value here
        return False
    return True


@pytest.mark.parametrize(
    ("tenant", "key"),
    [
        ("acme", "acme/cat.jpg"),
        ("acme", "acme/2026/03/..cat../a..b.jpg"),
        ("acme", "acme//double.jpg"),
        ("acme eu", "acme%20eu/cat.jpg"),
        ("..", "%2E%2E/cat.jpg"),
        ("a/b", "a%2Fb/cat.jpg"),
        ("acme", "acme/Katze 🐈‍⬛.jpg"),
    ],
)
def test_a_tenant_may_point_to_its_own_uploads(tenant: str, key: str) -> None:
    """Below its own encoded name everything that is a literal key is allowed."""
    assert is_allowed(DEFAULT, tenant, key)


@pytest.mark.parametrize(
    ("tenant", "key"),
    [
        ("acme", "other/cat.jpg"),
        ("acme", "acme2/cat.jpg"),
        ("acme", "acme"),
        ("acme", "acme/"),
        ("acme", ""),
        ("acme", "/acme/cat.jpg"),
        ("acme", "acme/../other/x"),
        ("acme", "acme/./../other/x"),
        ("acme", "acme/.. /other/x"),
        ("acme", "acme\\..\\other\\x"),
        ("acme", "acme/..\\other/x"),
        ("acme", "acme/\0/x"),
        ("acme", "ACME/cat.jpg"),
        ("acme eu", "acme eu/cat.jpg"),
        ("..", "../cat.jpg"),
        ("a/b", "a/b/cat.jpg"),
        ("{tenant}", "acme/cat.jpg"),
        ("a", "{tenant}/cat.jpg"),
    ],
)
def test_nobody_points_anywhere_else(tenant: str, key: str) -> None:
    """Neighbours' names, dot segments in any dress, and unencoded ids are refused."""
    assert not is_allowed(DEFAULT, tenant, key)


def test_only_named_buckets_are_allowed() -> None:
    """A bucket is compared whole; without any rule nothing is allowed."""
    assert not is_allowed(DEFAULT, "acme", "acme/cat.jpg", bucket="uploads2")
    assert not is_allowed(DEFAULT, "acme", "acme/cat.jpg", bucket="")
    assert not is_allowed(SourcePolicy(()), "acme", "acme/cat.jpg")


def test_a_prefix_may_surround_the_tenant() -> None:
    """The placeholder is one segment of several; without it, or with an empty prefix, the place is everybody's."""
    policy = SourcePolicy(
        (AllowedSource("in", "raw/{tenant}/photos/"), AllowedSource("shared", "press/"), AllowedSource("open", ""))
    )
    assert is_allowed(policy, "acme", "raw/acme/photos/1.jpg", "in")
    assert not is_allowed(policy, "acme", "raw/acme/other/1.jpg", "in")
    assert is_allowed(policy, "acme", "press/1.jpg", "shared")
    assert not is_allowed(policy, "acme", "pressed/1.jpg", "shared")
    assert is_allowed(policy, "acme", "anything", "open")


def test_a_forgotten_slash_lets_nobody_into_a_longer_name() -> None:
    """``{tenant}`` without its slash still ends at a segment."""
    policy = SourcePolicy((AllowedSource("uploads", "{tenant}"),))
    assert is_allowed(policy, "a", "a/cat.jpg")
    assert not is_allowed(policy, "a", "ab/cat.jpg")


@pytest.mark.parametrize(
    "prefix", ["u-{tenant}/", "{tenant}-x/", "{tenants}/", "{}/", "../{tenant}/", "/{tenant}/", "./"]
)
def test_a_prefix_that_would_not_keep_tenants_apart_is_refused(prefix: str) -> None:
    """When the configuration is read, not when the first event comes."""
    with pytest.raises(ValueError, match=r"prefix|placeholder"):
        AllowedSource("uploads", prefix)


IDS = st.text(min_size=1, max_size=12).filter(lambda text: 0 < len(text.encode("utf-8", "replace")) * 3 <= MAX_ID_BYTES)


@given(tenant=IDS, other=IDS, rest=st.text(max_size=20))
def test_no_tenant_reaches_another_s_prefix(tenant: str, other: str, rest: str) -> None:
    """Whatever the names and the key: what is allowed to one tenant is allowed to no other."""
    try:
        names = {encode_id(tenant), encode_id(other)}
    except Permanent:
        return
    key = f"{encode_id(other)}/{rest}"
    if is_allowed(DEFAULT, tenant, key):
        assert len(names) == 1
