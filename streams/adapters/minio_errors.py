"""What the errors of an S3 service mean to the pipeline: missing, refused for good, down, misconfigured, or passing.

Decides on values only; it makes no request. The rule behind the table: only what the event itself caused may end as a
failed event. Wrong credentials, a missing right or a full disk are somebody's to repair, so they count as "down" and
consumption waits; an answer that nobody has seen before is transient, which the engine bounds.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.exceptions import TimeoutError as PoolTimeoutError

from schemas.errors import DarkroomError, Permanent, Reason, Transient, Unavailable


class NoCredentialsError(Exception):
    """No provider of the chain yielded S3 credentials."""


FAULTS: Final = (MinioException, HTTPError, OSError, ValueError, ParseError, NoCredentialsError)
"""Everything that minio-py and urllib3 are known to raise; a bad key or bucket name is a ValueError."""

_BAD_NAME: Final = frozenset({"XMinioInvalidObjectName", "XMinioInvalidResourceName", "KeyTooLongError", "InvalidURI"})
_MISSING: Final = (
    frozenset({"NoSuchKey", "NoSuchBucket", "InvalidBucketName", "NoSuchVersion", "MethodNotAllowed"}) | _BAD_NAME
)
"""``MethodNotAllowed`` is the answer to reading a version that is a delete marker."""
_LOST: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_REFUSED: Final = (
    frozenset({"EntityTooLarge", "MetadataTooLarge", "XMinioObjectExistsAsDirectory", "XMinioParentIsObject"})
    | _BAD_NAME
)
_DOWN: Final = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout"})
_KEYS_HINT: Final = "check store.access_key and store.secret_key, or the provider that yields them"
_SPACE_HINT: Final = "the store has no room left"
_REGION_HINT: Final = "check store.region and store.endpoint"
_TO_REPAIR: Final = {
    "AccessDenied": "grant Get, Put and DeleteObject, and ListBucket: else a missing object looks like this too",
    "AllAccessDisabled": _KEYS_HINT,
    "InvalidAccessKeyId": _KEYS_HINT,
    "SignatureDoesNotMatch": _KEYS_HINT,
    "ExpiredToken": _KEYS_HINT,
    "InvalidToken": _KEYS_HINT,
    "RequestTimeTooSkewed": "set this machine's clock",
    "AuthorizationHeaderMalformed": _REGION_HINT,
    "PermanentRedirect": _REGION_HINT,
    "TemporaryRedirect": _REGION_HINT,
    "Redirect": _REGION_HINT,
    "NoSuchBucket": "make the bucket, or check store.bucket",
    "InvalidBucketName": "check store.bucket",
    "XMinioStorageFull": _SPACE_HINT,
    "XMinioAdminBucketQuotaExceeded": _SPACE_HINT,
    "QuotaExceeded": _SPACE_HINT,
}
_TOO_LARGE_STATUS: Final = 413
_TOO_MANY_STATUS: Final = 429
_FIRST_SERVER_STATUS: Final = 500
_DETAIL: Final = 300


def is_missing(error: Exception, *, version_id: str | None) -> bool:
    """Say whether a read failed because there is, or can be, no such object."""
    if isinstance(error, ValueError):  # a name that minio-py itself takes for impossible, or no valid Unicode
        return True
    code = _code(error)
    return code in _MISSING or (code == "InvalidArgument" and version_id is not None)


def is_denied(error: Exception) -> bool:
    """Say whether credentials that the service knows lack the right to this very object, or seem to."""
    return _code(error) == "AccessDenied"


def is_lost(error: Exception) -> bool:
    """Say whether a conditional write found another state than it expected."""
    return _code(error) in _LOST


def translated(error: Exception, where: str) -> DarkroomError:
    """Return the error as the pipeline knows it; ``where`` is the service's address and the setting that names it."""
    if isinstance(error, NoCredentialsError):
        return Unavailable("store", f"no S3 credentials for {where}: {error}")
    if isinstance(error, ValueError) and not isinstance(error, MinioException):
        return Permanent(Reason.OUTPUT_REFUSED, f"the store cannot hold this: {error}"[:_DETAIL])
    if isinstance(error, S3Error):
        return _of_s3(error, where)
    status = _status(error)
    if status == _TOO_LARGE_STATUS:
        return Permanent(Reason.OUTPUT_REFUSED, f"{where} takes no object of this size")
    return Unavailable("store", f"{where}: {_said(error)}"[:_DETAIL])


def _of_s3(error: S3Error, where: str) -> DarkroomError:
    code, status = error.code or "", error.response.status
    said = f"{code}: {error.message}"
    if code in _REFUSED:
        return Permanent(Reason.OUTPUT_REFUSED, f"{said} ({error.bucket_name}/{error.object_name})"[:_DETAIL])
    if code in _TO_REPAIR:
        name = f"{error.bucket_name or ''}/{error.object_name or ''}".strip("/")
        return Unavailable("store", f"{where} says {said} ({name[:_DETAIL]}); {_TO_REPAIR[code]}")
    if code in _DOWN or code.startswith("SlowDown") or status == _TOO_MANY_STATUS or status >= _FIRST_SERVER_STATUS:
        return Unavailable("store", f"{where} says {said}"[:_DETAIL])
    return Transient(f"{where} says {said}"[:_DETAIL])


def _code(error: Exception) -> str:
    return (error.code or "") if isinstance(error, S3Error) else ""


def _status(error: Exception) -> int:
    """Return the HTTP status of an answer that was no S3 answer (a proxy's), 0 if there was none."""
    if isinstance(error, ServerError):
        return error.status_code
    if isinstance(error, InvalidResponseError):
        return int(error.args[0].partition("code: ")[2].partition(",")[0])
    return 0


def _said(error: Exception) -> str:
    """Return the cause in a few words: urllib3 wraps it in the pool, the URL and the count of tries."""
    cause: object = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    text = str(cause)
    if "Errno" in text or "Failed to" in text:
        return text.rpartition(": ")[2]
    return "no answer in time" if isinstance(cause, PoolTimeoutError) else text
