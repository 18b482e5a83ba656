"""Makes the grammar that a request's answers must match, from its format and its tools."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aquilon.errors import ApiError, invalid
from aquilon.request import (
    ChatPrompt,
    Choice,
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    OutputFormat,
    Regex,
    ToolUse,
)
from aquilon.text import grammar
from aquilon.text.grammar import SPACED, GrammarError, json_value
from aquilon.text.messages import Tool

if TYPE_CHECKING:
    from aquilon.text.model import TextModel

_REMEMBERED = 256
"""Checked grammars that are remembered: applications send the same one with each request."""


_FORMAT_NAMES: dict[type, str] = {
    JsonSchema: "this JSON schema",
    JsonObject: "this format",
    Regex: "this regular expression",
    Choice: "this choice",
    Grammar: "these rules",
}


class Constraints:
    """Makes and checks grammars in threads, so that a large schema doesn't delay other requests."""

    def __init__(self) -> None:
        self._checked: OrderedDict[str, None] = OrderedDict()

    async def grammar(self, request: GenerationRequest, text: TextModel, prompt_ids: list[int]) -> str | None:
        """The grammar that each answer, ``request.prefix`` included, must match; None for free text.

        Raises ApiError 400 for a format, or for tools that must be called, that no
        grammar can hold, and for a prefix that the grammar doesn't allow. Tools that the
        model may call are never refused: if no grammar can hold them, there is no grammar.
        """
        use = tools_in_use(request)
        if request.format is None and (use is None or (use.choice == "auto" and not text.tools.opening)):
            return None
        is_optional = request.format is None and use is not None and use.choice == "auto"
        try:
            rules = await asyncio.to_thread(_grammar, request, use, text=text, prompt_ids=prompt_ids)
            if rules not in self._checked:
                await asyncio.to_thread(grammar.check, rules)
        except GrammarError as error:
            if is_optional:
                return None
            raise await self._refusal(request.format, use, error) from None
        if request.prefix:
            try:
                size = text.tokenizer.vocab_size
                await asyncio.to_thread(grammar.check_prefix, rules, request.prefix, vocab_size=size)
            except GrammarError as error:
                if is_optional:
                    return None
                raise invalid(
                    f"The assistant's message can't begin {_described(request.format)}: {error}",
                    param="messages",
                    code="invalid_prefix",
                ) from None
        self._checked[rules] = None
        self._checked.move_to_end(rules)
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)
        return rules

    async def _refusal(self, format: OutputFormat | None, use: ToolUse | None, error: GrammarError) -> ApiError:
        """The answer to a request without a grammar: it names the tool or the format that is wrong."""
        for tool in use.tools if use is not None else ():
            try:
                await asyncio.to_thread(_check_tool, tool)
            except GrammarError as tool_error:
                return invalid(
                    f"No grammar can hold the parameters of '{tool.name}': {tool_error}",
                    param="tools",
                    code="invalid_schema",
                )
        param = "response_format" if isinstance(format, JsonSchema | JsonObject) else "structured_outputs"
        return invalid(
            f"No grammar can hold {_described(format)}: {error}",
            param="tools" if format is None else param,
            code="invalid_schema",
        )


def tools_in_use(request: GenerationRequest) -> ToolUse | None:
    """The tools that the answer may call: a named tool only, if the request names one."""
    use = request.prompt.tool_use if isinstance(request.prompt, ChatPrompt) else None
    if use is None or not use.tools or use.choice == "none":
        return None
    if use.choice == "named":
        return ToolUse(tuple(tool for tool in use.tools if tool.name == use.named), "named", use.named, parallel=False)
    return use


def prompt_end(text: TextModel, prompt_ids: Sequence[int]) -> str:
    """The prompt's last 16 tokens as text: enough to see whether the template has opened the thoughts."""
    return text.tokenizer.decode(prompt_ids[-16:], skip_special=False)


def _described(format: OutputFormat | None) -> str:
    return "these tools' calls" if format is None else _FORMAT_NAMES[type(format)]


def _check_tool(tool: Tool) -> None:
    grammar.check(grammar.of_rules(f"start: {json_value(tool.parameters, writing=SPACED)}"))


def _grammar(request: GenerationRequest, use: ToolUse | None, *, text: TextModel, prompt_ids: list[int]) -> str:
    rules: list[str] = []
    given_grammars: dict[str, str] = {}
    alternatives: list[str] = []
    may_talk, lead = False, ""
    if request.format is not None:
        alternatives.append("body")
        if isinstance(request.format, Grammar):
            given_grammars["given"] = grammar.lark(request.format.text)
        rules.append(f"body: {_body(request.format)}")
    if use is not None:
        may_talk = use.choice == "auto" and request.format is None
        if use.choice != "auto":
            alternatives, lead = [], _lead(request.prefix, text)
        alternatives.append("talk" if may_talk else "calls")
        rules.append(text.tools.rules(use.tools, parallel=use.parallel, lenient=use.choice == "auto"))
        if may_talk:
            rules.append(text.tools.lead(parallel=use.parallel))
    start = " | ".join(alternatives)
    # The space that SentencePiece writes at a text's beginning, and that clients don't get.
    spaced = text.tokenizer.starts_text(prompt_ids) and not request.prefix and not may_talk
    space = '" " ' if spaced and not _begins_with_control(text, alternatives) else ""
    start = f"{space}({start})" if len(alternatives) > 1 or space else start
    if lead:
        start = f'{grammar.literal(lead)} "\\n"? {start}'
    elif text.reasoning is not None and isinstance(request.prompt, ChatPrompt):
        opened = not request.prefix and text.reasoning.is_open(prompt_end(text, prompt_ids))
        if opened or text.reasoning.controls or not may_talk:
            start = f"thoughts {start}" if opened else f"thoughts? {start}"
            rules.append(text.reasoning.rules(opened=opened))
    return grammar.of_rules("\n".join([f"start: {start}", *rules]), given_grammars)


def _lead(prefix: str, text: TextModel) -> str:
    """The text before an answer's required calls: the prefix up to its first call; empty if it is still thinking."""
    opening, reasoning = text.tools.opening, text.reasoning
    thinks = reasoning is not None and prefix.lstrip().startswith(reasoning.opening) and reasoning.closing not in prefix
    if not opening or thinks:
        return ""
    if opening in text.tools.controls:
        return prefix
    lead = prefix.partition(opening)[0]
    cut_opening = next((end for end in range(len(opening) - 1, 0, -1) if lead.endswith(opening[:end])), 0)
    return lead[: len(lead) - cut_opening]


def _begins_with_control(text: TextModel, alternatives: list[str]) -> bool:
    return alternatives == ["calls"] and text.tools.opening in text.tools.controls


def _body(format: OutputFormat) -> str:
    """The right side of the answer's rule; a client's own grammar is named ``@given``."""
    match format:
        case JsonObject():
            return json_value({"type": "object"}, writing=SPACED)
        case JsonSchema():
            return json_value(format.schema, writing=SPACED)
        case Regex():
            return grammar.pattern(format.pattern)
        case Choice():
            return grammar.one_of(format.options)
        case Grammar():
            return "@given"
