"""What the S3 adapter makes of services that are down, slow or misconfigured, and where its keys come from."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from minio.credentials.providers import AssumeRoleProvider

from schemas.errors import DarkroomError, Permanent, Reason, Transient, Unavailable
from streams.adapters.minio_client import S3Config
from streams.adapters.minio_store import MinioStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support import Stack

XML = "application/xml"
NO_LENGTH = -1


def s3_error(code: str) -> bytes:
    """Return an error as S3 words it."""
    return f"<Error><Code>{code}</Code><Message>because</Message><Resource>/b/k</Resource></Error>".encode()


@dataclass
class Answer:
    """What the pretended service says to everything."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": XML})
    length: int | None = None
    requests: list[str] = field(default_factory=list)


@contextmanager
def service(answer: Answer) -> Iterator[str]:
    """Serve one answer on a free port; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            answer.requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.length != NO_LENGTH:
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def silence() -> Iterator[str]:
    """Yield an address at which somebody listens and never speaks."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def closed() -> str:
    """Return an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def at(endpoint: str, **others: object) -> MinioStore:
    """Return a store at an address, with short patience."""
    config = S3Config(endpoint, access_key="k", secret_key="s", secure=False, read_timeout_s=0.2)
    return MinioStore(replace(config, **others))  # type: ignore[arg-type]  # any field


CALLS: dict[str, Callable[[MinioStore], object]] = {
    "fetch": lambda store: store.fetch("bucket", "key", limit=100),
    "put": lambda store: store.put("bucket", "key", b"x", content_type="text/plain"),
    "replace": lambda store: store.replace("bucket", "key", b"x", expected=None, content_type="text/plain"),
    "list": lambda store: list(store.list("bucket", "prefix")),
    "remove": lambda store: store.remove("bucket", ["key"]),
    "check": lambda store: store.check(),
    "make_bucket": lambda store: store.make_bucket("bucket"),
}


def error_of(store: MinioStore, call: str) -> DarkroomError:
    """Return the error that a call raises."""
    with pytest.raises(DarkroomError) as caught:
        CALLS[call](store)
    return caught.value


@pytest.mark.parametrize("call", sorted(CALLS))
def test_where_nobody_listens_the_store_is_unavailable_at_once(call: str) -> None:
    """The error names the address and the setting, in one short line."""
    address = closed()
    start = time.monotonic()
    error = error_of(at(address), call)
    assert time.monotonic() - start < 2
    assert isinstance(error, Unavailable)
    assert error.service == "store"
    assert f"{address} (store.endpoint)" in error.detail
    assert "refused" in error.detail
    assert len(error.detail) < 120


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"check", "make_bucket"}))
def test_a_silent_service_is_unavailable_after_the_time_out(call: str) -> None:
    """Once and once more, then the engine decides."""
    with silence() as address:
        start = time.monotonic()
        error = error_of(at(address), call)
        assert time.monotonic() - start < 2
        assert isinstance(error, Unavailable)
        assert "no answer in time" in error.detail


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (503, "SlowDown", Unavailable),
        (503, "SlowDownRead", Unavailable),
        (500, "InternalError", Unavailable),
        (429, "TooManyRequests", Unavailable),
        (507, "XMinioStorageFull", Unavailable),
        (400, "XMinioAdminBucketQuotaExceeded", Unavailable),
        (403, "InvalidAccessKeyId", Unavailable),
        (403, "SignatureDoesNotMatch", Unavailable),
        (403, "RequestTimeTooSkewed", Unavailable),
        (400, "ExpiredToken", Unavailable),
        (400, "AuthorizationHeaderMalformed", Unavailable),
        (404, "NoSuchBucket", Unavailable),
        (400, "SomethingNew", Transient),
        (400, "EntityTooLarge", Permanent),
        (400, "KeyTooLongError", Permanent),
    ],
)
def test_what_an_answer_to_a_put_means(status: int, code: str, expected: type[DarkroomError]) -> None:
    """Only what the object itself caused is permanent; configuration, load and outages are waited for."""
    with service(Answer(status, s3_error(code))) as address:
        error = error_of(at(address), "put")
    assert type(error) is expected
    assert code in str(error)
    if isinstance(error, Permanent):
        assert error.reason is Reason.OUTPUT_REFUSED


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"make_bucket"}))
@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
        Answer(403, b"<html>who are you?</html>", {"Content-Type": "text/html"}),
        Answer(404, b"not found", {"Content-Type": "text/plain"}),
        Answer(500, b"<Error>", {"Content-Type": XML}),
        Answer(307, s3_error("TemporaryRedirect"), {"Content-Type": XML, "Location": "http://127.0.0.1:9/"}),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_proxy_s_answer_is_no_news_of_an_object(answer: Answer, call: str) -> None:
    """HTML, broken XML, a redirect: something in between is broken, nothing is missing, nothing is to be failed."""
    if call == "check" and answer.status == 404:
        return  # to a HEAD request every 404 is alike
    with service(answer) as address:
        assert isinstance(error_of(at(address), call), Unavailable)


def test_where_everything_is_denied_nothing_counts_as_missing_or_locked() -> None:
    """AWS says "denied" for what does not exist to whoever may not list: unavailable, with what to grant."""
    answer = Answer(403, s3_error("AccessDenied"))
    with service(answer) as address:
        error = error_of(at(address), "fetch")
    assert isinstance(error, Unavailable)
    assert "ListBucket" in error.detail
    assert answer.requests == ["GET /bucket/key", "HEAD /bucket/key~"]


def test_a_body_cut_short_is_no_object() -> None:
    """Fewer bytes than announced are an error, not a short object."""
    with service(Answer(200, b"half", {"ETag": '"e"'}, length=8)) as address:
        assert isinstance(error_of(at(address), "fetch"), Unavailable)


def test_a_packed_object_is_not_unpacked() -> None:
    """Whatever Content-Encoding an uploader gave it: the bytes are those that were hashed, and no bomb goes off."""
    bomb = gzip.compress(bytes(1_000_000))
    with service(Answer(200, bomb, {"ETag": '"e"', "Content-Encoding": "gzip"})) as address:
        blob = at(address).fetch("bucket", "key", limit=len(bomb))
    assert blob is not None
    assert blob.data == bomb


def test_a_body_without_a_length_is_bounded_too() -> None:
    """A proxy may leave the length out: one byte over the limit is enough to refuse it."""
    for size, is_taken in ((10, True), (11, False)):
        with service(Answer(200, b"x" * size, {"ETag": '"e"', "Connection": "close"}, length=NO_LENGTH)) as address:
            if is_taken:
                assert at(address).fetch("bucket", "key", limit=10) is not None
            else:
                with pytest.raises(Permanent) as caught:
                    at(address).fetch("bucket", "key", limit=10)
                assert caught.value.reason is Reason.TOO_LARGE


def test_a_connection_closed_while_idle_costs_nobody_anything() -> None:
    """Kept connections may be gone; the next request takes a new one without an error."""
    answer = Answer(200, b"whole", {"ETag": '"e"', "Connection": "close"})
    with service(answer) as address:
        store = at(address)
        assert all(store.fetch("bucket", "key", limit=10) for _ in range(3))
    assert len(answer.requests) == 3


def test_no_request_is_spent_on_finding_the_region() -> None:
    """One request a call."""
    answer = Answer(200, b"x", {"ETag": '"e"'})
    with service(answer) as address:
        store = at(address)
        CALLS["fetch"](store)
        CALLS["put"](store)
        CALLS["replace"](store)
    assert [request.split("?")[0] for request in answer.requests] == [
        "GET /bucket/key",
        "PUT /bucket/key",
        "PUT /bucket/key",
    ]


class TestRights:
    """On the real MinIO, with temporary credentials that lack a right."""

    @pytest.fixture
    def bucket(self, stack: Stack, unique: Callable[[str], str]) -> str:
        """Make a bucket with an open and a locked object."""
        name = unique("rights")
        store = MinioStore(
            S3Config(stack.s3_endpoint, access_key=stack.s3_access_key, secret_key=stack.s3_secret_key, secure=False)
        )
        store.make_bucket(name)
        for key in ("t/open.jpg", "t/locked.jpg"):
            store.put(name, key, b"x", content_type="image/jpeg")
        return name

    @pytest.fixture
    def restricted(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str, list[dict[str, object]]], MinioStore]:
        """Return a maker of stores with a policy, whose keys come from the environment."""

        def make(bucket: str, statements: list[dict[str, object]]) -> MinioStore:
            policy = {"Version": "2012-10-17", "Statement": statements}
            provider = AssumeRoleProvider(
                sts_endpoint=f"http://{stack.s3_endpoint}",
                access_key=stack.s3_access_key,
                secret_key=stack.s3_secret_key,
                policy=json.dumps(policy),
                region="us-east-1",
            )
            keys = provider.retrieve()
            provider._http_client.clear()  # noqa: SLF001 - it keeps a connection that nobody else can close
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
            monkeypatch.setenv("AWS_SESSION_TOKEN", keys.session_token or "")
            return MinioStore(S3Config(stack.s3_endpoint, bucket=bucket, secure=False))

        return make

    @staticmethod
    def allow(*actions: str) -> dict[str, object]:
        """Return a statement that allows actions everywhere."""
        return {"Effect": "Allow", "Action": [f"s3:{action}" for action in actions], "Resource": ["arn:aws:s3:::*"]}

    def test_one_locked_object_is_its_own_problem(
        self, bucket: str, restricted: Callable[[str, list[dict[str, object]]], MinioStore]
    ) -> None:
        """Its neighbours can be read, so only this record waits, and not for ever."""
        locked = f"arn:aws:s3:::{bucket}/t/locked.jpg"
        store = restricted(
            bucket, [self.allow("*"), {"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": [locked]}]
        )
        assert store.fetch(bucket, "t/open.jpg", limit=10) is not None
        assert store.fetch(bucket, "t/missing.jpg", limit=10) is None
        with pytest.raises(Transient) as caught:
            store.fetch(bucket, "t/locked.jpg", limit=10)
        assert not isinstance(caught.value, Unavailable)

    @pytest.mark.parametrize("key", ["t/open.jpg", "t/missing.jpg"])
    def test_a_missing_right_stops_rather_than_fails(
        self, bucket: str, key: str, restricted: Callable[[str, list[dict[str, object]]], MinioStore]
    ) -> None:
        """Without the right to read nothing can be said of any object: unavailable, with what to grant."""
        store = restricted(bucket, [self.allow("ListBucket", "PutObject")])
        with pytest.raises(Unavailable, match="grant Get"):
            store.fetch(bucket, key, limit=10)

    @pytest.mark.parametrize("call", ["put", "replace", "list", "remove", "check"])
    def test_any_other_missing_right_is_unavailable(
        self, bucket: str, call: str, restricted: Callable[[str, list[dict[str, object]]], MinioStore]
    ) -> None:
        """Nothing is failed for want of a right."""
        store = restricted(bucket, [self.allow("GetObject")])
        calls = {
            "put": lambda: store.put(bucket, "k", b"x", content_type="text/plain"),
            "replace": lambda: store.replace(bucket, "k", b"x", expected=None, content_type="text/plain"),
            "list": lambda: list(store.list(bucket, "")),
            "remove": lambda: store.remove(bucket, ["t/open.jpg"]),
            "check": store.check,
        }
        with pytest.raises(Unavailable):
            calls[call]()


class TestCredentials:
    """Where keys come from when none are configured."""

    @pytest.fixture(autouse=True)
    def nothing_else(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Take away what this machine may have; the cloud's address is one where nobody listens."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MINIO_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{closed()}/")

    def read(self, stack: Stack, unique: Callable[[str], str], **others: object) -> object:
        """Ask for an object that does not exist: None only if the credentials are good."""
        config = replace(S3Config(stack.s3_endpoint, secure=False), **others)  # type: ignore[arg-type]
        return MinioStore(config).fetch(unique("none"), "key", limit=10)

    def test_no_credentials_anywhere_is_said_in_one_line(self, stack: Stack, unique: Callable[[str], str]) -> None:
        """Unavailable, with the settings that are missing."""
        with pytest.raises(Unavailable, match=r"no S3 credentials .* set store\.access_key"):
            self.read(stack, unique)

    def test_from_minio_s_environment(
        self, stack: Stack, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """MINIO_ACCESS_KEY and MINIO_SECRET_KEY."""
        monkeypatch.setenv("MINIO_ACCESS_KEY", stack.s3_access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", stack.s3_secret_key)
        assert self.read(stack, unique) is None

    def test_from_a_file(
        self, stack: Stack, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """AWS's credentials file, the default profile."""
        file = tmp_path / "credentials"
        file.write_text(
            f"[default]\naws_access_key_id = {stack.s3_access_key}\naws_secret_access_key = {stack.s3_secret_key}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        assert self.read(stack, unique) is None

    def test_from_the_container_s_address(
        self, stack: Stack, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As roles of containers and pods hand them out."""
        keys = {"AccessKeyId": stack.s3_access_key, "SecretAccessKey": stack.s3_secret_key, "Token": ""}
        body = json.dumps(keys | {"Expiration": "2099-01-01T00:00:00Z"}).encode()
        with service(Answer(200, body, {"Content-Type": "application/json"})) as address:
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/keys")
            assert self.read(stack, unique) is None

    def test_from_web_identity(
        self, stack: Stack, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A pod's token is exchanged at the token service that is configured."""
        token = tmp_path / "token"
        token.write_text("jwt")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/worker")
        body = (
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{stack.s3_access_key}</AccessKeyId><SecretAccessKey>{stack.s3_secret_key}</SecretAccessKey>"
            "<SessionToken></SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        answer = Answer(200, body.encode())
        with service(answer) as address:
            assert self.read(stack, unique, sts_endpoint=f"http://{address}") is None
        assert "WebIdentityToken=jwt" in answer.requests[0]
