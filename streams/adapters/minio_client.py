"""Connections and credentials for an S3 service: a minio-py client as this project wants it.

It knows addresses, TLS, time-outs and where keys come from, and adds the one request that minio-py's public interface
lacks. What the requests mean is ``minio_store``'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import urllib3
from minio import Minio
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    EnvMinioProvider,
    IamAwsProvider,
    MinioClientConfigProvider,
    Provider,
    StaticProvider,
)

from streams.adapters.minio_errors import NoCredentialsError

if TYPE_CHECKING:
    from pathlib import Path

    from minio.credentials.credentials import Credentials

METADATA_TIMEOUT: Final = urllib3.Timeout(connect=1.0, read=2.0)
"""For the cloud's own address of instance credentials: where there is no cloud, nobody answers there."""


@dataclass(frozen=True, slots=True)
class S3Config:
    """How to reach the service. Without ``access_key`` minio-py's providers are asked in turn."""

    endpoint: str
    """``host`` or ``host:port``, without a scheme."""
    bucket: str = "darkroom"
    """The bucket that `MinioStore.check` looks for."""
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = None
    secure: bool = True
    path_style: bool = True
    ca_file: Path | None = None
    """PEM file; None: the system's authorities."""
    pool_size: int = 32
    """Connections kept open; at least the number of threads that use the store."""
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 15.0
    """Seconds without a single byte."""
    sts_endpoint: str | None = None
    """URL of the token service for web identity (a MinIO of one's own); None: AWS's."""


class S3Client(Minio):
    """minio-py with a conditional PUT. Thread-safe; not to be used across a fork."""

    def put_if(self, bucket: str, key: str, data: bytes, condition: dict[str, str], content_type: str) -> None:
        """PUT with ``If-Match`` or ``If-None-Match``, through the method that every public one goes through."""
        self._execute("PUT", bucket, key, body=data, headers={"Content-Type": content_type, **condition})


def s3_client(
    config: S3Config, credentials: Provider, *, timeout: urllib3.Timeout | None = None, pool_size: int | None = None
) -> S3Client:
    """Return a client; ``timeout`` and ``pool_size`` override the configuration's."""
    http = urllib3.PoolManager(
        maxsize=pool_size or config.pool_size,
        timeout=timeout or urllib3.Timeout(connect=config.connect_timeout_s, read=config.read_timeout_s),
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(config.ca_file) if config.ca_file else None,
        # A kept connection that the server closed meanwhile shows up as a read error of the next request on it. All
        # other patience is the engine's. A redirect is an error to show: its signature would not fit anyway.
        retries=urllib3.Retry(total=1, connect=0, read=1, redirect=False, status=0, allowed_methods=None),
    )
    client = S3Client(
        config.endpoint, secure=config.secure, region=config.region, http_client=http, credentials=credentials
    )
    if config.path_style:
        client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio-py leaves it untyped
    else:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client


class ConfiguredCredentials(Provider):
    """The configured keys, or the chain; every way in which a provider can fail becomes one error."""

    def __init__(self, config: S3Config) -> None:
        self._provider = (
            StaticProvider(config.access_key, config.secret_key or "") if config.access_key else _provider_chain(config)
        )

    def retrieve(self) -> Credentials:
        """Return credentials that are valid now. Raise `NoCredentialsError`."""
        try:
            return self._provider.retrieve()
        except Exception as error:  # providers parse files and foreign answers: anything can come out of them
            message = (
                "set store.access_key and store.secret_key, or have the environment, a file or the cloud yield them"
            )
            raise NoCredentialsError(message) from error


def _provider_chain(config: S3Config) -> Provider:
    """AWS's and MinIO's environment variables, their configuration files, then web identity and instance roles."""
    http = urllib3.PoolManager(timeout=METADATA_TIMEOUT, retries=False)
    return ChainedProvider(
        [
            EnvAWSProvider(),
            EnvMinioProvider(),
            AWSConfigProvider(),
            MinioClientConfigProvider(),
            IamAwsProvider(custom_endpoint=config.sts_endpoint, http_client=http, region=config.region),
        ]
    )
