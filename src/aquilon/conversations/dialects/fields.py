"""The base of request bodies."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

FIRST_FAULT_ENDS: Any = Field(fail_fast=True)
"""For lists without a maximum length: pydantic would otherwise build one error for each of half a million entries."""


class Fields(BaseModel):
    """A request body. Types are strict (no text for a number); unknown fields are kept in ``model_extra``."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, defer_build=True)
