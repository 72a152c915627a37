"""Whether anything answers at the store's address, without any right: for commands that should fail quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import urllib3

from streams.adapters.minio_errors import FAULTS, translated

if TYPE_CHECKING:
    from streams.adapters.minio_client import S3Config


def reach(config: S3Config, timeout_s: float) -> None:
    """Raise `Unavailable` ("store") unless something that speaks HTTP answers there in time."""
    scheme = "https" if config.secure else "http"
    certificates = str(config.ca_file) if config.ca_file else None
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=False, ca_certs=certificates)
    try:
        pool.request("GET", f"{scheme}://{config.endpoint}/", redirect=False, preload_content=False).close()
    except FAULTS as error:
        raise translated(error, f"{config.endpoint} (store.endpoint)") from error
    finally:
        pool.clear()
