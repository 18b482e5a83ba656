"""Variables and earlier thoughts in chat templates: templates read them, and none becomes a control token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.chat_folders import CHATML, CONTROL_TOKENS, MARKUP_TOKENS, write_folder
from transformers import AutoTokenizer

from aquilon.text.messages import FunctionCall, Message, ToolCall
from aquilon.text.model import TextModel
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.template import JinjaTemplate
from aquilon.text.template_errors import TemplateError
from aquilon.text.template_variables import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, MAX_VARIABLES, variables_of

QUESTION = [Message("user", "a")]
SWITCH = "{% if enable_thinking is not defined or enable_thinking %}on{% else %}off{% endif %}"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SubwordTokenizer:
    tokenizer = TextModel.from_folder(write_folder(tmp_path_factory.mktemp("chatml"))).tokenizer
    assert isinstance(tokenizer, SubwordTokenizer)
    return tokenizer


def rendered(source: str, tokenizer: SubwordTokenizer, **fields: Any) -> str:
    return JinjaTemplate(source, tokenizer).render(QUESTION, variables=variables_of(**fields))


def test_variables_reach_the_template_as_transformers_passes_them(tmp_path: Path) -> None:
    source = CHATML + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    folder = write_folder(tmp_path, source + "{{ documents | tojson }}")
    template = TextModel.from_folder(folder).template
    assert template is not None
    variables = {"enable_thinking": False, "documents": [{"title": "é", "text": "b"}]}
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": "a"}], add_generation_prompt=True, return_dict=False, **variables
    )
    assert template.encode(QUESTION, variables=variables) == expected


@pytest.mark.parametrize(
    ("source", "fields", "expected"),
    [
        (SWITCH, {}, "on"),
        (SWITCH, {"chat_template_kwargs": {"enable_thinking": False}}, "off"),
        (SWITCH, {"reasoning_effort": "none"}, "off"),
        (SWITCH, {"reasoning_effort": "minimal"}, "off"),
        (SWITCH, {"reasoning_effort": "high"}, "on"),
        (SWITCH, {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True}}, "on"),
        ("{{ thinking | default(false) }}", {"reasoning_effort": "low"}, "True"),
        ("{{ thinking | default(false) }}", {"prompt_mode": "reasoning"}, "True"),
        ("{{ thinking | default(true) }}", {"chat_template_kwargs": {"enable_thinking": False}}, "False"),
        ("{{ reasoning_effort }}", {"reasoning_effort": "medium"}, "medium"),
        ("{{ reasoning_effort }}", {"reasoning_effort": "low", "chat_template_kwargs": {"reasoning_effort": "x"}}, "x"),
        ("{{ prompt_mode }}", {"prompt_mode": "reasoning"}, "reasoning"),
        ("plain", {"reasoning_effort": "high", "prompt_mode": "reasoning"}, "plain"),
    ],
)
def test_efforts_and_modes_set_the_variables_that_the_template_reads(
    tokenizer: SubwordTokenizer, source: str, fields: dict[str, Any], expected: str
) -> None:
    assert rendered(source, tokenizer, **fields) == expected


@pytest.mark.parametrize(
    "name",
    ["messages", "tools", "add_generation_prompt", "bos_token", "raise_exception", "namespace", "loop", "_x", "a b"],
)
def test_a_client_can_t_set_names_of_the_request_and_the_template(tokenizer: SubwordTokenizer, name: str) -> None:
    with pytest.raises(TemplateError, match=f"'{name}'"):
        rendered("a", tokenizer, chat_template_kwargs={name: []})


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    "variables",
    [
        {f"v{number}": 1 for number in range(MAX_VARIABLES + 1)},
        {"v": list(range(MAX_VALUES + 1))},
        {"v": ["x" * MAX_CHARACTERS, "y"]},
        {"v": {"x" * MAX_CHARACTERS: 1}},
        {"v": nested(MAX_DEPTH + 1)},
    ],
)
def test_variables_are_bounded_in_number_size_and_depth(variables: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"variables.* (at most|more than)"):
        variables_of(variables)


def test_the_sandbox_meters_what_a_template_does_with_variables(tokenizer: SubwordTokenizer) -> None:
    with pytest.raises(TemplateError):
        rendered(
            "{% for a in v %}{% for b in v %}{{ v }}{% endfor %}{% endfor %}",
            tokenizer,
            chat_template_kwargs={"v": ["x"] * 4000},
        )


_hostile = st.lists(st.one_of(st.sampled_from([*CONTROL_TOKENS, *MARKUP_TOKENS]), st.text(max_size=4)), max_size=5).map(
    "".join
)


@settings(max_examples=100, deadline=None)
@given(text=_hostile)
def test_no_variable_and_no_thought_becomes_a_control_token(tokenizer: SubwordTokenizer, text: str) -> None:
    template = JinjaTemplate(
        "{{ v }}{{ documents | tojson }}"
        "{% for m in messages %}{{ m.reasoning_content }}<|{{ m.thinking }}|>{% endfor %}",
        tokenizer,
    )
    ids = template.encode(
        [Message("assistant", "a", reasoning=text)], variables={"v": text, "documents": [{text: text}]}
    )
    assert not any(map(tokenizer.is_control, ids))
    assert not any(tokenizer.token_text(token_id) in MARKUP_TOKENS for token_id in ids)


# Earlier thoughts


@pytest.mark.parametrize("read", ["m.reasoning_content", "m['reasoning_content']", "m.thinking", "m.get('reasoning')"])
def test_a_template_gets_earlier_thoughts_under_the_name_that_it_reads(tokenizer: SubwordTokenizer, read: str) -> None:
    source = f"{{% for m in messages %}}{{{{ {read} }}}}|{{{{ m.keys() | list | length }}}}{{% endfor %}}"
    assert JinjaTemplate(source, tokenizer).render([Message("assistant", "a", reasoning="Hm.")]) == "Hm.|3"
    assert JinjaTemplate(source, tokenizer).render([Message("user", "a", reasoning="Hm.")]).endswith("|2")


def test_a_template_that_reads_no_thoughts_gets_none(tokenizer: SubwordTokenizer) -> None:
    source = "{% for m in messages %}{{ m.content }}{{ m | length }}{% endfor %}"
    assert JinjaTemplate(source, tokenizer).render([Message("assistant", "a", reasoning="Hm.")]) == "a2"


def test_a_template_that_refuses_content_beside_thoughts_and_calls_gets_the_content(
    tokenizer: SubwordTokenizer,
) -> None:
    """As gpt-oss' template does."""
    source = (
        "{% for m in messages %}"
        "{% if m.tool_calls and m.content and m.thinking %}{{ raise_exception('both') }}{% endif %}"
        "{{ m.thinking or m.content }}{% endfor %}"
    )
    call = ToolCall("1", FunctionCall("f", "{}"))
    for content, expected in (("", "Hm."), ("Let me look.", "Let me look.")):
        message = Message("assistant", content, tool_calls=(call,), reasoning="Hm.")
        assert JinjaTemplate(source, tokenizer).render([message]) == expected
