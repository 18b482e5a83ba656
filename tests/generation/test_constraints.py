"""Grammars for requests, and the calls and texts of answers that follow them, with real vocabularies."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from tests.support.chat_folders import write_folder
from tests.support.vocabulary_files import MISTRAL_DATA, read_tokenizer_metadata

from aquilon.engine.constraints import Vocabulary
from aquilon.engine.protocol import SamplingParameters, SequenceOutput
from aquilon.errors import ApiError
from aquilon.generation.constraints import Constraints
from aquilon.generation.decoding import Decoding, reading_of
from aquilon.request import (
    ChatPrompt,
    Choice,
    Delta,
    Event,
    Finished,
    GenerationRequest,
    Grammar,
    JsonSchema,
    OutputFormat,
    Regex,
    ToolCallDelta,
    ToolUse,
)
from aquilon.text.messages import Message, Tool
from aquilon.text.model import TextModel

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 6}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city"],
}
TOOLS = (Tool("get_weather", "The weather", PARAMETERS), Tool("stop", parameters={"type": "object", "properties": {}}))
SCHEMAS = {tool.name: tool.parameters for tool in TOOLS}
QUESTION = (Message("user", "What is the weather like?"),)


class Model:
    """A tokenizer and template, with a model that draws any allowed token, and never thinks."""

    def __init__(self, text: TextModel) -> None:
        self.text = text
        self.vocabulary = Vocabulary(text.tokenizer, frozenset(), text.tokenizer.vocab_size)
        assert text.template is not None
        self.prompt_ids = text.template.encode(QUESTION)

    async def answer(self, request: GenerationRequest, seed: int = 0, most: int = 600) -> list[Event]:
        grammar = await Constraints().grammar(request, self.text, self.prompt_ids)
        assert grammar is not None
        constraint, draw = self.vocabulary.constraint(grammar, request.prefix), random.Random(seed)
        thinking = self.text.reasoning.controls.values() if self.text.reasoning is not None else ()
        decoding = Decoding(
            self.text.tokenizer, self.prompt_ids, index=0, reading=reading_of(request, self.text, self.prompt_ids)
        )
        events: list[Event] = []
        for _ in range(most):
            token_id = draw.choice(np.flatnonzero(constraint.allowed(without=frozenset(thinking))).tolist())
            ended = token_id in self.vocabulary.end_ids
            if not ended:
                constraint.accept(token_id)
            reason = "stop" if ended else "complete" if constraint.complete else None
            events += decoding.add(SequenceOutput(id="r", index=0, token_ids=[token_id], finish_reason=reason))
            assert constraint.failure is None
            if reason is not None:
                break
        return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def calls_of(events: list[Event]) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.id:
                calls.append((event.name, ""))
            calls[event.call] = (calls[event.call][0], calls[event.call][1] + event.arguments)
    return calls


def a_request(*, format: OutputFormat | None = None, use: ToolUse | None = None, prefix: str = "") -> GenerationRequest:
    messages = (*QUESTION, Message("assistant", prefix)) if prefix else QUESTION
    prompt = ChatPrompt(messages, bool(prefix), tool_use=use)
    return GenerationRequest(model="m", prompt=prompt, sampling=SamplingParameters(), format=format)


def hermes(folder: Path, _: Path) -> TextModel:
    return TextModel.from_folder(write_folder(folder))


def preamble(_: Path, default_model_file: Path) -> TextModel:
    return TextModel.from_gguf(read_tokenizer_metadata(default_model_file))


def mistral_list(folder: Path, _: Path) -> TextModel:
    name = "mistral_instruct_tokenizer_240323.model.v3"
    folder.mkdir()
    (folder / "tokenizer.model.v3").write_bytes((MISTRAL_DATA / name).read_bytes())
    return TextModel.from_folder(folder)


def mistral_named(folder: Path, _: Path) -> TextModel:
    """Version 13: a Tekken file of version 3 with the newer control tokens, and a short vocabulary."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    content = json.loads((MISTRAL_DATA / "tekken_240911.json").read_text())
    names = [
        str(getattr(token["token_str"], "value", token["token_str"])) for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS
    ]
    names += [name for name in ("[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]") if name not in names]
    content["special_tokens"] = [
        {"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)
    ]
    content["config"] |= {"version": "v13", "default_vocab_size": 20_000}
    folder.mkdir()
    (folder / "tekken.json").write_text(json.dumps(content))
    return TextModel.from_folder(folder)


KINDS: list[Callable[[Path, Path], TextModel]] = [hermes, preamble, mistral_list, mistral_named]


@pytest.fixture(scope="module", params=KINDS, ids=lambda make: make.__name__)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, default_model_file: Path) -> Model:
    return Model(request.param(tmp_path_factory.mktemp("text") / "model", default_model_file))


class TestEveryVocabulary:
    async def test_required_calls_are_valid_whichever_tokens_are_drawn(self, model: Model) -> None:
        for seed in range(3):
            events = await model.answer(a_request(use=ToolUse(TOOLS, "required")), seed)
            calls = calls_of(events)
            assert calls
            for name, arguments in calls:
                jsonschema.validate(json.loads(arguments), SCHEMAS[name])
            assert text_of(events) == ""
            assert events[-1] == Finished(0, "tool_calls")

    async def test_a_named_function_is_called_once(self, model: Model) -> None:
        events = await model.answer(a_request(use=ToolUse(TOOLS, "named", "get_weather")))
        [(name, arguments)] = calls_of(events)
        assert name == "get_weather"
        jsonschema.validate(json.loads(arguments), PARAMETERS)

    async def test_after_the_opening_of_a_call_only_a_call_may_follow(self, model: Model) -> None:
        """Before the opening marker, the model is free."""
        use = ToolUse(TOOLS, "auto", parallel=False)
        grammar = await Constraints().grammar(a_request(use=use), model.text, model.prompt_ids)
        assert grammar is not None
        constraint = model.vocabulary.constraint(grammar)
        opening = model.text.tools.opening
        control = model.text.tools.controls.get(opening)
        ids = [*model.text.tokenizer.encode("Well", add_special=False)]
        ids += model.text.tokenizer.encode(opening, add_special=False) if control is None else [control]
        for token_id in ids:
            assert constraint.allowed()[token_id]
            constraint.accept(token_id)
        assert constraint.allowed().sum() < 50
        assert not constraint.allowed()[list(model.vocabulary.end_ids)].any()

    @pytest.mark.parametrize(
        ("format", "holds"),
        [
            (JsonSchema(PARAMETERS), lambda text: jsonschema.validate(json.loads(text), PARAMETERS)),
            (Regex("(ab|é){2,9}x"), None),
            (Choice(("Paris", "London town")), lambda text: ("Paris", "London town").index(text)),
            (Grammar('start: "<" ("a" | "b") ">"'), lambda text: ("<a>", "<b>").index(text)),
        ],
        ids=lambda value: type(value).__name__,
    )
    async def test_a_format_is_kept_to_the_byte(self, model: Model, format: OutputFormat, holds: Any) -> None:
        for seed in range(3):
            events = await model.answer(a_request(format=format), seed)
            text = text_of(events)
            if isinstance(format, Regex):
                assert text.endswith("x")
                assert set(text) <= set("abéx")
            else:
                holds(text)
            assert events[-1] == Finished(0, "stop")

    @pytest.mark.parametrize("prefix", ['{"ci', '{"city": "Köl', '{\n  "city": "Oslo",\n  "days": '])
    async def test_the_prefix_and_the_answer_together_match_the_format(self, model: Model, prefix: str) -> None:
        for seed in range(3):
            events = await model.answer(a_request(format=JsonSchema(PARAMETERS), prefix=prefix), seed)
            jsonschema.validate(json.loads(prefix + text_of(events)), PARAMETERS)
            assert events[-1] == Finished(0, "stop")

    @pytest.mark.parametrize("choice", ["required", "named"])
    async def test_the_required_call_follows_a_prefix_of_text(self, model: Model, choice: Any) -> None:
        use = ToolUse(TOOLS, choice, "get_weather" if choice == "named" else None)
        events = await model.answer(a_request(use=use, prefix="Let me look, I say:"))
        assert text_of(events) == ""
        for name, arguments in calls_of(events):
            jsonschema.validate(json.loads(arguments), SCHEMAS[name])
        assert events[-1] == Finished(0, "tool_calls")


async def test_a_call_that_begins_in_the_prefix_is_reported_whole(small: Model) -> None:
    prefix = 'Let me look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Os'
    for choice in ("required", "auto"):
        events = await small.answer(a_request(use=ToolUse(TOOLS, choice, parallel=False), prefix=prefix))
        [(name, arguments)] = calls_of(events)
        assert name == "get_weather"
        assert json.loads(arguments)["city"].startswith("Os")
        jsonschema.validate(json.loads(arguments), PARAMETERS)
        assert "Let me look" not in text_of(events)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(TextModel.from_folder(write_folder(tmp_path_factory.mktemp("text"))))


class TestRefusals:
    async def refusal(self, small: Model, request: GenerationRequest) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await Constraints().grammar(request, small.text, small.prompt_ids)
        assert caught.value.status == 400
        return caught.value

    async def test_the_tool_at_fault_is_named(self, small: Model) -> None:
        tools = (*TOOLS, Tool("odd", parameters={"type": "object", "not": {}}))
        error = await self.refusal(small, a_request(use=ToolUse(tools, "required")))
        assert "'odd'" in error.message
        assert error.param == "tools"

    async def test_a_tool_that_may_be_called_is_never_refused(self, small: Model) -> None:
        odd = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)"}}}
        request = a_request(use=ToolUse((Tool("odd", parameters=odd),), "auto"))
        assert await Constraints().grammar(request, small.text, small.prompt_ids) is None

    async def test_a_very_large_format_is_refused_unread(self, small: Model) -> None:
        for format_ in (Regex("a" * 200_000), Grammar("#" * 200_000), Choice(("x" * 9_000,) * 20)):
            assert "KiB" in (await self.refusal(small, a_request(format=format_))).message

    @pytest.mark.parametrize(
        ("prefix", "reason"),
        [
            ("```json", 'it can\'t begin with "```json"'),
            ('{"city": 3', 'it can\'t go on with "3" after "{\\"city\\": "'),
            ('{"city": "Oslo"}', "the format is complete after it"),
        ],
    )
    async def test_a_prefix_that_the_format_does_not_allow_is_refused(
        self, small: Model, prefix: str, reason: str
    ) -> None:
        error = await self.refusal(small, a_request(format=JsonSchema(PARAMETERS), prefix=prefix))
        assert reason in error.message
        assert error.code == "invalid_prefix"

    async def test_a_prefix_that_calls_another_function_is_refused(self, small: Model) -> None:
        prefix = '<tool_call>\n{"name": "rain", "arguments": {'
        error = await self.refusal(small, a_request(use=ToolUse(TOOLS, "named", "stop"), prefix=prefix))
        assert "rain" in error.message
        optional = a_request(use=ToolUse(TOOLS, "auto"), prefix=prefix)
        assert await Constraints().grammar(optional, small.text, small.prompt_ids) is None

    async def test_free_text_has_no_grammar(self, small: Model) -> None:
        for use in (None, ToolUse(TOOLS, "none"), ToolUse((), "auto")):
            assert await Constraints().grammar(a_request(use=use), small.text, small.prompt_ids) is None


async def test_a_model_that_thinks_may_think_before_it_keeps_to_the_format(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}{# <think></think> #}"
    )
    model = Model(TextModel.from_folder(write_folder(tmp_path, template)))
    grammar = await Constraints().grammar(a_request(format=Choice(("yes", "no"))), model.text, model.prompt_ids)
    assert grammar is not None
    answer = "<think>\nIs it? It is.\n</think>\n\nyes"
    constraint = model.vocabulary.constraint(grammar)
    decoding = Decoding(
        model.text.tokenizer,
        model.prompt_ids,
        index=0,
        reading=reading_of(a_request(format=Choice(("yes", "no"))), model.text, model.prompt_ids),
    )
    events: list[Event] = []
    for token_id in model.text.tokenizer.encode_markup(answer):  # type: ignore[attr-defined]
        assert constraint.allowed()[token_id]
        constraint.accept(token_id)
        reason = "complete" if constraint.complete else None
        events += decoding.add(SequenceOutput(id="r", index=0, token_ids=[token_id], finish_reason=reason))
    assert "".join(event.reasoning for event in events if isinstance(event, Delta)) == "Is it? It is."
    assert text_of(events) == "yes"
    assert events[-1] == Finished(0, "stop")
