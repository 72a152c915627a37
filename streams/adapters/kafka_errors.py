"""Translate confluent-kafka's errors into `BrokerError`, once, at the edge.

librdkafka marks an error fatal, abortable or retriable; where it marks none, what is safe depends on the call, and
that is the table below. It decides nothing about what happens next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from schemas.record import TopicPartition

FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - the library's public names for its local errors start with a line
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
RECORD_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)
"""What is wrong with one record for good. A missing topic or a missing permission is not: no record is to blame."""
STUCK = frozenset({KafkaError._CONFLICT})  # noqa: SLF001
"""Marked retriable, but only after another call was repeated, which nobody will do: a new producer ends it."""
CREDENTIALS = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001
FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
HOPELESS = frozenset(
    {
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001 - the position is not in the log, and nobody may guess another
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
"""What a consumer does not get over by polling on."""
SLOT_TAKEN = frozenset({KafkaError.FENCED_INSTANCE_ID, KafkaError.UNRELEASED_INSTANCE_ID})
"""Another member has our name in the group: brokers fence the older one (classic) or refuse the newer (KIP-848)."""
UNMARKED = {
    # Nothing was begun, so nothing can be half done; but a client that refuses this is in no state to go on.
    "init_transactions": Severity.FATAL,
    "begin": Severity.FATAL,
    "produce": Severity.ABORTABLE,
    # The offsets are part of a transaction that is still open: aborting it is definite.
    "send_offsets": Severity.ABORTABLE,
    "deliver": Severity.RETRIABLE,
    "flush": Severity.RETRIABLE,
    # EndTxn may have been written before this went wrong.
    "commit": Severity.INDEFINITE,
    "abort": Severity.INDEFINITE,
}


def kafka_error(failure: KafkaException | KafkaError) -> KafkaError:
    """Return the error inside an exception."""
    if isinstance(failure, KafkaException):
        error = failure.args[0]
        if isinstance(error, KafkaError):
            return error
        return KafkaError(KafkaError._FAIL, str(error))  # noqa: SLF001
    return failure


def transactional(call: str, failure: KafkaException | KafkaError) -> BrokerError:
    """Return what a failed call of the transactional producer means.

    A time-out of `init_transactions`, `commit` or `abort` is marked retriable by librdkafka: the call goes on in the
    background, and the SAME call again waits for its definite answer. It is therefore RETRIABLE, not INDEFINITE, as
    long as the caller does repeat it; a caller that gives up must discard the producer as after INDEFINITE.
    """
    error = kafka_error(failure)
    code = error.code()
    if code in FENCED:
        severity = Severity.FENCED
    elif error.fatal() or code in STUCK:
        severity = Severity.FATAL
    elif error.txn_requires_abort():
        severity = Severity.ABORTABLE
    elif error.retriable():
        severity = Severity.RETRIABLE
    else:
        severity = UNMARKED[call]
    return BrokerError(severity, error.name(), error.str())


def consuming(error: KafkaError, partition: TopicPartition | None = None) -> BrokerError | None:
    """Return what an error from the consumer means, or None if librdkafka deals with it by itself.

    FATAL: the consumer, or ``partition`` if given, cannot go on. FENCED: another member has our name in the group.
    RETRIABLE: polling on may help, but somebody should know (a topic that is missing).
    """
    named = _cause(error)
    code = named.code()
    if code in SLOT_TAKEN:
        severity = Severity.FENCED
    elif error.fatal() or code in FORBIDDEN or code in HOPELESS:
        severity = Severity.FATAL
    elif code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION):
        severity = Severity.RETRIABLE
    else:
        return None
    where = f"{partition.topic}[{partition.partition}]: " if partition else ""
    return BrokerError(severity, named.name(), where + error.str(), partition)


def _cause(error: KafkaError) -> KafkaError:
    """Return what a consumer's fatal error comes from: librdkafka tells it in the text only."""
    if error.code() == KafkaError._FATAL:  # noqa: SLF001
        for code in (*SLOT_TAKEN, KafkaError.UNSUPPORTED_VERSION):
            cause = KafkaError(code)
            if cause.str() in error.str():
                return cause
    return error


def reading(failure: Exception) -> BrokerError:
    """Return what a failed look-up means: whatever passes by itself is RETRIABLE, a missing permission is FATAL."""
    if not isinstance(failure, KafkaException):
        return BrokerError(Severity.RETRIABLE, "_TIMED_OUT", str(failure) or type(failure).__name__)
    error = kafka_error(failure)
    fatal = error.fatal() or error.code() in FORBIDDEN
    return BrokerError(Severity.FATAL if fatal else Severity.RETRIABLE, error.name(), error.str())
