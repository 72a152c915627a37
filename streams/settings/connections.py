"""The settings of what darkroom connects to: brokers, registry, store, and the places that events may point to."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic reads the annotations at run time
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from processors.policy import AllowedSource
from streams.settings.base import Positive, Section, refuse, setting
from streams.settings.owned import refused


class Kafka(Section):
    """The brokers, the group, and how this worker commits."""

    bootstrap_servers: str = setting(
        "127.0.0.1:9092",
        "Brokers to ask first: `host:port`, comma separated.",
        "Two or three, so that one may be down.",
    )
    group: str = setting("darkroom", "Consumer group of the workers.", "Workers of one group share the work.")
    topic_prefix: str = setting("", "Put before every topic name.", "Several environments can share one cluster.")
    transactional_id: str | None = setting(
        None,
        "Transactional id of this worker; must be its own and outlive its restarts. "
        "Absent: group, host name and the first free numbered slot.",
        "A restarted worker ends what its predecessor left open at once, rather than after the time-out.",
    )
    group_protocol: Literal["classic", "consumer"] = setting(
        "classic",
        "`classic` (cooperative-sticky), or `consumer` for KIP-848 (brokers from 4.0).",
        "With `classic` the session is ours to shorten: a killed worker is noticed in 10 s rather than 45 s.",
    )
    static_membership: bool = setting(
        False,  # noqa: FBT003  a default, as everywhere in this file
        "Be a static member of the group (`group.instance.id`), by the name of the transactional id. `classic` only.",
        "A worker that is back within `kafka.session_timeout_s` goes on with its partitions, and no other notices; "
        "one that stops for good keeps them for that long.",
    )
    session_timeout_s: Positive = setting(
        10.0,
        "A silent worker loses its partitions after this. `classic` only: with `consumer` the broker decides.",
        "A killed worker's images wait this long.",
        "seconds",
    )
    transaction_timeout_s: Positive = setting(
        10.0,
        "The broker aborts a transaction that is open for longer.",
        "Transactions last milliseconds; a killed worker's open one holds every read_committed reader for this long.",
        "seconds",
    )
    timeout_s: Annotated[float, Field(gt=0, le=9)] = setting(
        4.0,
        "How long a command waits for a broker, the store or the registry before it says so.",
        "A wrong address should be named at once, not after a minute.",
        "seconds",
    )
    client: dict[str, str | int | float | bool] = setting(
        {},
        "librdkafka properties passed on as they are (`sasl.mechanism`, `ssl.ca.location` …). "
        "From the environment: one JSON object, merged over the file's, which keeps passwords out of it.",
        "Connections as production has them; what the protocol owns is refused by name.",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdigit():
                message = f"{address.strip()!r} is not host:port"
                raise refuse(message, "write for example kafka-1:9092,kafka-2:9092")
        return value

    @field_validator("static_membership")
    @classmethod
    def _classic_only(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic's signature
        if value and info.data.get("group_protocol") == "consumer":
            # Tried: brokers refuse a killed worker's successor (UNRELEASED_INSTANCE_ID) until the session is over, and
            # of two workers with one slot neither survives: one loses the transactional id, the other is refused.
            message = "with KIP-848 a killed static worker could not come back before the broker's session time-out"
            raise refuse(message, 'set kafka.group_protocol = "classic", or leave kafka.static_membership out')
        return value

    @field_validator("client")
    @classmethod
    def _only_what_is_free(cls, value: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        owned = refused(value)
        if owned:
            message = "; ".join(f"{name} is darkroom's to set ({why})" for name, why in owned.items())
            raise refuse(message, f"remove {', '.join(owned)} from kafka.client")
        return value


class Registry(Section):
    """The schema registry (Confluent's protocol)."""

    url: str = setting(
        "http://127.0.0.1:8081/apis/ccompat/v7",
        "Base URL. `mock://NAME` is an in-process registry, for trying out only.",
        "Every record names its schema by an id that this service knows.",
    )
    username: str | None = setting(None, "User name for basic authentication.", "Absent: none is sent.")
    password: SecretStr | None = setting(None, "Password for basic authentication.", "Best given by the environment.")
    ca_file: Path | None = setting(
        None, "PEM file of the authority that signed the registry's certificate.", "Absent: the system's authorities."
    )

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if not value.startswith(("http://", "https://", "mock://")):
            message = "not an http, https or mock URL"
            raise refuse(message, "write the base URL, for example https://registry:8081")
        return value

    @field_validator("password")
    @classmethod
    def _both(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("username") is None):
            message = "registry.username and registry.password come together"
            raise refuse(message, "set both, or neither")
        return value


class Store(Section):
    """Where uploads are read from and variants are written to."""

    kind: Literal["s3", "directory"] = setting(
        "s3",
        "`s3` (MinIO, AWS, any other), or `directory` for trying out.",
        "A folder on one machine cannot be shared by a fleet.",
    )
    endpoint: str = setting(
        "s3.amazonaws.com",
        "`host` or `host:port` of the S3 service, without a scheme.",
        "Whether TLS is spoken is `store.secure`.",
    )
    region: str = setting("us-east-1", "Region of the buckets.", "Known beforehand, it saves a request a bucket.")
    access_key: str | None = setting(
        None,
        "Access key. Absent: the usual providers in turn (environment, files, IAM, web identity).",
        "In a cluster the provider chain needs no stored secret.",
    )
    secret_key: SecretStr | None = setting(None, "Secret of the access key.", "Best given by the environment.")
    sts_endpoint: str | None = setting(
        None,
        "URL of the token service that exchanges a web identity for keys. Absent: AWS's.",
        "A MinIO of one's own is its own token service.",
    )
    secure: bool = setting(True, "Speak TLS.", "Plain HTTP is for a store on this machine.")  # noqa: FBT003  a default, as everywhere in this file
    path_style: bool = setting(True, "Bucket in the path rather than in the host name.", "MinIO needs no DNS then.")  # noqa: FBT003
    ca_file: Path | None = setting(
        None, "PEM file of the authority that signed the store's certificate.", "Absent: the system's authorities."
    )
    bucket: str = setting(
        "darkroom",
        "Bucket of variants, manifests and tombstones.",
        "Apart from the uploads, so that readers need no right to those.",
    )
    upload_bucket: str = setting(
        "uploads", "Bucket that the publisher uploads sources to.", "Workers only ever read it."
    )
    directory: Path | None = setting(
        None,
        "Root folder of the `directory` store; one folder a bucket.",
        'Needed only with `store.kind = "directory"`.',
    )

    @field_validator("endpoint")
    @classmethod
    def _no_scheme(cls, value: str) -> str:
        if "://" in value or "/" in value or not value:
            message = f"{value!r} is not host or host:port"
            raise refuse(message, "leave out http:// and any path; say store.secure = false for plain HTTP")
        return value

    @field_validator("secret_key")
    @classmethod
    def _both(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("access_key") is None):
            message = "store.access_key and store.secret_key come together"
            raise refuse(message, "set both, or neither to use the provider chain")
        return value

    @field_validator("directory")
    @classmethod
    def _named(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("kind") == "directory":
            message = "store.kind is directory, but no folder is named"
            raise refuse(message, "set store.directory")
        return value


class SourceRule(Section):
    """One place that upload events may point to; an event that points elsewhere fails with `source_not_allowed`."""

    bucket: str = setting("uploads", "Bucket that events may name.", "Any other is refused without a request.")
    prefix: str = setting(
        "{tenant}/",
        "Keys must start with this; `{tenant}` is the event's own, encoded.",
        "No tenant can point at another's uploads.",
    )

    @field_validator("prefix")
    @classmethod
    def _keeps_tenants_apart(cls, value: str, info: ValidationInfo) -> str:
        try:
            AllowedSource(info.data.get("bucket", "any"), value)
        except ValueError as error:
            raise refuse(str(error), "write for example {tenant}/ or incoming/{tenant}/") from error
        return value
