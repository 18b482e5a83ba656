"""Chat templates: turn a conversation into the token ids that a model expects."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jinja2
from jinja2 import meta, nodes

from aquilon.text.alternation import alternating
from aquilon.text.budget import BRIEF, Budget, BudgetExceeded
from aquilon.text.content_format import TRIALS, ContentFormat
from aquilon.text.guard import Guard, protect_all, strings_in, unused_character
from aquilon.text.messages import Message, Tool
from aquilon.text.sandbox import ChatSandbox, budget
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.template_errors import NotBrief, TemplateError, TemplateRefusal
from aquilon.text.template_variables import check_names, with_switches

MAX_TEMPLATE_CHARACTERS = 2**18
"""The longest known ones have some 40,000."""

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Names under which templates read an assistant's earlier thoughts in its message."""

_TRIAL = 100_000_000
"""Nominal nanoseconds for each of the trials that show how a template reads contents."""

_COMPILED_FILE = "<template>"
"""What Jinja calls the code that it compiles from a string."""


NO_VARIABLES: Mapping[str, Any] = {}


class ChatTemplate(Protocol):
    """Turns a conversation into token ids, in any format."""

    def compile(self) -> None:
        """Compile in advance, so that the first ``encode`` doesn't have to. Errors are raised by ``encode``."""
        ...

    def try_out(self) -> None:
        """Compile and render every template once. Raises TemplateError for one that can't serve the model."""
        ...

    def encode(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        add_generation_prompt: bool = True,
        continue_final: bool = False,
        variables: Mapping[str, Any] = NO_VARIABLES,
        brief: bool = False,
    ) -> list[int]:
        """Token ids of a conversation.

        ``continue_final`` leaves the last message open for the model to continue;
        ``add_generation_prompt``, which opens a new message, has no effect then.
        ``variables`` are the client's, see `text.template_variables`.
        Raises TemplateError, and with ``brief`` NotBrief if it takes more than a few milliseconds.
        """
        ...


class JinjaTemplate:
    """A template in Jinja, from a Hugging Face folder or a GGUF file.

    The ids are those of transformers' ``apply_chat_template``, with one exception: text
    from outside never becomes a control token. Trusted are the template itself, the roles,
    and markup in assistants' messages that is not a control token (``<think>``,
    ``<tool_call>``), because the model wrote it and templates look for it. Everything
    else is plain text, down to the names in a tool's schema.
    """

    def __init__(self, source: str | Mapping[str, str], tokenizer: SubwordTokenizer) -> None:
        """``source``: one template, or several by name, of which ``tool_use`` serves requests with tools."""
        self._sources = {"default": source} if isinstance(source, str) else dict(source)
        self._tokenizer = tokenizer
        self._compiled: dict[str, _Compiled | TemplateError] = {}

    def source(self, *, tools: bool) -> str:
        """The template that serves conversations with tools, or without."""
        return self._sources.get("tool_use" if tools and "tool_use" in self._sources else "default", "")

    def encode(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        add_generation_prompt: bool = True,
        continue_final: bool = False,
        variables: Mapping[str, Any] = NO_VARIABLES,
        brief: bool = False,
    ) -> list[int]:
        text, mark = self._render(
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            continue_final=continue_final,
            variables=variables,
            brief=brief,
        )
        try:
            return self._tokenizer.encode_markup(text, ignored=mark)
        except ValueError as error:
            raise TemplateError(f"these messages can't be encoded: {error}") from None

    def compile(self) -> None:
        for name in self._sources:
            with contextlib.suppress(TemplateError):
                self._compile(name)

    def try_out(self) -> None:
        for name in self._sources:
            compiled = self._compile(name)
            failure = compiled.content_format.failure
            if failure is not None and not isinstance(failure, TemplateRefusal):
                raise failure
            for messages, tools in TRIALS:
                shaped = [compiled.content_format.shape(message) for message in messages]
                try:
                    text = compiled.render(shaped, tools)
                except TemplateError:
                    continue  # the template doesn't take this kind of conversation
                try:
                    self._tokenizer.encode_markup(text)
                except ValueError as error:
                    raise TemplateError(f"the chat template's text can't be encoded: {error}") from None

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        add_generation_prompt: bool = True,
        continue_final: bool = False,
        variables: Mapping[str, Any] = NO_VARIABLES,
    ) -> str:
        """The conversation as text for people to read. To encode it, call ``encode``: the text is not protected."""
        text, mark = self._render(
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            continue_final=continue_final,
            variables=variables,
            brief=False,
        )
        return text.replace(mark, "")

    def _render(self, messages: Sequence[Message], **how: Any) -> tuple[str, str]:
        """The rendered text, and the mark inside it that keeps text from outside from being a token."""
        try:
            return self._render_as_is(messages, **how)
        except TemplateRefusal:
            by_turns = alternating(messages)
            if len(by_turns) < len(messages):
                with contextlib.suppress(TemplateRefusal):
                    return self._render_as_is(by_turns, **how)
            raise

    def _render_as_is(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool],
        add_generation_prompt: bool,
        continue_final: bool,
        variables: Mapping[str, Any],
        brief: bool,
    ) -> tuple[str, str]:
        if not messages:
            raise TemplateError("a conversation needs at least one message")
        compiled = self._compile("tool_use" if tools and "tool_use" in self._sources else "default")
        try:
            check_names(variables)
            variables = dict(with_switches(variables, compiled.variables))
            plain_messages = [_plain_message(message, compiled.thoughts) for message in messages]
            plain_tools = [_plain_tool(tool) for tool in tools]
            strings = [
                compiled.source,
                *strings_in(plain_messages),
                *strings_in(plain_tools),
                *strings_in(variables),
            ]
            mark = unused_character(strings)
            cut = unused_character([*strings, mark])
            protected = [_protected(message, compiled, mark) for message in plain_messages]
            protected_tools = [_protected_tool(tool, compiled, mark) for tool in plain_tools]
            protected_variables = _protected_values(variables, compiled, mark)
        except ValueError as error:
            raise TemplateError(str(error)) from None
        except RecursionError:
            raise TemplateError("the tools or their calls are nested too deeply") from None
        if continue_final:
            # The space shows whether the template trims contents, see _open_end.
            protected[-1]["content"] += cut + " "
        text = compiled.render(
            [compiled.content_format.shape(message) for message in protected],
            protected_tools,
            variables=protected_variables,
            add_generation_prompt=add_generation_prompt and not continue_final,
            within=Budget(sum(map(len, strings)), BRIEF) if brief else Budget(sum(map(len, strings))),
            brief=brief,
        )
        return (_open_end(text, cut) if continue_final else text), mark

    def _compile(self, name: str) -> _Compiled:
        if name not in self._sources:
            raise TemplateError(
                f"this model has no chat template named '{name}'; its templates are {', '.join(self._sources)}"
            )
        compiled = self._compiled.get(name)
        if compiled is None:
            try:
                compiled = _Compiled(self._sources[name], self._tokenizer)
            except TemplateError as error:
                compiled = error
            self._compiled[name] = compiled
        if isinstance(compiled, TemplateError):
            raise compiled.with_traceback(None)
        return compiled


class _Compiled:
    """One compiled template, with the guards for its tokens."""

    def __init__(self, source: str, tokenizer: SubwordTokenizer) -> None:
        if len(source) > MAX_TEMPLATE_CHARACTERS:
            raise TemplateError(
                f"the chat template has {len(source)} characters, {MAX_TEMPLATE_CHARACTERS} are allowed"
            )
        self.source = source
        self._environment = _sandbox()
        try:
            tree = self._environment.parse(source)
            self._code = self._environment.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"the chat template is malformed in line {error.lineno}: {error.message}") from None
        except (RecursionError, SyntaxError, ValueError, OverflowError, MemoryError, AssertionError) as error:
            raise TemplateError(f"the chat template is malformed: {error}") from None
        literals = [node.data for node in tree.find_all(nodes.TemplateData)]
        literals += [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
        added = list(tokenizer.matched_tokens)
        self.outside = Guard((token.text for token in added if token.is_markup), template_literals=literals)
        """For texts of people and tools."""
        self.assistant = Guard((token.text for token in added if token.control), template_literals=literals)
        """For texts of the model."""
        self._names = tokenizer.special.names
        self.variables = frozenset(meta.find_undeclared_variables(tree))
        """The names of variables that the template reads."""
        read = {node.attr for node in tree.find_all(nodes.Getattr)}
        read |= {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
        self.thoughts = tuple(name for name in _THOUGHTS if name in read)
        """The fields of an assistant's message in which the template reads its earlier thoughts."""

        self.content_format = ContentFormat(
            lambda messages, tools: self.render(messages, tools, within=Budget(0, _TRIAL))
        )
        """How the template reads contents, found out by trials."""

    def render(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        *,
        variables: Mapping[str, Any] = NO_VARIABLES,
        add_generation_prompt: bool = True,
        within: Budget | None = None,
        brief: bool = False,
    ) -> str:
        """The text of messages and tools in the fields that templates read. Raises TemplateError, or NotBrief."""
        variables = {
            "documents": None,
            **variables,
            **self._names,
            "messages": messages,
            "tools": tools or None,
            "add_generation_prompt": add_generation_prompt,
        }
        token = budget.set(within or Budget(0))
        try:
            context = self._code.new_context(variables)
            return self._environment.concat(self._code.root_render_func(context))
        except BudgetExceeded as error:
            if brief:
                raise NotBrief from None
            raise TemplateError(str(error)) from None
        except RecursionError:
            raise TemplateError("the chat template calls itself without end") from None
        except jinja2.TemplateError as error:
            if type(error) is jinja2.TemplateError:  # what raise_exception raises
                raise TemplateRefusal(f"the model's chat template refuses these messages: {error.message}") from None
            raise TemplateError(f"the chat template fails in line {self._line(error)}: {error.message}") from None
        except Exception as error:  # the template's own code fails, not the program
            raise TemplateError(f"the chat template fails in line {self._line(error)}: {error}") from None
        finally:
            budget.reset(token)

    def _line(self, error: Exception) -> int | str:
        line: int | str = "?"
        frame = error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename == _COMPILED_FILE:
                line = self._code.get_corresponding_lineno(frame.tb_lineno)
            frame = frame.tb_next
        return line


@functools.cache
def _sandbox() -> ChatSandbox:
    return ChatSandbox()


def _plain_message(message: Message, thoughts: Sequence[str] = ()) -> dict[str, Any]:
    """A message in the fields that templates read. ``thoughts``: those in which this one reads earlier thoughts."""
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        plain["name"] = message.name
    if message.reasoning and message.role == "assistant":
        # gpt-oss' template refuses a message with content, calls and thoughts: the content says what was thought.
        has_both = bool(message.content and message.tool_calls)
        plain |= {name: message.reasoning for name in thoughts if name != "thinking" or not has_both}
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": _arguments(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _arguments(text: str) -> Any:
    """The arguments as an object, since templates print JSON themselves; as the text if they are not an object."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return arguments if isinstance(arguments, dict) else text


def _plain_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _protected(message: dict[str, Any], compiled: _Compiled, mark: str) -> dict[str, Any]:
    """A message whose strings can't become tokens; its role and its fields' names are trusted."""
    content = compiled.assistant if message["role"] == "assistant" else compiled.outside
    protected = {**message, "content": content.protect(message["content"], mark)}
    for field in ("name", "tool_call_id", *_THOUGHTS):
        if field in message:
            protected[field] = compiled.outside.protect(message[field], mark)
    if "tool_calls" in message:
        protected["tool_calls"] = [
            {
                "id": compiled.outside.protect(call["id"], mark),
                "type": "function",
                "function": _protected_values(call["function"], compiled, mark),
            }
            for call in message["tool_calls"]
        ]
    return protected


def _protected_tool(tool: dict[str, Any], compiled: _Compiled, mark: str) -> dict[str, Any]:
    return {**tool, "function": _protected_values(tool["function"], compiled, mark)}


def _protected_values(fields: dict[str, Any], compiled: _Compiled, mark: str) -> dict[str, Any]:
    return {name: protect_all(value, compiled.outside, mark) for name, value in fields.items()}


def _open_end(text: str, cut: str) -> str:
    """The text up to the end of the last message's content; trimmed there if the template trims contents."""
    position = text.rfind(cut)
    if position < 0:
        raise TemplateError("the chat template leaves the last message out, so it can't be continued")
    kept = text[:position]
    return kept if text.startswith(cut + " ", position) else kept.rstrip()
