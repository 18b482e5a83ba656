"""Chat templates: transformers' token ids for plain text, and no way for text to become a control token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.chat_folders import CONTROL_TOKENS, INSTRUCT, MARKUP_TOKENS, write_folder
from tests.support.multilingual import texts
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from aquilon.text.messages import FunctionCall, Message, Tool, ToolCall
from aquilon.text.model import TextModel
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.template import JinjaTemplate
from aquilon.text.template_errors import NotBrief, TemplateError

WEATHER = Tool(
    "get_weather",
    "The weather of a city, <now>",
    {"type": "object", "properties": {"city": {"type": "string", "description": "ville, é"}}, "required": ["city"]},
)
CALL = ToolCall("call_1", FunctionCall("get_weather", '{"city": "Zürich", "days": 2}'))
TOOL_CONVERSATION = [
    Message("system", "Antworte kurz."),
    Message("user", "Quel temps fait-il ?", name="Zoë"),
    Message("assistant", "<think>\nhm\n</think>\n\nJe regarde.", tool_calls=(CALL,)),
    Message("tool", '{"t": 20}', tool_call_id="call_1"),
    Message("assistant", "<think>\nsimple\n</think>\n\n20 °C"),
    Message("user", "merci  !  "),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("chatml"))


@pytest.fixture(scope="module")
def chatml(folder: Path) -> TextModel:
    return TextModel.from_folder(folder)


@pytest.fixture(scope="module")
def reference(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


def as_transformers_takes_them(messages: list[Message]) -> list[dict[str, Any]]:
    plain = []
    for message in messages:
        fields: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.name:
            fields["name"] = message.name
        if message.tool_calls:
            fields["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": json.loads(call.function.arguments)},
                }
                for call in message.tool_calls
            ]
        plain.append(fields)
    return plain


def tool_as_transformers_takes_it(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def benign(text: str) -> bool:
    return not any(token in text for token in (*CONTROL_TOKENS, *MARKUP_TOKENS))


@pytest.mark.parametrize("prompt", [True, False])
@pytest.mark.parametrize("tools", [(), (WEATHER,)])
def test_a_conversation_has_the_ids_that_transformers_gives_it(
    chatml: TextModel, reference: PreTrainedTokenizerBase, prompt: bool, tools: tuple[Tool, ...]
) -> None:
    assert chatml.template is not None
    expected = reference.apply_chat_template(
        as_transformers_takes_them(TOOL_CONVERSATION),
        tools=[tool_as_transformers_takes_it(tool) for tool in tools] or None,
        add_generation_prompt=prompt,
        return_dict=False,
    )
    assert chatml.template.encode(TOOL_CONVERSATION, tools=tools, add_generation_prompt=prompt) == expected


def test_any_plain_text_has_the_ids_that_transformers_gives_it(
    chatml: TextModel, reference: PreTrainedTokenizerBase
) -> None:
    assert chatml.template is not None
    for text in filter(benign, texts(200, seed=3)):
        messages = [Message("user", text), Message("assistant", text), Message("user", text[::-1])]
        expected = reference.apply_chat_template(
            as_transformers_takes_them(messages), add_generation_prompt=True, return_dict=False
        )
        assert chatml.template.encode(messages) == expected, repr(text)


@pytest.mark.parametrize("content", ["Once upon", "Once upon ", "Il était\n", "a<"])
@pytest.mark.parametrize("template", [None, INSTRUCT])
def test_a_last_message_is_continued_as_transformers_does(tmp_path: Path, content: str, template: str | None) -> None:
    folder = write_folder(tmp_path, template) if template else write_folder(tmp_path)
    messages = [Message("user", "Tell me"), Message("assistant", content)]
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        as_transformers_takes_them(messages), continue_final_message=True, return_dict=False
    )
    ours = TextModel.from_folder(folder).template
    assert ours is not None
    assert ours.encode(messages, continue_final=True) == expected


def test_the_default_models_template_renders_as_transformers_renders_it(
    default_text: TextModel, default_reference: PreTrainedTokenizerBase
) -> None:
    assert isinstance(default_text.template, JinjaTemplate)
    messages = [Message("user", "Bonjour à tous"), Message("assistant", "Salut!"), Message("user", "Ça va ?")]
    plain = as_transformers_takes_them(messages)
    assert default_text.template.render(messages) == default_reference.apply_chat_template(
        plain, tokenize=False, add_generation_prompt=True
    )
    assert default_text.template.encode(messages) == default_reference.apply_chat_template(
        plain, add_generation_prompt=True, return_dict=False
    )


# Text from outside

_TOKENS = (*CONTROL_TOKENS, *MARKUP_TOKENS)
_PARTS = sorted({token[a:b] for token in _TOKENS for a in range(len(token)) for b in range(a + 1, len(token) + 1)})
_hostile = st.lists(
    st.one_of(
        st.sampled_from(_TOKENS),
        st.sampled_from(_PARTS),
        st.sampled_from(["\ufdd0", "\ufdd1", "\ufffe", " ", "\n", "\x00", "|", "<", "[", "é", "{{ messages }}"]),
        st.text(max_size=4),
    ),
    max_size=8,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(system=_hostile, user=_hostile, name=_hostile, result=_hostile, call=_hostile, said=_hostile)
def test_text_by_people_adds_no_control_tokens(
    chatml: TextModel, system: str, user: str, name: str, result: str, call: str, said: str
) -> None:
    tokenizer = chatml.tokenizer
    assert isinstance(chatml.template, JinjaTemplate)

    def conversation(system: str, user: str, name: str, result: str, call: str, said: str) -> list[Message]:
        return [
            Message("system", system),
            Message("user", user, name=name or "x"),
            Message("assistant", said, tool_calls=(ToolCall(call, FunctionCall(call, json.dumps({call: call}))),)),
            Message("tool", result, name=name, tool_call_id=call),
            Message("user", user),
        ]

    def tools(text: str) -> list[Tool]:
        return [Tool(text, text, {"type": "object", "properties": {text: {"enum": [text], "description": text}}})]

    hostile = conversation(system, user, name, result, call, said)
    ids = chatml.template.encode(hostile, tools=tools(user))
    harmless = chatml.template.encode(conversation(*["x"] * 6), tools=tools("x"))
    assert list(filter(tokenizer.is_control, ids)) == list(filter(tokenizer.is_control, harmless))
    assert tokenizer.decode(ids, skip_special=False) == chatml.template.render(hostile, tools=tools(user))


@settings(max_examples=100, deadline=None)
@given(contents=st.lists(_hostile, min_size=1, max_size=4))
def test_decoding_a_conversation_gives_the_written_text(chatml: TextModel, contents: list[str]) -> None:
    assert chatml.template is not None
    messages = [Message("user", content) for content in contents]
    text = chatml.tokenizer.decode(chatml.template.encode(messages, add_generation_prompt=False), skip_special=False)
    assert text == "".join(f"<|im_start|>user\n{content}<|im_end|>\n" for content in contents)


@settings(max_examples=100, deadline=None)
@given(content=_hostile)
def test_markup_is_text_in_a_persons_message_and_kept_in_the_models(chatml: TextModel, content: str) -> None:
    assert chatml.template is not None
    think = chatml.tokenizer.encode("<think>", add_special=False)
    assert len(think) == 1
    as_user = chatml.template.encode([Message("user", f"<think>{content}")])
    assert think[0] not in as_user
    as_assistant = chatml.template.encode([Message("assistant", f"<think>{content}")])
    assert think[0] in as_assistant


@settings(max_examples=200, deadline=None)
@given(name=_hostile, content=_hostile)
def test_a_template_that_builds_tokens_from_parts_builds_none_from_text(
    chatml: TextModel, name: str, content: str
) -> None:
    assert isinstance(chatml.tokenizer, SubwordTokenizer)
    template = JinjaTemplate(
        "{% for message in messages %}{{ '<|' + message.name + '|>' + message.content | upper }}{{ message.name }}"
        "{{ message.content | trim }}{{ message.content | trim }}[{{ message.name }}]<{{ message.name }}>"
        "{{ '<|im_' }}{{ message.content }}{{ '<|' + message.role }}{% endfor %}",
        chatml.tokenizer,
    )
    ids = template.encode([Message("user", content, name=name)])
    assert not any(map(chatml.tokenizer.is_control, ids))
    assert not any(chatml.tokenizer.token_text(token_id) in MARKUP_TOKENS for token_id in ids)


@settings(max_examples=100, deadline=None)
@given(content=_hostile)
def test_text_by_people_adds_no_control_tokens_to_a_sentencepiece_conversation(
    sentencepiece_tokenizer: SubwordTokenizer, content: str
) -> None:
    template = JinjaTemplate(INSTRUCT, sentencepiece_tokenizer)
    ids = template.encode([Message("user", f"{content}</s>[/INST]"), Message("assistant", content)])
    names = [sentencepiece_tokenizer.token_text(i) for i in ids if sentencepiece_tokenizer.is_control(i)]
    assert names == ["<s>", "[INST]", "[/INST]", "</s>"]


def test_text_that_uses_every_noncharacter_is_encoded_too(chatml: TextModel) -> None:
    assert chatml.template is not None
    nonchars = [*range(0xFDD0, 0xFDF0), *(plane * 0x10000 + end for plane in range(17) for end in (0xFFFE, 0xFFFF))]
    content = "<|im_end|>" + "".join(map(chr, nonchars))
    ids = chatml.template.encode([Message("user", content)], add_generation_prompt=False)
    assert chatml.tokenizer.decode(ids, skip_special=False) == f"<|im_start|>user\n{content}<|im_end|>\n"


def test_very_deeply_nested_tools_are_refused(chatml: TextModel) -> None:
    assert chatml.template is not None
    parameters: dict[str, Any] = {}
    for _ in range(5000):
        parameters = {"items": parameters}
    with pytest.raises(TemplateError, match="nested too deeply"):
        chatml.template.encode([Message("user", "a")], tools=[Tool("f", "", parameters)])


def test_half_a_surrogate_pair_is_refused(chatml: TextModel) -> None:
    assert chatml.template is not None
    with pytest.raises(ValueError, match="U\\+D800"):
        chatml.template.encode([Message("user", "a\ud800")])
    with pytest.raises(ValueError, match="character 1"):
        chatml.tokenizer.encode("a\ud800")


# Templates that refuse or are broken


def test_a_template_may_refuse_and_says_why(chatml: TextModel) -> None:
    assert chatml.template is not None
    with pytest.raises(TemplateError, match="A system message comes first"):
        chatml.template.encode([Message("user", "a"), Message("system", "b")])
    with pytest.raises(TemplateError, match="at least one message"):
        chatml.template.encode([])


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n\n{% for message in messages %}", 3),
        ("{{ messages", 1),
        ("a\n{{ messages | nonsense }}", 2),
        ("a\n\n{{ nothing.at_all }}", 3),
        ("\n{% include 'other' %}", 2),
        ("\n\n\n{{ messages + 1 }}", 4),
    ],
)
def test_a_malformed_template_is_named_with_the_line(
    default_tokenizer: SubwordTokenizer, source: str, line: int
) -> None:
    with pytest.raises(TemplateError, match=f"line {line}"):
        JinjaTemplate(source, default_tokenizer).encode([Message("user", "a")])


def test_a_model_with_several_templates_uses_the_one_for_tools(default_tokenizer: SubwordTokenizer) -> None:
    template = JinjaTemplate({"default": "plain", "tool_use": "{{ tools | length }} tools"}, default_tokenizer)
    assert template.render([Message("user", "a")]) == "plain"
    assert template.render([Message("user", "a")], tools=[WEATHER]) == "1 tools"


def test_a_thousand_messages_are_encoded_in_time(default_text: TextModel) -> None:
    assert default_text.template is not None
    messages = [Message("user", "Bonjour, ça va? " * 20), Message("assistant", "Oui. " * 20)] * 500
    assert len(default_text.template.encode(messages)) > 50_000


# How contents are read

WALKING = {
    "in a loop": "{% for m in messages %}{{ m.role }}: {% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}"
    "{% endif %}{% endfor %}|{% endfor %}",
    "by the first part": "{% for m in messages %}{{ m.role }}: {{ m['content'][0]['text'] }}|{% endfor %}",
    "by a filter": "{% for m in messages %}{{ m.role }}: {% for c in m.content | selectattr('type', 'equalto', 'text') "
    "%}{{ c.text }}{% endfor %}|{% endfor %}",
    "behind a refusal of other roles": "{% if messages[0].role != 'user' %}{{ raise_exception('no') }}{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content[0].text | trim | upper | lower }}|{% endfor %}",
}


@pytest.mark.parametrize("source", WALKING.values(), ids=WALKING.keys())
def test_a_template_that_iterates_over_parts_gets_parts(default_tokenizer: SubwordTokenizer, source: str) -> None:
    template = JinjaTemplate(source, default_tokenizer)
    messages = [Message("user", "a secret word"), Message("assistant", "i see"), Message("user", "and?")]
    assert template.render(messages) == "user: a secret word|assistant: i see|user: and?|"
    opened = template.render(messages[:2], continue_final=True)
    assert opened == "user: a secret word|assistant: i see"


def test_a_template_may_read_one_role_in_parts_and_another_as_text(default_tokenizer: SubwordTokenizer) -> None:
    template = JinjaTemplate(
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content[0].text }}{% else %}<{{ m.content }}>{% endif %}"
        "{% endfor %}",
        default_tokenizer,
    )
    assert template.render([Message("user", "a"), Message("assistant", "b")]) == "a<b>"


@pytest.mark.parametrize("shown", ["m.content[::-1]", "m.content | list | length", "m.content[0]"])
def test_a_template_that_would_only_print_the_parts_gets_text(default_tokenizer: SubwordTokenizer, shown: str) -> None:
    template = JinjaTemplate(f"{{% for m in messages %}}{{{{ {shown} }}}}{{% endfor %}}", default_tokenizer)
    assert template.render([Message("user", "abc")]) in ("cba", "3", "a")


def test_text_in_parts_becomes_no_control_token(chatml: TextModel) -> None:
    assert isinstance(chatml.tokenizer, SubwordTokenizer)
    template = JinjaTemplate(WALKING["in a loop"], chatml.tokenizer)
    ids = template.encode([Message("user", "<|im_end|>")])
    assert not any(map(chatml.tokenizer.is_control, ids))
    assert chatml.tokenizer.decode(ids) == "user: <|im_end|>|"


EMPTINESS = {
    "if": "{% if m.content %}[{{ m.content }}]{% else %}EMPTY{% endif %}",
    "length": "{% if m.content | length > 0 %}[{{ m.content }}]{% else %}EMPTY{% endif %}",
    "trim": "{% if m.content | trim %}[{{ m.content }}]{% else %}EMPTY{% endif %}",
    "equality": "{% if m.content != '' %}[{{ m.content }}]{% else %}EMPTY{% endif %}",
}


@pytest.mark.parametrize("condition", EMPTINESS.values(), ids=EMPTINESS.keys())
@pytest.mark.parametrize("beginning", ["<", "[", "<|", "<|im_"])
def test_an_empty_content_is_empty_for_a_template_that_builds_tokens(
    chatml: TextModel, beginning: str, condition: str
) -> None:
    assert isinstance(chatml.tokenizer, SubwordTokenizer)
    source = f"{{% for m in messages %}}{condition}{{{{ '{beginning}' ~ m.role }}}}|{{% endfor %}}"
    template = JinjaTemplate(source, chatml.tokenizer)
    rendered = template.render([Message("user", "hello"), Message("assistant", ""), Message("user", "x")])
    assert rendered == f"[hello]{beginning}user|EMPTY{beginning}assistant|[x]{beginning}user|"


def test_white_space_stays_as_it_is_for_a_template_that_builds_tokens(chatml: TextModel) -> None:
    assert isinstance(chatml.tokenizer, SubwordTokenizer)
    source = "{% for m in messages %}{{ m.content | length }}{{ m.content == ' \n' }}{{ '<' ~ m.role }}{% endfor %}"
    assert JinjaTemplate(source, chatml.tokenizer).render([Message("user", " \n")]) == "2True<user"
    empty = Tool("f", "", {"type": "object", "properties": {"x": {"enum": [""], "description": ""}}})
    source = "{{ '<' }}{{ tools | tojson }}{{ tools[0].function.description == '' }}"
    assert JinjaTemplate(source, chatml.tokenizer).render([Message("user", "a")], tools=[empty]).endswith("True")


# Trying a template out


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for message in messages %}{{ message", "malformed in line 1"),
        ("{{ nothing.at_all }}", "fails in line 1"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "runs for too long"),
    ],
)
def test_a_template_that_can_render_nothing_is_refused_when_it_is_tried_out(
    default_tokenizer: SubwordTokenizer, source: str, reason: str
) -> None:
    with pytest.raises(TemplateError, match=reason):
        JinjaTemplate(source, default_tokenizer).try_out()


ALTERNATING = (
    "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "<{{ message.role }}>{{ message.content }}{% endfor %}"
)
"""As Mistral 7B's and Gemma's."""


def test_instructions_and_unanswered_questions_join_the_next_one_where_roles_must_alternate(
    default_tokenizer: SubwordTokenizer,
) -> None:
    template = JinjaTemplate(ALTERNATING, default_tokenizer)
    talk = [Message("system", "Be brief."), Message("user", "One?"), Message("user", "Two?"), Message("assistant", "2")]
    assert template.render([*talk, Message("user", "Three?")]) == (
        "<user>Be brief.\n\nOne?\n\nTwo?<assistant>2<user>Three?"
    )
    with pytest.raises(TemplateError, match="roles must alternate"):
        template.render([Message("user", "One?"), Message("user", "Two?"), *talk[3:], *talk[3:]])


def test_a_template_that_refuses_some_conversations_passes(default_tokenizer: SubwordTokenizer) -> None:
    JinjaTemplate("{{ raise_exception('roles must alternate') }}", default_tokenizer).try_out()
    JinjaTemplate("{% if tools %}{{ nothing.at_all }}{% endif %}x", default_tokenizer).try_out()
    JinjaTemplate(INSTRUCT, default_tokenizer).try_out()


def test_a_rendering_that_must_be_brief_stops_when_it_takes_long(
    default_tokenizer: SubwordTokenizer,
) -> None:
    source = "{% for i in range(messages[0].content | int) %}{% set x = i %}{% endfor %}."
    template = JinjaTemplate(source, default_tokenizer)
    quick, slow = [Message("user", "10")], [Message("user", "90000")]
    assert template.encode(quick, brief=True) == template.encode(slow)
    with pytest.raises(NotBrief):
        template.encode(slow, brief=True)
