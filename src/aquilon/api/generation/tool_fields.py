"""The functions that a model may call, as each kind of client lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from aquilon.api.body import Fields
from aquilon.api.generation.format_fields import require_shallow
from aquilon.errors import invalid, unsupported
from aquilon.request import ToolUse
from aquilon.text.messages import Tool

MAX_TOOLS = 128

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.:/-]{1,128}$")]


class FunctionFields(Fields):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="A JSON schema of the arguments.")
    strict: bool | None = Field(None, description="Accepted: calls match their schema wherever a grammar holds it.")


class ToolFields(Fields):
    type: str = Field(default="function", max_length=100)
    function: FunctionFields | None = None

    def tool(self, position: int) -> Tool:
        """Raises ApiError 400 for what isn't a function."""
        if self.type != "function" or self.function is None:
            raise unsupported(f"Tools of type '{self.type}' are", param=f"tools.{position}")
        require_object(self.function.parameters, f"tools.{position}")
        return made_tool(self.function)


class ToolChoiceFunction(Fields):
    name: str = Field(max_length=256)


class AllowedTools(Fields):
    mode: Literal["auto", "required"] = "auto"
    tools: list[ToolChoice] = Field(max_length=MAX_TOOLS)


class ToolChoice(Fields):
    """`{"type": "function", "function": {"name": ...}}`, or OpenAI's `allowed_tools`."""

    type: str = Field(default="function", max_length=100)
    function: ToolChoiceFunction | None = None
    allowed_tools: AllowedTools | None = None


ToolChoiceWord = Literal["auto", "none", "any", "required"]


def require_object(parameters: dict[str, Any] | None, param: str) -> None:
    """Raises ApiError 400 for a schema of arguments that is nested past all measure, or that objects don't match."""
    require_shallow(parameters, param)
    kind = (parameters or {}).get("type", "object")
    if isinstance(kind, str) and kind != "object":
        raise invalid(
            f"A function's arguments are an object: 'type' is 'object' in its parameters, not '{kind[:100]}'",
            param=param,
            code="invalid_schema",
        )


def made_tool(function: FunctionFields) -> Tool:
    return Tool(function.name, function.description or "", function.parameters or {})


def tool_use(tools: Sequence[Tool], choice: ToolChoiceWord | ToolChoice | None, *, parallel: bool) -> ToolUse | None:
    """Raises ApiError 400 for a choice that the tools don't have."""
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid(f"Two tools are named '{twice}'", param="tools")
    if isinstance(choice, ToolChoice):
        if choice.allowed_tools is not None:
            allowed = [_name(entry) for entry in choice.allowed_tools.tools]
            for name in allowed:
                _require(name, names)
            tools = [tool for tool in tools if tool.name in allowed]
            return tool_use(tools, choice.allowed_tools.mode, parallel=parallel)
        name = _name(choice)
        _require(name, names)
        return ToolUse(tuple(tools), "named", name, parallel=False)
    if not tools:
        if choice in ("any", "required"):
            raise invalid(f"tool_choice is '{choice}' and there are no tools", param="tool_choice")
        return None
    return ToolUse(tuple(tools), "required" if choice == "any" else choice or "auto", parallel=parallel)


def _name(choice: ToolChoice) -> str:
    if choice.type != "function":
        raise unsupported(f"tool_choice of type '{choice.type}' is", param="tool_choice")
    if choice.function is None:
        raise invalid('A function is chosen as {"type": "function", "function": {"name": …}}', param="tool_choice")
    return choice.function.name


def _require(name: str, names: list[str]) -> None:
    if name not in names:
        known = ", ".join(names[:20]) or "there are none"
        raise invalid(
            f"tool_choice names '{name[:100]}', which is none of the tools: {known}",
            param="tool_choice",
        )
