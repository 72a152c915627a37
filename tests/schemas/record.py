"""Records the bytes of every event as this version writes them: ``python -m tests.schemas.record vN``, once a version.

What is recorded is never written again: the bytes in Kafka are not either.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from schemas.avro_files import RECORDS, schema_text
from schemas.codec import Codec
from tests.schemas.builders import FULL, MINIMAL, TOPIC_OF, TOPICS, MemorySource, as_json

RECORDED: Final = Path(__file__).parent / "recorded"
ID_OF: Final = {record: number for number, record in enumerate(RECORDS, 1)}
"""The schema ids in the recorded values."""


class _FixedIds(MemorySource):
    """Gives every record type one id, whatever the topic."""

    def schema_id(self, subject: str, schema: str) -> int:
        return ID_OF[subject.rpartition(".")[2]] if schema else 0


def version_number(folder: str) -> int:
    """Return the number in a folder's name, ``v12``."""
    return int(folder.removeprefix("v"))


def record_version(folder: Path) -> None:
    """Write the schema, and the value and JSON of two events, of every record type into a new folder."""
    folder.mkdir(parents=True)
    codec = Codec(_FixedIds(), TOPICS)
    for record in RECORDS:
        cases = [
            {
                "case": case,
                "value": codec.encode(TOPIC_OF[record], events[record]).hex(),
                "event": as_json(events[record]),
            }
            for case, events in (("full", FULL), ("minimal", MINIMAL))
        ]
        (folder / f"{record}.avsc").write_text(schema_text(record))
        (folder / f"{record}.json").write_text(json.dumps(cases, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    record_version(RECORDED / f"v{version_number(sys.argv[1])}")
