"""Several models in the store, good and bad: names, aliases, loading on first use, damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from mistralai.client import Mistral
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model
from tests.support.tiny_checkpoint import CHAT_TEMPLATE, tiny_checkpoint, write_checkpoint

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore, stored_file

SLOW = (
    CHAT_TEMPLATE + "{% if messages[0].content == 'slow' %}{% for i in range(99999) %}{% for j in range(99999) %}"
    "{% endfor %}{% endfor %}{% endif %}"
)
"""A template that runs until the time limit for the message ``slow``, and briefly for all others."""
QUESTION = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with tiny models: good ones, one without a template, one with a malformed template, a truncated one.

    `older` reasons and fills gaps; the version that pulled it didn't record either.
    """
    home = tmp_path_factory.mktemp("home")
    store = ModelStore(home / "models")
    contents = {
        "tiny": tiny_checkpoint(),
        "base": tiny_checkpoint(chat=False),
        "filler": tiny_checkpoint(chat=False, fills=True),
        "malformed": tiny_checkpoint(),
        "refusing": with_template("{{ raise_exception('roles must alternate') }}"),
        "cut": tiny_checkpoint(seed=1),
        "older": with_template(
            CHAT_TEMPLATE
            + "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}{# </think> #}",
            fills=True,
        ),
        "slow": with_template(SLOW),
    }
    for name, files in contents.items():
        store_model(home / "models", name, files)
    manifest = home / "models" / "older" / "manifest.json"
    recorded = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({key: recorded[key] for key in recorded if key not in ("fim", "reasoning")}))
    put_in_place(store, "malformed", with_template("{% for message in messages %}{{ message"))
    weights = home / "models" / "cut" / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(whole[:-100])
    environment = {"AQUILON_MODELS": "tiny", "AQUILON_MODEL_ALIASES": json.dumps({"gpt-4o": "tiny"})}
    running = start_server(home, environment=environment)
    yield running
    running.stop()


@pytest.fixture
def client(small: RunningServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {small.api_key}"}
    with httpx.Client(base_url=small.url, headers=headers, timeout=60) as client:
        yield client


def with_template(template: str, **options: Any) -> dict[str, bytes]:
    files = tiny_checkpoint(**options)
    settings = json.loads(files["tokenizer_config.json"]) | {"chat_template": template}
    return files | {"tokenizer_config.json": json.dumps(settings).encode()}


def put_in_place(store: ModelStore, name: str, files: dict[str, bytes]) -> None:
    """Replace a stored model's files, as if an earlier version had pulled it: a pull now would refuse them."""
    model = store.get(name)
    for file, content in files.items():
        (model.path / file).unlink()
        (model.path / file).write_bytes(content)
    store.rewrite(msgspec.structs.replace(model, files=[stored_file(model.path, file) for file in files]))


def chat(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    return client.post("/v1/chat/completions", json={"model": model, "messages": QUESTION, "max_tokens": 3} | fields)


def test_the_named_model_is_first_and_the_rest_of_the_store_follows(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert listed[0]["id"] == "tiny"
    assert listed[0]["aliases"] == ["gpt-4o"]
    ids = {model["id"] for model in listed if not model["capabilities"]["embeddings"]}
    assert ids == {"tiny", "base", "malformed", "refusing", "cut", "filler", "older", "slow"}
    assert [model["loaded"] for model in listed if model["id"] in ("tiny", "refusing")] == [True, False]


def test_an_alias_stands_for_its_model(client: httpx.Client) -> None:
    assert chat(client, "gpt-4o").json()["model"] == "tiny"
    assert client.get("/v1/models/gpt-4o").json()["id"] == "tiny"
    assert chat(client, "gpt-5").status_code == 404


def test_a_model_loads_on_first_use(client: httpx.Client) -> None:
    answer = client.post("/v1/completions", json={"model": "base", "prompt": "hi", "max_tokens": 2})
    assert answer.status_code == 200
    assert client.get("/v1/models/base").json()["loaded"] is True


def test_a_model_that_is_pulled_while_the_server_runs_can_be_used(small: RunningServer, client: httpx.Client) -> None:
    store_model(small.home / "models", "late", tiny_checkpoint(seed=2))
    assert chat(client, "late").status_code == 200


def test_a_model_without_a_template_is_for_completions(client: httpx.Client) -> None:
    answer = chat(client, "base")
    assert answer.status_code == 400
    assert answer.json()["code"] == "not_a_chat_model"
    assert client.get("/v1/models/base").json()["capabilities"]["completion_chat"] is False


@pytest.mark.parametrize(("model", "words"), [("malformed", "malformed"), ("refusing", "roles must alternate")])
def test_the_error_of_a_failing_template_is_in_the_answer(client: httpx.Client, model: str, words: str) -> None:
    answer = chat(client, model)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_other_requests_are_answered_while_a_template_renders_for_long(
    client: httpx.Client, small: RunningServer
) -> None:
    assert chat(client, "slow").status_code == 200
    waiting = {"model": "slow", "messages": [{"role": "user", "content": "slow"}]}
    with ThreadPoolExecutor(1) as thread, httpx.Client(base_url=small.url, headers=client.headers, timeout=60) as other:
        slow = thread.submit(other.post, "/tokenize", json=waiting)
        answered = 0
        while not slow.done():
            assert client.get("/health").status_code == 200
            answered += 1
    assert slow.result().status_code == 400
    assert "runs for too long" in slow.result().json()["message"]
    assert answered > 5


def test_a_truncated_file_is_refused_with_its_name(client: httpx.Client) -> None:
    answer = chat(client, "cut")
    assert answer.status_code == 500
    assert "model.safetensors is truncated" in answer.json()["message"]
    assert answer.json()["code"] == "model_unusable"
    assert chat(client, "cut").json() == answer.json()
    assert chat(client, "tiny").status_code == 200


def test_a_damaged_model_can_be_pulled_again_while_the_server_runs(
    small: RunningServer, client: httpx.Client, tmp_path: Path
) -> None:
    store = ModelStore(small.home / "models")
    source = str(write_checkpoint(tmp_path / "altered", tiny_checkpoint(seed=3)))
    pull(source, store, name="altered")
    weights = small.home / "models" / "altered" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()
    weights.write_bytes(content)
    for _ in range(2):
        assert "model.safetensors is altered" in chat(client, "altered").json()["message"]
    pull(source, store, name="altered")
    assert chat(client, "altered").status_code == 200


def test_a_server_does_not_start_with_a_damaged_model(small: RunningServer, tmp_path: Path) -> None:
    shutil.copytree(small.home / "models" / "cut", tmp_path / "models" / "cut")
    with pytest.raises(RuntimeError, match=r"'cut' can't be served: .*truncated"):
        start_server(tmp_path, environment={"AQUILON_MODELS": "cut"})


def test_log_probabilities_of_every_choice_stream_with_their_text(client: httpx.Client) -> None:
    fields = {"logprobs": True, "top_logprobs": 2, "n": 2, "stream": True, "seed": 1, "ignore_eos": True}
    tokens: dict[int, int] = {0: 0, 1: 0}
    with client.stream(
        "POST", "/v1/chat/completions", json={"model": "tiny", "messages": QUESTION, "max_tokens": 5} | fields
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    tokens[choice["index"]] += len((choice["logprobs"] or {"content": []})["content"])
    assert tokens == {0: 5, 1: 5}


def test_a_fill_in_the_middle_model_fills_gaps_and_its_card_says_so(client: httpx.Client) -> None:
    gap = {"model": "filler", "prompt": "def add(a, b):\n    return ", "suffix": "\n", "max_tokens": 5}
    filled = client.post("/v1/fim/completions", json=gap).json()
    assert filled["choices"][0]["message"]["role"] == "assistant"
    # A token for each letter of the two texts, and three tokens that mark the parts.
    assert filled["usage"]["prompt_tokens"] == len(gap["prompt"]) + len(gap["suffix"]) + 3  # type: ignore[arg-type]
    completed = client.post("/v1/completions", json=gap | {"temperature": 0}).json()
    streamed = client.post("/v1/fim/completions", json=gap | {"temperature": 0, "stream": True}).text
    chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == completed["choices"][0]["text"]
    assert client.get("/v1/models/filler").json()["capabilities"]["completion_fim"] is True


def test_mistral_s_client_gets_fill_in_the_middle_completions(small: RunningServer) -> None:
    gap: dict[str, Any] = {"model": "filler", "prompt": "a = ", "suffix": "\n", "max_tokens": 5, "temperature": 0}
    with Mistral(server_url=small.url, api_key=small.api_key) as mistral:
        whole = mistral.fim.complete(**gap).choices[0].message.content
        with mistral.fim.stream(**gap) as stream:
            parts = [event.data.choices[0].delta.content for event in stream]
    assert "".join(str(part or "") for part in parts) == whole


def test_infill_answers_in_llama_cpps_shape_whole_and_streamed(client: httpx.Client) -> None:
    gap = {"input_prefix": "a", "prompt": " = ", "input_suffix": "\n", "temperature": 0, "model": "filler"}
    extra = [{"filename": "b.py", "text": "b = 1"}]
    same = {"prompt": "b.py\nb = 1\n\na = ", "suffix": "\n", "temperature": 0, "model": "filler", "max_tokens": 6}
    expected = client.post("/v1/completions", json=same).json()
    whole = client.post("/infill", json=gap | {"input_extra": extra, "n_predict": 6, "seed": -1}).json()
    assert whole["content"] == expected["choices"][0]["text"]
    assert (whole["stop"], whole["stop_type"], whole["model"]) == (True, "limit", "filler")
    assert whole["tokens_evaluated"] == expected["usage"]["prompt_tokens"]
    assert whole["tokens_predicted"] == 6
    streamed = client.post("/infill", json=gap | {"input_extra": extra, "n_predict": 6, "stream": True}).text
    chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
    assert "".join(chunk["content"] for chunk in chunks) == whole["content"]
    assert [chunk["stop"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1] == whole | {"content": "", "tokens_cached": chunks[-1]["tokens_cached"]}


def test_infill_without_a_model_takes_the_first_that_fills_gaps_and_may_generate_nothing(client: httpx.Client) -> None:
    """As editors' plug-ins ask: they name no model, and warm the prefix cache with ``n_predict: 0``."""
    warmed = client.post("/infill", json={"input_prefix": "a", "input_suffix": "b", "n_predict": 0}).json()
    assert client.get(f"/v1/models/{warmed['model']}").json()["capabilities"]["completion_fim"] is True
    assert (warmed["content"], warmed["tokens_predicted"]) == ("", 0)


def test_infill_refuses_a_model_that_fills_no_gaps(client: httpx.Client) -> None:
    refused = client.post("/infill", json={"model": "tiny", "input_prefix": "a", "input_suffix": "b"})
    assert (refused.status_code, refused.json()["code"]) == (400, "not_a_fim_model")


def test_a_model_without_fill_in_the_middle_refuses_it(client: httpx.Client) -> None:
    refused = client.post("/v1/fim/completions", json={"model": "tiny", "prompt": "a", "suffix": "b"})
    assert refused.status_code == 400
    assert refused.json()["code"] == "not_a_fim_model"
    assert "Qwen2.5-Coder" in refused.json()["message"]
    assert client.get("/v1/models/tiny").json()["capabilities"]["completion_fim"] is False


def test_capabilities_that_an_earlier_version_did_not_record_are_detected(
    small: RunningServer, client: httpx.Client
) -> None:
    abilities = client.get("/v1/models/older").json()["capabilities"]
    assert abilities["completion_fim"]
    assert abilities["reasoning"]
    manifest = json.loads((small.home / "models" / "older" / "manifest.json").read_bytes())
    assert manifest["fim"]
    assert manifest["reasoning"]


def test_reasoning_tokens_are_counted_separately(small: RunningServer, client: httpx.Client) -> None:
    """The model never ends its reasoning."""
    fields = {"max_tokens": 5, "temperature": 0, "logit_bias": {"259": -100}}
    answer = chat(client, "older", **fields, n=2).json()
    message = answer["choices"][0]["message"]
    assert message["reasoning_content"] == message["reasoning"] != ""
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 10}
    body = {"model": "older", "input": "hi", "max_output_tokens": 5}
    response = client.post("/v1/responses", json=body).json()
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": response["usage"]["output_tokens"]}
    for fields_of_request in ({"chat_template_kwargs": {"enable_thinking": False}}, {"reasoning_effort": "none"}):
        answer = chat(client, "older", **fields, **fields_of_request).json()
        assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}
        counted = client.post("/tokenize", json={"model": "older", "messages": QUESTION, **fields_of_request}).json()
        if "chat_template_kwargs" in fields_of_request:
            assert counted["count"] == answer["usage"]["prompt_tokens"]
        assert "reasoning" not in answer["choices"][0]["message"]
    body["reasoning"] = {"effort": "minimal"}
    usage_of_response = client.post("/v1/responses", json=body).json()["usage"]
    assert usage_of_response["output_tokens_details"] == {"reasoning_tokens": 0}
    plain = chat(client, "tiny").json()["usage"]
    assert plain["completion_tokens_details"] == {"reasoning_tokens": 0}
    with Mistral(server_url=small.url, api_key=small.api_key) as mistral:
        usage = mistral.chat.complete(model="older", messages=QUESTION, max_tokens=5).usage  # type: ignore[arg-type]
    assert usage.completion_tokens > 0
