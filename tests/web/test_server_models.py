"""Models over HTTP for the operator: aliases, shares, retirement, files, memory, disk, pulls; who may see what."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from tests.support.commands import aquilon
from tests.support.hub import FakeHub, HubRepository, fake_hub
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model
from tests.support.tiny_checkpoint import tiny_checkpoint

from aquilon.catalogue.pull_record import PullOrder
from aquilon.catalogue.pulls import Pulls
from aquilon.checkpoints.arrival import PullError
from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore
from aquilon.errors import ApiError
from aquilon.people.identity import KEY_SCOPES

QUESTION = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with fake_hub() as hub:
        card = {"license": "apache-2.0"}
        hub.repositories["eagle/Open"] = HubRepository(tiny_checkpoint(seed=5), card=card)
        hub.repositories["eagle/Slow"] = HubRepository(tiny_checkpoint(seed=6), card=card)
        yield hub


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    for seed, name in enumerate(("one", "two", "three", "four")):
        store_model(home / "models", name, tiny_checkpoint(seed))
    environment = {
        "AQUILON_MODELS": "one",
        "AQUILON_MODEL_ALIASES": json.dumps({"gpt-4o": "two", "*": "one"}),
        "HF_ENDPOINT": hub.endpoint,
    }
    running = start_server(home, environment=environment)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(small: RunningServer) -> Iterator[httpx.Client]:
    with as_key(small, administrators_key(small)) as client:
        yield client


def administrators_key(server: RunningServer) -> str:
    scopes = [word for scope in KEY_SCOPES for word in ("--scope", scope)]
    return aquilon(server.home, "keys", "create", "--name", "k", *scopes)


def as_key(server: RunningServer, key: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60)


def new_key(client: httpx.Client, **limits: Any) -> str:
    created = client.post("/v1/organization/api_keys", json={"name": "a key", **limits})
    assert created.status_code == 200, created.text
    return str(created.json()["value"])


def ask(client: httpx.Client, model: str) -> httpx.Response:
    return client.post("/v1/chat/completions", json={"model": model, "messages": QUESTION, "max_tokens": 2})


def answering(client: httpx.Client, model: str) -> str:
    answer = ask(client, model)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


def set_alias(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/server/aliases", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_alias_moves_and_rolls_back_in_one_call(client: httpx.Client) -> None:
    set_alias(client, name="eagle-latest", target="one")
    assert answering(client, "eagle-latest") == "one"
    moved = set_alias(client, name="eagle-latest", target="two")
    assert (moved["target"], moved["former"]) == ("two", "one")
    assert answering(client, "eagle-latest") == "two"
    assert client.get("/v1/models/two").json()["aliases"] == ["eagle-latest", "gpt-4o"]
    assert client.post("/v1/server/aliases/eagle-latest/rollback").json()["target"] == "one"
    assert answering(client, "eagle-latest") == "one"
    assert client.get("/v1/models/eagle-latest").json()["id"] == "one"


def test_a_planned_switch_happens_at_its_time(client: httpx.Client) -> None:
    moment = int(time.time()) + 2
    planned = set_alias(client, name="soon", target="one", switch={"model": "two", "at": moment})
    assert planned["switch"] == {"model": "two", "at": moment}
    before = answering(client, "soon")
    if time.time() < moment:  # a busy machine may take longer to ask
        assert before == "one"
    wait_until(lambda: answering(client, "soon") == "two")
    alias = client.get("/v1/server/aliases/soon").json()
    assert (alias["target"], alias["former"], alias["switch"]) == ("two", "one", None)


def test_a_share_of_the_keys_always_gets_the_other_model(client: httpx.Client, small: RunningServer) -> None:
    set_alias(client, name="shared", target="one", share={"model": "two", "percent": 50})
    seen = set()
    for _ in range(12):
        with as_key(small, new_key(client)) as other:
            first = other.get("/v1/models/shared").json()["id"]
            assert other.get("/v1/models/shared").json()["id"] == first
            seen.add(first)
    assert seen == {"one", "two"}


def test_an_assistant_whose_model_is_gone_says_so(client: httpx.Client) -> None:
    agent = client.post("/v1/agents", json={"name": "Swift", "model": "four", "instructions": "x"}).json()
    kept = client.post("/v1/conversations", json={"agent_id": agent["id"]}).json()["id"]
    client.post("/v1/server/models/four", json={"retires_at": 1}).raise_for_status()
    for path, body in (
        ("/v1/responses", {"model": f"assistant/{agent['id']}", "input": "hi"}),
        ("/v1/responses", {"conversation": kept, "input": "hi"}),
        ("/v1/conversations", {"agent_id": agent["id"], "inputs": "hi"}),
        ("/v1/agents/completions", {"agent_id": agent["id"], "messages": QUESTION}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 404
        assert "The assistant 'Swift' asks the model 'four', which is not here any more" in answer.text
    other = {"conversation": kept, "input": "hi", "model": "one", "max_output_tokens": 1}
    assert client.post("/v1/responses", json=other).json()["model"] == "one"
    assert client.patch(f"/v1/agents/{agent['id']}", json={"model": "one"}).json()["versions"] == [1, 2]
    client.post("/v1/server/models/four", json={"retires_at": None}).raise_for_status()


def test_an_alias_set_over_the_api_replaces_the_settings_alias(client: httpx.Client) -> None:
    assert answering(client, "gpt-4o") == "two"
    assert answering(client, "anything-else") == "one"
    assert client.get("/v1/server/aliases/gpt-4o").json()["in_settings"] is True
    assert "AQUILON_MODEL_ALIASES" in client.delete("/v1/server/aliases/gpt-4o").json()["message"]
    set_alias(client, name="gpt-4o", target="three")
    assert answering(client, "gpt-4o") == "three"
    assert client.delete("/v1/server/aliases/gpt-4o").status_code == 200
    assert answering(client, "gpt-4o") == "two"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "one", "target": "two"}, "a model's own name"),
        ({"name": "x", "target": "gpt-9"}, "There is no model 'gpt-9'"),
        ({"name": "*", "target": "one"}, "AQUILON_MODEL_ALIASES"),
        ({"name": "x", "target": "one", "switch": {"model": "two", "at": 5}}, "a moment to come"),
    ],
)
def test_an_invalid_alias_is_refused_with_the_reason(client: httpx.Client, fields: dict[str, Any], words: str) -> None:
    answer = client.post("/v1/server/aliases", json=fields)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_a_key_sees_only_the_models_that_it_may_use(client: httpx.Client, small: RunningServer) -> None:
    set_alias(client, name="for-keys", target="two")
    with as_key(small, new_key(client, allowed_models=["for-keys", "three"])) as other:
        assert {model["id"] for model in other.get("/v1/models").json()["data"]} == {"two", "three"}
        assert other.get("/v1/models/for-keys").status_code == 200
        assert other.get("/v1/models/one").status_code == 404
        assert ask(other, "one").status_code == 403
        assert ask(other, "for-keys").status_code == 200


def test_openai_s_and_mistral_s_clients_read_model_cards(client: httpx.Client, small: RunningServer) -> None:
    client.post("/v1/server/models/four", json={"retires_at": 2**33, "replacement": "one", "default_temperature": 0.25})
    with OpenAI(base_url=f"{small.url}/v1", api_key=small.api_key) as openai:
        assert {model.id for model in openai.models.list()} >= {"one", "two"}
        assert openai.models.retrieve("four").shutdown_date == "2242-03-16T12:56:32Z"
    with Mistral(server_url=small.url, api_key=small.api_key) as mistral:
        [card] = [card for card in mistral.models.list().data or [] if card.id == "four"]
        assert card.deprecation is not None
        assert card.deprecation.year == 2242
        assert card.deprecation_replacement_model == "one"
        assert card.default_model_temperature == 0.25
        assert mistral.models.retrieve(model_id="one").capabilities.completion_chat
    client.post("/v1/server/models/four", json={"retires_at": None, "replacement": None, "default_temperature": None})
    assert client.get("/v1/models/four").json()["deprecation"] is None


def test_a_model_s_retirement_is_announced_in_headers_and_then_takes_effect(client: httpx.Client) -> None:
    end = int(time.time()) + 100
    changed = client.post("/v1/server/models/three", json={"retires_at": end, "replacement": "two"})
    assert changed.status_code == 200, changed.text
    before = ask(client, "three")
    assert before.status_code == 200
    assert parsedate_to_datetime(before.headers["sunset"]).timestamp() == end
    assert before.headers["deprecation"] == f"@{changed.json()['deprecated_at']}"
    assert before.headers["link"] == '</v1/models/two>; rel="successor-version"'
    assert "sunset" not in ask(client, "two").headers
    client.post("/v1/server/models/three", json={"retires_at": int(time.time())})
    after = ask(client, "three")
    assert after.status_code == 410
    assert "retired on" in after.json()["message"]
    assert "use 'two' in its place" in after.json()["message"]
    assert "three" not in {model["id"] for model in client.get("/v1/models").json()["data"]}
    assert client.get("/v1/server/models/three").json()["retired"] is True
    client.post("/v1/server/models/three", json={"retires_at": None})
    assert ask(client, "three").status_code == 200


def test_an_operator_says_which_languages_a_model_is_good_at(client: httpx.Client) -> None:
    changed = client.post("/v1/server/models/two", json={"languages": ["fr", "pt-BR", "fr"]})
    assert changed.json()["card"]["languages"] == ["fr", "pt-BR"]
    assert client.get("/v1/models/two").json()["languages"] == ["fr", "pt-BR"]
    assert client.post("/v1/server/models/two", json={"languages": ["French, German"]}).status_code in (400, 422)
    client.post("/v1/server/models/two", json={"languages": None})
    assert client.get("/v1/models/two").json()["languages"] == []


def test_a_model_from_a_folder_can_be_downloaded_only_if_the_operator_opens_it(
    client: httpx.Client, small: RunningServer
) -> None:
    refused = client.get("/v1/models/two/files")
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_open")
    client.post("/v1/server/models/two", json={"access": "open"})
    listed = {file["name"]: file for file in client.get("/v1/models/two/files").json()["data"]}
    content = (small.home / "models" / "two" / "model.safetensors").read_bytes()
    file = listed["model.safetensors"]
    assert (file["size_bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    path = "/v1/models/two/files/model.safetensors"
    whole = client.get(path)
    assert whole.content == content
    assert whole.headers["etag"] == f'"{file["sha256"]}"'
    assert client.head(path).headers["content-length"] == str(len(content))
    begin = client.get(path, headers={"range": "bytes=0-99"})
    rest = client.get(path, headers={"range": "bytes=100-", "if-range": whole.headers["etag"]})
    assert (begin.status_code, rest.status_code) == (206, 206)
    assert begin.content + rest.content == content
    assert client.get(path, headers={"range": "bytes=100-", "if-range": '"other"'}).status_code == 200
    beyond = client.get(path, headers={"range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["content-range"] == f"bytes */{len(content)}"
    unread = client.get(path, headers={"range": "bytes=two-three"})
    assert (unread.status_code, unread.json()["code"]) == (400, "invalid_range")
    document = client.get("/openapi.json").json()["paths"]["/v1/models/{model_id}/files/{file}"]["get"]
    assert {"200", "206", "416"} <= set(document["responses"])
    assert "Range" in {parameter["name"] for parameter in document["parameters"]}
    client.post("/v1/server/models/two", json={"access": "commercial"})
    assert client.get(path).status_code == 403


def test_another_server_can_pull_only_open_models(
    client: httpx.Client, small: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, address = ModelStore(tmp_path), f"{small.url}/v1/models/three"
    monkeypatch.setenv("HF_TOKEN", "not for this server")
    monkeypatch.delenv("AQUILON_API_KEY", raising=False)
    with pytest.raises(PullError, match="AQUILON_API_KEY holds the key"):
        pull(address, store)
    monkeypatch.setenv("AQUILON_API_KEY", small.api_key)
    with pytest.raises(PullError, match=r"answered 403 for .three.: .* answers over the API only"):
        pull(address, store)
    client.post("/v1/server/models/three", json={"access": "open"})
    pulled_model = pull(address, store)
    assert (pulled_model.name, pulled_model.source) == ("three", address)
    assert [file.sha256 for file in pulled_model.files] == [
        file["sha256"] for file in client.get("/v1/models/three/files").json()["data"]
    ]
    assert pull(address, store) == pulled_model


@pytest.mark.parametrize(
    "name", ["manifest.json", "%2e%2e/one/config.json", "..%2Fone%2Fconfig.json", "%2Fetc%2Fpasswd", "config.json/", ""]
)
def test_only_a_model_s_own_files_can_be_downloaded(client: httpx.Client, name: str) -> None:
    client.post("/v1/server/models/four", json={"access": "open"})
    answer = client.get(f"/v1/models/four/files/{name}", follow_redirects=False)
    assert answer.status_code in (404, 403, 307), answer.text[:200]


def test_a_model_is_loaded_unloaded_and_removed(client: httpx.Client, small: RunningServer, tmp_path: Path) -> None:
    def state() -> str:
        return str(client.get("/v1/server/models/spare").json()["state"])

    store_model(small.home / "models", "spare", tiny_checkpoint(9))
    assert state() == "unloaded"
    assert client.post("/v1/server/models/spare/load").status_code == 202
    wait_until(lambda: state() == "ready")
    listed = client.get("/v1/server/models").json()
    assert (
        listed["memory_bytes"] >= next(model["memory_bytes"] for model in listed["data"] if model["id"] == "spare") > 0
    )
    refused = client.delete("/v1/server/models/spare")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_in_use")
    client.post("/v1/server/models/spare/unload")
    wait_until(lambda: state() == "unloaded")
    assert answering(client, "spare") == "spare"
    client.post("/v1/server/models/spare/unload")
    wait_until(lambda: state() == "unloaded")
    set_alias(client, name="other-name", target="spare")
    removed = client.delete("/v1/server/models/spare")
    assert removed.status_code == 200, removed.text
    gone = client.get("/v1/models/other-name")
    assert (gone.status_code, "isn't here any more" in gone.json()["message"]) == (404, True)
    assert removed.json()["freed_bytes"] > 1000
    assert not (small.home / "models" / "spare").exists()
    assert client.delete("/v1/server/models/spare").status_code == 404


def test_the_server_stays_ready_when_a_startup_model_is_unloaded(client: httpx.Client) -> None:
    client.post("/v1/server/models/one/unload")
    wait_until(lambda: client.get("/v1/server/models/one").json()["state"] == "unloaded")
    assert client.get("/ready").status_code == 200
    assert answering(client, "one") == "one"


def pulled(client: httpx.Client, id_: str, *states: str) -> dict[str, Any]:
    wait_until(lambda: client.get(f"/v1/server/pulls/{id_}").json()["state"] in states)
    return dict(client.get(f"/v1/server/pulls/{id_}").json())


def test_a_model_pulled_in_the_background_can_be_used_at_once(client: httpx.Client) -> None:
    started = client.post("/v1/server/pulls", json={"source": "hf:eagle/Open"})
    assert started.status_code == 202
    done = pulled(client, started.json()["id"], "done", "failed")
    assert (done["model"], done["error"]) == ("Open", None)
    assert done["done_bytes"] == done["total_bytes"] > 0
    assert answering(client, "Open") == "Open"
    assert client.get("/v1/models/Open").json()["access"] == "open"
    assert client.get("/v1/models/Open/files").status_code == 200


def test_a_cancelled_pull_goes_on_when_it_is_requested_again(client: httpx.Client, hub: FakeHub) -> None:
    hub.held = threading.Event()
    id_ = client.post("/v1/server/pulls", json={"source": "hf:eagle/Slow"}).json()["id"]
    wait_until(lambda: any("/content/eagle/Slow" in path for path, _, _ in hub.requests))
    assert client.get(f"/v1/server/pulls/{id_}").json()["state"] == "running"
    assert client.post(f"/v1/server/pulls/{id_}/cancel").json()["state"] == "cancelled"
    hub.held.set()
    hub.held = None
    again = client.post("/v1/server/pulls", json={"source": "hf:eagle/Slow"}).json()["id"]
    assert pulled(client, again, "done", "failed")["error"] is None
    assert [pull["state"] for pull in client.get("/v1/server/pulls").json()["data"][:2]] == ["done", "cancelled"]


def ollamas_lines(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/pull", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_ollama_s_clients_pull_and_remove_a_model(client: httpx.Client, hub: FakeHub) -> None:
    hub.repositories["eagle/Home"] = HubRepository(tiny_checkpoint(seed=7), card={"license": "apache-2.0"})
    first, *progress, last = ollamas_lines(client, model="hf.co/eagle/Home")
    assert (first, last) == ({"status": "pulling manifest"}, {"status": "success"})
    assert progress[-1]["completed"] == progress[-1]["total"] > 0
    assert all(line["digest"] in line["status"] for line in progress)
    for name in ("Home", "Home:latest", "hf.co/eagle/Home:latest", "hf:eagle/Home"):
        asked = {"model": name, "messages": QUESTION, "stream": False, "options": {"num_predict": 1}}
        assert client.post("/api/chat", json=asked).json()["model"] == "Home"
    assert ollamas_lines(client, name="Home", stream=False) == [{"status": "success"}], "it is here already"
    entries = client.get("/v1/organization/audit_logs").json()["data"]
    assert [entry["type"] for entry in entries[:1]] == ["model.pull_started"]

    busy = client.request("DELETE", "/api/delete", json={"model": "Home"})
    assert (busy.status_code, "unload it first" in busy.json()["error"]) == (409, True)
    unloaded = client.post("/api/generate", json={"model": "Home", "keep_alive": 0, "stream": False})
    assert unloaded.json()["done_reason"] == "unload"
    assert "Home" not in [model["name"] for model in client.get("/api/ps").json()["models"]]
    assert client.post("/api/chat", json={"model": "Home", "stream": False}).json()["done_reason"] == "load"
    wait_until(lambda: "Home" in [model["name"] for model in client.get("/api/ps").json()["models"]])
    client.post("/api/chat", json={"model": "Home", "keep_alive": "0s"})
    assert client.request("DELETE", "/api/delete", json={"model": "Home:latest"}).status_code == 200
    assert client.request("DELETE", "/api/delete", json={"model": "Home"}).status_code == 404


def test_an_ollama_client_that_leaves_cancels_its_pull(client: httpx.Client, hub: FakeHub) -> None:
    hub.repositories["eagle/Long"] = HubRepository(tiny_checkpoint(seed=8), card={"license": "apache-2.0"})
    hub.held = threading.Event()
    with client.stream("POST", "/api/pull", json={"model": "hf:eagle/Long"}) as answer:
        next(answer.iter_lines())
        [pull] = [pull for pull in client.get("/v1/server/pulls").json()["data"] if pull["state"] == "running"]
    assert pulled(client, pull["id"], "cancelled", "done", "failed")["state"] == "cancelled"
    hub.held.set()
    hub.held = None


@pytest.mark.parametrize(
    ("name", "words"), [("llama3.2", "not from Ollama's library"), ("hf:nobody/nothing", "nobody/nothing")]
)
def test_an_ollama_pull_that_fails_says_why(client: httpx.Client, name: str, words: str) -> None:
    answer = client.post("/api/pull", json={"model": name})
    last = json.loads(answer.text.splitlines()[-1])
    assert words in last["error"]
    whole = client.post("/api/pull", json={"model": name, "stream": False})
    assert (whole.status_code, words in whole.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("/etc", 400, "run aquilon pull"),
        ("https://example.com/model", 400, "hf:owner/repo or pypi:package"),
        ("hf:nobody/nothing", 202, ""),
    ],
)
def test_a_pull_that_fails_says_why(client: httpx.Client, source: str, status: int, words: str) -> None:
    answer = client.post("/v1/server/pulls", json={"source": source})
    assert answer.status_code == status
    if status == 202:
        ended = pulled(client, answer.json()["id"], "failed", "done")
        assert "nobody/nothing" in ended["error"]
    else:
        assert words in answer.json()["message"]


@pytest.mark.parametrize(("name", "value"), [("memory_bytes", "x"), ("memory_bytes", "0"), ("language", "x" * 21)])
def test_an_invalid_query_parameter_has_the_usual_error_body(client: httpx.Client, name: str, value: str) -> None:
    answer = client.get("/v1/server/model-suggestions", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == name
    assert answer.json()["detail"][0]["loc"] == ["query", name]


def test_suggestions_fit_the_memory(client: httpx.Client) -> None:
    suggestions = client.get(
        "/v1/server/model-suggestions", params={"memory_bytes": 16 * 10**9, "language": "fr"}
    ).json()
    assert suggestions["data"]
    assert all(model["memory_bytes"] < 16 * 10**9 and "fr" in model["languages"] for model in suggestions["data"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/server/models"),
        ("GET", "/v1/server/models/one"),
        ("POST", "/v1/server/models/one"),
        ("POST", "/v1/server/models/one/load"),
        ("POST", "/v1/server/models/one/unload"),
        ("DELETE", "/v1/server/models/one"),
        ("GET", "/v1/server/model-suggestions"),
        ("GET", "/v1/server/pulls"),
        ("POST", "/v1/server/pulls"),
        ("GET", "/v1/server/pulls/pull_x"),
        ("POST", "/v1/server/pulls/pull_x/cancel"),
        ("GET", "/v1/server/aliases"),
        ("POST", "/v1/server/aliases"),
        ("DELETE", "/v1/server/aliases/soon"),
        ("POST", "/v1/server/aliases/soon/rollback"),
    ],
)
def test_only_the_operator_may_use_these_routes(
    client: httpx.Client, small: RunningServer, method: str, path: str
) -> None:
    bodies = {
        "/v1/server/aliases": {"name": "x", "target": "one"},
        "/v1/server/pulls": {"source": "hf:a/b"},
        "/v1/server/models/one": {"access": "open"},
    }
    with as_key(small, new_key(client)) as other:
        answer = other.request(method, path, json=bodies.get(path, {}) if method == "POST" else None)
    assert answer.status_code == 403, answer.text


def test_changes_are_in_the_audit_log(client: httpx.Client) -> None:
    set_alias(client, name="audited", target="one")
    client.post("/v1/server/models/one", json={"description": "Ours"})
    entries = client.get("/v1/organization/audit_logs").json()["data"]
    actions = [entry.get("type") or entry.get("action") for entry in entries[:2]]
    assert actions == ["model.changed", "model_alias.set"]


@pytest.mark.slow
def test_a_pull_ends_with_its_server_and_goes_on_with_the_next(hub: FakeHub, tmp_path: Path) -> None:
    store_model(tmp_path / "home" / "models", "tiny")
    environment = {"AQUILON_MODELS": "tiny", "HF_ENDPOINT": hub.endpoint}
    first = start_server(tmp_path / "home", environment=environment, until="Listening")
    key = administrators_key(first)
    order = {"source": "hf:eagle/Slow", "name": "slow"}
    hub.held, earlier_requests = threading.Event(), len(hub.requests)
    with as_key(first, key) as client:
        assert client.post("/v1/server/pulls", json=order).status_code == 202
    wait_until(lambda: any("/content/eagle/Slow" in path for path, _, _ in hub.requests[earlier_requests:]))
    first.process.kill()
    first.process.wait()
    hub.held.set()
    hub.held = None
    wait_until(lambda: not pull_processes(tmp_path / "home"))
    second = start_server(tmp_path / "home", environment=environment, until="Listening")
    try:
        with as_key(second, key) as client:
            assert [pull["state"] for pull in client.get("/v1/server/pulls").json()["data"]] == ["interrupted"]
            again = client.post("/v1/server/pulls", json=order).json()["id"]
            assert pulled(client, again, "done", "failed")["model"] == "slow"
    finally:
        second.stop()


def pull_processes(home: Path) -> list[str]:
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().decode()
            if "pulls.job" in command and str(home) in command:
                pids.append(process.name)
    return pids


async def test_a_gateway_refuses_to_pull(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="gateway only"):
        await Pulls(None, tmp_path / "pulls.json").start(PullOrder(store="", source="hf:a/b"), "admin")
