"""The registry: real, mocked and in memory alike as a source of schemas; and the operator's verbs on the real one."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from confluent_kafka.schema_registry import (
    SchemaRegistryClient,
    ServerConfig,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.schema_registry_client import ConfigCompatibilityLevel
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas.avro_files import schema_text
from schemas.codec import Codec, NotRegistered
from schemas.errors import Permanent, Reason, Unavailable
from schemas.events import ImageUploaded
from schemas.topics import UPLOADED, Topics
from streams.adapters.registry import IncompatibleError, Registry, RegistryAccess
from tests.schemas.builders import FULL, MemorySource
from tests.schemas.guarded_registry import PASSWORD, USER, guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support import Stack


class Registering(Protocol):
    """A source of schemas to which a test can add."""

    def schema_by_id(self, schema_id: int) -> str: ...

    def schema_id(self, subject: str, schema: str) -> int: ...

    def register(self, subject: str, text: str, /) -> object: ...


@pytest.fixture
def registry(stack: Stack) -> Iterator[Registry]:
    """Yield the real registry."""
    with Registry(RegistryAccess(stack.registry_url)) as registry:
        yield registry


@pytest.fixture
def topics(unique: Callable[[str], str]) -> Topics:
    """Return a catalogue of our own."""
    return Topics(prefix=f"{unique('registry')}.")


@pytest.fixture(params=["real", "mock", "memory"])
def source(request: pytest.FixtureRequest) -> Iterator[Registering]:
    """Yield each kind of source; the contract below holds for all."""
    if request.param == "memory":
        yield MemorySource()
        return
    url = "mock://contract" if request.param == "mock" else request.getfixturevalue("stack").registry_url
    with Registry(RegistryAccess(url)) as registry:
        yield registry


class TestSource:
    """What the codec relies on, whatever stands behind it."""

    def test_what_was_registered_is_found_by_id_and_by_text(
        self, source: Registering, unique: Callable[[str], str]
    ) -> None:
        """The id of a schema leads back to it."""
        subject, text = unique("subject"), schema_text(UPLOADED)
        source.register(subject, text)
        schema_id = source.schema_id(subject, text)
        assert json.loads(source.schema_by_id(schema_id)) == json.loads(text)

    def test_an_unknown_id_is_an_invalid_event(self, source: Registering) -> None:
        """Nobody registered it, so no retry will help."""
        with pytest.raises(Permanent) as caught:
            source.schema_by_id(2_147_483_000)
        assert caught.value.reason is Reason.INVALID_EVENT

    def test_looking_up_registers_nothing(self, source: Registering, unique: Callable[[str], str]) -> None:
        """A missing registration says what to run, the second time too."""
        for _ in range(2):
            with pytest.raises(NotRegistered, match="darkroom schemas register"):
                source.schema_id("nobody", schema_text(UPLOADED))
        source.register(unique("subject"), schema_text(UPLOADED))
        with pytest.raises(NotRegistered):
            source.schema_id("nobody", schema_text(UPLOADED))


def test_registering_makes_everything_fine_and_is_repeatable(registry: Registry, topics: Topics) -> None:
    """Every record of every topic gets its subject, fully compatible; a second run changes nothing."""
    first = registry.register_all(topics.all)
    second = registry.register_all(topics.all)
    assert [one.new for one in first] == [True] * 9
    assert [(one.subject, one.schema_id, one.new) for one in second] == [
        (one.subject, one.schema_id, False) for one in first
    ]
    assert all(check.problems == () for check in registry.check_all(topics.all))
    subjects = registry.list_subjects(topics.all)
    assert {subject.name for subject in subjects} == {name for topic in topics.all for name in topic.subjects}
    assert {(subject.versions, subject.compatibility) for subject in subjects} == {((1,), "FULL_TRANSITIVE")}


def test_the_mock_registers_and_checks_too(topics: Topics) -> None:
    """The try-out's registry runs the same verbs."""
    with Registry(RegistryAccess("mock://demo")) as registry:
        assert registry.check_all([topics.ready])[0].problems != ()
        registry.register_all(topics.all)
        assert all(check.problems == () for check in registry.check_all(topics.all))
        assert len(registry.list_subjects()) == 9


def test_checking_says_what_is_missing(registry: Registry, topics: Topics) -> None:
    """Nothing is registered: each subject says so, and what to run."""
    checks = registry.check_all(topics.all)
    assert len(checks) == 9
    assert all("darkroom schemas register" in check.problems[0] for check in checks)


def test_an_incompatible_version_is_named_by_field_and_rule(registry: Registry, topics: Topics) -> None:
    """Somebody registered what ours cannot follow: check and register name field and rule, and register nothing."""
    theirs = json.loads(schema_text(UPLOADED))
    theirs["fields"].append({"name": "camera", "type": "string", "doc": "No default."})
    registry.register(topics.uploaded.subjects[0], json.dumps(theirs))
    rule = "ImageUploaded.camera: is not written and has no default for the reader"

    checks = {check.subject: check.problems for check in registry.check_all(topics.all)}
    assert f"ours cannot be read by version 1: {rule}" in checks[topics.uploaded.subjects[0]]
    with pytest.raises(IncompatibleError, match="camera"):
        registry.register_all(topics.all)
    assert [subject.name for subject in registry.list_subjects(topics.all)] == [topics.uploaded.subjects[0]]


def test_the_same_schema_in_other_words_is_found(registry: Registry, unique: Callable[[str], str]) -> None:
    """A file that was only laid out anew is the schema that was registered before."""
    subject = unique("subject")
    registered = registry.register(subject, json.dumps(json.loads(schema_text(UPLOADED))))
    assert registry.schema_id(subject, schema_text(UPLOADED)) == registered.schema_id


def test_a_loosened_compatibility_is_a_problem(registry: Registry, topics: Topics, stack: Stack) -> None:
    """A subject that somebody set to NONE is named, and registering sets it right."""
    registry.register_all([topics.ready])
    with SchemaRegistryClient({"url": stack.registry_url}) as client:
        client.set_config(topics.ready.subjects[0], ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))
    (check,) = registry.check_all([topics.ready])
    assert check.problems == ("compatibility is NONE, wanted is FULL_TRANSITIVE",)
    registry.register_all([topics.ready])
    assert registry.check_all([topics.ready])[0].problems == ()


def test_the_registry_refuses_an_incompatible_schema(registry: Registry, unique: Callable[[str], str]) -> None:
    """The level is really set: what slips past our own analysis is refused by the registry."""
    subject = unique("subject")
    registry.register(subject, schema_text(UPLOADED))
    worse = schema_text(UPLOADED).replace('"name": "recipe"', '"name": "recipes"')
    with pytest.raises(IncompatibleError, match="the registry refuses it"):
        registry.register(subject, worse)


@pytest.fixture
def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_an_unreachable_registry_is_unavailable(closed_port: int, topics: Topics) -> None:
    """No answer is an outage with the address in it, never an invalid event."""
    with Registry(RegistryAccess(f"http://127.0.0.1:{closed_port}")) as registry:
        for call in (
            lambda: registry.schema_by_id(1),
            lambda: registry.schema_id("s", schema_text(UPLOADED)),
            lambda: registry.register_all(topics.all),
            lambda: registry.check_all(topics.all),
            registry.check,
        ):
            with pytest.raises(Unavailable, match=str(closed_port)) as caught:
                call()
            assert caught.value.service == "registry"
            assert not isinstance(caught.value, NotRegistered)


def test_a_wrong_path_is_unavailable(stack: Stack) -> None:
    """A 404 of a proxy is not "no such schema": taken for it, every event would become a failed one."""
    with Registry(RegistryAccess(stack.registry_url + "/nowhere")) as registry, pytest.raises(Unavailable):
        registry.schema_by_id(1)


def test_a_server_that_is_no_registry_is_unavailable(stack: Stack) -> None:
    """Whatever answers at the address, what it says is not taken for a registry's word."""
    for url in (f"http://{stack.bootstrap}", f"http://{stack.s3_endpoint}"):
        with Registry(RegistryAccess(url)) as registry, pytest.raises(Unavailable):
            registry.schema_by_id(1)


def test_basic_authentication_and_an_own_authority(stack: Stack, tmp_path: Path, topics: Topics) -> None:
    """With user, password and CA file everything works over TLS; without one of them it is an outage that says why."""
    with guarded(stack.registry_url, tmp_path) as (url, ca_file):
        with Registry(RegistryAccess(url, USER, PASSWORD, str(ca_file))) as registry:
            registry.register_all([topics.ready])
            assert registry.check_all([topics.ready])[0].problems == ()
        for access, says in (
            (RegistryAccess(url, USER, "wrong", str(ca_file)), "401"),
            (RegistryAccess(url, USER, PASSWORD), "certificate"),
        ):
            with Registry(access) as registry, pytest.raises(Unavailable, match=says):
                registry.schema_by_id(1)


def test_access_that_cannot_be_right_is_refused_at_once(tmp_path: Path) -> None:
    """A CA file that is not there is a mistake in the settings, not an outage."""
    with pytest.raises(ValueError, match=r"nothing\.pem"):
        Registry(RegistryAccess("https://registry.example", ca_file=str(tmp_path / "nothing.pem")))


def test_the_password_is_not_shown() -> None:
    """A printed or logged access has no secret in it."""
    assert "s3cret" not in repr(RegistryAccess("http://r", "u", "s3cret"))


def test_confluent_s_own_serializers_understand_ours(registry: Registry, topics: Topics, stack: Stack) -> None:
    """Bytes go both ways between our codec and confluent-kafka's serializers, subjects by topic and record."""
    registry.register_all(topics.all)
    codec, topic = Codec(registry, topics), topics.uploaded.name
    event = FULL[UPLOADED]
    context = SerializationContext(topic, MessageField.VALUE)
    with SchemaRegistryClient({"url": stack.registry_url}) as client:
        plain: dict[str, Any] = AvroDeserializer(client)(codec.encode(topic, event), context)
        serialize = AvroSerializer(
            client,
            schema_text(UPLOADED),
            conf={
                "auto.register.schemas": False,
                "normalize.schemas": True,
                "subject.name.strategy": topic_record_subject_name_strategy,
            },
        )
        value = serialize(plain, context)
    assert plain["tenant"] == "acme/eu"
    read = codec.decode(topic, value)
    assert isinstance(read, ImageUploaded)
    assert read == event
