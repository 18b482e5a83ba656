"""Mistral's own tokenizers: the ids are mistral-common's, tool calls included."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mistral_common.protocol.instruct.chunk import TextChunk, ThinkChunk
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, ToolMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function
from mistral_common.protocol.instruct.tool_calls import FunctionCall as VendorCall
from mistral_common.protocol.instruct.tool_calls import Tool as VendorTool
from mistral_common.protocol.instruct.tool_calls import ToolCall as VendorToolCall
from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy, SpecialTokens
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer as Vendor
from tests.support.multilingual import texts
from tests.support.vocabulary_files import MISTRAL_DATA

from aquilon.text.detokenizer import Detokenizer
from aquilon.text.messages import FunctionCall, Message, Tool, ToolCall
from aquilon.text.mistral import MistralTemplate, MistralTokenizer, load_mistral
from aquilon.text.model import TextModel
from aquilon.text.template_errors import TemplateError
from aquilon.text.tokenizer import TokenizerError

FILES = {
    "v1": "tokenizer.model.v1",
    "v2": "mistral_instruct_tokenizer_240216.model.v2",
    "v3": "mistral_instruct_tokenizer_240323.model.v3",
    "v7": "mistral_instruct_tokenizer_241114.model.v7",
    "tekken": "tekken_240911.json",
}
WITH_TOOLS = [name for name in FILES if name != "v1"]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

Loaded = tuple[MistralTokenizer, MistralTemplate, Any]


@pytest.fixture(scope="module")
def loaded() -> dict[str, Loaded]:
    return {
        name: (*load_mistral(MISTRAL_DATA / file), Vendor.from_file(str(MISTRAL_DATA / file)))
        for name, file in FILES.items()
    }


@pytest.mark.parametrize("name", FILES)
def test_text_has_the_ids_that_mistral_common_gives_it(name: str, loaded: dict[str, Loaded]) -> None:
    ours, _, vendor = loaded[name]
    inner = vendor.instruct_tokenizer.tokenizer
    for text in texts(300, seed=2):
        ids = ours.encode(text)
        assert ids == inner.encode(text, bos=True, eos=False)
        assert not any(map(ours.is_control, ids[1:]))
        if "▁" not in text:  # which SentencePiece takes for a space
            assert ours.decode(ids) == inner.decode(ids) == text
            assert Detokenizer(ours).add(ids) == text


@pytest.mark.parametrize("name", FILES)
def test_a_decoded_conversation_has_its_control_tokens_again_when_they_are_parsed(
    name: str, loaded: dict[str, Loaded]
) -> None:
    ours, template, _ = loaded[name]
    ids = template.encode([Message("user", "Bonjour"), Message("assistant", "Oui"), Message("user", "a")])
    text = ours.decode(ids, skip_special=False)
    again = ours.encode(text, add_special=False, parse_special=True)
    assert list(filter(ours.is_control, again)) == list(filter(ours.is_control, ids))
    assert not any(map(ours.is_control, ours.encode("[INST]</s>", add_special=False)))


@pytest.mark.parametrize("name", FILES)
def test_a_conversation_that_ends_with_an_answer_ends_with_the_end_of_it(name: str, loaded: dict[str, Loaded]) -> None:
    ours, template, _ = loaded[name]
    asked = [
        Message("system", "Sois bref"),
        Message("user", "Bonjour"),
        Message("assistant", "Oui"),
        Message("user", "a"),
    ]
    prompt = template.encode(asked)
    whole = template.encode([*asked, Message("assistant", "Non")], add_generation_prompt=False)
    assert whole[: len(prompt)] == prompt
    assert ours.decode(whole[len(prompt) :]).strip() == "Non"
    assert whole[-1] in ours.eos_ids


@pytest.mark.parametrize("name", FILES)
def test_a_conversation_has_the_ids_that_mistral_common_gives_it(name: str, loaded: dict[str, Loaded]) -> None:
    _, template, vendor = loaded[name]
    for text in texts(60, seed=4):
        request = ChatCompletionRequest(
            messages=[
                SystemMessage(content=text),
                UserMessage(content=text),
                AssistantMessage(content="Oui. " + text),
                UserMessage(content=text[::-1]),
            ]
        )
        messages = [
            Message("system", text),
            Message("user", text),
            Message("assistant", "Oui. " + text),
            Message("user", text[::-1]),
        ]
        assert template.encode(messages) == vendor.encode_chat_completion(request).tokens


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_tool_calls_and_results_have_the_ids_that_mistral_common_gives_them(
    name: str, loaded: dict[str, Loaded]
) -> None:
    _, template, vendor = loaded[name]
    for text in texts(60, seed=8):
        arguments = '{"city": "Zürich", "days": 2}'
        results = {"abcDEF123": text} if name == "v2" else {"abcDEF123": text, "abcDEF456": "{}"}  # v2 takes but one
        calls = [
            VendorToolCall(id=call_id, function=VendorCall(name="weather", arguments=arguments)) for call_id in results
        ]
        request = ChatCompletionRequest(
            tools=[VendorTool(function=Function(name="weather", description=text, parameters=PARAMETERS))],
            messages=[
                UserMessage(content=text),
                AssistantMessage(tool_calls=calls),
                *(ToolMessage(tool_call_id=key, name="weather", content=result) for key, result in results.items()),
            ],
        )
        messages = [
            Message("user", text),
            Message(
                "assistant", tool_calls=tuple(ToolCall(key, FunctionCall("weather", arguments)) for key in results)
            ),
            *(Message("tool", result, name="weather", tool_call_id=key) for key, result in results.items()),
        ]
        ours = template.encode(messages, tools=[Tool("weather", text, PARAMETERS)])
        assert ours == vendor.encode_chat_completion(request).tokens


@pytest.mark.parametrize("name", FILES)
def test_a_prefix_is_continued_as_mistral_common_does(name: str, loaded: dict[str, Loaded]) -> None:
    _, template, vendor = loaded[name]
    request = ChatCompletionRequest(
        messages=[UserMessage(content="Écris"), AssistantMessage(content="Il était", prefix=True)]
    )
    messages = [Message("user", "Écris"), Message("assistant", "Il était")]
    assert template.encode(messages, continue_final=True) == vendor.encode_chat_completion(request).tokens


@pytest.mark.parametrize("name", ["v3", "v7", "tekken"])
def test_ids_of_tool_calls_get_the_nine_letters_that_the_format_wants(name: str, loaded: dict[str, Loaded]) -> None:
    tokenizer, template, _ = loaded[name]
    call = ToolCall("call_0123456789abcdef", FunctionCall("weather", "{}"))
    messages = [
        Message("user", "a"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", "b", tool_call_id=call.id),
        Message("assistant", "c"),
        Message("user", "d"),
    ]
    text = tokenizer.decode(template.encode(messages))
    short = text.split('"id": "')[1][:9]
    assert short.isalnum()
    assert text.count(short) == 2


@settings(max_examples=60, deadline=None)
@given(content=st.lists(st.sampled_from(["[INST]", "</s>", "[/INST]", "[TOOL_CALLS]", "<s>", " ", "a"])).map("".join))
@pytest.mark.parametrize("name", WITH_TOOLS)
def test_text_by_people_adds_no_control_tokens(name: str, content: str, loaded: dict[str, Loaded]) -> None:
    tokenizer, template, _ = loaded[name]
    controls = [tokenizer.token_text(i) for i in template.encode([Message("user", content)]) if tokenizer.is_control(i)]
    assert controls == ["<s>", "[INST]", "[/INST]"]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [Message("user", "a"), Message("assistant", "b")],
        [Message("tool", "a", tool_call_id="abcDEF123")],
        [
            Message("assistant", "", tool_calls=(ToolCall("x", FunctionCall("not a name!", "{}")),)),
            Message("user", "a"),
        ],
        [Message("user", "a\ud800")],
    ],
)
def test_messages_that_the_format_forbids_are_refused_with_the_reason(
    messages: list[Message], loaded: dict[str, Loaded]
) -> None:
    with pytest.raises(TemplateError, match=r"refuses these messages: ."):
        loaded["v3"][1].encode(messages)


def test_a_folder_with_mistrals_own_tokenizer_uses_it(tmp_path: Path) -> None:
    shutil.copy(MISTRAL_DATA / FILES["tekken"], tmp_path / "tekken.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    model = TextModel.from_folder(tmp_path)
    assert isinstance(model.tokenizer, MistralTokenizer)
    assert isinstance(model.template, MistralTemplate)


def test_the_newest_of_several_versions_is_used(tmp_path: Path) -> None:
    shutil.copy(MISTRAL_DATA / FILES["v1"], tmp_path / "tokenizer.model.v1")
    shutil.copy(MISTRAL_DATA / FILES["v3"], tmp_path / "tokenizer.model.v3")
    assert TextModel.from_folder(tmp_path).tokenizer.vocab_size == 32768


@pytest.mark.parametrize("name", ["tekken.json", "tokenizer.model.v3"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(TokenizerError, match=name):
        TextModel.from_folder(tmp_path)


def test_an_id_out_of_range_is_refused(loaded: dict[str, Loaded]) -> None:
    with pytest.raises(ValueError, match="not in this vocabulary of 32768"):
        loaded["v3"][0].decode([32768])


@pytest.fixture(scope="module")
def reasoning(tmp_path_factory: pytest.TempPathFactory) -> tuple[MistralTemplate, Any]:
    """A format that has thoughts, and two efforts, with the vocabulary of an older one."""
    file = json.loads((MISTRAL_DATA / FILES["tekken"]).read_text())
    names = [token.value for token in SpecialTokens]
    file["special_tokens"] = [{"rank": n, "token_str": name, "is_control": True} for n, name in enumerate(names)]
    file["config"]["version"] = "v15"
    file["model_settings_builder"] = {"reasoning_effort": {"default": "none", "values": ["none", "high"]}}
    path = tmp_path_factory.mktemp("v15") / "tekken.json"
    path.write_text(json.dumps(file))
    return load_mistral(path)[1], Vendor.from_file(str(path))


class TestReasoning:
    @pytest.mark.parametrize(
        ("variables", "effort"),
        [
            ({}, None),
            ({"reasoning_effort": "high"}, "high"),
            ({"reasoning_effort": "minimal"}, "none"),
            ({"reasoning_effort": "medium"}, "high"),
            ({"enable_thinking": True}, "high"),
            ({"enable_thinking": False}, "none"),
            ({"prompt_mode": "reasoning"}, "high"),
        ],
    )
    def test_the_effort_is_the_nearest_that_the_model_has(
        self, reasoning: tuple[MistralTemplate, Any], variables: dict[str, Any], effort: str | None
    ) -> None:
        template, vendor = reasoning
        messages = [UserMessage(content="a")]
        request: Any = ChatCompletionRequest(messages=messages, reasoning_effort=effort)  # type: ignore[arg-type]
        expected = vendor.encode_chat_completion(request).tokens
        assert template.encode([Message("user", "a")], variables=variables) == expected

    def test_earlier_thoughts_are_in_the_models_own_marks(self, reasoning: tuple[MistralTemplate, Any]) -> None:
        template, vendor = reasoning
        messages = [Message("user", "a"), Message("assistant", "b", reasoning="[THINK]Hm."), Message("user", "c")]
        thoughts = [ThinkChunk(thinking="[THINK]Hm."), TextChunk(text="b")]
        request: Any = ChatCompletionRequest(
            messages=[UserMessage(content="a"), AssistantMessage(content=thoughts), UserMessage(content="c")]  # type: ignore[arg-type]
        )
        ids = template.encode(messages)
        assert ids == vendor.encode_chat_completion(request).tokens
        assert vendor.decode(ids, special_token_policy=SpecialTokenPolicy.KEEP).count("[/THINK]") == 1

    @pytest.mark.parametrize("name", FILES)
    def test_formats_without_thoughts_leave_them_and_the_effort_out(self, name: str, loaded: dict[str, Loaded]) -> None:
        _, template, _ = loaded[name]
        plain = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
        thoughtful = [Message("user", "a"), Message("assistant", "b", reasoning="Hm."), Message("user", "c")]
        assert template.encode(thoughtful, variables={"reasoning_effort": "high"}) == template.encode(plain)
