"""The tools of ``POST /v1/responses``: functions, custom tools with free text as their input, and namespaces of both.

To a model they are all functions: a custom tool has one argument, ``input``, and a tool of a namespace is named
``NAMESPACE__NAME``. What the model calls is turned back into the client's own item.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.search_fields import SearchOptions, VectorStoreId
from aquilon.conversations.dialects.tool_fields import (
    MAX_TOOLS,
    AllowedTools,
    FunctionName,
    ToolChoice,
    ToolChoiceFunction,
    require_object,
)
from aquilon.conversations.items import CalledTool
from aquilon.errors import invalid, unsupported
from aquilon.libraries.retrieval import DEFAULT_RESULTS, MOST_LIBRARIES
from aquilon.text.messages import Tool

LEFT_OUT = (
    *("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"),
    *("image_generation", "tool_search", "local_shell", "shell", "apply_patch"),
    *("computer", "computer_use_preview"),
)
"""Types of tools that no model here has, and that clients offer beside their functions in any case."""

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's input, as plain text"}},
    "required": ["input"],
    "additionalProperties": False,
}

FILE_SEARCH = "file_search"
"""The type of the tool that searches libraries before the answer, so that any model can answer from documents."""

_INPUT_BEGINS = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_WHOLE_CHARACTERS = re.compile(
    r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4})+'
)
"""Inside a JSON string."""
_LONGEST_ESCAPE = len(r"\ud83d\ude00")


class _Input(msgspec.Struct):
    """The arguments of a custom tool's function."""

    input: str


class CustomFormat(Fields):
    type: str = Field(max_length=100, description="`text` or `grammar`.")
    syntax: str | None = Field(None, max_length=100, description="`lark` or `regex`.")
    definition: str | None = Field(None, description="The grammar, which is told to the model but not enforced.")


class FunctionEcho(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class CustomEcho(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    name: str
    description: str | None
    format: dict[str, Any]


class NamespaceEcho(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="namespace"):
    name: str
    description: str | None
    tools: list[FunctionEcho | CustomEcho]


class FileSearchEcho(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=FILE_SEARCH):
    vector_store_ids: list[str]
    filters: dict[str, Any] | None
    max_num_results: int
    ranking_options: dict[str, Any] | None


ToolEcho = FunctionEcho | CustomEcho | NamespaceEcho | FileSearchEcho


class ResponsesTool(SearchOptions):
    type: str = Field(
        max_length=100,
        description="`function`, `custom`, `namespace` or `file_search`. Tools that OpenAI's models bring along (web "
        "search, images, a shell, a computer) are left out; others are refused.",
    )
    name: FunctionName | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="A JSON schema of the arguments.")
    strict: bool | None = Field(
        None, description="For upstreams. Here calls always match a schema that a grammar can express."
    )
    format: CustomFormat | None = Field(None, description="For a custom tool: how its input is written.")
    tools: Annotated[list[ResponsesTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None, description="The functions and custom tools of a namespace."
    )
    vector_store_ids: Annotated[list[VectorStoreId], Field(min_length=1, max_length=MOST_LIBRARIES)] | None = Field(
        None, description="For `file_search`: the libraries that are searched with the last message of the user."
    )

    def functions(self, param: str, namespace: str | None = None) -> Iterator[Tool]:
        """What the model sees of this tool. Raises ApiError 400 for a tool that it can't be given."""
        if namespace is None and self.type in (*LEFT_OUT, FILE_SEARCH):
            return
        if self.type not in ("function", "custom", "namespace") or (namespace is not None and self.type == "namespace"):
            raise unsupported(f"Tools of type '{self.type}' are", param=f"{param}.type")
        if self.name is None:
            raise invalid(f"The tool '{param}' has no name", param=f"{param}.name")
        if self.type == "namespace":
            for position, tool in enumerate(self.tools or ()):
                yield from tool.functions(f"{param}.tools.{position}", self.name)
        elif self.type == "custom":
            yield Tool(function_name(self.name, namespace), self._input_description(), _INPUT)
        else:
            require_object(self.parameters, f"{param}.parameters")
            strict = {} if self.strict is None else {"function": {"strict": self.strict}}
            yield Tool(function_name(self.name, namespace), self.description or "", self.parameters or {}, strict)

    def echo(self) -> ToolEcho:
        if self.type == "namespace":
            tools = [tool._tool_echo() for tool in self.tools or ()]
            return NamespaceEcho(name=self.name or "", description=self.description, tools=tools)
        if self.type == FILE_SEARCH:
            ranking = self.ranking_options
            return FileSearchEcho(
                vector_store_ids=self.vector_store_ids or [],
                filters=self.filters,
                max_num_results=self.max_num_results or DEFAULT_RESULTS,
                ranking_options=None if ranking is None else ranking.model_dump(exclude_none=True),
            )
        return self._tool_echo()

    def _tool_echo(self) -> FunctionEcho | CustomEcho:
        if self.type == "custom":
            written = {"type": "text"} if self.format is None else self.format.model_dump(exclude_none=True)
            return CustomEcho(name=self.name or "", description=self.description, format=written)
        return FunctionEcho(
            name=self.name or "", description=self.description, parameters=self.parameters, strict=self.strict
        )

    def _input_description(self) -> str:
        if self.format is None or self.format.definition is None:
            return self.description or ""
        grammar = f"`input` follows this grammar ({self.format.syntax or 'lark'}):\n{self.format.definition}"
        return f"{self.description}\n\n{grammar}" if self.description else grammar


class ChosenTool(Fields):
    """`{"type": "function", "name": ...}`, the same with `custom`, or `allowed_tools` with a list of these."""

    type: str = Field(max_length=100)
    name: str | None = Field(None, max_length=256)
    namespace: str | None = Field(None, max_length=256)
    mode: Literal["auto", "required"] = "auto"
    tools: Annotated[list[ChosenTool], Field(max_length=MAX_TOOLS)] | None = None

    def choice(self) -> ToolChoice | None:
        """The choice in the shape of chat completions; None for a search, which isn't the model's to choose."""
        if self.type == "allowed_tools":
            choices = (tool.choice() for tool in self.tools or ())
            allowed = AllowedTools(mode=self.mode, tools=[choice for choice in choices if choice is not None])
            return ToolChoice(type=self.type, allowed_tools=allowed)
        if self.type == FILE_SEARCH:
            return None
        type_ = "function" if self.type == "custom" else self.type
        return ToolChoice(type=type_, function=ToolChoiceFunction(name=function_name(self.name or "", self.namespace)))


def function_name(name: str, namespace: str | None) -> str:
    """The name by which the model knows a tool."""
    return name if namespace is None else f"{namespace.rstrip('_')}__{name}"


def functions(offers: Iterable[tuple[str, Sequence[ResponsesTool]]]) -> list[Tool]:
    """What the model sees of lists of tools, each with its field's name. A later list replaces tools of the same name.

    Raises ApiError 400 for a tool that the model can't be given, and for too many.
    """
    tools: list[Tool] = []
    for param, offer in offers:
        more = [tool for position, one in enumerate(offer) for tool in one.functions(f"{param}.{position}")]
        names = {tool.name for tool in more}
        tools = [tool for tool in tools if tool.name not in names] + more
        if len(tools) > MAX_TOOLS:
            raise invalid(f"There are {len(tools)} tools with those of namespaces, above {MAX_TOOLS}", param=param)
    return tools


def echoes(tools: Iterable[ResponsesTool]) -> list[ToolEcho]:
    """The tools that are in use, as the answer repeats them."""
    return [tool.echo() for tool in tools if tool.type not in LEFT_OUT]


def called_tools(tools: Sequence[ToolEcho]) -> dict[str, CalledTool]:
    """By the function's name, the tools that are custom or in a namespace."""
    called = {}
    for tool in tools:
        if isinstance(tool, FileSearchEcho):
            continue
        namespace = tool.name if isinstance(tool, NamespaceEcho) else None
        for member in tool.tools if isinstance(tool, NamespaceEcho) else (tool,):
            custom = isinstance(member, CustomEcho)
            if custom or namespace is not None:
                called[function_name(member.name, namespace)] = CalledTool(member.name, namespace, custom)
    return called


class InputReader:
    """Reads a custom tool's input out of its function's arguments while they are written."""

    def __init__(self) -> None:
        self.text = ""
        self._unread = ""
        self._begun = False

    def read(self, arguments: str) -> str:
        """What these further arguments add to the text; nothing while a character is unfinished."""
        self._unread += arguments
        if not self._begun and (beginning := _INPUT_BEGINS.match(self._unread)):
            self._begun, self._unread = True, self._unread[beginning.end() :]
        if not self._begun or not (whole := _WHOLE_CHARACTERS.match(self._unread)):
            return ""
        self._unread = self._unread[whole.end() :]
        more = msgspec.json.decode(f'"{whole[0]}"', type=str)
        self.text += more
        return more


def arguments_of_input(text: str) -> str:
    """A custom tool's input as the arguments of its function."""
    return msgspec.json.encode(_Input(text)).decode()


def input_of_arguments(arguments: str) -> str:
    """The reverse, also of arguments that the token limit cut.

    Arguments of another form, as an upstream's model may write them, are the input themselves.
    """
    unfinished = (f'{arguments[: len(arguments) - cut]}"}}' for cut in range(_LONGEST_ESCAPE))
    for text in (arguments, *unfinished):
        try:
            return msgspec.json.decode(text, type=_Input).input
        except msgspec.MsgspecError:
            continue
    return arguments
