"""The base of request bodies."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

FIRST_FAULT_ENDS: Any = Field(fail_fast=True)
"""For lists without a maximum length: pydantic would otherwise build one error for each of half a million entries."""


_MOST_NAME_CHARACTERS = 100
"""Of an unknown field's name that a message has."""


class Fields(BaseModel):
    """A request body. Types are strict (no text for a number); unknown fields are kept in ``model_extra``."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, defer_build=True)


class OwnFields(Fields):
    """A body of a route that is ours alone: nobody's client sends fields that it doesn't have, so they are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, content: Any) -> Any:
        """Says the nearest name, which the validation itself doesn't."""
        if not isinstance(content, dict):
            return content
        unknown = next((str(name) for name in content if name not in cls.model_fields), None)
        if unknown is None:
            return content
        named = unknown[:_MOST_NAME_CHARACTERS]
        near = difflib.get_close_matches(named, list(cls.model_fields), n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"its fields are {', '.join(cls.model_fields)}"
        raise PydanticCustomError("unknown_field", "There is no field '{name}': {hint}", {"name": named, "hint": hint})
