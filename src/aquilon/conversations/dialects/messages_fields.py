"""The request of ``POST /v1/messages``, in Anthropic's shape."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import Field

from aquilon.conversations.dialects.chat_fields import MAX_MESSAGES
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.format_fields import Schema, schema_object
from aquilon.conversations.dialects.messages_blocks import Content, TurnFields, conversation
from aquilon.conversations.dialects.sampling_fields import MAX_STOP_STRINGS, MAX_TOKEN_COUNT, StopString, TokenCount
from aquilon.conversations.dialects.tool_fields import (
    FunctionName,
    ToolChoice,
    ToolChoiceFunction,
    ToolChoiceWord,
    require_object,
    tool_use,
)
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import invalid, unsupported
from aquilon.request import ChatPrompt, GenerationRequest, JsonSchema, OutputFormat, ToolUse
from aquilon.text.messages import Tool

MAX_TOOLS = 512
"""Agents with tools from several MCP servers send more than OpenAI allows."""

ShortText = Annotated[str, Field(max_length=256)]
IGNORED = "Accepted, without effect."

_EFFORTS = {"max": "xhigh"}
"""Anthropic's efforts that OpenAI's API has under another name."""


class ClientTool(Fields):
    """A function of the client. Tools of other types are Anthropic's own, which this server doesn't have."""

    type: ShortText | None = None
    name: FunctionName | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = Field(None, description="A JSON schema of the input.")
    strict: bool | None = Field(
        None, description="For upstreams. Here calls always match a schema that a grammar can express."
    )

    @property
    def is_function(self) -> bool:
        return self.type in (None, "custom")

    def tool(self, position: int) -> Tool:
        """The canonical tool. Raises ApiError 400."""
        if self.name is None:
            raise invalid(f"Tool {position} has no name", param=f"tools.{position}.name")
        require_object(self.input_schema, f"tools.{position}.input_schema")
        strict = {} if self.strict is None else {"function": {"strict": self.strict}}
        return Tool(self.name, self.description or "", self.input_schema or {}, strict)


class MessagesToolChoice(Fields):
    type: ShortText = Field(description="`auto`, `any`, `none`, or `tool` with the name of one.")
    name: ShortText | None = None
    disable_parallel_tool_use: bool | None = Field(None, description="With true, an answer has at most one call.")


class Thinking(Fields):
    type: ShortText = Field(
        description="`disabled` turns a model's thoughts off, `enabled` turns them on; any other type leaves them to "
        "the model."
    )
    budget_tokens: int | None = Field(None, description=IGNORED)
    display: ShortText | None = Field(None, description="With `omitted`, blocks of thoughts are sent without text.")


class MessagesFormat(Fields):
    type: ShortText = Field(description="`json_schema`.")
    schema_: Schema | None = Field(None, alias="schema")


class OutputConfig(Fields):
    effort: ShortText | None = Field(None, description="`low` to `max`, for models that know efforts.")
    format: MessagesFormat | None = Field(None, description="The format that the answer must have.")


class CountTokensRequest(Fields):
    """A conversation in Anthropic's shape."""

    model: str = Field(min_length=1, max_length=1000, description="A model's name, or an alias.")
    messages: list[TurnFields] = Field(
        min_length=1,
        max_length=MAX_MESSAGES,
        description="The turns. If the last is the assistant's, the answer continues it.",
    )
    system: Content | None = Field(None, description="A text, or blocks of text.")
    tools: Annotated[list[ClientTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None, description="The functions that the model may call. Anthropic's own tools are left out."
    )
    tool_choice: MessagesToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: MessagesFormat | None = Field(None, description="An older name for `output_config.format`.")
    cache_control: Any = Field(None, description="Without effect, here and in blocks: prefixes are always cached.")
    mcp_servers: Any = Field(None, description=IGNORED)
    context_management: Any = Field(None, description=IGNORED)

    def generation(self) -> GenerationRequest:
        """The canonical request, without limits. Raises ApiError 400 for a request that can't be answered."""
        messages = conversation(self.system, self.messages)
        last = messages[-1]
        if last.tool_calls:
            raise invalid(
                f"The last turn calls '{last.tool_calls[0].function.name}': send the result of each call in a turn of "
                "the user",
                param="messages",
            )
        if last.role == "assistant" and not last.content:
            raise invalid("The assistant's turn to continue has no text", param="messages")
        thinks = {"disabled": False, "enabled": True}.get(self.thinking.type if self.thinking is not None else "")
        effort = self._effort(thinks)
        variables = {"enable_thinking": thinks, "reasoning_effort": effort}
        return GenerationRequest(
            model=self.model,
            prompt=ChatPrompt(
                messages,
                continue_final=last.role == "assistant",
                tool_use=self._tool_use(),
                template_variables={name: value for name, value in variables.items() if value is not None},
            ),
            sampling=SamplingParameters(max_tokens=0),
            format=self._format(),
            fits_context=True,
            upstream_fields={} if effort is None else {"reasoning_effort": effort},
            anthropic_fields=self._anthropic_fields(),
        )

    def _anthropic_fields(self) -> dict[str, Any]:
        """What only upstreams with this API use. A mark for the cache in any place asks for caching of the whole."""
        fields: dict[str, Any] = {}
        if self.thinking is not None:
            fields["thinking"] = self.thinking.model_dump(exclude_unset=True)
        if self.output_config is not None and self.output_config.effort is not None:
            fields["output_config"] = {"effort": self.output_config.effort}
        marked: list[Fields] = list(self.tools or ())
        for content in (self.system, *(turn.content for turn in self.messages)):
            marked += content if isinstance(content, list) else []
        if self.cache_control or any("cache_control" in (each.model_extra or {}) for each in marked):
            fields["cache_control"] = {"type": "ephemeral"}
        return fields

    def _effort(self, thinks: bool | None) -> str | None:
        if thinks is False:
            return "none"
        effort = self.output_config.effort if self.output_config is not None else None
        return None if effort is None else _EFFORTS.get(effort, effort)

    def _format(self) -> OutputFormat | None:
        format_ = (self.output_config.format if self.output_config is not None else None) or self.output_format
        if format_ is None:
            return None
        if format_.type != "json_schema":
            raise unsupported(f"An output format '{format_.type}' is", param="output_config.format.type")
        if format_.schema_ is None:
            raise invalid("A format 'json_schema' needs a 'schema'", param="output_config.format.schema")
        return JsonSchema(schema_object(format_.schema_, "output_config.format.schema"))

    def _tool_use(self) -> ToolUse | None:
        tools = [tool.tool(position) for position, tool in enumerate(self.tools or ()) if tool.is_function]
        choice = self.tool_choice
        if choice is None:
            return tool_use(tools, None, parallel=True)
        for hosted in (tool for tool in self.tools or () if not tool.is_function):
            if (choice.type == "tool" and choice.name == hosted.name) or (choice.type == "any" and not tools):
                raise unsupported(f"tool_choice requires Anthropic's own tool '{hosted.type}', which is", param="tools")
        parallel = not choice.disable_parallel_tool_use
        if choice.type == "tool":
            named = ToolChoice(function=ToolChoiceFunction(name=choice.name or ""))
            return tool_use(tools, named, parallel=parallel)
        if choice.type not in _CHOICES:
            raise unsupported(f"A tool_choice of type '{choice.type}' is", param="tool_choice.type")
        return tool_use(tools, _CHOICES[choice.type], parallel=parallel)


_CHOICES: dict[str, ToolChoiceWord] = {"auto": "auto", "any": "required", "none": "none"}


class MessagesRequest(CountTokensRequest):
    """A conversation to answer. Unknown fields are ignored unless the header `x-aquilon-strict: true` is sent."""

    max_tokens: TokenCount = Field(
        description="The most tokens of the answer, thoughts included. An answer that fills the context ends there."
    )
    stop_sequences: Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = Field(
        None, description="Texts that end the answer; they are not part of it."
    )
    stream: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2, description="null uses the model's default.")
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1, le=MAX_TOKEN_COUNT)
    metadata: Any = Field(None, description=IGNORED)
    service_tier: Any = Field(None, description=IGNORED)
    container: Any = Field(None, description=IGNORED)

    def generation(self) -> GenerationRequest:
        return msgspec.structs.replace(
            super().generation(),
            sampling=SamplingParameters(
                top_p=1.0 if self.top_p is None else self.top_p,
                top_k=max(0, self.top_k or 0),
                max_tokens=self.max_tokens,
            ),
            temperature=self.temperature,
            stop=tuple(self.stop_sequences or ()),
        )

    @property
    def shows_thoughts(self) -> bool:
        return self.thinking is None or self.thinking.display != "omitted"
