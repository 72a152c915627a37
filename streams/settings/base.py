"""How one setting is declared (default, meaning, reason and unit together) and how a wrong value is refused."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def setting(default: object, what: str, why: str = "", unit: str = "") -> Any:  # noqa: ANN401  as pydantic's Field
    """Declare one setting: default, meaning, reason and unit; all of it ends up in the documentation."""
    return Field(default=default, description=what, json_schema_extra={"why": why, "unit": unit})


def refuse(message: str, remedy: str) -> PydanticCustomError:
    """Make the error of a value that is well formed but wrong, with what to do about it."""
    return PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy})


class Section(BaseModel):
    """A table of the configuration; unknown keys are refused, defaults are validated too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)
