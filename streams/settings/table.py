"""The one table of every setting, read off the models: what the documentation and the error messages are made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from streams.settings.root import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as a reader needs it."""

    name: str
    """Dotted, as in the TOML file."""
    env: str
    kind: str
    unit: str
    default: str
    what: str
    why: str
    secret: bool = False
    path: bool = False


@cache
def rows() -> tuple[Row, ...]:
    """Return every setting in the order of the models."""
    return tuple(_rows(Settings, ""))


@cache
def by_name() -> dict[str, Row]:
    """Return every setting by its dotted name."""
    return {row.name: row for row in rows()}


def sections() -> tuple[tuple[str, str], ...]:
    """Return the top-level tables with their one-line meaning."""
    return tuple(
        (name, _first_line(model)) for name, field in Settings.model_fields.items() if (model := _model(field))
    )


def _rows(model: type[BaseModel], prefix: str) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        inner = _model(field)
        if inner is None or field.description:
            yield _row(f"{prefix}{name}", field)
        if inner is not None:
            yield from _rows(inner, f"{prefix}{name}.")


def _row(name: str, field: FieldInfo) -> Row:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    types = _types(field.annotation)
    return Row(
        name=name,
        env="DARKROOM_SOURCES" if name.startswith("sources") else "DARKROOM_" + name.upper().replace(".", "__"),
        kind=_kind(types),
        unit=str(extra.get("unit", "")),
        default=_default(field.default),
        what=field.description or "",
        why=str(extra.get("why", "")),
        secret=SecretStr in types,
        path=Path in types,
    )


def _model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the section that a field holds, one or a list of them."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _types(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401  annotations are of any type
    if get_origin(annotation) is Literal or annotation in (str, int, float, bool):
        return (annotation,)
    return tuple(kind for kind in get_args(annotation) if kind is not type(None)) or (annotation,)


def _kind(types: tuple[Any, ...]) -> str:
    names = {
        str: "text",
        SecretStr: "secret",
        int: "whole number",
        float: "number",
        bool: "true or false",
        Path: "path",
    }
    first = types[0]
    if get_origin(first) is Literal:
        return " or ".join(str(choice) for choice in get_args(first))
    if len(types) > 1:
        return "table"
    return names.get(first, "list of tables")


def _default(value: object) -> str:
    if value is PydanticUndefined or value is None or value in ((), {}):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]
