"""From the format and the tools that a request asks for to the grammar that its answers are held to."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

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
from aquilon.text.model import TextModel

_REMEMBERED = 256
"""Grammars that were checked: applications send the same one with each request."""


_WHAT: dict[type, str] = {
    JsonSchema: "this JSON schema",
    JsonObject: "this format",
    Regex: "this regular expression",
    Choice: "this choice",
    Grammar: "these rules",
}


class Constraints:
    """Makes grammars and checks them, in threads: a large schema keeps nobody else waiting."""

    def __init__(self) -> None:
        self._good: OrderedDict[str, None] = OrderedDict()

    async def grammar(self, request: GenerationRequest, text: TextModel, prompt_ids: list[int]) -> str | None:
        """What each answer must match, None for free text; what the answer has ``begun`` with is part of it.

        Raises ApiError 400 for a format, or for tools that must be called, that no
        grammar can hold, and for a beginning that they don't allow. Tools that may be
        called are never refused: those that no grammar can hold are left to the model.
        """
        use = tools_in_use(request)
        if request.format is None and (use is None or (use.choice == "auto" and not text.tools.opening)):
            return None
        may = request.format is None and use is not None and use.choice == "auto"
        try:
            made = await asyncio.to_thread(_grammar, request, use, text, prompt_ids)
            if made not in self._good:
                await asyncio.to_thread(grammar.check, made)
        except GrammarError as error:
            if may:
                return None
            raise await self._refusal(request.format, use, error) from None
        if request.begun:
            try:
                size = text.tokenizer.vocab_size
                await asyncio.to_thread(grammar.check_begun, made, request.begun, vocab_size=size)
            except GrammarError as error:
                if may:
                    return None
                raise invalid(
                    f"The assistant's message is no beginning of {_what(request.format)}: {error}",
                    param="messages",
                    code="invalid_prefix",
                ) from None
        self._good[made] = None
        self._good.move_to_end(made)
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return made

    async def _refusal(self, format: OutputFormat | None, use: ToolUse | None, error: GrammarError) -> ApiError:
        """Which of the parts is at fault."""
        for tool in use.tools if use is not None else ():
            try:
                await asyncio.to_thread(_check_tool, tool)
            except GrammarError as wrong:
                return invalid(
                    f"No grammar can hold the parameters of '{tool.name}': {wrong}",
                    param="tools",
                    code="invalid_schema",
                )
        param = "response_format" if isinstance(format, JsonSchema | JsonObject) else "structured_outputs"
        return invalid(
            f"No grammar can hold {_what(format)}: {error}",
            param="tools" if format is None else param,
            code="invalid_schema",
        )


def tools_in_use(request: GenerationRequest) -> ToolUse | None:
    """The tools that the answer may call; with a named one, that one alone."""
    use = request.prompt.tool_use if isinstance(request.prompt, ChatPrompt) else None
    if use is None or not use.tools or use.choice == "none":
        return None
    if use.choice == "named":
        return ToolUse(tuple(tool for tool in use.tools if tool.name == use.named), "named", use.named, parallel=False)
    return use


def prompt_end(text: TextModel, prompt_ids: Sequence[int]) -> str:
    """As far as it says whether thoughts have begun."""
    return text.tokenizer.decode(prompt_ids[-16:], skip_special=False)


def _what(format: OutputFormat | None) -> str:
    return "these tools' calls" if format is None else _WHAT[type(format)]


def _check_tool(tool: Tool) -> None:
    grammar.check(grammar.of_rules(f"start: {json_value(tool.parameters, writing=SPACED)}"))


def _grammar(request: GenerationRequest, use: ToolUse | None, text: TextModel, prompt_ids: list[int]) -> str:
    rules: list[str] = []
    others: dict[str, str] = {}
    answers: list[str] = []
    talks, lead = False, ""
    if request.format is not None:
        answers.append("body")
        rules.append(f"body: {_body(request.format, others)}")
    if use is not None:
        talks = use.choice == "auto" and request.format is None
        if use.choice != "auto":
            answers, lead = [], _lead(request.begun, text)
        answers.append("talk" if talks else "calls")
        rules.append(text.tools.rules(use.tools, parallel=use.parallel, lenient=use.choice == "auto"))
        if talks:
            rules.append(text.tools.lead(parallel=use.parallel))
    start = " | ".join(answers)
    # What SentencePiece puts at a text's beginning and nobody is shown.
    spaced = text.tokenizer.starts_text(prompt_ids) and not request.begun and not talks
    space = '" " ' if spaced and not _begins_with_control(text, answers) else ""
    start = f"{space}({start})" if len(answers) > 1 or space else start
    if lead:
        start = f'{grammar.literal(lead)} "\\n"? {start}'
    elif text.reasoning is not None and isinstance(request.prompt, ChatPrompt):
        opened = not request.begun and text.reasoning.is_open(prompt_end(text, prompt_ids))
        if opened or text.reasoning.controls or not talks:
            start = f"thoughts {start}" if opened else f"thoughts? {start}"
            rules.append(text.reasoning.rules(opened=opened))
    return grammar.of_rules("\n".join([f"start: {start}", *rules]), others)


def _lead(begun: str, text: TextModel) -> str:
    """What an answer that is to be calls says before them: it began so, and has begun neither thoughts nor a call."""
    opening, reasoning = text.tools.opening, text.reasoning
    thinks = reasoning is not None and begun.lstrip().startswith(reasoning.opening) and reasoning.closing not in begun
    if not opening or thinks:
        return ""
    if opening in text.tools.controls:
        return begun
    said = begun.partition(opening)[0]
    half = next((end for end in range(len(opening) - 1, 0, -1) if said.endswith(opening[:end])), 0)
    return said[: len(said) - half]


def _begins_with_control(text: TextModel, answers: list[str]) -> bool:
    return answers == ["calls"] and text.tools.opening in text.tools.controls


def _body(format: OutputFormat, others: dict[str, str]) -> str:
    """The right side of the answer's rule; ``others`` gets grammars of its own that it names."""
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
            others["given"] = grammar.lark(format.text)
            return "@given"
