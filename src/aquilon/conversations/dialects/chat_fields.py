"""The request of ``POST /v1/chat/completions``: the union of OpenAI's and Mistral's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.conversations.dialects.sampling_fields import SamplingFields, TokenCount
from aquilon.conversations.dialects.token_fields import TopLogprobs
from aquilon.conversations.dialects.tool_fields import (
    MAX_TOOLS,
    FunctionFields,
    ToolChoice,
    ToolChoiceFunction,
    ToolChoiceWord,
    ToolFields,
    tool_use,
)
from aquilon.errors import invalid, unsupported
from aquilon.request import ChatPrompt, GenerationRequest, ToolUse
from aquilon.text.messages import FunctionCall, ImagePart, Message, Part, Role, TextPart, ToolCall
from aquilon.text.template_variables import variables_of

MAX_MESSAGES = 4096

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
"""A client's own labels for what is stored."""
_METADATA = TypeAdapter(Metadata, config=ConfigDict(strict=True))

TemplateVariables = dict[Annotated[str, Field(max_length=100)], Any]
TEMPLATE_VARIABLES = (
    "Variables for the model's chat template, such as `{\"enable_thinking\": false}` (vLLM, llama.cpp). They can't "
    "replace the request's own fields."
)


class ImageUrl(Fields):
    url: str
    detail: str | None = Field(None, max_length=100)


class ContentPart(Fields):
    type: str = Field(max_length=100)
    text: str | None = None
    image_url: str | ImageUrl | None = Field(None, description="A `data:image/…;base64,…` address or an https address.")


class FunctionCallFields(Fields):
    name: str = Field(min_length=1, max_length=256)
    arguments: str | dict[str, Any] = Field("", description="A JSON object, or its text.")


class ToolCallFields(Fields):
    id: str = Field(default="", max_length=256)
    function: FunctionCallFields


class MessageFields(Fields):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[ContentPart], FIRST_FAULT_ENDS] | None = None
    refusal: str | None = Field(None, description="The text with which the assistant refused (OpenAI).")
    reasoning_content: str | None = Field(
        None,
        description="The assistant's thoughts before this message. Models whose chat template shows them read them.",
    )
    reasoning: str | None = Field(None, description="A newer name for `reasoning_content`.")
    name: str | None = Field(None, max_length=256)
    tool_calls: list[ToolCallFields] | None = Field(None, max_length=MAX_TOOLS)
    tool_call_id: str | None = Field(None, max_length=256)
    function_call: FunctionCallFields | None = Field(None, description="OpenAI's older shape of a tool call.")
    prefix: bool | None = Field(
        None, description="In the last message, the assistant's: start the answer with its text (Mistral)."
    )


class NamedFunction(Fields):
    name: str = Field(max_length=256)


class ChatCompletionRequest(SamplingFields):
    """Both clients' fields. Unknown fields are ignored unless the header `x-aquilon-strict: true` is sent."""

    FOR_UPSTREAMS = (
        *SamplingFields.FOR_UPSTREAMS,
        "safe_prompt",
        "prompt_mode",
        "reasoning_effort",
        "prediction",
        "prompt_cache_key",
        "chat_template_kwargs",
        "add_special_tokens",
        "echo",
    )

    messages: list[MessageFields] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_completion_tokens: TokenCount | None = Field(None, description="OpenAI's newer name for `max_tokens`.")
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    continue_final_message: bool | None = Field(
        None, description="Continue the last message, the assistant's, without repeating it (vLLM)."
    )
    add_generation_prompt: bool | None = Field(
        None, description="With false, the prompt ends after the last message and opens no answer (vLLM)."
    )
    echo: bool | None = Field(
        None, description="With true, the answer begins with the last message, if it is the assistant's (vLLM)."
    )
    add_special_tokens: bool | None = Field(
        None,
        description="With true, the model's beginning token comes before what the chat template writes, which most "
        "templates write themselves (vLLM).",
    )
    tools: list[ToolFields] | None = Field(
        None, max_length=MAX_TOOLS, description="The functions that the model may call."
    )
    tool_choice: ToolChoiceWord | ToolChoice | None = Field(
        None, description="Whether tools are called: auto, none, required (or any), or the tool to call."
    )
    parallel_tool_calls: bool | None = Field(None, description="With false, an answer has at most one call.")
    functions: list[FunctionFields] | None = Field(None, max_length=MAX_TOOLS, description="OpenAI's older `tools`.")
    function_call: Literal["auto", "none"] | NamedFunction | None = Field(
        None, description="OpenAI's older `tool_choice`."
    )
    safe_prompt: bool | None = Field(None, description="Without effect on this server's own models.")
    prompt_mode: Any = Field(
        None,
        description="With `reasoning`, the model thinks before it answers, if its template has the choice (Mistral).",
    )
    reasoning_effort: Any = Field(
        None,
        description="How long the model thinks, if its template knows efforts; `none` and `minimal` turn thoughts off "
        "where the template has that choice.",
    )
    chat_template_kwargs: TemplateVariables | None = Field(None, description=TEMPLATE_VARIABLES)
    store: bool | None = Field(
        None,
        description="With `true`, the answer and its messages are kept, to be listed and read, unless the organization "
        "keeps nothing. Without it they aren't.",
    )
    metadata: Any = Field(
        None, description="With `store`: up to 16 texts by name, to find the answer by. Otherwise without effect."
    )
    prediction: Any = Field(None, description="Without effect on this server's own models.")
    prompt_cache_key: Any = Field(None, description="Without effect here: prefixes are always cached.")

    def generation(self) -> GenerationRequest:
        """The canonical request. Raises ApiError 400 for a request that can't be answered."""
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs needs 'logprobs': true", param="top_logprobs")
        self.check_scores(streamed=bool(self.stream), scored=bool(self.logprobs))
        max_tokens = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        return GenerationRequest(
            model=self.model,
            prompt=chat_prompt(
                self.messages,
                continue_final=self._continues_final(),
                repeats_final=bool(self.messages[-1].prefix or self.echo),
                tool_use=self._tool_use(),
                generation_prompt=opens_answer(self.continue_final_message, self.add_generation_prompt),
                template_variables=template_variables(
                    self.chat_template_kwargs, reasoning_effort=self.reasoning_effort, prompt_mode=self.prompt_mode
                ),
                add_special=bool(self.add_special_tokens),
            ),
            sampling=self.sampling(
                max_tokens=max_tokens,
                logprobs=(self.top_logprobs or 0) if self.logprobs else None,
                prompt_logprobs=self.prompt_logprobs,
            ),
            temperature=self.temperature,
            stop=self.stops,
            n=self.n or 1,
            format=self.format,
            upstream_fields=self.upstream_fields,
            limits_completion=self.max_completion_tokens is not None,
            **self.token_options,
        )

    @property
    def upstream_fields(self) -> dict[str, Any]:
        """As `SamplingFields` has them. What is stored here isn't stored at the upstream too."""
        fields = super().upstream_fields
        return fields if not self.store else {k: v for k, v in fields.items() if k not in ("store", "metadata")}

    def labels(self) -> dict[str, str]:
        """The metadata to store. Raises ApiError 400."""
        if self.metadata is None:
            return {}
        try:
            return _METADATA.validate_python(self.metadata)
        except ValidationError:
            raise invalid(
                "metadata can't be stored: it must be an object of up to 16 texts of up to 512 characters, with names "
                "of up to 64",
                param="metadata",
            ) from None

    @property
    def calls_functions(self) -> bool:
        """Whether calls are written in OpenAI's older shape."""
        return bool(self.functions) and not self.tools

    def _tool_use(self) -> ToolUse | None:
        parallel = self.parallel_tool_calls is not False
        if self.functions and not self.tools:
            tools = [ToolFields(function=function).tool(position) for position, function in enumerate(self.functions)]
            if isinstance(self.function_call, NamedFunction):
                choice = ToolChoice(function=ToolChoiceFunction(name=self.function_call.name))
                return tool_use(tools, choice, parallel=False)
            return tool_use(tools, self.function_call, parallel=False)
        tools = [fields.tool(position) for position, fields in enumerate(self.tools or ())]
        return tool_use(tools, self.tool_choice, parallel=parallel)

    def _continues_final(self) -> bool:
        last = self.messages[-1]
        continues = bool(last.prefix or self.continue_final_message)
        if last.role == "assistant" and continues:
            if not _text(last, len(self.messages) - 1):
                raise invalid("The assistant's message to continue is empty", param="messages")
            return True
        if last.role == "assistant" and (last.tool_calls or last.function_call):
            raise invalid(
                "The last message has calls, and the tools' messages with their results are missing", param="messages"
            )
        if last.role in ("assistant", "system") and holds_to_mistrals_rule(last):
            raise invalid(
                "The last message must be a user's or a tool's, or the assistant's with 'prefix': true; "
                f"it is the {last.role}'s",
                param="messages",
                code="invalid_last_role",
            )
        if self.continue_final_message:
            raise invalid(
                "continue_final_message needs a last message of the assistant, "
                f"and the last message is the {last.role}'s",
                param="continue_final_message",
            )
        return False


def holds_to_mistrals_rule(last: MessageFields) -> bool:
    """Whether a conversation may not end with this message of the assistant's or the system's.

    Mistral refuses it without ``prefix``; OpenAI answers it with the assistant's next turn.
    """
    return last.prefix is not None


def chat_prompt(
    messages: list[MessageFields],
    *,
    continue_final: bool,
    repeats_final: bool = False,
    tool_use: ToolUse | None = None,
    generation_prompt: bool = True,
    template_variables: dict[str, Any] | None = None,
    add_special: bool = False,
) -> ChatPrompt:
    """The canonical conversation. Raises ApiError 400, which names the wrong message."""
    prompt_messages: list[Message] = []
    function_names: dict[str, str] = {}
    for position, fields in enumerate(messages):
        message = _message(fields, position, function_names)
        function_names |= {call.id: call.function.name for call in message.tool_calls}
        prompt_messages.append(message)
    return ChatPrompt(
        tuple(prompt_messages),
        continue_final,
        repeats_final,
        tool_use,
        generation_prompt,
        template_variables or {},
        add_special,
    )


def template_variables(
    chat_template_kwargs: dict[str, Any] | None, *, reasoning_effort: Any = None, prompt_mode: Any = None
) -> dict[str, Any]:
    """The variables for the model's chat template. Raises ApiError 400 for too many or too large ones."""
    try:
        return variables_of(chat_template_kwargs, reasoning_effort=reasoning_effort, prompt_mode=prompt_mode)
    except ValueError as error:
        raise invalid(f"chat_template_kwargs can't be used: {error}", param="chat_template_kwargs") from None


def opens_answer(continue_final_message: bool | None, add_generation_prompt: bool | None) -> bool:
    """Whether the template opens an answer after the last message. Raises ApiError 400 if both fields are true."""
    if continue_final_message and add_generation_prompt:
        raise invalid(
            "continue_final_message and add_generation_prompt exclude each other: one continues the last message, "
            "the other opens a new one",
            param="add_generation_prompt",
        )
    return add_generation_prompt is not False


_ROLES: dict[str, Role] = {"developer": "system", "function": "tool"}


def _message(fields: MessageFields, position: int, function_names: dict[str, str]) -> Message:
    """``function_names``: by id, the function of each call so far. It completes a tool's message."""
    role: Role = _ROLES.get(fields.role) or cast(Role, fields.role)
    requested = fields.tool_calls or ([ToolCallFields(function=fields.function_call)] if fields.function_call else [])
    if fields.content is None and not (role == "assistant" and (requested or fields.refusal)):
        raise invalid(
            f"Message {position} has no content",
            param=f"messages.{position}.content",
            code="message_empty",
            values={"position": position + 1},
        )
    if requested and role != "assistant":
        raise invalid(f"Message {position}: only the assistant calls tools", param=f"messages.{position}.tool_calls")
    calls = tuple(
        ToolCall(
            call.id or f"call_{position}_{number}",
            FunctionCall(call.function.name, _arguments(call.function)),
            {name: value for name, value in (call.model_extra or {}).items() if name != "type"},
        )
        for number, call in enumerate(requested)
    )
    call_id, name = fields.tool_call_id, fields.name
    if role == "tool":
        if call_id is None:
            call_id = next(
                (id_ for id_, function in reversed(function_names.items()) if name in (None, function)), None
            )
        name = name or function_names.get(call_id or "")
    parts = _parts(fields, position)
    text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return Message(
        role,
        text,
        name=name,
        tool_calls=calls,
        tool_call_id=call_id,
        parts=tuple(parts) if any(isinstance(part, ImagePart) for part in parts) else (),
        more=_for_upstreams(fields),
        reasoning=_thoughts(fields) if role == "assistant" else "",
    )


def _thoughts(fields: MessageFields) -> str:
    """The assistant's thoughts in any of the fields in which clients send them back."""
    in_parts = [
        text_of_thoughts((part.model_extra or {}).get("thinking"))
        for part in (fields.content if isinstance(fields.content, list) else ())
        if part.type == "thinking"
    ]
    return fields.reasoning_content or fields.reasoning or "\n".join(filter(None, in_parts))


def text_of_thoughts(thinking: Any) -> str:
    """The text of Mistral's ``thinking``: a text, or a list of parts with texts."""
    if isinstance(thinking, str):
        return thinking
    parts = thinking if isinstance(thinking, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _for_upstreams(fields: MessageFields) -> dict[str, Any]:
    """The fields that upstreams get unchanged: unknown fields, a refusal, thoughts, the parts of the content."""
    more = dict(fields.model_extra or {})
    thoughts = {"reasoning_content": fields.reasoning_content, "reasoning": fields.reasoning}
    more |= {name: value for name, value in thoughts.items() if value is not None}
    if fields.refusal is not None:
        more |= {"refusal": fields.refusal, "content": fields.content}
    if isinstance(fields.content, list):
        more["content"] = [
            _part_for_upstreams(part)
            for part in fields.content
            if part.type != "thinking" or fields.role == "assistant"
        ]
    return more


def _part_for_upstreams(part: ContentPart) -> dict[str, Any]:
    """The part as the client sent it. An image's address as plain text, Mistral's shape, becomes OpenAI's object."""
    body = part.model_dump(exclude_unset=True)
    if isinstance(part.image_url, str):
        body["image_url"] = {"url": part.image_url}
    return body


def _text(fields: MessageFields, position: int) -> str:
    return "\n".join(part.text for part in _parts(fields, position) if isinstance(part, TextPart))


def _parts(fields: MessageFields, position: int) -> list[Part]:
    if fields.content is None or isinstance(fields.content, str):
        text = fields.content or (fields.refusal if fields.role == "assistant" else None)
        return [TextPart(text)] if text else []
    parts: list[Part] = []
    for part in fields.content:
        if part.type == "image_url":
            parts.append(_image(part, position))
        elif part.type in ("text", "refusal"):
            text = part.text if part.type == "text" else (part.model_extra or {}).get("refusal")
            if not isinstance(text, str):
                raise invalid(f"Message {position} has a text part without text", param=f"messages.{position}.content")
            parts.append(TextPart(text))
        elif part.type != "thinking":  # see _thoughts
            raise unsupported(f"Content of type '{part.type}' is", param=f"messages.{position}.content")
    return parts


def _image(part: ContentPart, position: int) -> ImagePart:
    image = part.image_url
    url, detail = (image.url, image.detail) if isinstance(image, ImageUrl) else (image, None)
    if url is None or not url.startswith(("data:image/", "https://")):
        raise invalid(
            f"Message {position} has an image that is neither 'data:image/…;base64,…' nor an https address",
            param=f"messages.{position}.content",
        )
    return ImagePart(url, detail)


def _arguments(call: FunctionCallFields) -> str:
    return call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
