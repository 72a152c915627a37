"""The whole configuration as one value; the environment wins over the file, the file over the defaults."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streams.settings.base import setting
from streams.settings.connections import Kafka, Registry, SourceRule, Store
from streams.settings.work import Limits, Log, Recipes, Topics, Worker


class Settings(BaseSettings):
    """The whole configuration. Environment over file over defaults."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    kafka: Kafka = Field(default_factory=Kafka)
    registry: Registry = Field(default_factory=Registry)
    store: Store = Field(default_factory=Store)
    sources: tuple[SourceRule, ...] = setting(
        (),
        "Places that upload events may point to (`[[sources]]` tables). Absent: `store.upload_bucket`, each tenant "
        "under its own prefix.",
        "A worker is nobody's deputy: it reads only what it was told to.",
    )
    worker: Worker = Field(default_factory=Worker)
    limits: Limits = Field(default_factory=Limits)
    recipes: Recipes = Field(default_factory=Recipes)
    topics: Topics = Field(default_factory=Topics)
    log: Log = Field(default_factory=Log)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file (which comes in as keyword arguments), and read nothing else."""
        return env_settings, init_settings

    def source_rules(self) -> tuple[SourceRule, ...]:
        """Return the allowed places, with the default for none filled in."""
        return self.sources or (SourceRule(bucket=self.store.upload_bucket),)
