"""What every process connects to, from the settings: topics, Kafka, registry, codec, recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from processors.recipe_file import load_folder
from schemas.codec import Codec
from schemas.topics import Topics
from streams.adapters.kafka_admin import KafkaAdmin
from streams.adapters.kafka_topics import TopicAdmin
from streams.adapters.registry import Registry, RegistryAccess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.recipe import Recipe
    from streams.settings import Settings

REGISTRY_TIMEOUT_S = 3.0
"""For connecting and for each answer; its client tries twice, and a wrong address is to be named within 10 s."""

OPERATION_S = 30.0
"""For what a reachable cluster is asked to do: a cold or busy one takes its time to make topics."""


def make_topics(settings: Settings) -> Topics:
    """Return the catalogue of this installation."""
    wanted = settings.topics
    return Topics(
        prefix=settings.kafka.topic_prefix,
        partitions=wanted.partitions,
        replication=wanted.replication,
        min_isr=wanted.min_isr,
        retention_days=wanted.retention_days,
    )


def kafka_properties(settings: Settings) -> dict[str, Any]:
    """Return librdkafka's properties of the connection; each adapter adds what its part of the protocol owns."""
    return {**settings.kafka.client, "bootstrap.servers": settings.kafka.bootstrap_servers}


def make_admin(settings: Settings, *, patient: bool = False) -> KafkaAdmin:
    """Return an admin client; a patient one waits longer for a busy broker, so first ask `reach_kafka`."""
    seconds = max(OPERATION_S, settings.kafka.timeout_s) if patient else settings.kafka.timeout_s
    return KafkaAdmin(kafka_properties(settings), timeout_s=seconds)


def make_topic_admin(settings: Settings) -> TopicAdmin:
    """Return what makes, checks and grows topics, patiently."""
    return TopicAdmin(kafka_properties(settings), timeout_s=max(OPERATION_S, settings.kafka.timeout_s))


def reach_kafka(settings: Settings) -> None:
    """Raise `Unavailable` ("kafka") unless a broker answers soon."""
    admin = make_admin(settings)
    admin.translate(lambda: admin.client.list_topics(timeout=settings.kafka.timeout_s))


def make_registry(settings: Settings) -> Registry:
    """Return the registry's client; it connects when it is first asked."""
    access = settings.registry
    return Registry(
        RegistryAccess(
            url=access.url,
            username=access.username,
            password=access.password.get_secret_value() if access.password else None,
            ca_file=str(access.ca_file) if access.ca_file else None,
            timeout_s=min(settings.kafka.timeout_s, REGISTRY_TIMEOUT_S),
        )
    )


def make_codec(settings: Settings, topics: Topics) -> Codec:
    """Return the codec of this installation's topics."""
    return Codec(make_registry(settings), topics)


def load_recipes(settings: Settings) -> Mapping[str, Recipe]:
    """Return the shipped recipes and the user's; raise `RecipeError` with every problem."""
    return load_folder(settings.recipes.folder)
