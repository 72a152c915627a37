"""The schema registry behind `schemas.codec.SchemaSource`, and the operator's three verbs: register, check, list.

On confluent-kafka's client, so anything that speaks Confluent's API will do, and ``mock://`` for the try-out. Workers
never register: a schema that is missing is an operator's step. Caches nothing itself (the codec does).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Schema,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
)

from schemas.avro_files import schema_text
from schemas.codec import NotRegistered
from schemas.compatibility import unreadable
from schemas.errors import DarkroomError, Permanent, Reason, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from confluent_kafka.schema_registry import RegisteredSchema

    from schemas.topics import Topic

COMPATIBILITY: Final = ConfigCompatibilityLevel.FULL_TRANSITIVE
"""Replays read every version ever written, and old workers run beside new ones."""

_SUBJECT_UNKNOWN: Final = 40401
_SCHEMA_UNKNOWN: Final = 40403
_LEVEL_NOT_SET: Final = 40408
_MOCK_UNKNOWN: Final = 40400
_MISSING: Final = frozenset({_SUBJECT_UNKNOWN, _SCHEMA_UNKNOWN, _LEVEL_NOT_SET, _MOCK_UNKNOWN})
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How to reach the registry."""

    url: str
    """Base URL of Confluent's API, for example ``https://registry.example:8081``; or ``mock://NAME``."""
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    """PEM file of the authority that signed the registry's certificate; None: the usual ones."""
    timeout_s: float = 3.0
    """For connecting, and again for each wait for an answer."""

    def __repr__(self) -> str:
        return f"RegistryAccess(url={self.url!r}, username={self.username!r}, ca_file={self.ca_file!r})"


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject as it is in the registry."""

    name: str
    versions: tuple[int, ...]
    compatibility: str | None
    """None: not set for this subject, so whatever holds for all."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What `Registry.register_all` did for one subject."""

    subject: str
    schema_id: int
    new: bool
    """False: the very same schema was there already."""


@dataclass(frozen=True, slots=True)
class SubjectCheck:
    """What `Registry.check_all` found for one subject; fine without problems."""

    subject: str
    problems: tuple[str, ...]


class IncompatibleError(DarkroomError):
    """A schema of ours cannot follow what is registered; names the subject, and each field with the rule it breaks."""

    def __init__(self, subject: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"{subject}: " + "; ".join(problems))
        self.subject = subject
        self.problems = problems


class Registry:
    """One registry. Safe to share among threads. Raises ValueError for access data that cannot be right."""

    def __init__(self, access: RegistryAccess) -> None:
        self._url = access.url
        # Its mock knows neither compatibility levels nor tests of them.
        self._mock = access.url.startswith("mock://")
        try:
            self._client = SchemaRegistryClient.new_client(_client_settings(access))
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            message = f"registry {access.url} (ca_file {access.ca_file}): {error}"
            raise ValueError(message) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; may be called again."""
        self._client.close()

    def schema_by_id(self, schema_id: int) -> str:
        """See `schemas.codec.SchemaSource`."""
        found = self._find(lambda: self._client.get_schema(schema_id))
        if found is None:
            message = f"schema id {schema_id} is not in the registry"
            raise Permanent(Reason.INVALID_EVENT, message)
        return _avro_text(found, f"schema id {schema_id}")

    def schema_id(self, subject: str, schema: str) -> int:
        """See `schemas.codec.SchemaSource`."""
        found = self._look_up(subject, schema)
        if found is None or found.schema_id is None:
            raise NotRegistered(
                "registry", f"{subject} is not registered at {self._url}: run `darkroom schemas register`"
            )
        return found.schema_id

    def register_all(self, topics: Iterable[Topic]) -> list[Registered]:
        """Set the compatibility of every subject of these topics and register our schemas where they are missing.

        Raise `IncompatibleError` before anything is registered if one subject's versions forbid it.
        """
        subjects = _subjects(topics)
        for subject, text in subjects.items():
            if problems := self._conflicts(subject, text):
                raise IncompatibleError(subject, problems)
        return [self.register(subject, text) for subject, text in subjects.items()]

    def check_all(self, topics: Iterable[Topic]) -> list[SubjectCheck]:
        """Compare every subject of these topics with what this release needs, and change nothing."""
        return [SubjectCheck(subject, self._problems(subject, text)) for subject, text in _subjects(topics).items()]

    def register(self, subject: str, text: str) -> Registered:
        """Register one schema, its subject fully compatible; raise `IncompatibleError` if the registry refuses."""
        found = self._look_up(subject, text)
        if found is not None and found.schema_id is not None:
            self._set_compatibility(subject)
            return Registered(subject, found.schema_id, new=False)
        # Some registries take a level only for a subject that exists; where it does, the level must come first.
        level_set = bool(self._versions(subject)) and self._set_compatibility(subject)
        try:
            schema_id = self._ask(lambda: self._client.register_schema(subject, Schema(text, "AVRO")))
        except SchemaRegistryError as error:
            raise IncompatibleError(subject, (f"the registry refuses it: {error.error_message}",)) from error
        if not level_set:
            self._set_compatibility(subject)
        return Registered(subject, schema_id, new=True)

    def accepts(self, subject: str, text: str) -> bool:
        """Say whether the registry would take the schema; also where it knows no such subject, since then it would."""
        answer = self._find(lambda: self._client.test_compatibility(subject, Schema(text, "AVRO")))
        return answer is None or answer

    def list_subjects(self, topics: Iterable[Topic] | None = None) -> list[Subject]:
        """Return the subjects that are registered: all of them, or of these topics only; sorted by name."""
        known = self._ask(self._client.get_subjects)
        wanted = set(known) if topics is None else set(known).intersection(_subjects(topics))
        return [Subject(name, tuple(self._versions(name)), self._compatibility(name)) for name in sorted(wanted)]

    def check(self) -> None:
        """Raise `Unavailable` unless the registry answers."""
        self._ask(self._client.get_subjects)

    def _problems(self, subject: str, text: str) -> tuple[str, ...]:
        if not self._versions(subject):
            return ("is not registered: run `darkroom schemas register`",)
        problems = list(self._conflicts(subject, text))
        level = self._compatibility(subject)
        if not self._mock and level != COMPATIBILITY.value:
            problems.append(f"compatibility is {level or 'not set'}, wanted is {COMPATIBILITY.value}")
        if self._look_up(subject, text) is None:
            problems.append("this release's schema is not registered: run `darkroom schemas register`")
        return tuple(problems)

    def _conflicts(self, subject: str, text: str) -> tuple[str, ...]:
        """Return what breaks full compatibility with any registered version, by our own analysis and the registry's."""
        ours = json.loads(text)
        problems = []
        for version in self._versions(subject):
            theirs = self._version(subject, version)
            problems += [f"version {version} cannot be read by ours: {one}" for one in unreadable(ours, theirs)]
            problems += [f"ours cannot be read by version {version}: {one}" for one in unreadable(theirs, ours)]
        if (
            not problems
            and not self._mock
            and self._compatibility(subject) is not None
            and not self.accepts(subject, text)
        ):
            problems.append("the registry calls it incompatible, though no field breaks a rule of schema resolution")
        return tuple(problems)

    def _look_up(self, subject: str, text: str) -> RegisteredSchema | None:
        """Look for the very text, then for any that means the same: registries differ in how much they compare."""
        schema = Schema(text, "AVRO")
        found = self._find(lambda: self._client.lookup_schema(subject, schema))
        return found or self._find(lambda: self._client.lookup_schema(subject, schema, normalize_schemas=True))

    def _versions(self, subject: str) -> list[int]:
        return sorted(self._find(lambda: self._client.get_versions(subject)) or [])

    def _version(self, subject: str, version: int) -> object:
        found = self._ask(lambda: self._client.get_version(subject, version))
        return json.loads(_avro_text(found.schema, f"{subject} version {version}"))

    def _compatibility(self, subject: str) -> str | None:
        if self._mock:
            return None
        return self._find(lambda: self._client.get_compatibility(subject))

    def _set_compatibility(self, subject: str) -> bool:
        self._ask(lambda: self._client.set_config(subject, ServerConfig(compatibility=COMPATIBILITY)))
        return True

    def _find(self, call: Callable[[], T]) -> T | None:
        """Return the answer, None where the registry itself says that there is no such thing."""
        try:
            return self._ask(call)
        except SchemaRegistryError as error:
            if error.error_code in _MISSING:
                return None
            raise Unavailable("registry", f"{self._url}: {error}") from error

    def _ask(self, call: Callable[[], T]) -> T:
        """Return the answer; raise SchemaRegistryError only for what the registry said of the question itself.

        A 404 without one of its codes comes from a proxy or a wrong path: taken for "no such schema" it would turn
        every event into a failed one.
        """
        try:
            return call()
        except SchemaRegistryError as error:
            if error.error_code in _MISSING or error.http_status_code in {_CONFLICT, _UNPROCESSABLE}:
                raise
            raise Unavailable("registry", f"{self._url}: {error}") from error
        except (
            Exception
        ) as error:  # its HTTP library's own kinds: no connection, time-out, TLS, an answer that is no JSON
            raise Unavailable("registry", f"{self._url}: {type(error).__name__}: {error}") from error


def _client_settings(access: RegistryAccess) -> dict[str, object]:
    settings: dict[str, object] = {
        "url": access.url,
        "timeout": access.timeout_s,
        # The engine's own back-off and breaker retry; a second layer here would only hide an outage from them.
        "max.retries": 1,
        "retries.wait.ms": 100,
    }
    if access.username is not None:
        settings["basic.auth.user.info"] = f"{access.username}:{access.password or ''}"
    if access.ca_file is not None:
        settings["ssl.ca.location"] = access.ca_file
    return settings


def _avro_text(schema: Schema, what: str) -> str:
    if schema.schema_type not in {None, "AVRO"} or schema.schema_str is None or schema.references:
        message = f"{what} is no self-contained Avro schema"
        raise Permanent(Reason.INVALID_EVENT, message)
    return schema.schema_str


def _subjects(topics: Iterable[Topic]) -> dict[str, str]:
    return {topic.subject(record): schema_text(record) for topic in topics for record in topic.records}
