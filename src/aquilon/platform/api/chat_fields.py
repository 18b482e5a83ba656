"""``POST /v1/chat/completions``, the request: the union of what OpenAI's and Mistral's clients send."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from pydantic import Field

from aquilon.platform.api.body import Fields
from aquilon.platform.api.sampling_fields import SamplingFields, TokenCount, TopLogprobs
from aquilon.platform.domain.errors import invalid, unsupported
from aquilon.platform.domain.generation import ChatPrompt, GenerationRequest
from aquilon.text.messages import FunctionCall, Message, Role, ToolCall

MAX_MESSAGES = 4096


class ContentPart(Fields):
    type: str = Field(max_length=100)
    text: str | None = None


class FunctionCallFields(Fields):
    name: str = Field(min_length=1, max_length=256)
    arguments: str | dict[str, Any] = Field("", description="A JSON object, as text or as it is.")


class ToolCallFields(Fields):
    id: str = Field("", max_length=256)
    function: FunctionCallFields


class MessageFields(Fields):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = Field(None, max_length=256)
    tool_calls: list[ToolCallFields] | None = None
    tool_call_id: str | None = Field(None, max_length=256)
    prefix: bool | None = Field(None, description="On a last assistant message: go on with it (Mistral).")


class ResponseFormat(Fields):
    type: str = Field(max_length=100)


class ChatCompletionRequest(SamplingFields):
    """Both clients' fields; unknown ones are ignored unless the header `x-aquilon-strict: true` is sent."""

    messages: list[MessageFields] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_completion_tokens: TokenCount | None = Field(None, description="OpenAI's newer name for `max_tokens`.")
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    continue_final_message: bool | None = Field(
        None, description="Go on with the last message, the assistant's (vLLM)."
    )
    add_generation_prompt: bool | None = Field(None, description="Accepted, without effect.")
    tools: list[Any] | None = Field(None, description="Not supported yet: refused unless `tool_choice` is none.")
    tool_choice: Any = None
    parallel_tool_calls: bool | None = Field(None, description="Accepted, without effect.")
    functions: list[Any] | None = Field(None, description="Not supported: refused unless `function_call` is none.")
    function_call: Any = None
    response_format: ResponseFormat | None = Field(None, description="`text` only; others are refused.")
    safe_prompt: bool | None = Field(None, description="Accepted, without effect.")
    prompt_mode: Any = Field(None, description="Accepted, without effect.")
    reasoning_effort: Any = Field(None, description="Accepted, without effect.")
    prediction: Any = Field(None, description="Accepted, without effect.")
    prompt_cache_key: Any = Field(None, description="Accepted, without effect: prefixes are cached by themselves.")

    def generation(self) -> GenerationRequest:
        """Raises ApiError 400 for what can't be answered."""
        self._refuse_unsupported()
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs needs 'logprobs': true", param="top_logprobs")
        max_tokens = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        return GenerationRequest(
            model=self.model,
            prompt=chat_prompt(self.messages, continue_final=self._continues_final()),
            sampling=self.sampling(max_tokens=max_tokens, logprobs=(self.top_logprobs or 0) if self.logprobs else None),
            temperature=self.temperature,
            stop=self.stops,
            n=self.n or 1,
        )

    def _continues_final(self) -> bool:
        last = self.messages[-1]
        continues = bool(last.prefix or self.continue_final_message)
        if last.role == "assistant" and continues:
            if not _text(last, len(self.messages) - 1):
                raise invalid("The assistant message to go on with is empty", param="messages")
            return True
        if last.role in ("assistant", "system"):
            raise invalid(
                "The last message must be a user's or a tool's, or the assistant's with 'prefix': true; "
                f"it is the {last.role}'s",
                param="messages",
                code="invalid_last_role",
            )
        if self.continue_final_message:
            raise invalid(
                "continue_final_message needs a last message of the assistant", param="continue_final_message"
            )
        return False

    def _refuse_unsupported(self) -> None:
        if self.tools and self.tool_choice != "none":
            raise unsupported("Tools are", param="tools")
        if self.functions and self.function_call != "none":
            raise unsupported("Functions are", param="functions")
        if self.response_format is not None and self.response_format.type != "text":
            raise unsupported(f"response_format '{self.response_format.type}' is", param="response_format")


def chat_prompt(messages: list[MessageFields], *, continue_final: bool) -> ChatPrompt:
    """Raises ApiError 400, naming the message at fault."""
    return ChatPrompt(tuple(_message(fields, position) for position, fields in enumerate(messages)), continue_final)


def _message(fields: MessageFields, position: int) -> Message:
    role: Role = "system" if fields.role == "developer" else fields.role
    if fields.content is None and not (role == "assistant" and fields.tool_calls):
        raise invalid(f"Message {position} has no content", param=f"messages.{position}.content")
    if fields.tool_calls and role != "assistant":
        raise invalid(f"Message {position}: only the assistant calls tools", param=f"messages.{position}.tool_calls")
    calls = tuple(
        ToolCall(call.id, FunctionCall(call.function.name, _arguments(call.function.arguments)))
        for call in fields.tool_calls or ()
    )
    return Message(role, _text(fields, position), name=fields.name, tool_calls=calls, tool_call_id=fields.tool_call_id)


def _text(fields: MessageFields, position: int) -> str:
    if fields.content is None or isinstance(fields.content, str):
        return fields.content or ""
    for part in fields.content:
        if part.type != "text":
            raise unsupported(f"Content of type '{part.type}' is", param=f"messages.{position}.content")
        if part.text is None:
            raise invalid(f"Message {position} has a text part without text", param=f"messages.{position}.content")
    return "\n".join(part.text or "" for part in fields.content)


def _arguments(arguments: str | dict[str, Any]) -> str:
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
