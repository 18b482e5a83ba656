"""Answers in a format: even the smallest model keeps to it, whole and streamed."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from pydantic import BaseModel, Field
from tests.support.server import RunningServer
from tests.support.work import work_of

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "Describe Alice, who is 30 years old."}]


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)
    tags: list[str] = Field(max_length=2)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "address": {"type": "object", "properties": {"city": {"$ref": "#/$defs/word"}}, "required": ["city"]},
    },
    "required": ["name", "age", "address"],
    "additionalProperties": False,
    "$defs": {"word": {"type": "string", "pattern": "^[A-Z][a-z]{2,9}$"}},
}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}


def ask(client: OpenAI, **fields: Any) -> Any:
    defaults: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "max_tokens": 300}
    return client.chat.completions.create(**(defaults | fields))


def content(answer: Any) -> str:
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_matches_its_schema_with_any_seed(openai_client: OpenAI, seed: int) -> None:
    answer = ask(openai_client, response_format=FORMAT, seed=seed, temperature=1.3)
    assert answer.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(content(answer)), SCHEMA)


def test_a_stream_has_the_same_text_as_the_whole_answer(openai_client: OpenAI) -> None:
    fields: dict[str, Any] = {"response_format": FORMAT, "seed": 3, "temperature": 1.0}
    chunks = ask(openai_client, **fields, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == content(ask(openai_client, **fields))


def test_openais_client_parses_the_answer_into_a_class(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.parse(
        model=MODEL, messages=QUESTION, response_format=Person, seed=5, max_tokens=400
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_mistrals_client_parses_the_answer_into_a_class(mistral_client: Mistral) -> None:
    answer = mistral_client.chat.parse(Person, model=MODEL, messages=QUESTION, random_seed=5, max_tokens=400)
    assert answer.choices is not None
    message = answer.choices[0].message
    assert message is not None
    assert isinstance(message.parsed, Person)


def test_json_object_gives_a_json_object(openai_client: OpenAI) -> None:
    sampling = {"temperature": 0, "frequency_penalty": 1.5, "presence_penalty": 1}
    answer = ask(openai_client, response_format={"type": "json_object"}, **sampling)
    assert isinstance(json.loads(content(answer)), dict)


@pytest.mark.parametrize(
    ("extra", "pattern"),
    [
        ({"structured_outputs": {"regex": "[A-Z][a-z]{2,6} is [0-9]{2}"}}, r"[A-Z][a-z]{2,6} is \d\d"),
        ({"guided_regex": "(yes|no)!"}, "(yes|no)!"),
        ({"structured_outputs": {"choice": ["red", "dark red"]}}, "red|dark red"),
        ({"guided_choice": ["1/2", 'a "b"']}, '1/2|a "b"'),
        ({"structured_outputs": {"grammar": 'start: "x" ("y" | "z"){3} "."'}}, r"x[yz]{3}\."),
        ({"guided_grammar": 'root ::= "x" ("y" | "z") "."'}, r"x[yz]\."),
        ({"structured_outputs": {"json": {"type": "integer", "minimum": 7, "maximum": 8}}}, "[78]"),
        ({"guided_json": '{"enum": ["a", "b"]}'}, '"[ab]"'),
    ],
)
def test_vllms_format_fields_work_in_chat_and_in_completions(
    openai_client: OpenAI, extra: dict[str, Any], pattern: str
) -> None:
    assert re.fullmatch(pattern, content(ask(openai_client, extra_body=extra)))
    answer = openai_client.completions.create(model=MODEL, prompt="Alice", max_tokens=100, extra_body=extra)
    assert re.fullmatch(pattern, answer.choices[0].text)


def test_an_answer_at_the_token_limit_ends_with_length(openai_client: OpenAI) -> None:
    assert ask(openai_client, response_format=FORMAT, max_tokens=5).choices[0].finish_reason == "length"


def test_every_token_of_the_answer_has_a_log_probability(openai_client: OpenAI) -> None:
    answer = ask(openai_client, response_format=FORMAT, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == content(answer)
    assert all(token.logprob <= 0 for token in tokens)


def test_several_answers_each_match(openai_client: OpenAI) -> None:
    for choice in ask(openai_client, response_format=FORMAT, n=4, temperature=1.2, seed=2).choices:
        jsonschema.validate(json.loads(choice.message.content), SCHEMA)


def prefixed(text: str) -> list[Any]:
    return [*QUESTION, {"role": "assistant", "content": text, "prefix": True}]


@pytest.mark.parametrize("prefix", ['{"name": "Ali', '{\n  "name": "Alice",\n  "age": 3'])
def test_a_prefix_and_its_answer_match_the_schema_together(
    openai_client: OpenAI, mistral_client: Mistral, prefix: str
) -> None:
    answer = ask(openai_client, messages=prefixed(prefix), response_format=FORMAT, seed=4, temperature=1.0, n=2)
    for choice in answer.choices:
        assert choice.message.content.startswith(prefix)
        jsonschema.validate(json.loads(choice.message.content), SCHEMA)
    chunks = mistral_client.chat.stream(
        model=MODEL, messages=prefixed(prefix), response_format=FORMAT, random_seed=4, temperature=1.0, max_tokens=300
    )
    streamed = "".join(str(chunk.data.choices[0].delta.content or "") for chunk in chunks)
    jsonschema.validate(json.loads(streamed), SCHEMA)
    plain = [*QUESTION, {"role": "assistant", "content": prefix}]
    extra_body = {"continue_final_message": True}
    rest = content(ask(openai_client, messages=plain, response_format=FORMAT, seed=4, extra_body=extra_body))
    jsonschema.validate(json.loads(prefix + rest), SCHEMA)


def test_a_prefix_that_the_format_does_not_allow_is_refused_before_anything_is_generated(
    http: httpx.Client, server: RunningServer
) -> None:
    body = {"model": MODEL, "messages": prefixed('Sure: {"name"'), "response_format": FORMAT, "stream": True}
    before = generated_tokens(server)
    refused = http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_prefix"
    assert "it can't begin with" in refused.json()["message"]
    assert generated_tokens(server) == before
    assert work_of_refusals(http, server, [body]) < work_of_answers(http, server)


HOSTILE: list[dict[str, Any]] = [
    {"type": "object", "not": {"type": "string"}},
    {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}},
    {"type": "array", "uniqueItems": True},
    {"type": "integer", "minimum": 5, "maximum": 3},
    {"$ref": "https://example.com/schema.json"},
    {"$ref": "#/$defs/missing"},
    {"type": "string", "pattern": "^(?!x)"},
    {"type": "strange"},
    {"properties": 3},
    {"allOf": [{"anyOf": [{"properties": {f"k{i}{j}": {}}} for j in range(6)]} for i in range(8)]},
    {"enum": [str(number) * 6 for number in range(9000)]},
    {"$ref": "#"},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    {"properties": {"a": 5}},
]


@pytest.mark.parametrize("schema", HOSTILE, ids=lambda schema: next(iter(schema)))
def test_a_schema_that_no_grammar_can_express_is_refused_with_the_reason(
    http: httpx.Client, schema: dict[str, Any]
) -> None:
    format_ = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    body = {"model": MODEL, "messages": QUESTION, "response_format": format_, "max_tokens": 3}
    refused = http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("No grammar can hold this JSON schema: ")
    assert refused.json()["param"] == "response_format"


@pytest.mark.parametrize("schema", [5, 1.5, "text", ["object"], False])
def test_a_value_that_is_not_a_schema_is_refused_with_the_reason(http: httpx.Client, schema: Any) -> None:
    in_chat = [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
        {"response_format": {"type": "json_object", "schema": schema}},
        {"structured_outputs": {"json": schema}},
        {"guided_json": schema},
    ]
    bodies = [("/v1/chat/completions", {"messages": QUESTION} | fields) for fields in in_chat]
    format_ = {"type": "json_schema", "name": "a", "schema": schema}
    bodies.append(("/v1/responses", {"input": "Hello", "text": {"format": format_}}))
    for path, body in bodies:
        refused = http.post(path, json={"model": MODEL} | body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_schema")
        assert refused.json()["message"].startswith("No grammar can hold this JSON schema: ")


def test_an_answer_in_a_format_has_no_needless_white_space(openai_client: OpenAI) -> None:
    for seed in range(3):
        text = content(ask(openai_client, response_format=FORMAT, seed=seed, temperature=1.8))
        gaps = re.findall(r"[ \n]+", re.sub(r'"(\\.|[^"\\])*"', '""', text))
        assert all(re.fullmatch(r" |\n *", gap) for gap in gaps)


def test_the_refusal_is_little_work(http: httpx.Client, server: RunningServer) -> None:
    body: dict[str, Any] = {"model": MODEL, "messages": QUESTION}
    formats = [{"type": "json_schema", "json_schema": {"name": "a", "schema": schema}} for schema in HOSTILE[:8]]
    refusals = work_of_refusals(http, server, [body | {"response_format": format_} for format_ in formats])
    assert refusals < work_of_answers(http, server)


def work_of_refusals(http: httpx.Client, server: RunningServer, bodies: list[dict[str, Any]]) -> float:
    """What the server takes to refuse 24 requests."""

    def refuse() -> None:
        for body in bodies:
            assert http.post("/v1/chat/completions", json=body).status_code == 400

    return work_of(server.pid, refuse, times=24 // len(bodies))


def work_of_answers(http: httpx.Client, server: RunningServer) -> float:
    """What the server, without its engine, takes for five times as many short answers."""
    body = {"model": MODEL, "messages": QUESTION, "max_tokens": 8, "stream": True}
    return 15 * work_of(server.pid, lambda: http.post("/v1/chat/completions", json=body), times=8)


def generated_tokens(server: RunningServer) -> list[str]:
    """As the server's metrics count them, by model."""
    page = httpx.get(f"{server.url}/metrics").text
    return [line for line in page.splitlines() if line.startswith("aquilon:generation_tokens_total")]


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "xml"}},
        {"structured_outputs": {}},
        {"structured_outputs": {"regex": "a", "choice": ["b"]}},
        {"guided_regex": "a", "response_format": {"type": "json_object"}},
        {"guided_regex": "(a"},
        {"guided_regex": "(" * 3000},
        {"guided_json": "{"},
        {"guided_grammar": "start: nowhere"},
        {"guided_grammar": "root ::= ("},
        {"guided_grammar": "start: " + "(" * 3000},
    ],
)
def test_an_invalid_format_or_several_formats_are_refused(http: httpx.Client, fields: dict[str, Any]) -> None:
    refused = http.post("/v1/chat/completions", json={"model": MODEL, "messages": QUESTION, "max_tokens": 3} | fields)
    assert refused.status_code == 400
    assert refused.json()["type"] == "invalid_request_error"
