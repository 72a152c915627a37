"""The catalogue: names, record types, sizes and retention, said in one place."""

from __future__ import annotations

import json
from pathlib import Path

from schemas.avro_files import RECORDS
from schemas.topics import MAX_INPUT_BYTES, Topics, subject

TOPICS = Topics(prefix="eu.", partitions=24, replication=3, min_isr=2, retention_days=40)


def test_every_topic_carries_the_prefix_and_the_settings_of_the_installation() -> None:
    """Names, partitions, replication and retention follow the environment."""
    assert [topic.name for topic in TOPICS.all] == [
        "eu.images.uploaded",
        "eu.images.uploaded.bulk",
        "eu.images.replay",
        "eu.images.ready",
        "eu.images.failed",
        "eu.images.deleted",
    ]
    assert {(topic.partitions, topic.replication, topic.min_isr) for topic in TOPICS.all} == {(24, 3, 2)}
    assert {topic.config["retention.ms"] for topic in TOPICS.all} == {str(40 * 86_400_000)}


def test_uploads_and_deletes_share_the_input_topics() -> None:
    """Two record types on the same topics, so that the key orders an image's uploads and deletes."""
    assert {topic.records for topic in TOPICS.inputs} == {("ImageUploaded", "ImageDeleted")}
    assert TOPICS.uploaded.subjects == (
        "eu.images.uploaded-darkroom.ImageUploaded",
        "eu.images.uploaded-darkroom.ImageDeleted",
    )


def test_the_failed_topic_takes_twice_the_inputs() -> None:
    """The largest input fits into a failed event, and the producers' limit is that of the largest topic."""
    assert {topic.max_message_bytes for topic in TOPICS.inputs} == {MAX_INPUT_BYTES}
    assert TOPICS.failed.max_message_bytes == TOPICS.largest_message_bytes == 2 * MAX_INPUT_BYTES


def test_nothing_is_compacted_and_outputs_are_kept_as_long_as_inputs() -> None:
    """Lost positions are rebuilt from the causes of outputs, so no output may go before its input."""
    assert {topic.cleanup_policy for topic in TOPICS.all} == {"delete"}
    assert min(topic.retention_ms for topic in TOPICS.outputs) >= max(topic.retention_ms for topic in TOPICS.inputs)


def test_every_record_type_has_a_topic() -> None:
    """Each Avro file is on a topic, and each output's topic is found by its record."""
    assert {record for topic in TOPICS.all for record in topic.records} == set(RECORDS)
    assert TOPICS.output_for("ImageRemoved") is TOPICS.deleted


def test_parked_events_have_room_and_no_prefix_of_ours() -> None:
    """A subscriber's parked topic is named after its group and takes the largest output."""
    parked = TOPICS.parked("shop")
    assert parked.name == "shop.parked"
    assert parked.max_message_bytes >= TOPICS.largest_message_bytes


def test_the_docs_name_every_topic_record_and_subject() -> None:
    """What docs/schemas.md tells other services is what the catalogue says."""
    page = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text()
    for topic in Topics().all:
        assert f"`{topic.name}`" in page
        assert all(f"`darkroom.{record}`" in page for record in topic.records)
    assert Topics().ready.subjects[0] in page


def test_subjects_name_the_record_of_the_file() -> None:
    """A subject is topic, dash, and the full name that stands in the Avro file."""
    for path in (Path(__file__).parents[2] / "schemas" / "avro").glob("*.avsc"):
        file = json.loads(path.read_text())
        assert subject("t", path.stem) == f"t-{file['namespace']}.{file['name']}"
