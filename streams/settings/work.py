"""The settings of the work itself: how much at once, what a source may be, what is made of it, and what is said."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic reads the annotations at run time
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from streams.settings.base import Count, Positive, Section, refuse, setting


class Lanes(Section):
    """How the input topics share a busy worker."""

    uploaded: Count = setting(
        8, "Weight of `images.uploaded`, the interactive lane.", "Somebody waits for these.", "share"
    )
    bulk: Count = setting(2, "Weight of `images.uploaded.bulk`.", "Nobody waits, but it must not starve.", "share")
    replay: Count = setting(1, "Weight of `images.replay`.", "Replays never slow live traffic.", "share")


class Worker(Section):
    """One worker process: how much it does at once, and when it gives up."""

    concurrency: Count = setting(
        16,
        "Images in progress at once (threads; they mostly wait).",
        "Fetching and storing overlap with rendering.",
        "images",
    )
    renderers: Annotated[int, Field(ge=0)] = setting(
        0, "Render processes; 0: one a CPU core.", "Pixels are parsed only in these, which can be killed.", "processes"
    )
    memory_mb: Count = setting(
        1024, "Decoded pixels in progress at once, all renderers together.", "Memory is bounded, not hoped for.", "MB"
    )
    max_in_flight: Count = setting(
        1000, "Records started at once, at the most.", "Reached only where nothing needs rendering.", "records"
    )
    max_held: Count = setting(
        20_000, "Records polled and not yet committed.", "Past it the consumer pauses; nothing is dropped.", "records"
    )
    transactions_per_s: Positive = setting(
        200.0,
        "Ceiling on this worker's commits.",
        "Across a fleet it is transactions, not bytes, that load the brokers.",
        "a second",
    )
    time_limit_s: Positive = setting(
        60.0,
        "A render that takes longer is killed; its image fails with `timed_out`.",
        "Some encodes cannot be interrupted otherwise.",
        "seconds",
    )
    drain_s: Positive = setting(
        25.0,
        "After SIGTERM: how long work in progress may take to finish.",
        "Below the 30 s that Kubernetes waits before it kills.",
        "seconds",
    )
    revoke_s: Positive = setting(
        5.0, "How long a partition that is taken away may hold up the rebalance.", "Well below the session.", "seconds"
    )
    max_attempts: Count = setting(
        20, "Tries of one record before `retries_exhausted`.", "An outage of a whole service does not count.", "tries"
    )
    max_age_s: Positive = setting(
        600.0,
        "A record that has been retried for longer fails with `retries_exhausted`; outages do not count.",
        "One image delays its key only, and not for ever.",
        "seconds",
    )
    http_host: str = setting(
        "127.0.0.1",
        "Address of /livez and /readyz; 0.0.0.0 in a container.",
        "Not the network's business unless you say so.",
    )
    http_port: Annotated[int, Field(ge=0, le=65535)] = setting(
        0,
        "Port of /livez and /readyz; 0: any free one, named in the log.",
        "Several workers on one host do not collide.",
        "port",
    )
    slots_folder: Path | None = setting(
        None,
        "Folder of the lock files that number the workers of one host. Absent: under the temporary folder.",
        "A restarted worker finds its own transactional id again.",
    )
    lanes: Lanes = Field(default_factory=Lanes)


class Limits(Section):
    """What a source may be at most; beyond it fails by its header, before any pixel is read."""

    pixels: Count = setting(
        100_000_000,
        "Width x height x frames.",
        "Every file seen to hang or balloon shows more in its header.",
        "pixels",
    )
    bytes: Count = setting(100_000_000, "Size of the source file.", "A source is held in memory whole.", "bytes")
    frames: Count = setting(500, "Frames of an animation.", "Each is decoded.", "frames")
    aspect: Count = setting(20_000, "Longer side over shorter side.", "Beyond it is no photograph.", "ratio")


class Recipes(Section):
    """What to make of every upload."""

    folder: Path | None = setting(
        None,
        "Folder of your recipes (`NAME.toml`), beside the shipped ones; the same name replaces a shipped one.",
        "Recipes are yours to write.",
    )
    default: str = setting("web", "Recipe of uploads that name none.", "Publishers need not know what is made.")


class Topics(Section):
    """How `darkroom topics create` makes topics, and what `darkroom topics check` expects."""

    partitions: Count = setting(
        12, "Partitions of each topic.", "The number of workers that can share one.", "partitions"
    )
    replication: Count = setting(
        3, "Copies of each partition.", "1 on a single broker, 3 where data matters.", "brokers"
    )
    min_isr: Count = setting(
        2, "In-sync copies that a write needs.", "Below replication, or no broker may be down.", "brokers"
    )
    retention_days: Count = setting(35, "How long the inputs are kept.", "A month can be replayed.", "days")

    @field_validator("min_isr")
    @classmethod
    def _reachable(cls, value: int, info: ValidationInfo) -> int:
        copies = info.data.get("replication", value)
        if value > copies:
            message = f"{value} in-sync copies can never be had of topics.replication = {copies}"
            raise refuse(message, "set topics.min_isr to replication - 1, or 1 on a single broker")
        return value


class Log(Section):
    """What the process says while it runs (on stderr)."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "The least level that is written.", "At `info` there is one line an image."
    )
    format: Literal["auto", "json", "console"] = setting(
        "auto", "`auto`: console on a terminal, JSON elsewhere.", "People read one, machines the other."
    )
