"""The server process: its memory, log and metrics, its start and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fastapi.routing import APIRoute
from openai import OpenAI
from tests.support.polling import wait_until
from tests.support.prepared import run_prepared
from tests.support.server import RunningServer, prepare_home, start_server

from aquilon.api.all_routes import ROUTES
from aquilon.storage import migrations

MODEL = "smollm2-135m"
LONG = {"model": MODEL, "messages": [{"role": "user", "content": "Tell a long story."}], "ignore_eos": True}


def children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    direct = [int(child) for child in listing.read_text().split()] if listing.exists() else []
    return direct + [grandchild for child in direct for grandchild in children(child)]


def proportional_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def frames(answer: httpx.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")


def engine_is_idle(server: RunningServer) -> bool:
    """Whether the engine has no running requests."""
    return "\naquilon:num_requests_running 0.0\n" in httpx.get(f"{server.url}/metrics").text


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_the_engine(server: RunningServer, http: httpx.Client, stream: bool) -> None:
    if stream:
        with http.stream("POST", "/v1/chat/completions", json=LONG | {"stream": True}) as answer:
            next(frames(answer))
    else:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/v1/chat/completions", json=LONG, timeout=1.5)
    wait_until(lambda: engine_is_idle(server))
    aborted = f'aquilon:request_success_total{{finished_reason="abort",model_name="{MODEL}"}}'
    assert aborted in httpx.get(f"{server.url}/metrics").text


def test_metrics_have_vllms_names(http: httpx.Client) -> None:
    question = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "ignore_eos": True}
    assert http.post("/v1/chat/completions", json=question).status_code == 200
    page = http.get("/metrics").text
    for name in (
        "num_requests_running",
        "num_requests_waiting",
        "kv_cache_usage_perc",
        "prefix_cache_queries_total",
        "prefix_cache_hits_total",
        "num_preemptions_total",
    ):
        assert f"\naquilon:{name} " in page
    for name in (
        "prompt_tokens_total",
        "generation_tokens_total",
        "time_to_first_token_seconds_count",
        "inter_token_latency_seconds_count",
        "request_time_per_output_token_seconds_count",
        "e2e_request_latency_seconds_count",
        "request_prompt_tokens_count",
        "request_generation_tokens_count",
    ):
        assert f'\naquilon:{name}{{model_name="{MODEL}"}} ' in page
    assert f'aquilon:request_success_total{{finished_reason="length",model_name="{MODEL}"}}' in page


def test_a_start_imports_nothing_that_only_some_servers_use() -> None:
    """They are for upstreams, sign-on, sealed secrets, upgrades, PostgreSQL, colours, local models, and routes that few
    people use: 60 MB and half a second."""
    of_upstreams, of_secrets = ("aiohttp", "httpx"), ("cryptography", "joserfc")
    of_upgrades = ("alembic", "sqlalchemy.dialects.postgresql")
    of_areas = ("aquilon.api.jobs", "aquilon.api.libraries", "aquilon.api.ollama", "aquilon.web.openapi")
    others = ("jinja2", "numpy", "pygments", "rich", "tokenizers", "torch")
    some = (*of_upstreams, *of_secrets, *of_upgrades, *of_areas, *others)
    program = f"import aquilon.web.serving, sys; print(*[name for name in {some} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == ""


@pytest.mark.slow
def test_the_api_process_is_small(tmp_path: Path, default_model_file: Path) -> None:
    prepare_home(tmp_path, default_model_file)
    running = start_server(tmp_path, anew=True)
    try:
        headers = {"authorization": f"Bearer {running.api_key}"}
        for _ in range(20):
            httpx.post(
                f"{running.url}/v1/chat/completions", json=LONG | {"max_tokens": 2}, headers=headers, timeout=60
            ).raise_for_status()
        assert proportional_bytes(running.pid) <= 140e6
    finally:
        running.stop()


def test_the_log_has_the_user_but_no_content_and_no_secret(server: RunningServer, http: httpx.Client) -> None:
    secret = "xylophone-42"
    body = {"model": MODEL, "messages": [{"role": "user", "content": secret}], "max_tokens": 1}
    answer = http.post(f"/v1/chat/completions?q={secret}", json=body, headers={"x-request-id": "asked-by-me"})
    assert answer.headers["x-request-id"] == "asked-by-me"
    assert http.get("/v1/models").status_code == 200  # a request's line is written after its answer is sent
    assert "request_id=asked-by-me" in server.log
    assert "user=user_" in server.log
    assert secret not in server.log
    assert server.api_key not in server.log


class TestPages:
    def test_every_answer_has_the_security_headers(self, server: RunningServer) -> None:
        for path in ("/", "/docs", "/health", "/v1/models", "/nothing", "/openapi.json"):
            headers = httpx.get(f"{server.url}{path}").headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
            assert "require-trusted-types-for 'script'" in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"

    def test_openapi_json_describes_every_route_and_its_references_resolve(self, server: RunningServer) -> None:
        document = httpx.get(f"{server.url}/openapi.json").json()
        written = {
            route.path.replace(":path}", "}")
            for routes in ROUTES
            for route in routes.router.routes
            if isinstance(route, APIRoute) and route.include_in_schema
        }
        assert set(document["paths"]) == written
        assert {"/v1/chat/completions", "/v1/files/{file_id}/content", "/v1/server/upstreams"} <= written
        references = [part.split('"')[0] for part in json.dumps(document).split('"$ref": "#/components/schemas/')[1:]]
        assert set(references) <= set(document["components"]["schemas"])

    def test_the_document_begins_with_what_a_newcomer_needs(self, server: RunningServer) -> None:
        document = httpx.get(f"{server.url}/openapi.json").json()
        tags = [tag["name"] for tag in document["tags"]]
        used = {tag for path in document["paths"].values() for operation in path.values() for tag in operation["tags"]}
        assert (tags[0], tags[-1]) == ("chat", "operations")
        assert set(tags) == used

    def test_every_route_with_security_refuses_a_request_without_a_key(self, server: RunningServer) -> None:
        document = httpx.get(f"{server.url}/openapi.json").json()
        locked = 0
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation["security"] and path != "/metrics":
                    answer = httpx.request(method, f"{server.url}{path.replace('{model_id}', MODEL)}")
                    assert answer.status_code == 401, path
                    locked += 1
        assert locked >= 6


class TestLife:
    @pytest.fixture
    def own(self, tmp_path: Path, default_model_file: Path) -> Iterator[RunningServer]:
        """A server that a test may end."""
        prepare_home(tmp_path, default_model_file)
        running = start_server(tmp_path, anew=True)
        yield running
        if running.process.poll() is None:
            running.stop()

    @pytest.mark.slow
    def test_sigterm_lets_running_answers_go_on_and_ends_all_processes_within_ten_seconds(
        self, own: RunningServer
    ) -> None:
        key = {"authorization": f"Bearer {own.api_key}"}
        tree = [own.pid, *children(own.pid)]
        assert len(tree) >= 2
        url = f"{own.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=LONG | {"stream": True}, headers=key, timeout=30) as answer:
            events = frames(answer)
            next(events)
            os.kill(own.pid, signal.SIGTERM)
            rest = list(events)
        error = json.loads(rest[-1])
        assert error["error"]["type"] == "overloaded"
        assert "stopping" in error["message"]
        assert own.process.wait(10) == 0
        assert not [pid for pid in tree if Path(f"/proc/{pid}").exists()]
        assert own.process.stdout is not None
        ended = json.loads(own.process.stdout.read().splitlines()[-1])
        assert ended == {"report": "Ended", "torch": False}

    def test_the_second_start_creates_no_new_key(self, tmp_path: Path) -> None:
        first = start_server(tmp_path, environment={"AQUILON_MODELS": "none"})
        assert first.stop() == 0
        second = start_server(tmp_path, environment={"AQUILON_MODELS": "none"})
        try:
            assert second.api_key == ""
            key = {"authorization": f"Bearer {first.api_key}"}
            assert httpx.get(f"{second.url}/v1/models", headers=key).status_code == 200
        finally:
            second.stop()

    def test_requests_are_answered_although_the_database_cannot_be_written(self, tmp_path: Path) -> None:
        """Triggers that abort have the effect of a full disk."""
        running = start_server(tmp_path, environment={"AQUILON_MODELS": "none"})
        try:
            with sqlite3.connect(tmp_path / "aquilon.db") as database:
                for table in ("api_keys", "login_links"):
                    body = "BEGIN SELECT RAISE(ABORT, 'full'); END"
                    database.execute(f"CREATE TRIGGER {table}_full BEFORE UPDATE ON {table} {body}")
            key = {"authorization": f"Bearer {running.api_key}"}
            assert httpx.get(f"{running.url}/v1/models", headers=key).status_code == 200
            token = running.login_link.partition("#login=")[2]
            refused = httpx.post(f"{running.url}/auth/login", json={"token": token})
            assert refused.status_code == 503
            assert refused.json()["error"]["type"] == "overloaded"
        finally:
            running.stop()

    def test_a_killed_engine_sends_an_error_event_and_the_next_request_is_answered(
        self, own_server: RunningServer
    ) -> None:
        question: list[Any] = [{"role": "user", "content": "Tell a long story."}]
        with OpenAI(base_url=f"{own_server.url}/v1", api_key=own_server.api_key, max_retries=0) as client:
            stream = client.chat.completions.create(
                model=MODEL, messages=question, stream=True, extra_body={"ignore_eos": True}
            )
            next(stream)
            for child in children(own_server.pid):
                os.kill(child, signal.SIGKILL)
            with pytest.raises(openai.APIError, match="engine process ended") as caught:
                list(stream)
            assert caught.value.code == "engine_failed"
            assert httpx.get(f"{own_server.url}/ready").status_code == 503
            assert client.chat.completions.create(model=MODEL, messages=question, max_tokens=1).choices
            assert httpx.get(f"{own_server.url}/ready").status_code == 200


class TestStart:
    def start(self, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {key: value for key, value in os.environ.items() if not key.startswith("AQUILON_")}
        variables |= {"AQUILON_HOME": str(home), "AQUILON_PORT": "0", "AQUILON_MODELS": "none"} | environment
        return run_prepared("serve", variables=variables)

    def test_the_error_for_a_taken_port_suggests_another(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            ended = self.start(tmp_path, AQUILON_PORT=str(port))
        assert ended.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in ended.stderr
        assert "--port" in ended.stderr

    def test_a_second_server_on_a_home_is_refused(self, server: RunningServer) -> None:
        ended = self.start(server.home)
        assert ended.returncode == 1
        assert f"at {server.url} (process {server.pid})" in ended.stderr

    def test_the_error_for_a_missing_model_names_the_model(self, tmp_path: Path) -> None:
        ended = self.start(tmp_path, AQUILON_MODELS="mistral-huge")
        assert ended.returncode == 1
        assert "'mistral-huge' does not exist" in ended.stderr

    def test_a_database_of_a_newer_version_is_refused_with_its_schema(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "aquilon.db") as database:
            database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            database.execute("INSERT INTO alembic_version VALUES ('9999')")
        ended = self.start(tmp_path)
        assert ended.returncode == 1
        assert (
            f"schema 9999, written by a newer Aquilon; this version knows up to {migrations.REVISIONS[-1]}"
            in ended.stderr
        )

    def test_a_file_that_is_not_a_database_is_refused_with_its_path(self, tmp_path: Path) -> None:
        (tmp_path / "aquilon.db").write_bytes(b"not a database" * 100)
        ended = self.start(tmp_path)
        assert ended.returncode == 1
        assert f"{tmp_path / 'aquilon.db'} can't be used" in ended.stderr

    def test_the_error_for_a_home_that_cannot_be_created_suggests_another(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        ended = self.start(tmp_path / "file" / "home")
        assert ended.returncode == 1
        assert "choose another with --home" in ended.stderr


def test_an_alias_names_a_model_and_a_star_matches_all_other_names(server: RunningServer, tmp_path: Path) -> None:
    """Resolved in this process: an alias needs no engine."""
    from aquilon.catalogue.annotations import Annotations
    from aquilon.catalogue.catalogue import Catalogue
    from aquilon.checkpoints.store import ModelStore

    store = ModelStore(server.home / "models")
    catalogue = Catalogue(store, Annotations(settings_aliases={"gpt-4o": MODEL, "*": MODEL}), names=[MODEL])
    assert catalogue.card("gpt-4o").name == MODEL
    assert catalogue.card("anything-else").name == MODEL
    assert catalogue.cards()[0].aliases == ("gpt-4o",)
