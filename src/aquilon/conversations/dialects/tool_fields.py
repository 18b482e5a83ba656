"""The fields for the functions that a model may call, and for the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.format_fields import require_shallow
from aquilon.errors import invalid, unsupported
from aquilon.request import ToolUse
from aquilon.text.messages import Tool

MAX_TOOLS = 128

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.:/-]{1,128}$")]


class FunctionFields(Fields):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="A JSON schema of the arguments.")
    strict: bool | None = Field(
        None, description="For upstreams. Here calls always match a schema that a grammar can express."
    )


class ToolFields(Fields):
    type: str = Field(default="function", max_length=100)
    function: FunctionFields | None = None

    def tool(self, position: int) -> Tool:
        """The canonical tool. Raises ApiError 400 unless it is a function."""
        if self.type != "function" or self.function is None:
            raise unsupported(f"Tools of type '{self.type}' are", param=f"tools.{position}")
        require_object(self.function.parameters, f"tools.{position}")
        return _tool(self.function, self.model_extra or {})


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
    """Raises ApiError 400 for a schema of arguments that is nested too deeply, or whose type isn't object."""
    require_shallow(parameters, param)
    kind = (parameters or {}).get("type", "object")
    if isinstance(kind, str) and kind != "object":
        raise invalid(
            f"The 'type' of a function's parameters must be 'object', not '{kind[:100]}'",
            param=param,
            code="invalid_schema",
        )


def _tool(function: FunctionFields, tool_fields: dict[str, Any]) -> Tool:
    """``tool_fields``: the tool's other fields, which are for upstreams."""
    more = dict(function.model_extra or {})
    if function.strict is not None:
        more["strict"] = function.strict
    if function.parameters == {}:
        more["parameters"] = {}
    inner = {"function": more} if more else {}
    return Tool(function.name, function.description or "", function.parameters or {}, tool_fields | inner)


def tool_use(tools: Sequence[Tool], choice: ToolChoiceWord | ToolChoice | None, *, parallel: bool) -> ToolUse | None:
    """None without tools. Raises ApiError 400 for a choice that isn't among the tools."""
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid(f"Two tools are named '{twice}'", param="tools", code="tool_twice", values={"name": twice})
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
            raise invalid(f"tool_choice is '{choice}', but there are no tools", param="tool_choice")
        return None
    return ToolUse(tuple(tools), "required" if choice == "any" else choice or "auto", parallel=parallel)


def _name(choice: ToolChoice) -> str:
    if choice.type != "function":
        raise unsupported(f"tool_choice of type '{choice.type}' is", param="tool_choice")
    if choice.function is None:
        raise invalid(
            'tool_choice has no function: send {"type": "function", "function": {"name": …}}', param="tool_choice"
        )
    return choice.function.name


def _require(name: str, names: list[str]) -> None:
    if name not in names:
        known = f"isn't among the tools {', '.join(names[:20])}" if names else "isn't a tool: there are none"
        raise invalid(f"tool_choice names '{name[:100]}', which {known}", param="tool_choice")
