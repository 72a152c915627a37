"""Quix Streams, exactly-once, as its users write it; runs in an environment of its own, importing nothing of ours."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any


def main(bootstrap: str, source: str, sink: str, group: str, *commit_every: str) -> None:
    """Work until SIGTERM; without a number of events a commit, with its defaults."""
    quix: Any = importlib.import_module("quixstreams")  # not installed where this file is checked
    tuned: dict[str, Any] = {}
    if commit_every:
        producer = {"retry.backoff.ms": 5, "linger.ms": 1, "compression.type": "lz4"}
        consumer = {"fetch.wait.max.ms": 100, "fetch.queue.backoff.ms": 10}
        tuned = {
            "commit_every": int(commit_every[0]),
            "producer_extra_config": producer,
            "consumer_extra_config": consumer,
        }
    app = quix.Application(
        bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        auto_create_topics=False,
        loglevel="WARNING",
        **tuned,
    )
    entry = app.topic(source, value_deserializer="bytes", key_deserializer="bytes")
    answers = app.topic(sink, value_serializer="bytes", key_serializer="bytes")
    app.dataframe(entry).apply(_handle).to_topic(answers)
    app.run()


def _handle(value: bytes) -> bytes:
    sleep_us = int.from_bytes(value[8:12], "big")
    if sleep_us:
        time.sleep(sleep_us / 1e6)
    return value


if __name__ == "__main__":
    main(*sys.argv[1:])
